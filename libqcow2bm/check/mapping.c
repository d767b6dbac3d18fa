/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's part of the reference walk: L1 and L2 tables of the disk and its snapshots. */
#include "mapping.h"

#include <stdlib.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../clusters/l2.h"

#define NO_WINDOW UINT32_MAX

static int l2_by_place(const void *a, const void *b)
{
	const struct q2_check_l2 *x = a, *y = b;
	return (x->cluster > y->cluster) - (x->cluster < y->cluster);
}

/* Sorts the L2 tables by place and makes those of one place one, which then counts several
 * times. */
static void sort_l2_tables(struct q2_check_mapping *mapping)
{
	struct q2_check_l2 *tables = mapping->tables;
	if (mapping->count < 2)
		return;
	qsort(tables, mapping->count, sizeof(*tables), l2_by_place);
	size_t kept = 0;
	for (size_t i = 1; i < mapping->count; i++) {
		if (tables[i].cluster != tables[kept].cluster) {
			tables[++kept] = tables[i];
			continue;
		}
		unsigned times = (unsigned)tables[kept].times + tables[i].times;
		tables[kept].times = (uint16_t)q2_min_u64(times, Q2_WINDOW_OTHERS);
		tables[kept].is_active |= tables[i].is_active;
		tables[kept].is_copied |= tables[i].is_copied;
	}
	mapping->count = kept + 1;
}

static enum qcow2bm_code add_l2(struct q2_check_mapping *mapping,
				const struct q2_check_l2 *table,
				struct qcow2bm_error *err)
{
	/* Snapshots name the same tables again and again: those that are known need no room. */
	if (mapping->count == mapping->room)
		sort_l2_tables(mapping);
	if (mapping->count > mapping->room / 4 * 3 || mapping->room == 0) {
		size_t room = mapping->room == 0 ? 64 : mapping->room * 2;
		struct q2_check_l2 *grown =
			realloc(mapping->tables, room * sizeof(*grown));
		if (grown == NULL)
			return q2_fail_memory(err, "L2 tables");
		mapping->tables = grown;
		mapping->room = room;
	}
	mapping->tables[mapping->count++] = *table;
	return QCOW2BM_OK;
}

static enum qcow2bm_code note_l2(void *opaque, const struct q2_l1_table *l1,
				 const struct q2_l1_entry *entry,
				 struct qcow2bm_error *err)
{
	struct q2_check_mapping *mapping = opaque;
	const struct q2_check_l2 table = {
		.cluster = entry->l2_off >> mapping->survey->cluster_bits,
		.lowest = NO_WINDOW,
		.times = (uint16_t)q2_min_u64(l1->times, Q2_WINDOW_OTHERS),
		.is_active = l1->is_active,
		.is_copied = l1->is_active && entry->is_copied,
	};
	return add_l2(mapping, &table, err);
}

enum qcow2bm_code q2_check_mapping_collect(struct q2_check_mapping *mapping,
					   struct q2_survey *survey,
					   struct qcow2bm_error *err)
{
	*mapping = (struct q2_check_mapping){.survey = survey};
	const struct q2_faults faults = q2_survey_faults(survey);
	enum qcow2bm_code code = q2_l1_collect(&mapping->l1, survey->image, &faults, err);
	if (code == QCOW2BM_OK)
		code = q2_l1_sift(&mapping->l1, survey->image, &faults, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < mapping->l1.count; i++)
		code = q2_l1_read(survey->image, &mapping->l1.tables[i], survey->watch,
				  &faults, note_l2, mapping, err);
	sort_l2_tables(mapping);
	return code;
}

void q2_check_mapping_free(struct q2_check_mapping *mapping)
{
	q2_l1_free(&mapping->l1);
	free(mapping->tables);
}

bool q2_check_mapping_is_l2(const struct q2_check_mapping *mapping, uint64_t cluster)
{
	struct q2_check_l2 key = {.cluster = cluster};
	return mapping->count != 0 &&
	       bsearch(&key, mapping->tables, mapping->count, sizeof(key), l2_by_place);
}

void q2_check_mapping_look_at_places(const struct q2_check_mapping *mapping)
{
	struct q2_survey *survey = mapping->survey;
	for (size_t i = 0; i < mapping->count; i++) {
		const struct q2_check_l2 *table = &mapping->tables[i];
		if (q2_window_has(&survey->window, table->cluster) &&
		    q2_window_others(&survey->window, table->cluster) > table->times)
			q2_survey_tell(survey, Q2_PROBLEM_GUEST_L2_PLACE,
				       table->cluster << survey->cluster_bits);
	}
}

/* What one look at the entries of a table needs to know. */
struct scan {
	struct q2_survey *survey;
	struct q2_check_l2 *table;
	bool has_data_file;
	uint64_t next_off;        /* where the active disk would go on without a gap */
	uint64_t lowest, highest; /* clusters */
};

