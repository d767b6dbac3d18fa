/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A commit as the caller sees it: in four phases, or in one. */
#include <errno.h>

#include "../base/error.h"
#include "../base/options.h"
#include "commit.h"

static void tell(struct qcow2bm_edit *edit, const struct qcow2bm_result *figures,
		 const struct qcow2bm_result **result)
{
	edit->result = *figures;
	if (result != NULL)
		*result = &edit->result;
}

/* ---- Prepare ------------------------------------------------------------------------ */

/* *figures goes on from one try to the next. */
static enum qcow2bm_code prepare_once(struct qcow2bm_edit *edit,
				      const struct qcow2bm_commit_options *options,
				      unsigned flags, struct qcow2bm_result *figures,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	struct q2_commit *commit;
	enum qcow2bm_code code = q2_commit_open(&commit, edit, options,
						options->flags | flags, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	commit->result = *figures;
	code = q2_commit_prepare(commit, err);
	*figures = commit->result;
	if (code != QCOW2BM_OK) {
		q2_commit_close(commit);
		return code;
	}
	edit->commit = commit;
	edit->image->pending = Q2_PENDING_PREPARED;
	return QCOW2BM_OK;
}

static bool is_want_of_room(const struct qcow2bm_error *err)
{
	return err->code == QCOW2BM_ESYSTEM &&
	       (err->sys_errno == ENOSPC || err->sys_errno == EDQUOT ||
		err->sys_errno == EFBIG);
}

static enum qcow2bm_code prepare(struct qcow2bm_edit *edit,
				 const struct qcow2bm_commit_options *options,
				 struct qcow2bm_result *figures,
				 const struct qcow2bm_watch *watch,
				 struct qcow2bm_error *err)
{
	struct qcow2bm_error first = {0}, second = {0};
	if (prepare_once(edit, options, 0, figures, watch, &first) == QCOW2BM_OK)
		return QCOW2BM_OK;
	/* The file system may be full where the file could grow: the plan could not know. */
	if (!is_want_of_room(&first) || edit->image->must_reopen)
		return q2_pass(err, &first);
	enum qcow2bm_code code =
		prepare_once(edit, options, Q2_PLAN_IN_PLACE, figures, watch, &second);
	if (code == QCOW2BM_OK)
		return QCOW2BM_OK;
	/* Of two that leave the image as it was the first says why. */
	return q2_pass(err, code == QCOW2BM_EINTERRUPTED ? &second : &first);
}

enum qcow2bm_code qcow2bm_edit_prepare(struct qcow2bm_edit *edit,
				       const struct qcow2bm_commit_options *options,
				       const struct qcow2bm_result **result,
				       const struct qcow2bm_watch *watch,
				       struct qcow2bm_error *err)
{
	struct qcow2bm_commit_options known = QCOW2BM_COMMIT_OPTIONS_INIT;
	struct qcow2bm_result figures = {0};
	tell(edit, &figures, result);
	enum qcow2bm_code code = q2_edit_enter(edit, err);
	if (code == QCOW2BM_OK)
		code = q2_options_take(&known, sizeof(known), options,
				       "the options of a commit", err);
	if (code == QCOW2BM_OK)
		code = q2_options_check(known.flags, Q2_PLAN_CALLER_FLAGS, "a commit",
					err);
	if (code != QCOW2BM_OK)
		return code;
	if (!edit->image->storage->writable)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the image is not open for writing");
	code = prepare(edit, &known, &figures, watch, err);
	tell(edit, &figures, result);
	return code;
}

/* ---- From there on ------------------------------------------------------------------ */

/* The edit is in the phase that must come before, and its image is still there. */
static enum qcow2bm_code check_phase(const struct qcow2bm_edit *edit,
				     enum q2_pending wanted, struct qcow2bm_error *err)
{
	if (edit->commit == NULL)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the edit is not prepared");
	enum qcow2bm_code code =
		q2_generation_check(edit->generation, "the edit was prepared", err);
	if (code == QCOW2BM_OK && edit->image->pending != wanted)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       wanted == Q2_PENDING_PREPARED
				       ? "the image is switched over already"
				       : "the image is not switched over yet");
	return code;
}

/* The commit is over, as far as the edit and the image are concerned. */
static void leave(struct qcow2bm_edit *edit, struct q2_commit *commit,
		  const struct qcow2bm_result **result)
{
	tell(edit, &commit->result, result);
	edit->image->pending = Q2_PENDING_NOTHING;
	edit->commit = NULL;
	q2_commit_close(commit);
}

enum qcow2bm_code qcow2bm_edit_switch(struct qcow2bm_edit *edit,
				      const struct qcow2bm_result **result,
				      struct qcow2bm_error *err)
{
	tell(edit, &edit->result, result);
	enum qcow2bm_code code = check_phase(edit, Q2_PENDING_PREPARED, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_commit_switch(edit->commit, err);
	if (code != QCOW2BM_OK) {
		leave(edit, edit->commit, result);
		return code;
	}
	edit->image->pending = Q2_PENDING_SWITCHED;
	tell(edit, &edit->commit->result, result);
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_edit_finish(struct qcow2bm_edit *edit,
				      const struct qcow2bm_result **result,
				      struct qcow2bm_error *err)
{
	tell(edit, &edit->result, result);
	enum qcow2bm_code code = check_phase(edit, Q2_PENDING_SWITCHED, err);
	if (code != QCOW2BM_OK)
		return code;
	/* The edit starts anew in it, and knows of no commit then. */
	struct q2_commit *commit = edit->commit;
	q2_commit_finish(commit);
	leave(edit, commit, result);
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_edit_roll_back(struct qcow2bm_edit *edit,
					 const struct qcow2bm_result **result,
					 struct qcow2bm_error *err)
{
	tell(edit, &edit->result, result);
	enum qcow2bm_code code = check_phase(edit, Q2_PENDING_PREPARED, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_commit_roll_back(edit->commit);
	leave(edit, edit->commit, result);
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_edit_commit(struct qcow2bm_edit *edit,
				      const struct qcow2bm_commit_options *options,
				      const struct qcow2bm_result **result,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = qcow2bm_edit_prepare(edit, options, result, watch, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_switch(edit, result, err);
	return code == QCOW2BM_OK ? qcow2bm_edit_finish(edit, result, err) : code;
}

void q2_phases_abandon(struct qcow2bm_edit *edit)
{
	if (edit->commit == NULL)
		return;
	edit->image->must_reopen = true;
	leave(edit, edit->commit, NULL);
}

void qcow2bm_edit_end(struct qcow2bm_edit *edit)
{
	if (edit == NULL)
		return;
	if (edit->commit != NULL &&
	    qcow2bm_edit_roll_back(edit, NULL, NULL) != QCOW2BM_OK &&
	    qcow2bm_edit_finish(edit, NULL, NULL) != QCOW2BM_OK)
		q2_commit_close(edit->commit); /* with the image: as a crash there */
	q2_edit_forget(edit);
}
