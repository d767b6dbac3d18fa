/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The refcounts that are stored, compared with the references that were counted. */
#include "refcounts.h"

#include "../base/checked.h"
#include "../clusters/l2.h"
#include "../format/refcount.h"

#define CHUNK 512 /* refcounts that are compared at once */

enum qcow2bm_code q2_check_refcounts_open(struct q2_check_refcounts *refcounts,
					  struct q2_survey *survey,
					  struct qcow2bm_error *err)
{
	const struct q2_faults faults = q2_survey_faults(survey);
	*refcounts = (struct q2_check_refcounts){.survey = survey};
	return q2_refcounts_open_damaged(&refcounts->stored, survey->image, &faults, err);
}

static void note_high(struct q2_check_refcounts *refcounts, uint64_t cluster,
		      unsigned counted)
{
	struct q2_survey *survey = refcounts->survey;
	struct q2_window *window = &survey->window;
	survey->report->totals.leaked_clusters++;
	if (counted == 0) {
		q2_tally_add(&refcounts->leaked, cluster << survey->cluster_bits);
		q2_survey_keep(survey, &survey->report->leaked, cluster);
	} else if (q2_window_bitmaps(window, cluster) == 0) {
		q2_survey_tell(survey, Q2_PROBLEM_GUEST_REFCOUNT_HIGH,
			       cluster << survey->cluster_bits);
	} else if (counted == 1) {
		q2_survey_keep(survey, &survey->report->high, cluster);
		q2_window_set_mark(window, cluster, Q2_WINDOW_HIGH);
	}
}

static void note_low(struct q2_survey *survey, uint64_t cluster, unsigned counted)
{
	struct q2_window *window = &survey->window;
	survey->report->totals.corruptions++;
	if (q2_window_bitmaps(window, cluster) == 0) {
		q2_survey_tell(survey, Q2_PROBLEM_GUEST_REFCOUNT_LOW,
			       cluster << survey->cluster_bits);
	} else if (counted == 1) {
		q2_survey_keep(survey, &survey->report->low, cluster);
		q2_window_set_mark(window, cluster, Q2_WINDOW_LOW);
	}
}

/* Compares one refcount that is not what was counted, and finds whose mistake it is. */
static void look_closely(struct q2_check_refcounts *refcounts, uint64_t cluster,
			 uint16_t stored)
{
	struct q2_survey *survey = refcounts->survey;
	struct q2_window *window = &survey->window;
	unsigned others = q2_window_others(window, cluster);
	unsigned bitmaps = q2_window_bitmaps(window, cluster);
	unsigned counted = others + bitmaps;
	if (bitmaps != 0 && counted > 1)
		window->is_marked = true;
	/* What the bitmap has no right to: is the refcount right for the others? */
	if (bitmaps != 0 && others != 0 && others != Q2_WINDOW_OTHERS && stored != others)
		q2_survey_tell(survey,
			       stored < others ? Q2_PROBLEM_GUEST_REFCOUNT_LOW
					       : Q2_PROBLEM_GUEST_REFCOUNT_HIGH,
			       cluster << survey->cluster_bits);
	if (stored > counted && !q2_window_is_full(window, cluster))
		note_high(refcounts, cluster, counted);
	else if (stored < counted)
		note_low(survey, cluster, counted);
	if (bitmaps == 0)
		q2_window_set_stored(window, cluster, stored);
}

/* Of a chunk that nothing refers to, when no more leaks are kept, they are counted at once: in a
 * hostile image one block may count terabytes of them. */
static bool note_leaks(struct q2_check_refcounts *refcounts, uint64_t first,
		       const uint16_t *stored, size_t count)
{
	struct q2_window *window = &refcounts->survey->window;
	struct qcow2bm_report *report = refcounts->survey->report;
	unsigned leaked = 0;
	if (report->leaked.count < Q2_SURVEY_MAX_RUNS ||
	    !q2_window_is_unused(window, first, count))
		return false;
	for (size_t i = 0; i < count; i++) {
		leaked += stored[i] != 0;
		q2_window_set_stored(window, first + i, stored[i]);
	}
	report->is_partial = true;
	report->totals.leaked_clusters += leaked;
	refcounts->leaked.count += leaked;
	return true;
}

/* `block` is NULL where there is none; idx is the first refcount in it that counts. */
static void compare(struct q2_check_refcounts *refcounts, uint64_t first, uint64_t count,
		    const uint8_t *block, uint64_t idx)
{
	const struct q2_survey *survey = refcounts->survey;
	unsigned order = survey->image->header.refcount_order;
	uint16_t stored[CHUNK] = {0};
	for (uint64_t at = 0; at < count; at += CHUNK) {
		size_t n = (size_t)q2_min_u64(CHUNK, count - at);
		if (block != NULL)
			q2_refcount_decode_many(stored, block, order, idx + at, n);
		bool is_settled = q2_window_is_sound(&survey->window, first + at, stored,
						     n, &refcounts->last_used) ||
				  note_leaks(refcounts, first + at, stored, n);
		for (size_t i = 0; !is_settled && i < n; i++)
			look_closely(refcounts, first + at + i, stored[i]);
	}
}