/* What is wrong with an entry is said once, in the first pass. */
static void say(const struct scan *scan, enum q2_problem_id id, uint64_t off)
{
	if (scan->survey->window.is_first)
		q2_survey_tell(scan->survey, id, off);
}

/* Counts all clusters that a compressed one touches; the first window counts it for the totals. */
static void count_compressed(struct scan *scan, uint64_t entry, uint64_t off)
{
	struct q2_survey *survey = scan->survey;
	struct q2_mapping_range range = q2_mapping_l2_range(entry, survey->cluster_bits);
	if (q2_l2_is_copied(entry) || scan->has_data_file)
		say(scan, Q2_PROBLEM_GUEST_L2_ENTRY, off);
	uint64_t first = range.off >> survey->cluster_bits;
	uint64_t last = (range.off + range.bytes - 1) >> survey->cluster_bits;
	if (survey->window.is_first && scan->table->is_active) {
		survey->report->totals.allocated_clusters++;
		survey->report->totals.compressed_clusters++;
		survey->report->totals.fragmented_clusters++;
	}
	/* The file may end inside the last cluster. */
	if (last >= survey->clusters) {
		say(scan, Q2_PROBLEM_GUEST_DATA_PAST_END, off);
		return;
	}
	scan->lowest = q2_min_u64(scan->lowest, first);
	scan->highest = q2_max_u64(scan->highest, last);
	for (uint64_t cluster = first; cluster <= last; cluster++) {
		q2_window_count(&survey->window, cluster, scan->table->times);
		q2_survey_expect(survey, cluster, off);
	}
}

static void count_stats(struct scan *scan, uint64_t place)
{
	struct qcow2bm_totals *totals = &scan->survey->report->totals;
	totals->allocated_clusters++;
	if (scan->next_off != 0 && place != scan->next_off)
		totals->fragmented_clusters++;
	scan->next_off = place + ((uint64_t)1 << scan->survey->cluster_bits);
}

/* The hot loop of a check: what most entries are takes no call. */
static void scan_table(struct scan *scan, const struct q2_l2_part *l2)
{
	struct q2_survey *survey = scan->survey;
	const struct q2_l2_form form = *l2->form;
	unsigned cluster_bits = survey->cluster_bits;
	unsigned times = scan->table->times;
	uint64_t within = ((uint64_t)1 << cluster_bits) - 1;
	uint64_t lowest = UINT64_MAX, highest = 0;
	bool with_stats = survey->window.is_first && scan->table->is_active;
	for (size_t i = 0; i < l2->count; i++) {
		uint64_t entry = q2_l2_entry(l2, i), place = q2_l2_place(entry);
		bool is_odd = !q2_l2_is_plain(&form, entry);
		if (is_odd && q2_l2_is_compressed(entry)) {
			count_compressed(scan, entry, q2_l2_entry_off(l2, i));
			continue;
		}
		if (is_odd)
			say(scan, Q2_PROBLEM_GUEST_L2_ENTRY, q2_l2_entry_off(l2, i));
		if (!q2_l2_has_place(&form, entry))
			continue;
		if (with_stats)
			count_stats(scan, place);
		uint64_t cluster = place >> cluster_bits;
		if (form.has_data_file)
			continue;
		if ((place & within) != 0 || cluster >= survey->clusters) {
			if (!is_odd)
				say(scan,
				    (place & within) != 0
					    ? Q2_PROBLEM_GUEST_L2_ENTRY
					    : Q2_PROBLEM_GUEST_DATA_PAST_END,
				    q2_l2_entry_off(l2, i));
			if (cluster >= survey->clusters)
				continue;
		}
		lowest = cluster < lowest ? cluster : lowest;
		highest = cluster > highest ? cluster : highest;
		q2_window_count(&survey->window, cluster, times);
		if (!q2_window_has(&survey->window, cluster))
			q2_survey_expect(survey, cluster, q2_l2_entry_off(l2, i));
	}
	scan->lowest = q2_min_u64(scan->lowest, lowest);
	scan->highest = q2_max_u64(scan->highest, highest);
}

static void count_table(struct q2_check_mapping *mapping, struct q2_check_l2 *table,
			const struct q2_l2_part *l2)
{
	struct scan scan = {
		.survey = mapping->survey,
		.table = table,
		.has_data_file = l2->form->has_data_file,
		.lowest = UINT64_MAX,
	};
	const struct q2_window *window = &mapping->survey->window;
	scan_table(&scan, l2);
	if (window->is_first && scan.lowest <= scan.highest) {
		table->lowest = (uint32_t)(scan.lowest >> window->shift);
		table->highest = (uint32_t)(scan.highest >> window->shift);
	}
}

/* Whether flags or entries of the table speak of the window's clusters. */
static bool matters(const struct q2_window *window, const struct q2_check_l2 *table)
{
	uint64_t idx = window->first >> window->shift;
	return window->is_first || (table->lowest <= idx && idx <= table->highest);
}

typedef void table_fn(struct q2_check_mapping *mapping, struct q2_check_l2 *table,
		      const struct q2_l2_part *l2);

