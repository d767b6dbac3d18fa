/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that copy what they tell, for tests that look at it when its owner is gone. */
#ifndef TESTS_COPIES_H
#define TESTS_COPIES_H

#include "qcow2bm.h"

/* `result` may be NULL. */
static inline enum qcow2bm_code
commit_copied(struct qcow2bm_edit *edit, const struct qcow2bm_commit_options *options,
	      struct qcow2bm_result *result, const struct qcow2bm_watch *watch,
	      struct qcow2bm_error *err)
{
	const struct qcow2bm_result *told;
	enum qcow2bm_code code = qcow2bm_edit_commit(edit, options, &told, watch, err);
	if (result != NULL)
		*result = *told;
	return code;
}

static inline enum qcow2bm_code plan_copied(struct qcow2bm_edit *edit, unsigned flags,
					    struct qcow2bm_plan *plan,
					    const struct qcow2bm_watch *watch,
					    struct qcow2bm_error *err)
{
	const struct qcow2bm_plan *told;
	enum qcow2bm_code code = qcow2bm_edit_plan(edit, flags, &told, watch, err);
	if (code == QCOW2BM_OK)
		*plan = *told;
	return code;
}

static inline enum qcow2bm_code measure_copied(struct qcow2bm_image *image, size_t idx,
					       unsigned flags,
					       struct qcow2bm_measure *measure,
					       const struct qcow2bm_watch *watch,
					       struct qcow2bm_error *err)
{
	const struct qcow2bm_measure *told;
	enum qcow2bm_code code =
		qcow2bm_bitmap_measure(image, idx, flags, &told, watch, err);
	if (code == QCOW2BM_OK)
		*measure = *told;
	return code;
}

/* `promise` may be NULL. */
static inline enum qcow2bm_code
recover_copied(struct qcow2bm_edit *edit, const char *name, size_t name_bytes,
	       const struct qcow2bm_recover_options *options,
	       struct qcow2bm_promise *promise, const struct qcow2bm_watch *watch,
	       struct qcow2bm_error *err)
{
	const struct qcow2bm_promise *told;
	enum qcow2bm_code code =
		qcow2bm_edit_recover(edit, name, name_bytes, options, &told, watch, err);
	if (promise != NULL)
		*promise = *told;
	return code;
}

static inline enum qcow2bm_code
prepare_copied(struct qcow2bm_edit *edit, const struct qcow2bm_commit_options *options,
	       struct qcow2bm_result *result, const struct qcow2bm_watch *watch,
	       struct qcow2bm_error *err)
{
	const struct qcow2bm_result *told;
	enum qcow2bm_code code = qcow2bm_edit_prepare(edit, options, &told, watch, err);
	if (result != NULL)
		*result = *told;
	return code;
}

/* The same for a phase that follows. */
typedef enum qcow2bm_code phase_fn(struct qcow2bm_edit *edit,
				   const struct qcow2bm_result **result,
				   struct qcow2bm_error *err);

static inline enum qcow2bm_code phase_copied(phase_fn *phase, struct qcow2bm_edit *edit,
					     struct qcow2bm_result *result,
					     struct qcow2bm_error *err)
{
	const struct qcow2bm_result *told;
	enum qcow2bm_code code = phase(edit, &told, err);
	if (result != NULL)
		*result = *told;
	return code;
}

#endif