/* Nothing else may be where a refcount block is, whatever its own refcount says. */
void q2_check_refcounts_look_at_blocks(const struct q2_check_refcounts *refcounts)
{
	struct q2_survey *survey = refcounts->survey;
	const struct q2_window *window = &survey->window;
	for (uint64_t i = 0; i < refcounts->stored.table_entries; i++) {
		uint64_t off = refcounts->stored.table[i];
		uint64_t cluster = off >> survey->cluster_bits;
		if (off == 0 || !q2_window_has(window, cluster))
			continue;
		if (q2_window_bitmaps(window, cluster) != 0)
			survey->report->totals.corruptions++;
		else if (q2_window_others(window, cluster) != 1)
			q2_survey_tell(survey, Q2_PROBLEM_GUEST_REFCOUNT_TABLE, off);
	}
}

enum qcow2bm_code q2_check_refcounts_compare(struct q2_check_refcounts *refcounts,
					     struct qcow2bm_error *err)
{
	struct q2_survey *survey = refcounts->survey;
	const struct q2_refcounts *stored = &refcounts->stored;
	unsigned shift = stored->block_shift;
	uint64_t end = q2_window_end(&survey->window), first = survey->window.first;
	while (first < end) {
		uint64_t i = first >> shift, most = Q2_SURVEY_READ_BYTES;
		most = q2_min_u64(most >> survey->cluster_bits,
				  q2_shift_up(end, shift) - i);
		uint64_t n = q2_refcounts_adjacent(stored, i, most);
		enum qcow2bm_code code = n == 0 ? QCOW2BM_OK : q2_survey_ask(survey, err);
		if (code == QCOW2BM_OK && n != 0)
			code = q2_refcounts_load_blocks(stored, i, n, survey->buf, err);
		if (code != QCOW2BM_OK)
			return code;
		uint64_t part_end = q2_min_u64((i + q2_max_u64(n, 1)) << shift, end);
		compare(refcounts, first, part_end - first, n == 0 ? NULL : survey->buf,
			first - (i << shift));
		survey->done_bytes += n << survey->cluster_bits;
		first = part_end;
	}
	return QCOW2BM_OK;
}

/* Those that one block counts. */
static enum qcow2bm_code find_in_block(const struct q2_check_refcounts *refcounts,
				       uint64_t block, struct qcow2bm_error *err)
{
	struct q2_survey *survey = refcounts->survey;
	unsigned order = survey->image->header.refcount_order;
	uint64_t base = block << refcounts->stored.block_shift;
	uint64_t end = q2_min_u64((uint64_t)1 << refcounts->stored.block_shift,
				  q2_mapping_cluster_limit(survey->cluster_bits) - base);
	uint64_t at = survey->clusters > base ? survey->clusters - base : 0;
	enum qcow2bm_code code = q2_survey_ask(survey, err);
	if (code == QCOW2BM_OK)
		code = q2_refcounts_load_blocks(&refcounts->stored, block, 1, survey->buf,
						err);
	while (code == QCOW2BM_OK && at < end) {
		at = q2_refcount_find_nonzero(survey->buf, order, at, end);
		uint64_t none = q2_refcount_find_zero(survey->buf, order, at, end);
		code = q2_clusters_add(&survey->report->counted_past_end, base + at,
				       none - at, err);
		at = none;
	}
	return code;
}

enum qcow2bm_code
q2_check_refcounts_find_behind(const struct q2_check_refcounts *refcounts,
			       struct qcow2bm_error *err)
{
	const struct q2_survey *survey = refcounts->survey;
	uint64_t limit = q2_mapping_cluster_limit(survey->cluster_bits);
	struct q2_clusters *behind = &survey->report->counted_past_end;
	enum qcow2bm_code code = QCOW2BM_OK;
	/* Of a sound image the blocks are apart, so that they are no more than the file has
	 * clusters. */
	if (!survey->report->guest_is_sound)
		return QCOW2BM_OK;
	for (uint64_t i = survey->clusters >> refcounts->stored.block_shift;
	     code == QCOW2BM_OK && i < refcounts->stored.table_entries &&
	     i << refcounts->stored.block_shift < limit &&
	     behind->count < Q2_SURVEY_MAX_RUNS;
	     i++)
		if (q2_refcounts_has_block(&refcounts->stored, i))
			code = find_in_block(refcounts, i, err);
	return code == QCOW2BM_OK ? q2_clusters_sort(behind, NULL, err) : code;
}
