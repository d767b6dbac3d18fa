/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits of several images as one: all are prepared before the first is switched over. */
#include "../base/error.h"
#include "commit.h"

struct together {
	const struct qcow2bm_together_edit *edits;
	size_t count;
	const struct qcow2bm_result **results; /* NULL: nobody wants them */
	size_t failed;
};

static const struct qcow2bm_result **result_of(const struct together *together, size_t i)
{
	return together->results == NULL ? NULL : &together->results[i];
}

/* The last one first: refcount structures that have grown are taken back in that order. */
static void roll_back(const struct together *together, size_t count)
{
	for (size_t i = count; i-- > 0;)
		(void)!qcow2bm_edit_roll_back(together->edits[i].edit,
					      result_of(together, i), NULL);
}

static enum qcow2bm_code prepare(struct together *together,
				 const struct qcow2bm_commit_options *options,
				 const struct qcow2bm_watch *watch,
				 struct qcow2bm_error *err)
{
	for (size_t i = 0; i < together->count; i++) {
		enum qcow2bm_code code =
			qcow2bm_edit_prepare(together->edits[i].edit, options,
					     result_of(together, i), watch, err);
		if (code == QCOW2BM_OK)
			continue;
		together->failed = i;
		roll_back(together, i);
		return code;
	}
	return QCOW2BM_OK;
}

/* Nothing is finished, and nothing that was prepared is given back: both states are whole in each of
 * the images. */
static void abandon(const struct together *together)
{
	for (size_t i = 0; i < together->count; i++)
		q2_phases_abandon(together->edits[i].edit);
}

static enum qcow2bm_code switch_over(struct together *together, struct qcow2bm_error *err)
{
	for (size_t i = 0; i < together->count; i++) {
		enum qcow2bm_code code = qcow2bm_edit_switch(together->edits[i].edit,
							     result_of(together, i), err);
		if (code == QCOW2BM_OK)
			continue;
		together->failed = i;
		abandon(together);
		return code;
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code commit(struct together *together,
				const struct qcow2bm_commit_options *options,
				const struct qcow2bm_watch *watch,
				struct qcow2bm_error *err)
{
	enum qcow2bm_code code = prepare(together, options, watch, err);
	if (code == QCOW2BM_OK)
		code = switch_over(together, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < together->count; i++)
		code = qcow2bm_edit_finish(together->edits[i].edit,
					   result_of(together, i), err);
	return code;
}

enum qcow2bm_code qcow2bm_together_commit(const struct qcow2bm_together_edit *edits,
					  size_t count, const char *intent_path,
					  const struct qcow2bm_commit_options *options,
					  const struct qcow2bm_result **results,
					  size_t *failed,
					  const struct qcow2bm_watch *watch,
					  struct qcow2bm_error *err)
{
	struct together together = {edits, count, results, SIZE_MAX};
	(void)intent_path;
	enum qcow2bm_code code = commit(&together, options, watch, err);
	if (failed != NULL)
		*failed = together.failed;
	return code;
}
