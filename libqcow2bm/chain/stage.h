/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits of the layers of a disk, one each, and the checkpoints as they shall be. */
#ifndef Q2_CHAIN_STAGE_H
#define Q2_CHAIN_STAGE_H

#include "../source/source.h"
#include "layers.h"

/* Whether a checkpoint has a bitmap in the layer, as it is staged. */
static inline bool q2_stage_has(const struct q2_checkpoint *checkpoint, size_t layer)
{
	return checkpoint->staged[layer].bytes != NULL;
}

/*
 * Gets ready to stage: each checkpoint's names by layer. Does nothing the second time. Errors: EINVAL
 * where two bitmaps of one layer are of one checkpoint; ENOMEM.
 */
enum qcow2bm_code q2_stage_begin(struct qcow2bm_chain *chain, struct qcow2bm_error *err);

/* The rest stages onto the edit of one layer. Errors: those of the edit's functions, the sentence names
 * the layer; as qcow2bm_chain_open_for_editing(). */

enum qcow2bm_code q2_stage_drop(struct qcow2bm_chain *chain,
				struct q2_checkpoint *checkpoint, size_t layer,
				struct qcow2bm_error *err);

/* Its name becomes that of checkpoint `like` in the layer where that is there, else its own name,
 * behind which stands the parent's when the checkpoint has one. */
enum qcow2bm_code q2_stage_rename(struct qcow2bm_chain *chain,
				  struct q2_checkpoint *checkpoint, size_t layer,
				  const struct q2_checkpoint *like,
				  struct qcow2bm_error *err);

/* ORs the bits of `from` into `into`, both in the layer. */
enum qcow2bm_code q2_stage_merge(struct qcow2bm_chain *chain,
				 const struct q2_checkpoint *into,
				 const struct q2_checkpoint *from, size_t layer,
				 struct qcow2bm_error *err);

enum qcow2bm_code q2_stage_clear(struct qcow2bm_chain *chain,
				 const struct q2_checkpoint *checkpoint, size_t layer,
				 struct qcow2bm_error *err);

enum qcow2bm_code q2_stage_record(struct qcow2bm_chain *chain,
				  const struct q2_checkpoint *checkpoint, size_t layer,
				  bool is_recording, struct qcow2bm_error *err);

/* Adds an empty bitmap of the checkpoint to a layer that has none, with the granularity of the
 * uppermost layer that has one. */
enum qcow2bm_code q2_stage_add(struct qcow2bm_chain *chain,
			       struct q2_checkpoint *checkpoint, size_t layer,
			       bool is_recording, struct qcow2bm_error *err);

/* ORs what the layer holds, or everything, into its bits. */
enum qcow2bm_code q2_stage_fill(struct qcow2bm_chain *chain,
				const struct q2_checkpoint *checkpoint, size_t layer,
				enum q2_source_kind kind, struct qcow2bm_error *err);

/* Makes a bitmap that the layer has all dirty; one that is in-use is not afterwards. */
enum qcow2bm_code q2_stage_fill_all(struct qcow2bm_chain *chain,
				    const struct q2_checkpoint *checkpoint, size_t layer,
				    struct qcow2bm_error *err);

/* Whether the bitmap records, as it is staged. */
bool q2_stage_is_recording(const struct q2_checkpoint *checkpoint, size_t layer);

/* The edit of the layer, whose image is opened for writing unless all is only a plan. */
enum qcow2bm_code q2_stage_edit(struct qcow2bm_chain *chain, size_t layer,
				struct qcow2bm_edit **edit, struct qcow2bm_error *err);

/* Fails as `why` does, and says in which layer. */
enum qcow2bm_code q2_stage_blame(const struct qcow2bm_chain *chain, size_t layer,
				 struct qcow2bm_error *err,
				 const struct qcow2bm_error *why);

/* Deletes bitmap `idx` of the layer, whatever it is of. */
enum qcow2bm_code q2_stage_remove(struct qcow2bm_chain *chain, size_t layer, size_t idx,
				  struct qcow2bm_error *err);

/* Takes a checkpoint that has no bitmap any more out of the order. */
void q2_stage_forget(struct qcow2bm_chain *chain, size_t idx);

/* The checkpoint has this parent from now on, or none: NULL. Names are not changed. Errors: ENOMEM. */
enum qcow2bm_code q2_stage_set_parent(struct q2_checkpoint *checkpoint,
				      const struct q2_checkpoint *parent,
				      struct qcow2bm_error *err);

#endif
