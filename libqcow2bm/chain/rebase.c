/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bitmaps of the top, while what the layers that go from below it hold is copied into it, and
 * afterwards. QEMU records that copying; what is right stays in silent copies meanwhile. */
#include "../base/error.h"
#include "../clusters/soundness.h"
#include "../edit/edit.h"
#include "../format/name.h"
#include "commit.h"

#include <stdlib.h>
#include <string.h>

static const struct q2_directory_entry *entry_of(const struct qcow2bm_image *image,
						 size_t idx)
{
	return &image->directory.bitmaps[idx].entry;
}

/* Whether bitmap `idx` is a silent copy; then *name, *name_bytes is what it is one of. */
static bool is_copy(const struct qcow2bm_image *image, size_t idx, const uint8_t **name,
		    size_t *name_bytes)
{
	const struct q2_directory_entry *entry = entry_of(image, idx);
	return q2_name_begins(entry->name, entry->name_bytes, Q2_NAME_REBASE, name,
			      name_bytes);
}

static bool has_copies(const struct qcow2bm_image *image)
{
	const uint8_t *name;
	size_t name_bytes;
	for (size_t i = 0; i < image->directory.count; i++)
		if (is_copy(image, i, &name, &name_bytes))
			return true;
	return false;
}

static enum qcow2bm_code check_layer(const struct qcow2bm_chain *chain, size_t base,
				     struct qcow2bm_error *err)
{
	if (base == 0 || base >= chain->layer_count)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "there is no layer of this number below the top");
	if (has_copies(chain->layers[0].image))
		return q2_fail(
			err, QCOW2BM_EEXIST, QCOW2BM_NO_OFFSET,
			"a rebase was cut off: the bitmaps that it put by are there");
	return QCOW2BM_OK;
}

/* What the bitmap has, as it is staged, is put by in a silent one. */
static enum qcow2bm_code add_copy(struct qcow2bm_chain *chain,
				  const struct q2_checkpoint *it,
				  struct qcow2bm_error *err)
{
	struct qcow2bm_edit *edit = chain->layers[0].edit;
	const struct q2_staged_name *name = &it->staged[0];
	const char *bytes = (const char *)name->bytes;
	size_t prefix_bytes = strlen(Q2_NAME_REBASE);
	struct qcow2bm_error why = {0};
	char *copy = malloc(prefix_bytes + name->count);
	if (copy == NULL)
		return q2_fail_memory(err, "the names of bitmaps");
	memcpy(copy, Q2_NAME_REBASE, prefix_bytes);
	memcpy(copy + prefix_bytes, bytes, name->count);
	unsigned granularity_bits =
		q2_edit_find(edit, bytes, name->count)->granularity_bits;
	enum qcow2bm_code code = qcow2bm_edit_add(edit, copy, prefix_bytes + name->count,
						  granularity_bits, false, &why);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_merge(edit, copy, prefix_bytes + name->count, NULL,
					  bytes, name->count, &why);
	free(copy);
	return code == QCOW2BM_OK ? code : q2_stage_blame(chain, 0, err, &why);
}

