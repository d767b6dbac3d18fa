/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recovering a bitmap by what differs from an older state of the disk. */
#include "../guest/differ.h"

#include "../base/error.h"
#include "../base/options.h"
#include "../bitmap/recover.h"
#include "../image/directory.h"

/* The staged bitmap: one that is in-use, whose table is of no use any more, or one that can be trusted
 * and gets more bits. */
static enum qcow2bm_code find(const struct qcow2bm_edit *edit, const char *name,
			      size_t name_bytes, struct q2_staged **staged,
			      bool *is_in_use, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = edit->image;
	struct qcow2bm_error why = {0};
	*staged = q2_edit_find(edit, name, name_bytes);
	if (*staged != NULL && ((*staged)->committed_idx == Q2_EDIT_NOT_COMMITTED ||
				(*staged)->is_recovered))
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "it is staged already");
	size_t idx = *staged == NULL ? QCOW2BM_NOT_FOUND : (*staged)->committed_idx;
	enum qcow2bm_code code = q2_edit_check_usable(image, idx, name, name_bytes, &why);
	*is_in_use = code == QCOW2BM_EINUSE ||
		     (code == QCOW2BM_EIMAGE && idx != QCOW2BM_NOT_FOUND &&
		      q2_recover_is_sound_without_table(image,
							&image->directory.bitmaps[idx]));
	return code == QCOW2BM_OK || *is_in_use ? QCOW2BM_OK : q2_pass(err, &why);
}

/* Why the older state cannot be the disk as it was when the checkpoint began, or NULL. */
static const char *find_doubt(enum qcow2bm_base base)
{
	switch (base) {
	case QCOW2BM_BASE_UNTOLD:
	case QCOW2BM_BASE_SAME:
		return NULL;
	case QCOW2BM_BASE_LATER:
		return "unsafe: the older state has this checkpoint, but something had changed since it then, or how much is not known: what was written before that, and back since, would be missing";
	case QCOW2BM_BASE_OTHER:
		break;
	}
	return "unsafe: the older state tells of checkpoints, and this one is not among them: it is not the disk as it was when the checkpoint began";
}

static void promise_bits(struct qcow2bm_promise *promise, const struct q2_differ_old *old,
			 const struct q2_bitmap *bitmap, bool is_in_use, bool is_doubtful)
{
	bool is_exact =
		is_in_use && old->unknown.ones == 0 &&
		old->differences.granularity_bits <= bitmap->entry.granularity_bits;
	*promise = (struct qcow2bm_promise){
		.method = QCOW2BM_RECOVER_COMPARED,
		.guarantee =
			is_exact ? QCOW2BM_GUARANTEE_EXACT : QCOW2BM_GUARANTEE_SUPERSET,
		.conditions = 1u << QCOW2BM_CONDITION_OLD_IS_BASE,
		.all_dirty = is_in_use && old->differences.bits != 0 &&
			     old->differences.ones == old->differences.bits,
	};
	if (is_doubtful) {
		promise->guarantee = QCOW2BM_GUARANTEE_UNSAFE;
		promise->conditions = 0;
	}
}

static enum qcow2bm_code stage(struct qcow2bm_edit *edit, struct q2_staged *staged,
			       const struct q2_differ_old *old, bool is_in_use,
			       enum qcow2bm_recording recording,
			       struct qcow2bm_error *err)
{
	const struct q2_edit_source source = {
		.image = edit->image,
		.kind = Q2_SOURCE_DIFFERS,
		.differences = &old->differences,
	};
	enum qcow2bm_code code = q2_edit_add_source(staged, &source, err);
	if (code != QCOW2BM_OK)
		return code;
	staged->keeps_bits = !is_in_use;
	staged->is_recovered = true;
	staged->ignores_table = is_in_use;
	staged->promise = edit->promise;
	staged->flags = q2_recover_new_flags(staged->flags, recording);
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_call(const struct qcow2bm_edit *edit,
				    const struct qcow2bm_differ *differ, size_t old_idx,
				    struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_edit_enter(edit, err);
	if (code != QCOW2BM_OK)
		return code;
	if (old_idx >= differ->count || differ->image != edit->image ||
	    differ->virtual_bytes != edit->image->header.virtual_bytes)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the disk was not compared with such an older state");
	if (edit->image->storage->writer == Q2_WRITER_LIVE)
		return q2_fail(err, QCOW2BM_EBUSY, QCOW2BM_NO_OFFSET,
			       "a running program has the image open for writing");
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_edit_recover_compared(
	struct qcow2bm_edit *edit, const char *name, size_t name_bytes,
	const struct qcow2bm_differ *differ, size_t old_idx, enum qcow2bm_base base,
	const struct qcow2bm_recover_options *given,
	const struct qcow2bm_promise **promise, struct qcow2bm_error *err)
{
	struct qcow2bm_recover_options options = QCOW2BM_RECOVER_OPTIONS_INIT;
	struct q2_table_shape shape;
	struct q2_staged *staged;
	bool is_in_use;
	edit->promise = (struct qcow2bm_promise){.conditions = 0};
	if (promise != NULL)
		*promise = &edit->promise;
	enum qcow2bm_code code = q2_options_take(&options, sizeof(options), given,
						 "the options of a recovery", err);
	if (code == QCOW2BM_OK)
		code = check_call(edit, differ, old_idx, err);
	if (code == QCOW2BM_OK)
		code = find(edit, name, name_bytes, &staged, &is_in_use, err);
	if (code != QCOW2BM_OK)
		return code;
	const struct q2_bitmap *bitmap =
		&edit->image->directory.bitmaps[staged->committed_idx];
	const char *doubt = find_doubt(base);
	promise_bits(&edit->promise, &differ->olds[old_idx], bitmap, is_in_use,
		     doubt != NULL);
	code = q2_recover_check_shape(edit->image, bitmap, &shape, err);
	if (code == QCOW2BM_OK && doubt != NULL && !options.accept_unsafe)
		code = q2_fail(err, QCOW2BM_EINUSE, bitmap->off, "%s", doubt);
	return code == QCOW2BM_OK ? stage(edit, staged, &differ->olds[old_idx], is_in_use,
					  options.recording, err)
				  : code;
}
