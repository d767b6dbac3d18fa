/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A new top layer goes on recording what the layer below recorded. */
#include "../base/error.h"
#include "../edit/overlay.h"
#include "../source/source.h"
#include "stage.h"

#include <inttypes.h>

static int shown(size_t bytes)
{
	return bytes > 200 ? 200 : (int)bytes;
}

/* What is continued has to be true below: a bitmap that is deleted there later, because it was not,
 * would leave one in the top that looks as if nothing had been written before. */
static enum qcow2bm_code check_below(const struct qcow2bm_chain *chain,
				     const struct q2_checkpoint *checkpoint,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_layers_judge(chain, 1, checkpoint->bitmaps[1], err);
	if (code != QCOW2BM_OK)
		return code;
	const struct q2_bitmap *bitmap = q2_layers_bitmap(chain, checkpoint, 1);
	const char *fault = NULL;
	if (bitmap->problem != NULL)
		fault = "corrupt";
	else if (bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE)
		fault = "marked in-use: changes may be missing from it";
	if (fault == NULL)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EINUSE, QCOW2BM_NO_OFFSET,
		       "bitmap '%.*s' of '%.200s' is %s; recover or delete it first",
		       shown(checkpoint->name_bytes), checkpoint->name,
		       chain->layers[1].filename, fault);
}

/* One that the new layer has already: QEMU made it when the layer was new. */
static enum qcow2bm_code check_own(const struct q2_checkpoint *checkpoint,
				   const struct q2_bitmap *bitmap,
				   struct qcow2bm_error *err)
{
	const char *fault = NULL;
	if (bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE)
		fault = "is there already, and in-use; recover or delete it first";
	else if (!q2_layers_is_recording(bitmap))
		fault = "is there already, and does not record";
	if (fault == NULL)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EINUSE, QCOW2BM_NO_OFFSET, "bitmap '%.*s' %s",
		       shown(checkpoint->name_bytes), checkpoint->name, fault);
}

static bool is_recording_below(const struct qcow2bm_chain *chain,
			       const struct q2_checkpoint *checkpoint)
{
	const struct q2_bitmap *bitmap = q2_layers_bitmap(chain, checkpoint, 1);
	return bitmap != NULL && q2_layers_is_recording(bitmap);
}

/* Adds what the top lacks; whether there was anything is noted. In the nested scheme each checkpoint
 * records below, in the delta scheme the newest. */
static enum qcow2bm_code continue_all(struct qcow2bm_chain *chain, unsigned flags,
				      bool *added, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++) {
		struct q2_checkpoint *it = &chain->checkpoints[i];
		if (!is_recording_below(chain, it))
			continue;
		const struct q2_bitmap *own = q2_layers_bitmap(chain, it, 0);
		code = own != NULL ? check_own(it, own, err)
				   : check_below(chain, it, err);
		if (code != QCOW2BM_OK || own != NULL)
			continue;
		*added = true;
		code = q2_stage_add(chain, it, 0, true, err);
		if (code == QCOW2BM_OK && flags & QCOW2BM_SNAPSHOT_ALLOCATED)
			code = q2_stage_fill(chain, it, 0, Q2_SOURCE_ALLOCATED, err);
	}
	return code;
}

/* A checkpoint of the top alone began after the layer did: those that are missing are older, and
 * where one alone records it would be told apart from them by nothing. */
static enum qcow2bm_code check_newer(const struct qcow2bm_chain *chain,
				     struct qcow2bm_error *err)
{
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		const struct q2_checkpoint *it = &chain->checkpoints[i];
		if (it->bitmaps[0] != QCOW2BM_NOT_FOUND && !is_recording_below(chain, it))
			return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
				       "it has bitmap '%.*s', which does not record in "
				       "the layer below: it is no new layer",
				       shown(it->name_bytes), it->name);
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code refuse_held(void *opaque, uint64_t first, uint64_t bits,
				     const uint64_t *words, bool value,
				     struct qcow2bm_error *err)
{
	const struct q2_source *source = opaque;
	bool is_held = value;
	for (uint64_t i = 0; words != NULL && i < (bits + 63) / 64; i++)
		is_held |= words[i] != 0;
	if (!is_held)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EEXIST, QCOW2BM_NO_OFFSET,
		       "it holds data already, behind byte %" PRIu64
		       " of the disk: a bitmap that begins now would not have it",
		       first << source->granularity_bits);
}

/* An empty bitmap is true for a layer that nothing was written to. */
static enum qcow2bm_code check_empty(const struct qcow2bm_chain *chain,
				     struct qcow2bm_error *err)
{
	struct q2_source held;
	enum qcow2bm_code code =
		q2_source_open_allocated(&held, chain->layers[0].image, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_source_visit(&held, 0, held.shape.bits, refuse_held, &held, err);
	q2_source_close(&held);
	return code;
}

/* Whether no layer has a checkpoint: then there is nothing to go on with. */
static enum qcow2bm_code check_recording(const struct qcow2bm_chain *chain,
					 struct qcow2bm_error *err)
{
	bool is_any = chain->checkpoint_count == 0;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		is_any |= is_recording_below(chain, &chain->checkpoints[i]);
	if (is_any)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		       "no bitmap records in '%.200s', the layer below: what was written "
		       "to that since the checkpoints is not known",
		       chain->layers[1].filename);
}

enum qcow2bm_code qcow2bm_chain_snapshot(struct qcow2bm_chain *chain, unsigned flags,
					 struct qcow2bm_error *err)
{
	bool added = false;
	if (chain->layer_count < 2)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "it has no backing file");
	enum qcow2bm_code code = q2_stage_begin(chain, err);
	if (code == QCOW2BM_OK)
		code = check_recording(chain, err);
	if (code == QCOW2BM_OK)
		code = check_newer(chain, err);
	if (code == QCOW2BM_OK)
		code = continue_all(chain, flags, &added, err);
	/* Last, when the layer is open for writing and nobody else writes to it. */
	if (code == QCOW2BM_OK && added && !(flags & QCOW2BM_SNAPSHOT_ALLOCATED))
		code = check_empty(chain, err);
	return code;
}

enum qcow2bm_code qcow2bm_chain_make_overlay(const struct qcow2bm_chain *chain,
					     const char *overlay,
					     const char *backing_name,
					     struct qcow2bm_error *err)
{
	const struct q2_layer *top = &chain->layers[0];
	if (top->image == NULL)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "'%s' is raw: it can have no bitmaps", top->filename);
	return q2_overlay_create(overlay, top->virtual_bytes, backing_name, err);
}
