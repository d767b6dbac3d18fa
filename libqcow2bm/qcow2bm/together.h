/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits of several images, committed as one. Included by qcow2bm.h. */
#ifndef QCOW2BM_TOGETHER_H
#define QCOW2BM_TOGETHER_H

#include "edit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One of the edits, and the name that its image was opened by. Its size stays what it is. */
struct qcow2bm_together_edit {
	struct qcow2bm_edit *edit;
	const char *filename;
};

/*
 * A small file of another program, of up to 2 MiB, that is to change with the images: it has the old bytes or the
 * new. NULL instead of bytes: it is not there, before or after. `temporary` is a name in the same file system that is
 * nobody else's: the new bytes are written there, for its owner alone, and renamed; a file keeps its mode and
 * owner. Nobody else may write it meanwhile, and no lock is taken for it. Its size stays what it is.
 */
struct qcow2bm_together_file {
	const char *filename;
	const char *temporary;
	const void *old_bytes;
	size_t old_count;
	const void *new_bytes;
	size_t new_count;
};

/*
 * Commits the edits, each of another image, together. All are prepared, which is all that can fail
 * in an ordinary way: what fails rolls all of them back. Then a file is made that says what each
 * image holds and what it is to hold, then each image is switched over, then each is finished, then
 * the file goes. An edit that changes nothing takes part only by its SYNC; where no more than one
 * changes anything it is qcow2bm_edit_commit(), and there is no file. Edits may read each other's
 * images: they see the state before. Files of the options change behind the images, and then there always is
 * that file; with them `count` may be 0.
 *
 * intent_path is that file; NULL: ".NAME.qcow2bm-intent" beside the first image. It is never written
 * over. results (NULL allowed) has room for `count`; each is set in any case, and lives as that of
 * qcow2bm_edit_commit(). *failed (NULL allowed) is the index of the edit that failed, or SIZE_MAX
 * when it was none of them alone. The watch is asked and told for one image after the other.
 *
 * Errors: those of qcow2bm_edit_commit() for any of them, and ELIMIT, ESYSTEM for the file, EEXIST
 * among them: a commit was cut off, and qcow2bm_together_resume() is due; EBUSY for one of the options' files that
 * does not hold its old bytes; EUNSUPPORTED where one is no regular file, or is not in one mount with its
 * temporary; EINVAL for a name that two of them have, for files without an edit and without intent_path, and for a
 * note that is too long. No image is switched over.
 * EUNKNOWN: the images must be opened anew; unless an edit without changes failed, the file stays, and
 * qcow2bm_together_resume() is due. ESYSTEM with `switched` of all results set: all is done, but
 * the file could not be removed.
 * Crash: each image has the old state or the new, at most with leaked clusters. When they may
 * differ the file is there.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_together_commit(const struct qcow2bm_together_edit *edits, size_t count,
			const char *intent_path,
			const struct qcow2bm_commit_options *options,
			const struct qcow2bm_result **results, size_t *failed,
			const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

/*
 * Whether a commit of several images of which this one was the first was cut off: its file, of the name
 * that it has by itself, is there. qcow2bm_together_commit() asks for each of its images. A program asks
 * before it finds out what is to be edited: what it finds may be half of that edit's work. Errors:
 * ESYSTEM, EEXIST: the sentence names the file; ENOMEM. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_together_check(const char *filename,
							    struct qcow2bm_error *err);

/* A commit of several images that was cut off. */
struct qcow2bm_cut_off {
	const char *intent_path;
	const char *const
		*filenames; /* of its images, absolute; none where it is not begun */
	size_t filename_count;
	bool is_begun; /* else its file was never completed, and no image was switched over */
	const void *
		note; /* that of the commit's options; NULL: it had none, or is not begun */
	size_t note_bytes;
};

/* Told of it; the pointers live until the function returns. */
typedef void qcow2bm_cut_off_fn(void *opaque, const struct qcow2bm_cut_off *cut_off);

