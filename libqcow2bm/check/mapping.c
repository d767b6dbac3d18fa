/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's part of the reference walk: L1 and L2 tables of the disk and its snapshots. */
#include <stdlib.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../clusters/l2.h"
#include "references.h"

#define NO_WINDOW UINT32_MAX

static int l2_by_place(const void *a, const void *b)
{
	const struct q2_walk_l2 *x = a, *y = b;
	return (x->cluster > y->cluster) - (x->cluster < y->cluster);
}

static void sort_l2_tables(struct q2_walk *walk)
{
	struct q2_walk_l2 *tables = walk->l2_tables;
	if (walk->l2_count < 2)
		return;
	qsort(tables, walk->l2_count, sizeof(*tables), l2_by_place);
	size_t kept = 0;
	for (size_t i = 1; i < walk->l2_count; i++) {
		if (tables[i].cluster != tables[kept].cluster) {
			tables[++kept] = tables[i];
			continue;
		}
		unsigned times = (unsigned)tables[kept].times + tables[i].times;
		tables[kept].times = (uint16_t)q2_min_u64(times, Q2_REFERENCES_OTHERS);
		tables[kept].is_active |= tables[i].is_active;
		tables[kept].is_copied |= tables[i].is_copied;
	}
	walk->l2_count = kept + 1;
}

static enum qcow2bm_code add_l2(struct q2_walk *walk, const struct q2_walk_l2 *table,
				struct qcow2bm_error *err)
{
	/* Snapshots name the same tables again and again: those that are known need no room. */
	if (walk->l2_count == walk->l2_room)
		sort_l2_tables(walk);
	if (walk->l2_count > walk->l2_room / 4 * 3 || walk->l2_room == 0) {
		size_t room = walk->l2_room == 0 ? 64 : walk->l2_room * 2;
		struct q2_walk_l2 *grown =
			realloc(walk->l2_tables, room * sizeof(*grown));
		if (grown == NULL)
			return q2_fail_memory(err, "L2 tables");
		walk->l2_tables = grown;
		walk->l2_room = room;
	}
	walk->l2_tables[walk->l2_count++] = *table;
	return QCOW2BM_OK;
}

static enum qcow2bm_code note_l2(void *opaque, const struct q2_l1_table *l1,
				 const struct q2_l1_entry *entry,
				 struct qcow2bm_error *err)
{
	struct q2_walk *walk = opaque;
	const struct q2_walk_l2 table = {
		.cluster = entry->l2_off >> walk->cluster_bits,
		.lowest = NO_WINDOW,
		.times = (uint16_t)q2_min_u64(l1->times, Q2_REFERENCES_OTHERS),
		.is_active = l1->is_active,
		.is_copied = l1->is_active && entry->is_copied,
	};
	return add_l2(walk, &table, err);
}

enum qcow2bm_code q2_guest_collect(struct q2_walk *walk, struct qcow2bm_error *err)
{
	const struct q2_faults faults = q2_references_faults(walk);
	enum qcow2bm_code code = q2_l1_collect(&walk->l1, walk->image, &faults, err);
	if (code == QCOW2BM_OK)
		code = q2_l1_sift(&walk->l1, walk->image, &faults, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < walk->l1.count; i++)
		code = q2_l1_read(walk->image, &walk->l1.tables[i], walk->watch, &faults,
				  note_l2, walk, err);
	sort_l2_tables(walk);
	return code;
}

bool q2_guest_is_l2(const struct q2_walk *walk, uint64_t cluster)
{
	struct q2_walk_l2 key = {.cluster = cluster};
	return walk->l2_count != 0 &&
	       bsearch(&key, walk->l2_tables, walk->l2_count, sizeof(key), l2_by_place);
}

void q2_guest_check_places(struct q2_walk *walk)
{
	struct q2_tally *bad = q2_references_guest(walk, Q2_PROBLEM_GUEST_L2_PLACE);
	for (size_t i = 0; i < walk->l2_count; i++) {
		const struct q2_walk_l2 *table = &walk->l2_tables[i];
		uint64_t at = table->cluster - walk->first;
		if (at < walk->window_clusters &&
		    (walk->counts[at] & Q2_REFERENCES_OTHERS) > table->times)
			q2_tally_add(bad, table->cluster << walk->cluster_bits);
	}
}

/* What one look at the entries of a table needs to know. */
struct scan {
	struct q2_walk *walk;
	struct q2_walk_l2 *table;
	bool has_data_file;
	uint64_t next_off;        /* where the active disk would go on without a gap */
	uint64_t lowest, highest; /* clusters */
};

