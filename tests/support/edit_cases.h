/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images and edits that reach every path of a commit, for the tests of crashes and faults. */
#ifndef TESTS_EDIT_CASES_H
#define TESTS_EDIT_CASES_H

#include "memory_storage.h"

/* `image` is the name of a built image, or of a file of images/. `edit` is one or several
 * operations, one edit in all: "add NAME", "delete NAME", "rename NAME NEW", "clear NAME",
 * "enable NAME", "disable NAME", "merge NAME SOURCE", "merge-from NAME SOURCE" (the source
 * is in another image), "stored NAME", "allocated NAME", "full NAME", "compared NAME" (ways to recover it),
 * "carved NEW" (the deleted bitmap a comes back), with commas between them. */
struct edit_case {
	const char *image;
	const char *edit;
};

/* The guest's disk in the built images. */
#define EDIT_CASE_DISK_BYTES ((4u << 20) + 512)

extern const struct edit_case edit_cases[];
extern const size_t edit_case_count;

/* Makes the image the content of `file`. False when it is one of images/ and srcdir is not
 * in the environment or has no such file. */
bool edit_case_image(const char *image, struct memory_file *file);

/* A storage of that image over the file: a block device of fixed size where the image's name
 * says so, a regular file else. */
struct q2_storage *edit_case_storage(const char *image, struct memory_file *file);

/* Opens the image in `storage`, which it closes, and does the edit. `watch` may be NULL. */
enum qcow2bm_code edit_case_run(struct q2_storage *storage, const char *edit,
				const struct qcow2bm_watch *watch,
				struct qcow2bm_result *result, struct qcow2bm_error *err);

/* How what is staged is committed: qcow2bm_edit_commit(), or by its phases. */
typedef enum qcow2bm_code edit_case_commit(struct qcow2bm_edit *edit,
					   const struct qcow2bm_commit_options *options,
					   struct qcow2bm_result *result,
					   const struct qcow2bm_watch *watch,
					   struct qcow2bm_error *err);

/* edit_case_run() in another way. */
enum qcow2bm_code edit_case_run_by(struct q2_storage *storage, const char *edit,
				   edit_case_commit *commit,
				   const struct qcow2bm_watch *watch,
				   struct qcow2bm_result *result,
				   struct qcow2bm_error *err);

/* Stages the operations; `other` is what "merge-from" reads. */
enum qcow2bm_code edit_case_stage(struct qcow2bm_edit *edit, struct qcow2bm_image *other,
				  const char *words, struct qcow2bm_error *err);

/* The other image of "merge-from", NULL for an edit without; *file keeps its bytes. */
struct qcow2bm_image *edit_case_other(const char *edit, struct memory_file *file);

/* edit_case_run_by() with that, which stays open. */
enum qcow2bm_code edit_case_run_with(struct q2_storage *storage,
				     struct qcow2bm_image *other, const char *edit,
				     edit_case_commit *commit,
				     const struct qcow2bm_watch *watch,
				     struct qcow2bm_result *result,
				     struct qcow2bm_error *err);

/* Where the deleted bitmap of a "carved" image stands, as recover --carved takes it. */
#define EDIT_CASE_PLACE 40
bool edit_case_carved(struct memory_file *file, char place[EDIT_CASE_PLACE]);

#endif