/*
 * Looks at the file that a commit left which was cut off: intent_path, or NULL: the one that it has by itself
 * beside this image, which is not opened. Calls `fn` where there is one. A program knows by the note whether what it
 * is about to do was begun by itself, and resumes it without being told to: that is safe only because a file of
 * somebody else is not obeyed here.
 *
 * Errors: EINVAL for a file of another user, or that others may write; EBUSY: the commit still goes on, or is being
 * resumed; EIMAGE, ELIMIT, EUNSUPPORTED for what is no such file, and for one of which more is there than what
 * comes before the first image is changed, but not all: it may be damaged; ENOMEM, ESYSTEM. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_together_look(const char *filename, const char *intent_path,
		      qcow2bm_cut_off_fn *fn, void *opaque, struct qcow2bm_error *err);

enum {
	QCOW2BM_RESUME_DRY_RUN = 1u << 0, /* look, write nothing */
	QCOW2BM_RESUME_NO_LOCK = 1u << 1, /* take no locks: the caller vouches for it */
	/* Obey no file but what qcow2bm_together_look() would tell of: it may be another one by now. */
	QCOW2BM_RESUME_OWN = 1u << 2
};

/* What an image held when it was looked at. */
enum qcow2bm_resume_held {
	QCOW2BM_RESUME_OLD,    /* the state before the edit */
	QCOW2BM_RESUME_NEW,    /* the state after it */
	QCOW2BM_RESUME_NEITHER /* somebody has written since */
};

enum qcow2bm_resume_outcome {
	QCOW2BM_RESUME_FINISHED,   /* all images have the new state */
	QCOW2BM_RESUME_TAKEN_BACK, /* all have the old one */
	/* The file was never completed: no image was switched over, and none was looked at. */
	QCOW2BM_RESUME_NOT_BEGUN
};

/* The stable codes: "old", "new", "neither"; "finished", "taken-back", "not-begun". NULL for none. */
const char *qcow2bm_resume_held_name(enum qcow2bm_resume_held held);
const char *qcow2bm_resume_outcome_name(enum qcow2bm_resume_outcome outcome);

/* An image, or one of the other files that change with them: those come behind the images. */
struct qcow2bm_resume_image {
	const char *filename;
	enum qcow2bm_resume_held held;
};

struct qcow2bm_resume_result {
	enum qcow2bm_resume_outcome outcome;
	const struct qcow2bm_resume_image *images;
	size_t count;
	/* Clusters of the states that the images do not have, at most: a repair gives them back. */
	uint64_t leaked_clusters;
	unsigned syncs;
};

/* Told what was found and done; the result lives until the function returns. */
typedef void qcow2bm_resume_fn(void *opaque, const struct qcow2bm_resume_result *result);

/*
 * Finishes a commit of several images that was cut off, by the file that it left, or takes it back.
 * All images that the file names are opened, and locked, before anything else. Those that have the
 * old state are switched over if it is proven that the new one is whole and still right; else
 * those that have the new one are switched back, if the same is proven of the old. Then the file is
 * removed. Where nothing was switched over nothing needs to be proven. Doing it again does no harm.
 * Calls `fn`, which may be NULL, once it is done.
 *
 * The file's owner is trusted: it says which files to open, and the bytes that may be written there.
 *
 * Errors: EINVAL: an image has neither state, or nothing can be proven; EIMAGE, ELIMIT, EUNSUPPORTED
 * for what is no such file; EBUSY, also for a commit that still goes on; ENOMEM, ESYSTEM, EINTERRUPTED:
 * nothing was changed. EUNKNOWN: a write failed on the way; do it again. ESYSTEM after `fn` was called:
 * it is done, but the file could not be removed.
 * Crash: each image has the old state or the new, and the file is there; do it again.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_together_resume(const char *intent_path, unsigned flags, unsigned wait_seconds,
			qcow2bm_resume_fn *fn, void *opaque,
			const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