/* Calls fn for each table of the part: *table is the first of all that may be among them. */
static void visit_part(struct q2_check_mapping *mapping, const struct q2_l2_part *part,
		       struct q2_check_l2 **table, table_fn *fn)
{
	size_t entries = (size_t)1 << q2_l2_table_shift(part->form);
	for (size_t at = 0; at < part->count; at += entries) {
		struct q2_l2_part l2 = {
			.form = part->form,
			.bytes = part->bytes + (at << part->form->entry_shift),
			.count = entries,
			.off = q2_l2_entry_off(part, at),
		};
		while ((*table)->cluster < l2.off >> part->form->cluster_bits)
			(*table)++;
		fn(mapping, *table, &l2);
	}
}

static enum qcow2bm_code visit_way(struct q2_check_mapping *mapping,
				   struct q2_l2_way *way, table_fn *fn, bool is_progress,
				   struct qcow2bm_error *err)
{
	struct q2_check_l2 *table = mapping->tables;
	struct q2_survey *survey = mapping->survey;
	uint64_t begun_bytes = survey->done_bytes;
	struct q2_l2_part part;
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK && q2_l2_next(way, &part)) {
		code = q2_survey_ask(survey, err);
		if (code == QCOW2BM_OK)
			code = q2_l2_read(survey->image, &part, survey->buf, err);
		if (code == QCOW2BM_OK)
			visit_part(mapping, &part, &table, fn);
		if (is_progress)
			survey->done_bytes = begun_bytes + way->done_bytes;
	}
	return code;
}

/* Calls fn for all tables that matter, those in holes aside: they name nothing. */
static enum qcow2bm_code visit_tables(struct q2_check_mapping *mapping, table_fn *fn,
				      bool only_active, struct qcow2bm_error *err)
{
	const struct q2_window *window = &mapping->survey->window;
	struct q2_clusters set = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < mapping->count; i++)
		if (matters(window, &mapping->tables[i]) &&
		    (!only_active || mapping->tables[i].is_active))
			code = q2_clusters_add(&set, mapping->tables[i].cluster, 1, err);
	struct q2_l2_way way =
		q2_l2_way(mapping->survey->image, &set, Q2_SURVEY_READ_BYTES);
	way.is_whole = true;
	if (code == QCOW2BM_OK)
		code = visit_way(mapping, &way, fn, !only_active, err);
	q2_clusters_free(&set);
	return code;
}

enum qcow2bm_code q2_check_mapping_count(struct q2_check_mapping *mapping,
					 struct qcow2bm_error *err)
{
	struct q2_survey *survey = mapping->survey;
	for (size_t i = 0; i < mapping->count; i++) {
		uint64_t cluster = mapping->tables[i].cluster;
		q2_survey_expect(survey, cluster, cluster << survey->cluster_bits);
		q2_window_count(&survey->window, cluster, mapping->tables[i].times);
	}
	return visit_tables(mapping, count_table, false, err);
}

static void check_flag(struct q2_survey *survey, uint64_t cluster, bool is_copied,
		       uint64_t off)
{
	const struct q2_window *window = &survey->window;
	/* What lies past the end has no refcount; the first window says so. */
	if (cluster >= survey->clusters && window->first == 0 && is_copied)
		q2_survey_tell(survey, Q2_PROBLEM_GUEST_COPIED, off);
	if (!q2_window_has(window, cluster) || q2_window_bitmaps(window, cluster) != 0)
		return;
	if ((q2_window_others(window, cluster) == 1) != is_copied)
		q2_survey_tell(survey, Q2_PROBLEM_GUEST_COPIED, off);
}

static void check_copied(struct q2_check_mapping *mapping, struct q2_check_l2 *table,
			 const struct q2_l2_part *l2)
{
	struct q2_survey *survey = mapping->survey;
	(void)table;
	for (size_t i = 0; i < l2->count; i++) {
		uint64_t entry = q2_l2_entry(l2, i), place = q2_l2_place(entry);
		if (place != 0 && !q2_l2_is_compressed(entry))
			check_flag(survey, place >> survey->cluster_bits,
				   q2_l2_is_copied(entry), q2_l2_entry_off(l2, i));
	}
}

enum qcow2bm_code q2_check_mapping_look_at_flags(struct q2_check_mapping *mapping,
						 struct qcow2bm_error *err)
{
	struct q2_survey *survey = mapping->survey;
	for (size_t i = 0; i < mapping->count; i++)
		if (mapping->tables[i].is_active)
			check_flag(survey, mapping->tables[i].cluster,
				   mapping->tables[i].is_copied,
				   mapping->tables[i].cluster << survey->cluster_bits);
	/* Clusters in another file have no refcounts. */
	if (survey->image->header.incompatible_features & Q2_INCOMPATIBLE_DATA_FILE)
		return QCOW2BM_OK;
	return visit_tables(mapping, check_copied, true, err);
}
