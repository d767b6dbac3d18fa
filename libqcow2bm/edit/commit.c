/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commit: the one path by which the library changes an image, in its phases. */
#include "commit.h"

#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "../image/directory.h"
#include "../image/extensions.h"

enum qcow2bm_code q2_commit_open(struct q2_commit **result, struct qcow2bm_edit *edit,
				 const struct qcow2bm_commit_options *options,
				 unsigned flags, const struct qcow2bm_watch *watch,
				 struct qcow2bm_error *err)
{
	struct q2_commit *commit = calloc(1, sizeof(*commit));
	if (commit == NULL)
		return q2_fail_memory(err, "an edit");
	commit->image = edit->image;
	commit->options = *options;
	enum qcow2bm_code code =
		q2_watch_begin(&commit->watch, watch, "the image is as it was", err);
	if (code == QCOW2BM_OK)
		code = q2_plan_make(&commit->plan, edit, flags, &commit->watch, err);
	commit->is_nothing = code == QCOW2BM_OK && q2_edit_is_nothing(edit);
	if (code == QCOW2BM_OK && !commit->is_nothing)
		code = q2_switch_plan(&commit->header, &commit->plan, err);
	if (code != QCOW2BM_OK) {
		q2_commit_close(commit);
		return code;
	}
	*result = commit;
	return QCOW2BM_OK;
}

void q2_commit_close(struct q2_commit *commit)
{
	if (commit == NULL)
		return;
	q2_switch_free(&commit->header);
	q2_directory_free(&commit->directory);
	q2_clusters_free(&commit->written);
	q2_plan_free(&commit->plan);
	free(commit);
}

static enum qcow2bm_code run_steps(struct q2_commit *commit, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_new_state_write(commit, err);
	if (code == QCOW2BM_OK && !commit->is_nothing)
		code = q2_switch_prepare(commit, err);
	if (code == QCOW2BM_OK && !commit->is_nothing)
		code = q2_gate_ask(commit, err);
	return code;
}

enum qcow2bm_code q2_commit_prepare(struct q2_commit *commit, struct qcow2bm_error *err)
{
	if (commit->is_nothing)
		return QCOW2BM_OK;
	enum qcow2bm_code code = run_steps(commit, err);
	if (code != QCOW2BM_OK)
		q2_commit_roll_back(commit);
	return code;
}

void q2_commit_roll_back(struct q2_commit *commit)
{
	if (commit->is_nothing)
		return;
	q2_release_reserve(commit);
	/* Refcount structures that have grown may stand behind the old end. */
	(void)q2_storage_length(commit->image->storage, &commit->image->file_bytes, NULL);
}

enum qcow2bm_code q2_commit_switch(struct q2_commit *commit, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = commit->is_nothing ? q2_settle(commit, err)
						    : q2_switch_commit(commit, err);
	if (code != QCOW2BM_OK) {
		commit->image->must_reopen = true;
		return code;
	}
	commit->result.switched = true;
	commit->result.written_clusters = q2_clusters_total(&commit->written);
	commit->result.refcount_clusters =
		q2_grow_refcounts_clusters(&commit->plan.growth);
	return QCOW2BM_OK;
}

/* The image object follows what is on disk now. */
static void adopt(struct q2_commit *commit)
{
	struct qcow2bm_image *image = commit->image;
	q2_generation_end(image, Q2_GENERATION_COMMITTED);
	q2_directory_free(&image->directory);
	image->directory = commit->directory;
	memset(&commit->directory, 0, sizeof(commit->directory));
	image->damage_count = 0;
	image->must_reopen = q2_extensions_load(image, NULL) != QCOW2BM_OK;
}

void q2_commit_finish(struct q2_commit *commit)
{
	if (!commit->is_nothing) {
		q2_switch_tidy(commit);
		q2_release(commit);
		adopt(commit);
	}
	if (q2_edit_restart(commit->plan.edit, NULL) != QCOW2BM_OK)
		commit->image->must_reopen = true;
	q2_watch_end(&commit->watch);
}