/* What is wrong with an entry is said once, in the first pass. */
static void say(const struct scan *scan, enum q2_problem_id id, uint64_t off)
{
	if (!scan->walk->has_ranges)
		q2_tally_add(q2_references_guest(scan->walk, id), off);
}

static void count_compressed(struct scan *scan, uint64_t entry, uint64_t off)
{
	struct q2_walk *walk = scan->walk;
	struct q2_mapping_range range = q2_mapping_l2_range(entry, walk->cluster_bits);
	if (q2_l2_is_copied(entry) || scan->has_data_file)
		say(scan, Q2_PROBLEM_GUEST_L2_ENTRY, off);
	uint64_t first = range.off >> walk->cluster_bits;
	uint64_t last = (range.off + range.bytes - 1) >> walk->cluster_bits;
	if (!walk->has_ranges && scan->table->is_active) {
		walk->report->totals.allocated_clusters++;
		walk->report->totals.compressed_clusters++;
		walk->report->totals.fragmented_clusters++;
	}
	/* The file may end inside the last cluster. */
	if (last >= walk->clusters) {
		say(scan, Q2_PROBLEM_GUEST_DATA_PAST_END, off);
		return;
	}
	scan->lowest = q2_min_u64(scan->lowest, first);
	scan->highest = q2_max_u64(scan->highest, last);
	for (uint64_t cluster = first; cluster <= last; cluster++) {
		q2_references_count(walk, cluster, scan->table->times);
		q2_references_expect(walk, cluster, off);
	}
}

static void count_stats(struct scan *scan, uint64_t place)
{
	struct qcow2bm_totals *totals = &scan->walk->report->totals;
	totals->allocated_clusters++;
	if (scan->next_off != 0 && place != scan->next_off)
		totals->fragmented_clusters++;
	scan->next_off = place + ((uint64_t)1 << scan->walk->cluster_bits);
}

static void scan_table(struct scan *scan, const struct q2_l2_part *l2)
{
	struct q2_walk *walk = scan->walk;
	const struct q2_l2_form form = *l2->form;
	unsigned cluster_bits = walk->cluster_bits;
	unsigned times = scan->table->times;
	uint64_t within = ((uint64_t)1 << cluster_bits) - 1;
	uint64_t lowest = UINT64_MAX, highest = 0;
	bool with_stats = !walk->has_ranges && scan->table->is_active;
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
		if ((place & within) != 0 || cluster >= walk->clusters) {
			if (!is_odd)
				say(scan,
				    (place & within) != 0
					    ? Q2_PROBLEM_GUEST_L2_ENTRY
					    : Q2_PROBLEM_GUEST_DATA_PAST_END,
				    q2_l2_entry_off(l2, i));
			if (cluster >= walk->clusters)
				continue;
		}
		lowest = cluster < lowest ? cluster : lowest;
		highest = cluster > highest ? cluster : highest;
		q2_references_count(walk, cluster, times);
		if (cluster - walk->first >= walk->window_clusters)
			q2_references_expect(walk, cluster, q2_l2_entry_off(l2, i));
	}
	scan->lowest = q2_min_u64(scan->lowest, lowest);
	scan->highest = q2_max_u64(scan->highest, highest);
}

static void count_table(struct q2_walk *walk, struct q2_walk_l2 *table,
			const struct q2_l2_part *l2)
{
	struct scan scan = {
		.walk = walk,
		.table = table,
		.has_data_file = l2->form->has_data_file,
		.lowest = UINT64_MAX,
	};
	scan_table(&scan, l2);
	if (!walk->has_ranges && scan.lowest <= scan.highest) {
		table->lowest = (uint32_t)(scan.lowest >> walk->window_shift);
		table->highest = (uint32_t)(scan.highest >> walk->window_shift);
	}
}

/* Whether flags or entries of the table speak of the window's clusters. */
static bool matters(const struct q2_walk *walk, const struct q2_walk_l2 *table)
{
	uint64_t window = walk->first >> walk->window_shift;
	return !walk->has_ranges || (table->lowest <= window && window <= table->highest);
}

typedef void table_fn(struct q2_walk *walk, struct q2_walk_l2 *table,
		      const struct q2_l2_part *l2);

