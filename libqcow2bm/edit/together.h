/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the intent file of an edit of several images is: a folder, or what a test has for one. */
#ifndef Q2_EDIT_TOGETHER_H
#define Q2_EDIT_TOGETHER_H

#include "../qcow2bm.h"
#include "../storage/storage.h"
#include "intent.h"

struct q2_intent_place {
	const char *path; /* for sentences */
	void *opaque;
	/* Makes an empty file that was not there. Errors: ESYSTEM, ENOMEM. */
	enum qcow2bm_code (*create)(void *opaque, struct q2_storage **file,
				    struct qcow2bm_error *err);
	/* Removes it, on stable storage. Errors: ESYSTEM. */
	enum qcow2bm_code (*remove)(void *opaque, struct qcow2bm_error *err);
	/* The absolute name of an image, to be freed. Errors: ESYSTEM, ENOMEM. */
	enum qcow2bm_code (*resolve)(void *opaque, const char *filename, char **path,
				     struct qcow2bm_error *err);
};

/* What qcow2bm_together_commit() does, whose arguments these are. */
struct q2_together {
	const struct qcow2bm_together_edit *edits;
	size_t count;
	const struct qcow2bm_commit_options *options;
	const struct qcow2bm_result **results;
	const struct qcow2bm_watch *watch;
	const struct q2_intent_place *place;
	const struct qcow2bm_together_file *files;
	size_t file_count;
	const void *note; /* up to Q2_INTENT_MAX_NOTE */
	size_t note_bytes;
	struct q2_intent *intent; /* while it is committed */
	size_t failed;            /* for the caller to read */
};

enum qcow2bm_code q2_together_commit(struct q2_together *together,
				     struct qcow2bm_error *err);

#endif
