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
 * Commits the edits, each of another image, together. All are prepared, which is all that can fail
 * in an ordinary way: what fails rolls all of them back. Then each image is switched over, then each
 * is finished. An edit that changes nothing takes part only by its SYNC. Edits may read each other's
 * images: they see the state before.
 *
 * results (NULL allowed) has room for `count`; each is set in any case, and lives as that of
 * qcow2bm_edit_commit(). *failed (NULL allowed) is the index of the edit that failed, or SIZE_MAX
 * when it was none of them alone. The watch is asked and told for one image after the other.
 *
 * Errors: those of qcow2bm_edit_commit(), for any of them: no image is switched over. EUNKNOWN: see
 * `switched` of each result; all images must be opened anew.
 * Crash: each image has the old state or the new, at most with leaked clusters.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_together_commit(const struct qcow2bm_together_edit *edits, size_t count,
			const char *intent_path,
			const struct qcow2bm_commit_options *options,
			const struct qcow2bm_result **results, size_t *failed,
			const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
