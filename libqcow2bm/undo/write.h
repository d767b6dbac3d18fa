/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing an undo file: one record behind the other. */
#ifndef Q2_UNDO_WRITE_H
#define Q2_UNDO_WRITE_H

#include "record.h"

struct q2_undo_writer {
	struct q2_storage *file;
	uint64_t id;
	uint64_t at;        /* where the next record goes */
	uint64_t batch_off; /* where `at` was when the file was last synced */
	uint64_t room;      /* the file's length; zeros from `at` on */
	bool is_short;      /* the room ahead could not be made */
	uint64_t number;
	uint32_t stretch;
	uint8_t record[Q2_UNDO_MAX_RECORD];
};

/* *err becomes `cause`, said of the undo file. Returns its code. */
enum qcow2bm_code q2_undo_write_blame(const struct qcow2bm_error *cause,
				      struct qcow2bm_error *err);

/* Writes and syncs the header of an empty file. Errors, of all of these: ESYSTEM; the sentence
 * says that it is the undo file's. */
enum qcow2bm_code q2_undo_write_header(struct q2_undo_writer *writer,
				       struct q2_undo_header *header,
				       struct qcow2bm_error *err);

/* Sums of `sectors` sectors of `bytes`, for the record that is appended next. */
void q2_undo_write_sums(struct q2_undo_writer *writer, const uint8_t *bytes,
			size_t sectors);

/* The old bytes behind the sums of so many sectors. */
void q2_undo_write_old(struct q2_undo_writer *writer, const uint8_t *bytes,
		       uint32_t count, size_t sectors);

/* Writes one record behind the last one. It counts from the next sync on. */
enum qcow2bm_code q2_undo_write_append(struct q2_undo_writer *writer,
				       struct q2_undo_record *record,
				       struct qcow2bm_error *err);
enum qcow2bm_code q2_undo_write_sync(struct q2_undo_writer *writer,
				     struct qcow2bm_error *err);

#endif
