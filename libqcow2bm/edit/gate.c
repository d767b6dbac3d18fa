/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every write of a commit passes: nothing is written before the refcounts can count it, and what
 * was written is known. */
#include "../base/endian.h"
#include "change_refcounts.h"
#include "commit.h"

enum qcow2bm_code q2_gate_sync(struct q2_commit *commit, struct qcow2bm_error *err)
{
	commit->result.syncs++;
	return q2_storage_sync(commit->image->storage, err);
}

enum qcow2bm_code q2_gate_ask(struct q2_commit *commit, struct qcow2bm_error *err)
{
	return q2_watch_ask(&commit->watch, err);
}

/* An unknown autoclear bit stands for something that does not know of our writes. */
static enum qcow2bm_code clear_unknown_autoclear(struct q2_commit *commit,
						 struct qcow2bm_error *err)
{
	struct q2_header *header = &commit->image->header;
	uint64_t known = header->autoclear_features & Q2_AUTOCLEAR_KNOWN;
	if (known == header->autoclear_features)
		return QCOW2BM_OK;
	uint8_t bytes[8];
	q2_be64_store(bytes, known);
	enum qcow2bm_code code =
		q2_storage_write(commit->image->storage, bytes, sizeof(bytes),
				 Q2_HEADER_AUTOCLEAR_OFF, err);
	if (code == QCOW2BM_OK)
		code = q2_gate_sync(commit, err);
	if (code == QCOW2BM_OK)
		header->autoclear_features = known;
	return code;
}

static enum qcow2bm_code grow_refcounts(struct q2_commit *commit,
					struct qcow2bm_error *err)
{
	struct q2_plan *plan = &commit->plan;
	const struct q2_header *header = &commit->image->header;
	if (plan->growth.block_count == 0)
		return QCOW2BM_OK;
	uint64_t old_off = header->refcount_table_off;
	commit->growth_started = true;
	enum qcow2bm_code code = q2_grow_refcounts_commit(&plan->growth, &plan->refcounts,
							  &commit->result.syncs, err);
	/* After a failure here nobody knows which refcount structures are the image's. */
	if (code != QCOW2BM_OK)
		commit->image->must_reopen = plan->growth.may_be_seen;
	else
		commit->table_replaced = header->refcount_table_off != old_off;
	return code;
}

/* Bitmap clusters that are in use, but not counted: the next to allocate would take them. */
static enum qcow2bm_code raise_low_refcounts(struct q2_commit *commit,
					     struct qcow2bm_error *err)
{
	const struct q2_clusters *low = &commit->plan.edit->repair.low;
	if (low->count == 0 || commit->plan.is_header_alone)
		return QCOW2BM_OK;
	enum qcow2bm_code code =
		q2_change_refcounts(&commit->plan.refcounts, low, Q2_CHANGE_RAISE, err);
	return code != QCOW2BM_OK ? code : q2_gate_sync(commit, err);
}

enum qcow2bm_code q2_gate_open(struct q2_commit *commit, struct qcow2bm_error *err)
{
	if (commit->gate_is_open)
		return QCOW2BM_OK;
	enum qcow2bm_code code = clear_unknown_autoclear(commit, err);
	if (code == QCOW2BM_OK)
		code = grow_refcounts(commit, err);
	if (code == QCOW2BM_OK)
		code = raise_low_refcounts(commit, err);
	commit->gate_is_open = code == QCOW2BM_OK;
	return code;
}

enum qcow2bm_code q2_gate_write(struct q2_commit *commit, const void *buf, uint64_t first,
				uint64_t clusters, struct qcow2bm_error *err)
{
	unsigned cluster_bits = commit->image->header.cluster_bits;
	enum qcow2bm_code code = q2_gate_open(commit, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_add(&commit->written, first, clusters, err);
	if (code == QCOW2BM_OK)
		code = q2_storage_write(commit->image->storage, buf,
					(size_t)clusters << cluster_bits,
					first << cluster_bits, err);
	return code;
}