enum qcow2bm_code qcow2bm_chain_absorb(struct qcow2bm_chain *chain, size_t layer_idx,
				       unsigned flags, struct qcow2bm_error *err)
{
	struct qcow2bm_edit *edit;
	enum qcow2bm_code code = check_layer(chain, layer_idx, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_begin(chain, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_edit(chain, 0, &edit, err);
	if (code == QCOW2BM_OK)
		code = q2_commit_check_top(chain, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++) {
		struct q2_checkpoint *it = &chain->checkpoints[i];
		code = q2_commit_gather(chain, it, layer_idx - 1, err);
		if (code == QCOW2BM_OK && q2_stage_is_recording(it, 0) &&
		    !(flags & QCOW2BM_ABSORB_NOTHING_WRITTEN))
			code = add_copy(chain, it, err);
	}
	return code;
}

/* A copy that a kill left in-use is what it was, as long as nothing but QEMU had it open. */
static enum qcow2bm_code check_copy(struct qcow2bm_image *image, size_t idx,
				    unsigned flags, struct qcow2bm_error *err)
{
	const struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	enum qcow2bm_code code = q2_soundness_judge_bits(image, idx, err);
	if (code != QCOW2BM_OK)
		return code;
	if (bitmap->problem != NULL)
		return q2_fail(err, QCOW2BM_EIMAGE, bitmap->off, "'%.*s' is corrupt: %s",
			       (int)bitmap->entry.name_bytes, bitmap->entry.name,
			       bitmap->problem);
	if (bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE &&
	    !(flags & QCOW2BM_SETTLE_STORED))
		return q2_fail(err, QCOW2BM_EINUSE, bitmap->off,
			       "a rebase was killed while the data was copied");
	return QCOW2BM_OK;
}

/* Its own bits are good for nothing here; it records as before. */
static void take_out_of_use(struct q2_staged *staged)
{
	staged->flags &= ~(uint32_t)Q2_DIRECTORY_FLAG_IN_USE;
	staged->is_recovered = true;
	staged->promise = (struct qcow2bm_promise){
		.method = QCOW2BM_RECOVER_STORED,
		.guarantee = QCOW2BM_GUARANTEE_EXACT,
		.conditions = 1u << QCOW2BM_CONDITION_NOT_WRITTEN_BY_OTHERS,
		.assumed = 1u << QCOW2BM_CONDITION_NOT_WRITTEN_BY_OTHERS,
	};
}

/* The bitmap gets what its copy has, in the place of what was recorded since, and the copy goes. */
static enum qcow2bm_code settle_one(struct qcow2bm_edit *edit, size_t idx,
				    const uint8_t *name, size_t name_bytes,
				    unsigned flags, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = edit->image;
	struct q2_staged *staged = q2_edit_find(edit, name, name_bytes);
	const struct q2_directory_entry *entry = entry_of(image, idx);
	enum qcow2bm_code code = QCOW2BM_OK;
	if (staged != NULL) {
		code = check_copy(image, idx, flags, err);
		if (code == QCOW2BM_OK) {
			q2_edit_clear_sources(staged);
			code = q2_edit_add_bitmap(edit, staged, image, idx, err);
		}
		if (code == QCOW2BM_OK && staged->flags & Q2_DIRECTORY_FLAG_IN_USE)
			take_out_of_use(staged);
	}
	return code == QCOW2BM_OK ? qcow2bm_edit_delete(edit, (const char *)entry->name,
							entry->name_bytes, err)
				  : code;
}

/* A silent bitmap of a checkpoint, which has no copy, was not written to either. */
static enum qcow2bm_code recover_silent(struct qcow2bm_chain *chain,
					struct qcow2bm_edit *edit, size_t idx,
					struct qcow2bm_error *err)
{
	struct qcow2bm_recover_options options = QCOW2BM_RECOVER_OPTIONS_INIT;
	const struct q2_directory_entry *entry = entry_of(edit->image, idx);
	bool is_checkpoint = false;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		is_checkpoint |= chain->checkpoints[i].bitmaps[0] == idx;
	if (!is_checkpoint || entry->flags & Q2_DIRECTORY_FLAG_AUTO ||
	    !(entry->flags & Q2_DIRECTORY_FLAG_IN_USE))
		return QCOW2BM_OK;
	options.method = QCOW2BM_RECOVER_STORED;
	options.assumed = (1u << QCOW2BM_CONDITION_NOT_CHANGED_BY_QMP) |
			  (1u << QCOW2BM_CONDITION_NOT_RESIZED);
	return qcow2bm_edit_recover(edit, (const char *)entry->name, entry->name_bytes,
				    &options, NULL, NULL, err);
}

enum qcow2bm_code qcow2bm_chain_settle(struct qcow2bm_chain *chain, unsigned flags,
				       struct qcow2bm_error *err)
{
	struct qcow2bm_edit *edit;
	struct qcow2bm_error why = {0};
	const uint8_t *name;
	size_t name_bytes;
	enum qcow2bm_code code = q2_stage_begin(chain, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_edit(chain, 0, &edit, err);
	if (code != QCOW2BM_OK)
		return code;
	if (!has_copies(edit->image))
		return q2_fail(err, QCOW2BM_ENOTFOUND, QCOW2BM_NO_OFFSET,
			       "no rebase of it has begun");
	for (size_t i = 0; code == QCOW2BM_OK && i < edit->image->directory.count; i++)
		if (is_copy(edit->image, i, &name, &name_bytes))
			code = settle_one(edit, i, name, name_bytes, flags, &why);
		else if (flags & QCOW2BM_SETTLE_STORED)
			code = recover_silent(chain, edit, i, &why);
	return code == QCOW2BM_OK ? code : q2_stage_blame(chain, 0, err, &why);
}
