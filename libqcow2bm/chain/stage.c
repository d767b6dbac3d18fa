/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits of the layers of a disk, one each, and the checkpoints as they shall be. */
#include "stage.h"

#include "../base/error.h"
#include "../edit/edit.h"
#include "lifted.h"

#include <stdlib.h>
#include <string.h>

static enum qcow2bm_code copy(struct q2_staged_name *to, const uint8_t *bytes,
			      size_t count, struct qcow2bm_error *err)
{
	uint8_t *room = malloc(count + 1);
	if (room == NULL)
		return q2_fail_memory(err, "the names of checkpoints");
	memcpy(room, bytes, count);
	free(to->bytes);
	to->bytes = room;
	to->count = count;
	return QCOW2BM_OK;
}

static enum qcow2bm_code begin_one(const struct qcow2bm_chain *chain,
				   struct q2_checkpoint *checkpoint,
				   struct qcow2bm_error *err)
{
	if (checkpoint->is_double)
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"a layer has two bitmaps of checkpoint '%.*s', with different "
			"parents; rename or delete one",
			checkpoint->name_bytes > 200 ? 200 : (int)checkpoint->name_bytes,
			checkpoint->name);
	checkpoint->staged = calloc(chain->layer_count, sizeof(*checkpoint->staged));
	if (checkpoint->staged == NULL)
		return q2_fail_memory(err, "the names of checkpoints");
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t layer = 0; code == QCOW2BM_OK && layer < chain->layer_count;
	     layer++) {
		const struct q2_bitmap *bitmap =
			q2_layers_bitmap(chain, checkpoint, layer);
		if (bitmap == NULL)
			continue;
		code = copy(&checkpoint->staged[layer], bitmap->entry.name,
			    bitmap->entry.name_bytes, err);
		checkpoint->staged[layer].is_recording = q2_layers_is_recording(bitmap);
	}
	return code;
}

enum qcow2bm_code q2_stage_begin(struct qcow2bm_chain *chain, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_layers_check(chain, err);
	if (code != QCOW2BM_OK || chain->is_staging)
		return code;
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++)
		if (chain->checkpoints[i].staged == NULL)
			code = begin_one(chain, &chain->checkpoints[i], err);
	chain->is_staging = code == QCOW2BM_OK;
	return code;
}

/* QEMU takes autoclear bit 0 away for a moment when it opens a layer to copy into it, and may be killed then:
 * the mark says nothing of bits, so it is believed for being in both layers. */
static enum qcow2bm_code begin_edit(struct qcow2bm_chain *chain, size_t layer,
				    struct qcow2bm_error *err)
{
	struct q2_layer *it = &chain->layers[layer];
	return q2_lifted_has_only_mark(chain, layer)
		       ? q2_edit_begin_anew(&it->edit, it->image, err)
		       : qcow2bm_edit_begin(&it->edit, it->image, err);
}

enum qcow2bm_code q2_stage_edit(struct qcow2bm_chain *chain, size_t layer,
				struct qcow2bm_edit **edit, struct qcow2bm_error *err)
{
	struct q2_layer *it = &chain->layers[layer];
	struct qcow2bm_error why = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	if (it->edit == NULL && chain->options.flags & QCOW2BM_OPEN_WRITE)
		code = qcow2bm_chain_open_for_editing(chain, layer, err);
	if (it->edit == NULL && code == QCOW2BM_OK &&
	    begin_edit(chain, layer, &why) != QCOW2BM_OK)
		code = q2_layers_blame(chain, layer, err, &why);
	*edit = it->edit;
	return code;
}

enum qcow2bm_code q2_stage_blame(const struct qcow2bm_chain *chain, size_t layer,
				 struct qcow2bm_error *err,
				 const struct qcow2bm_error *why)
{
	return q2_fail_layer(err, why, chain->layers[layer].filename);
}

static const char *text(const struct q2_staged_name *name)
{
	return (const char *)name->bytes;
}

enum qcow2bm_code q2_stage_drop(struct qcow2bm_chain *chain,
				struct q2_checkpoint *checkpoint, size_t layer,
				struct qcow2bm_error *err)
{
	struct q2_staged_name *name = &checkpoint->staged[layer];
	struct qcow2bm_error why = {0};
	struct qcow2bm_edit *edit;
	enum qcow2bm_code code = q2_stage_edit(chain, layer, &edit, err);
	if (code != QCOW2BM_OK)
		return code;
	if (qcow2bm_edit_delete(edit, text(name), name->count, &why) != QCOW2BM_OK)
		return q2_stage_blame(chain, layer, err, &why);
	free(name->bytes);
	*name = (struct q2_staged_name){0};
	return QCOW2BM_OK;
}

