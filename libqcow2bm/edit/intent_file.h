/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The intent file: how it is stored and loaded, and, in its folder, its name, whose it must be, and that it is held
 * while its edit goes on. It is held by flock(): images may be on another file system, and one that was never completed
 * names none. Where there are no such locks it is not held, and only people tell an edit that goes on from one that was
 * cut off.
 */
#ifndef Q2_EDIT_INTENT_FILE_H
#define Q2_EDIT_INTENT_FILE_H

#include "intent.h"

/* Reads the file and decodes it. Errors: those of q2_intent_decode(); ELIMIT, ESYSTEM. */
enum qcow2bm_code q2_intent_load(struct q2_intent *intent, struct q2_storage *file,
				 bool *is_whole, struct qcow2bm_error *err);

/* Writes it to an empty file: the head, SYNC, the rest, SYNC. Errors: ELIMIT, ESYSTEM, ENOMEM.
 * Crash: a file that was never completed. */
enum qcow2bm_code q2_intent_store(const struct q2_intent *intent, struct q2_storage *file,
				  struct qcow2bm_error *err);

/* ---- In its folder ---- */

struct q2_intent_file_held {
	const char *path;
	bool is_trusted; /* created: others may not have written it, or it is refused */
	int fd;          /* -1: not held */
};

/* That which an edit has by itself, of which this image is the first; to be freed. NULL: no memory. */
char *q2_intent_file_path(const char *filename);

/* Makes it, empty, and holds it. Errors: ESYSTEM, EEXIST among them; EINVAL where the file system gives it to
 * somebody else; EBUSY: a resume has taken it away. */
enum qcow2bm_code q2_intent_file_create(struct q2_intent_file_held *held,
					struct q2_storage **file,
					struct qcow2bm_error *err);

/* Holds one that is there. Errors: EBUSY: its edit goes on; ESYSTEM. */
enum qcow2bm_code q2_intent_file_hold(struct q2_intent_file_held *held,
				      struct qcow2bm_error *err);

/* As q2_intent_load(). One that has other files, or any where must_be_own, is the caller's own: else EINVAL. Where
 * must_be_own it is whole, or has no more than its head: else EIMAGE, for it may be a whole one that is damaged. */
enum qcow2bm_code q2_intent_file_load(const struct q2_intent_file_held *held,
				      struct q2_intent *intent, bool *is_whole,
				      bool must_be_own, struct qcow2bm_error *err);

void q2_intent_file_let_go(struct q2_intent_file_held *held);

/* The error for one that is there: always ESYSTEM, EEXIST. */
enum qcow2bm_code q2_intent_file_fail_exists(const char *path, struct qcow2bm_error *err);

#endif