/* Calls fn for each table of the part: *table is the first of all that may be among them. */
static void visit_part(struct q2_walk *walk, const struct q2_l2_part *part,
		       struct q2_walk_l2 **table, table_fn *fn)
{
	size_t entries = (size_t)1 << q2_l2_table_shift(part->form);
	for (size_t at = 0; at < part->count; at += entries) {
		struct q2_l2_part l2 = {
			.form = part->form,
			.bytes = part->bytes + (at << part->form->entry_shift),
			.count = entries,
			.off = q2_l2_entry_off(part, at),
		};
		while ((*table)->cluster < l2.off >> walk->cluster_bits)
			(*table)++;
		fn(walk, *table, &l2);
	}
}

static enum qcow2bm_code visit_way(struct q2_walk *walk, struct q2_l2_way *way,
				   table_fn *fn, bool is_progress,
				   struct qcow2bm_error *err)
{
	struct q2_walk_l2 *table = walk->l2_tables;
	uint64_t begun_bytes = walk->done_bytes;
	struct q2_l2_part part;
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK && q2_l2_next(way, &part)) {
		code = q2_references_ask(walk, err);
		if (code == QCOW2BM_OK)
			code = q2_l2_read(walk->image, &part, walk->buf, err);
		if (code == QCOW2BM_OK)
			visit_part(walk, &part, &table, fn);
		if (is_progress)
			walk->done_bytes = begun_bytes + way->done_bytes;
	}
	return code;
}

/* Calls fn for all tables that matter, those in holes aside: they name nothing. */
static enum qcow2bm_code visit_tables(struct q2_walk *walk, table_fn *fn,
				      bool only_active, struct qcow2bm_error *err)
{
	struct q2_clusters set = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < walk->l2_count; i++)
		if (matters(walk, &walk->l2_tables[i]) &&
		    (!only_active || walk->l2_tables[i].is_active))
			code = q2_clusters_add(&set, walk->l2_tables[i].cluster, 1, err);
	struct q2_l2_way way = q2_l2_way(walk->image, &set, Q2_REFERENCES_READ_BYTES);
	way.is_whole = true;
	if (code == QCOW2BM_OK)
		code = visit_way(walk, &way, fn, !only_active, err);
	q2_clusters_free(&set);
	return code;
}

static void count_l2(struct q2_walk *walk, const struct q2_walk_l2 *table)
{
	q2_references_expect(walk, table->cluster, table->cluster << walk->cluster_bits);
	q2_references_count(walk, table->cluster, table->times);
}

enum qcow2bm_code q2_guest_count(struct q2_walk *walk, struct qcow2bm_error *err)
{
	for (size_t i = 0; i < walk->l2_count; i++)
		count_l2(walk, &walk->l2_tables[i]);
	return visit_tables(walk, count_table, false, err);
}

static void check_flag(struct q2_walk *walk, uint64_t cluster, bool is_copied,
		       uint64_t off)
{
	uint64_t at = cluster - walk->first;
	/* What lies past the end has no refcount; the first window says so. */
	if (cluster >= walk->clusters && walk->first == 0 && is_copied)
		q2_tally_add(q2_references_guest(walk, Q2_PROBLEM_GUEST_COPIED), off);
	if (at >= walk->window_clusters || walk->counts[at] >= Q2_REFERENCES_ONE_BITMAP)
		return;
	if ((walk->counts[at] == 1) != is_copied)
		q2_tally_add(q2_references_guest(walk, Q2_PROBLEM_GUEST_COPIED), off);
}

static void check_copied(struct q2_walk *walk, struct q2_walk_l2 *table,
			 const struct q2_l2_part *l2)
{
	(void)table;
	for (size_t i = 0; i < l2->count; i++) {
		uint64_t entry = q2_l2_entry(l2, i), place = q2_l2_place(entry);
		if (place != 0 && !q2_l2_is_compressed(entry))
			check_flag(walk, place >> walk->cluster_bits,
				   q2_l2_is_copied(entry), q2_l2_entry_off(l2, i));
	}
}

enum qcow2bm_code q2_guest_check_copied(struct q2_walk *walk, struct qcow2bm_error *err)
{
	for (size_t i = 0; i < walk->l2_count; i++)
		if (walk->l2_tables[i].is_active)
			check_flag(walk, walk->l2_tables[i].cluster,
				   walk->l2_tables[i].is_copied,
				   walk->l2_tables[i].cluster << walk->cluster_bits);
	/* Clusters in another file have no refcounts. */
	if (walk->image->header.incompatible_features & Q2_INCOMPATIBLE_DATA_FILE)
		return QCOW2BM_OK;
	return visit_tables(walk, check_copied, true, err);
}