/* `OWN^PARENT`, or `OWN`. */
static enum qcow2bm_code compose(struct q2_staged_name *name,
				 const struct q2_checkpoint *checkpoint,
				 struct qcow2bm_error *err)
{
	size_t parent_bytes =
		checkpoint->parent == NULL ? 0 : checkpoint->parent_bytes + 1;
	name->count = checkpoint->name_bytes + parent_bytes;
	name->bytes = malloc(name->count + 1);
	if (name->bytes == NULL)
		return q2_fail_memory(err, "the names of checkpoints");
	memcpy(name->bytes, checkpoint->name, checkpoint->name_bytes);
	if (checkpoint->parent == NULL)
		return QCOW2BM_OK;
	name->bytes[checkpoint->name_bytes] = '^';
	memcpy(name->bytes + checkpoint->name_bytes + 1, checkpoint->parent,
	       checkpoint->parent_bytes);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_stage_rename(struct qcow2bm_chain *chain,
				  struct q2_checkpoint *checkpoint, size_t layer,
				  const struct q2_checkpoint *like,
				  struct qcow2bm_error *err)
{
	struct q2_staged_name *name = &checkpoint->staged[layer];
	struct q2_staged_name next = {.is_recording = name->is_recording};
	struct qcow2bm_error why = {0};
	struct qcow2bm_edit *edit;
	enum qcow2bm_code code = compose(&next, like, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_edit(chain, layer, &edit, err);
	bool is_same = code == QCOW2BM_OK && next.count == name->count &&
		       memcmp(next.bytes, name->bytes, next.count) == 0;
	if (code == QCOW2BM_OK && !is_same) {
		code = qcow2bm_edit_rename(edit, text(name), name->count, text(&next),
					   next.count, &why);
		if (code != QCOW2BM_OK)
			q2_stage_blame(chain, layer, err, &why);
	}
	if (code != QCOW2BM_OK) {
		free(next.bytes);
		return code;
	}
	free(name->bytes);
	*name = next;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_stage_merge(struct qcow2bm_chain *chain,
				 const struct q2_checkpoint *into,
				 const struct q2_checkpoint *from, size_t layer,
				 struct qcow2bm_error *err)
{
	const struct q2_staged_name *to = &into->staged[layer],
				    *source = &from->staged[layer];
	struct qcow2bm_error why = {0};
	struct qcow2bm_edit *edit;
	enum qcow2bm_code code = q2_stage_edit(chain, layer, &edit, err);
	if (code != QCOW2BM_OK)
		return code;
	code = qcow2bm_edit_merge(edit, text(to), to->count, NULL, text(source),
				  source->count, &why);
	return code == QCOW2BM_OK ? code : q2_stage_blame(chain, layer, err, &why);
}

enum qcow2bm_code q2_stage_clear(struct qcow2bm_chain *chain,
				 const struct q2_checkpoint *checkpoint, size_t layer,
				 struct qcow2bm_error *err)
{
	const struct q2_staged_name *name = &checkpoint->staged[layer];
	struct qcow2bm_error why = {0};
	struct qcow2bm_edit *edit;
	enum qcow2bm_code code = q2_stage_edit(chain, layer, &edit, err);
	if (code != QCOW2BM_OK)
		return code;
	code = qcow2bm_edit_clear(edit, text(name), name->count, &why);
	return code == QCOW2BM_OK ? code : q2_stage_blame(chain, layer, err, &why);
}

enum qcow2bm_code q2_stage_record(struct qcow2bm_chain *chain,
				  const struct q2_checkpoint *checkpoint, size_t layer,
				  bool is_recording, struct qcow2bm_error *err)
{
	struct q2_staged_name *name = &checkpoint->staged[layer];
	struct qcow2bm_error why = {0};
	struct qcow2bm_edit *edit;
	if (name->is_recording == is_recording)
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_stage_edit(chain, layer, &edit, err);
	if (code != QCOW2BM_OK)
		return code;
	code = (is_recording ? qcow2bm_edit_enable
			     : qcow2bm_edit_disable)(edit, text(name), name->count, &why);
	if (code != QCOW2BM_OK)
		return q2_stage_blame(chain, layer, err, &why);
	name->is_recording = is_recording;
	return QCOW2BM_OK;
}

/* The granularity of the uppermost layer that had a bitmap of it. */
static unsigned granularity_of(const struct qcow2bm_chain *chain,
			       const struct q2_checkpoint *checkpoint)
{
	for (size_t layer = 0; layer < chain->layer_count; layer++) {
		const struct q2_bitmap *bitmap =
			q2_layers_bitmap(chain, checkpoint, layer);
		if (bitmap != NULL)
			return bitmap->entry.granularity_bits;
	}
	return qcow2bm_image_default_granularity_bits(chain->layers[0].image);
}

enum qcow2bm_code q2_stage_add(struct qcow2bm_chain *chain,
			       struct q2_checkpoint *checkpoint, size_t layer,
			       bool is_recording, struct qcow2bm_error *err)
{
	struct q2_staged_name *name = &checkpoint->staged[layer];
	struct q2_staged_name next = {.is_recording = is_recording};
	struct qcow2bm_error why = {0};
	struct qcow2bm_edit *edit;
	enum qcow2bm_code code = compose(&next, checkpoint, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_edit(chain, layer, &edit, err);
	if (code == QCOW2BM_OK) {
		code = qcow2bm_edit_add(edit, text(&next), next.count,
					granularity_of(chain, checkpoint), is_recording,
					&why);
		if (code != QCOW2BM_OK)
			q2_stage_blame(chain, layer, err, &why);
	}
	if (code != QCOW2BM_OK)
		free(next.bytes);
	else
		*name = next;
	return code;
}

enum qcow2bm_code q2_stage_fill(struct qcow2bm_chain *chain,
				const struct q2_checkpoint *checkpoint, size_t layer,
				enum q2_source_kind kind, struct qcow2bm_error *err)
{
	const struct q2_staged_name *name = &checkpoint->staged[layer];
	struct qcow2bm_error why = {0};
	struct qcow2bm_edit *edit;
	struct q2_staged *staged;
	enum qcow2bm_code code = q2_stage_edit(chain, layer, &edit, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_edit_find_usable(edit, text(name), name->count, &staged, &why);
	const struct q2_edit_source source = {.image = edit->image, .kind = kind};
	if (code == QCOW2BM_OK)
		code = q2_edit_add_source(staged, &source, &why);
	return code == QCOW2BM_OK ? code : q2_stage_blame(chain, layer, err, &why);
}

/* What a crash left in-use is recovered, anything else loses its bits to those of the whole disk. */
static enum qcow2bm_code fill_bitmap(struct qcow2bm_edit *edit,
				     const struct q2_staged_name *name, bool is_in_use,
				     struct qcow2bm_error *why)
{
	struct qcow2bm_recover_options options = QCOW2BM_RECOVER_OPTIONS_INIT;
	const struct q2_edit_source source = {.image = edit->image,
					      .kind = Q2_SOURCE_EVERYTHING};
	struct q2_staged *staged;
	options.method = QCOW2BM_RECOVER_FULL;
	if (is_in_use)
		return qcow2bm_edit_recover(edit, text(name), name->count, &options, NULL,
					    NULL, why);
	enum qcow2bm_code code =
		q2_edit_find_usable(edit, text(name), name->count, &staged, why);
	if (code != QCOW2BM_OK)
		return code;
	q2_edit_clear_sources(staged);
	return q2_edit_add_source(staged, &source, why);
}

enum qcow2bm_code q2_stage_fill_all(struct qcow2bm_chain *chain,
				    const struct q2_checkpoint *checkpoint, size_t layer,
				    struct qcow2bm_error *err)
{
	struct qcow2bm_error why = {0};
	struct qcow2bm_edit *edit;
	enum qcow2bm_code code = q2_stage_edit(chain, layer, &edit, err);
	if (code != QCOW2BM_OK)
		return code;
	bool is_in_use = q2_layers_bitmap(chain, checkpoint, layer)->entry.flags &
			 Q2_DIRECTORY_FLAG_IN_USE;
	code = fill_bitmap(edit, &checkpoint->staged[layer], is_in_use, &why);
	return code == QCOW2BM_OK ? code : q2_stage_blame(chain, layer, err, &why);
}

enum qcow2bm_code q2_stage_remove(struct qcow2bm_chain *chain, size_t layer, size_t idx,
				  struct qcow2bm_error *err)
{
	struct qcow2bm_error why = {0};
	struct qcow2bm_edit *edit;
	enum qcow2bm_code code = q2_stage_edit(chain, layer, &edit, err);
	if (code != QCOW2BM_OK)
		return code;
	const struct q2_directory_entry *entry =
		&chain->layers[layer].image->directory.bitmaps[idx].entry;
	code = qcow2bm_edit_delete(edit, (const char *)entry->name, entry->name_bytes,
				   &why);
	return code == QCOW2BM_OK ? code : q2_stage_blame(chain, layer, err, &why);
}

bool q2_stage_is_recording(const struct q2_checkpoint *checkpoint, size_t layer)
{
	return q2_stage_has(checkpoint, layer) && checkpoint->staged[layer].is_recording;
}

void q2_stage_forget(struct qcow2bm_chain *chain, size_t idx)
{
	q2_checkpoints_free_one(chain, &chain->checkpoints[idx]);
	chain->checkpoint_count--;
	memmove(&chain->checkpoints[idx], &chain->checkpoints[idx + 1],
		(chain->checkpoint_count - idx) * sizeof(*chain->checkpoints));
}

enum qcow2bm_code q2_stage_set_parent(struct q2_checkpoint *checkpoint,
				      const struct q2_checkpoint *parent,
				      struct qcow2bm_error *err)
{
	struct q2_staged_name name = {0};
	if (parent != NULL &&
	    copy(&name, parent->name, parent->name_bytes, err) != QCOW2BM_OK)
		return QCOW2BM_ENOMEM;
	free(checkpoint->parent);
	checkpoint->parent = name.bytes;
	checkpoint->parent_bytes = name.count;
	return QCOW2BM_OK;
}

struct qcow2bm_edit *qcow2bm_chain_edit(const struct qcow2bm_chain *chain,
					size_t layer_idx)
{
	return layer_idx < chain->layer_count ? chain->layers[layer_idx].edit : NULL;
}
