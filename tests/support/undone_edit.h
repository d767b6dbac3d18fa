/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit in memory that was noted in an undo file, and the undoing of it. */
#ifndef TESTS_UNDONE_EDIT_H
#define TESTS_UNDONE_EDIT_H

#include "edit/undo.h"
#include "edit_cases.h"
#include "record_storage.h"

struct undone_edit {
	struct memory_file image;   /* after the edit */
	struct memory_file undo;    /* the undo file */
	struct record_log log;      /* of the image; log.before is what it was */
	struct record_log undo_log; /* of the undo file */
	/* How many operations of undo_log came before operation i of log. */
	size_t *undo_counts;
	enum qcow2bm_code code; /* of the edit */
	struct qcow2bm_error err;
};

/* Does the edit with an undo file; `ends` says whether the undo file gets its end. False when
 * the image cannot be made or the undo file not begun: edit->err. */
bool undone_edit_run(struct undone_edit *edit, const struct edit_case *edit_case,
		     bool ends);
void undone_edit_free(struct undone_edit *edit);

/* q2_undo_run() of the two files; *log, when not NULL, is what it did to the image. */
enum qcow2bm_code undone_edit_undo(struct memory_file *image, struct memory_file *undo,
				   unsigned flags, struct qcow2bm_undo_result *result,
				   struct record_log *log, struct qcow2bm_error *err);

/* Sets the in-use flag of each bitmap. */
void undone_edit_mark(struct memory_file *image);

/* Whether any bitmap is not in use. */
bool undone_edit_has_valid(struct memory_file *image);

/* Whether the two lead to their bitmaps by the same directory. */
bool undone_edit_same_directory(struct memory_file *a, struct memory_file *b);

/*
 * Undoes `image`, which was `before`. Where that is refused since a bitmap could be falsely clean,
 * it is done with marks. False, with the reason in *err, unless the image is then what it was, with
 * all marks or without; without them only when the edit is over and nothing has written since, or
 * the image led to these bitmaps all the time.
 */
bool undone_edit_put_back(struct memory_file *image, struct memory_file *undo,
			  const struct memory_file *before, bool *was_marked,
			  struct qcow2bm_error *err);

bool undone_edit_same(const struct memory_file *a, const struct memory_file *b);

#endif
