/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an intent file says of an image whose edit is prepared. */
#include "intend.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../undo/record.h"
#include "lasting.h"
#include "states.h"

#define READ_BYTES ((uint64_t)1 << 20)
#define MAX_CLUSTERS_END ((uint64_t)1 << 42) /* of a file that an off_t can count */

/* ---- Sums ---------------------------------------------------------------------------- */

struct summing {
	struct qcow2bm_image *image;
	struct q2_watch *watch;
	uint8_t *buf;
	uint32_t sum;
};

static enum qcow2bm_code sum_run(struct summing *summing, uint64_t first, uint64_t count,
				 struct qcow2bm_error *err)
{
	unsigned bits = summing->image->header.cluster_bits;
	uint64_t at_once = q2_max_u64(READ_BYTES >> bits, 1);
	while (count != 0) {
		uint64_t part = q2_min_u64(count, at_once);
		size_t bytes = (size_t)(part << bits);
		enum qcow2bm_code code = q2_watch_look(summing->watch, err);
		if (code == QCOW2BM_OK)
			code = q2_storage_read_padded(summing->image->storage,
						      summing->buf, bytes, first << bits,
						      (uint64_t)1 << bits, err);
		if (code != QCOW2BM_OK)
			return code;
		summing->sum = q2_undo_crc(summing->sum, summing->buf, bytes);
		first += part;
		count -= part;
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_intend_sum(struct qcow2bm_image *image,
				const struct q2_clusters *set, struct q2_watch *watch,
				bool *is_known, uint32_t *sum, struct qcow2bm_error *err)
{
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	struct summing summing = {.image = image, .watch = watch};
	struct qcow2bm_error cause = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	summing.buf = malloc((size_t)q2_max_u64(READ_BYTES, cluster_bytes));
	if (summing.buf == NULL)
		return q2_fail_memory(err, "clusters");
	for (size_t i = 0; code == QCOW2BM_OK && i < set->count; i++) {
		const struct q2_run *run = &set->runs[i];
		if (run->count > MAX_CLUSTERS_END || run->first > MAX_CLUSTERS_END)
			code = QCOW2BM_EIMAGE;
		else
			code = sum_run(&summing, run->first, run->count, &cause);
	}
	free(summing.buf);
	*is_known = code == QCOW2BM_OK;
	*sum = summing.sum;
	return code == QCOW2BM_OK || code == QCOW2BM_EIMAGE ? QCOW2BM_OK
							    : q2_pass(err, &cause);
}

enum qcow2bm_code q2_intend_sum_head(struct qcow2bm_image *image, uint32_t head_bytes,
				     const struct q2_switch *plan, uint32_t *now,
				     uint32_t *switched, struct qcow2bm_error *err)
{
	uint8_t *head = malloc((size_t)head_bytes + 1);
	if (head == NULL)
		return q2_fail_memory(err, "the image header");
	enum qcow2bm_code code =
		q2_storage_read(image->storage, head, head_bytes, 0, err);
	*now = code == QCOW2BM_OK ? q2_undo_crc(0, head, head_bytes) : 0;
	if (code == QCOW2BM_OK && plan != NULL) {
		if (q2_checked_within(plan->off, plan->count, head_bytes))
			memcpy(head + plan->off, plan->bytes, plan->count);
		*switched = q2_undo_crc(0, head, head_bytes);
	}
	free(head);
	return code;
}

/* ---- The states ---------------------------------------------------------------------- */

static void note_state(const struct q2_state *state, struct q2_intent_state *noted)
{
	memcpy(noted->extension, state->extension, sizeof(noted->extension));
	noted->directory_bytes = state->size;
	noted->directory_sum =
		state->size == 0 ? 0 : q2_undo_crc(0, state->bytes, state->size);
}

static enum qcow2bm_code note_switch(struct q2_intent_image *noted,
				     const struct q2_commit *commit,
				     struct qcow2bm_error *err)
{
	const struct q2_switch *plan = &commit->header;
	struct qcow2bm_image *image = commit->image;
	noted->cluster_bits = image->header.cluster_bits;
	noted->head_bytes = (uint32_t)q2_min_u64(
		q2_min_u64(q2_header_cluster_bytes(&image->header), image->file_bytes),
		Q2_INTENT_MAX_HEAD_BYTES);
	noted->switch_off = plan->off;
	noted->switch_bytes = (uint32_t)plan->count;
	memcpy(noted->new_state.bytes, plan->bytes, plan->count);
	enum qcow2bm_code code = q2_storage_read(image->storage, noted->old_state.bytes,
						 plan->count, plan->off, err);
	if (code == QCOW2BM_OK)
		code = q2_intend_sum_head(image, noted->head_bytes, plan,
					  &noted->old_state.head_sum,
					  &noted->new_state.head_sum, err);
	return code;
}

static void note_tidies(struct q2_intent_image *noted, const struct q2_commit *commit)
{
	const struct q2_switch *plan = &commit->header;
	const uint8_t *head = commit->image->head;
	if (plan->near_written) {
		noted->old_tidy.is_due = true;
		noted->old_tidy.off = plan->near_off;
		memcpy(noted->old_tidy.from, plan->near_bytes, 8);
		memcpy(noted->old_tidy.to, head + plan->near_off, 8);
	}
	if (plan->has_after) {
		noted->new_tidy.is_due = true;
		noted->new_tidy.off = plan->after_off;
		memcpy(noted->new_tidy.from, head + plan->after_off, 8);
		memcpy(noted->new_tidy.to, plan->after_bytes, 8);
	}
}

/* ---- The clusters -------------------------------------------------------------------- */

/* The bitmaps of the image itself that others read. What comes from another image is as it was when all
 * was prepared, whatever happens there. */
static enum qcow2bm_code add_sources(struct q2_clusters *set,
				     const struct qcow2bm_edit *edit,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; i < edit->count; i++) {
		const struct q2_staged *staged = &edit->staged[i];
		size_t count = staged->is_deleted ? 0 : staged->source_count;
		for (size_t k = 0; code == QCOW2BM_OK && k < count; k++) {
			const struct q2_edit_source *source = &staged->sources[k];
			if (source->kind == Q2_SOURCE_BITMAP &&
			    source->image == edit->image)
				code = q2_refs_add_bitmap(
					set, edit->image,
					&edit->image->directory.bitmaps[source->idx],
					err);
		}
	}
	return code;
}

static enum qcow2bm_code note_clusters(struct q2_intent_image *noted,
				       const struct q2_commit *commit,
				       struct qcow2bm_error *err)
{
	const struct q2_plan *plan = &commit->plan;
	struct q2_clusters *used = &noted->used.set;
	enum qcow2bm_code code = q2_release_find_used(plan, used, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&noted->written.set, &commit->written, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&noted->written.set, NULL, err);
	/* The new tables name the new data, too. */
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(used, &noted->written.set, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&noted->given_up.set, &plan->given_up, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&noted->given_up.set, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&noted->given_up.set, used, err);
	if (code == QCOW2BM_OK)
		code = add_sources(used, plan->edit, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(used, NULL, err);
	return code;
}

static enum qcow2bm_code sum_clusters(struct q2_intent_clusters *clusters,
				      const struct q2_commit *commit,
				      struct qcow2bm_error *err)
{
	return q2_intend_sum(commit->image, &clusters->set, commit->plan.watch,
			     &clusters->is_known, &clusters->sum, err);
}

enum qcow2bm_code q2_intend(struct q2_intent_image *noted, struct qcow2bm_edit *edit,
			    struct qcow2bm_error *err)
{
	const struct q2_commit *commit = edit->commit;
	struct q2_state old_state, new_state;
	q2_states_of_edit(edit, &old_state, &new_state);
	note_state(&old_state, &noted->old_state);
	note_state(&new_state, &noted->new_state);
	note_tidies(noted, commit);
	noted->lasts_forward = q2_lasting_forward(edit);
	noted->lasts_back = q2_lasting_back(edit);
	enum qcow2bm_code code = note_switch(noted, commit, err);
	if (code == QCOW2BM_OK)
		code = note_clusters(noted, commit, err);
	if (code == QCOW2BM_OK)
		code = sum_clusters(&noted->written, commit, err);
	if (code == QCOW2BM_OK)
		code = sum_clusters(&noted->given_up, commit, err);
	if (code == QCOW2BM_OK)
		code = sum_clusters(&noted->used, commit, err);
	q2_storage_stamp(edit->image->storage, true, &noted->stamp);
	return code;
}
