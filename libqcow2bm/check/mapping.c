/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's part of the reference walk: L1 and L2 tables of the disk and its snapshots. */
#include <stdlib.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../format/mapping.h"
#include "../image/snapshots.h"
#include "references.h"

#define L1_RESERVED 0x7f000000000001ffull
#define L2_RESERVED 0x3f000000000001feull          /* of entries of 8 bytes */
#define L2_EXTENDED_RESERVED 0x3f000000000001ffull /* of entries of 16 bytes */
#define PART_BYTES (64u << 10)
#define NO_WINDOW UINT32_MAX

static enum qcow2bm_code add_l1(void *opaque, uint64_t off, uint32_t entries,
				struct qcow2bm_error *err)
{
	struct q2_walk *walk = opaque;
	struct q2_walk_l1 *grown =
		realloc(walk->l1_tables, (walk->l1_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return q2_fail_memory(err, "L1 tables");
	walk->l1_tables = grown;
	grown[walk->l1_count] = (struct q2_walk_l1){off, entries, 1, walk->l1_count == 0};
	walk->l1_count++;
	return QCOW2BM_OK;
}

static int l1_by_place(const void *a, const void *b)
{
	const struct q2_walk_l1 *x = a, *y = b;
	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return (x->entries < y->entries) - (x->entries > y->entries);
}

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

static enum qcow2bm_code add_l2_tables(struct q2_walk *walk, const struct q2_walk_l1 *l1,
				       const uint8_t *part, size_t bytes,
				       uint64_t part_off, struct qcow2bm_error *err)
{
	struct q2_tally *bad = q2_references_guest(walk, Q2_PROBLEM_GUEST_L1_ENTRY);
	for (size_t at = 0; at < bytes; at += 8) {
		uint64_t entry = q2_be64_load(part + at);
		uint64_t off = entry & Q2_MAPPING_L1_OFFSET_MASK;
		/* QEMU takes one without a place for an L2 table in the header, too. */
		if ((entry & L1_RESERVED) != 0 || (entry != 0 && off == 0))
			q2_tally_add(bad, part_off + at);
		if (off == 0)
			continue;
		if (!q2_is_aligned(off, (uint64_t)1 << walk->cluster_bits) ||
		    off >= walk->image->file_bytes) {
			q2_tally_add(bad, part_off + at);
			continue;
		}
		struct q2_walk_l2 table = {
			.cluster = off >> walk->cluster_bits,
			.lowest = NO_WINDOW,
			.times = (uint16_t)q2_min_u64(l1->times, Q2_REFERENCES_OTHERS),
			.is_active = l1->is_active,
			.is_copied = l1->is_active && (entry & Q2_MAPPING_COPIED),
		};
		enum qcow2bm_code code = add_l2(walk, &table, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code read_l1(struct q2_walk *walk, const struct q2_walk_l1 *l1,
				 struct qcow2bm_error *err)
{
	uint64_t off = l1->off, end = off + (uint64_t)l1->entries * 8, stop;
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK &&
	       (off = q2_holes_skip(&walk->holes, off, end, &stop)) < end) {
		size_t part = (size_t)q2_min_u64(PART_BYTES, stop - off);
		code = q2_references_ask(walk, err);
		if (code == QCOW2BM_OK)
			code = q2_references_read(walk, walk->buf, part, off, err);
		if (code == QCOW2BM_OK)
			code = add_l2_tables(walk, l1, walk->buf, part, off, err);
		off += part;
	}
	return code;
}

/* Joins tables that several snapshots share, and drops those that cannot be read. Sound tables
 * never overlap, so together they are no longer than the file: a hostile image cannot keep us
 * busy for ever. */
static void sift_l1_tables(struct q2_walk *walk)
{
	struct q2_tally *bad = q2_references_guest(walk, Q2_PROBLEM_GUEST_L1_PLACE);
	struct q2_walk_l1 *tables = walk->l1_tables;
	uint64_t cluster_bytes = (uint64_t)1 << walk->cluster_bits, end = 0;
	size_t kept = 0;
	qsort(tables, walk->l1_count, sizeof(*tables), l1_by_place);
	for (size_t i = 0; i < walk->l1_count; i++) {
		struct q2_walk_l1 *last = kept == 0 ? NULL : &tables[kept - 1];
		uint64_t bytes = (uint64_t)tables[i].entries * 8;
		if (bytes == 0)
			continue;
		if (last != NULL && last->off == tables[i].off &&
		    last->entries == tables[i].entries) {
			last->times++;
			last->is_active |= tables[i].is_active;
			continue;
		}
		if (!q2_is_aligned(tables[i].off, cluster_bytes) || tables[i].off < end ||
		    !q2_checked_within(tables[i].off, bytes, q2_image_end(walk->image))) {
			q2_tally_add(bad, tables[i].off);
			continue;
		}
		end = tables[i].off + bytes;
		tables[kept++] = tables[i];
	}
	walk->l1_count = kept;
}

enum qcow2bm_code q2_guest_collect(struct q2_walk *walk, struct qcow2bm_error *err)
{
	const struct q2_header *header = &walk->image->header;
	enum qcow2bm_code code =
		add_l1(walk, header->l1_table_off, header->l1_entries, err);
	if (code != QCOW2BM_OK)
		return code;
	struct qcow2bm_error problem = {0};
	code = q2_snapshots_each_l1(walk->image, add_l1, walk, &problem);
	if (code == QCOW2BM_EIMAGE) {
		q2_tally_add(q2_references_guest(walk, Q2_PROBLEM_GUEST_SNAPSHOTS),
			     problem.offset);
	} else if (code != QCOW2BM_OK) {
		if (err != NULL)
			*err = problem;
		return code;
	}
	sift_l1_tables(walk);
	code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < walk->l1_count; i++)
		code = read_l1(walk, &walk->l1_tables[i], err);
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
	uint64_t off; /* of the table */
	size_t stride;
	uint64_t reserved;
	bool has_data_file;
	uint64_t next_off;        /* where the active disk would go on without a gap */
	uint64_t lowest, highest; /* clusters */
};

static void count_compressed(struct scan *scan, uint64_t entry, size_t at)
{
	struct q2_walk *walk = scan->walk;
	struct q2_mapping_range range = q2_mapping_l2_range(entry, walk->cluster_bits);
	bool is_first = !walk->has_ranges;
	if (is_first && ((entry & Q2_MAPPING_COPIED) != 0 || scan->has_data_file))
		q2_tally_add(q2_references_guest(walk, Q2_PROBLEM_GUEST_L2_ENTRY),
			     scan->off + at);
	uint64_t first = range.off >> walk->cluster_bits;
	uint64_t last = (range.off + range.bytes - 1) >> walk->cluster_bits;
	if (is_first && scan->table->is_active) {
		walk->report->totals.allocated_clusters++;
		walk->report->totals.compressed_clusters++;
		walk->report->totals.fragmented_clusters++;
	}
	/* The file may end inside the last cluster. */
	if (last >= walk->clusters) {
		if (is_first)
			q2_tally_add(
				q2_references_guest(walk, Q2_PROBLEM_GUEST_DATA_PAST_END),
				scan->off + at);
		return;
	}
	scan->lowest = q2_min_u64(scan->lowest, first);
	scan->highest = q2_max_u64(scan->highest, last);
	for (uint64_t cluster = first; cluster <= last; cluster++) {
		q2_references_count(walk, cluster, scan->table->times);
		q2_references_expect(walk, cluster, scan->off + at);
	}
}

/* What is wrong with an entry is said once, in the first pass. */
static void count_bad(struct scan *scan, uint64_t entry, size_t at)
{
	struct q2_walk *walk = scan->walk;
	if (walk->has_ranges)
		return;
	uint64_t off = entry & Q2_MAPPING_L2_OFFSET_MASK;
	if ((entry & scan->reserved) != 0 ||
	    !q2_is_aligned(off, (uint64_t)1 << walk->cluster_bits))
		q2_tally_add(q2_references_guest(walk, Q2_PROBLEM_GUEST_L2_ENTRY),
			     scan->off + at);
	else
		q2_tally_add(q2_references_guest(walk, Q2_PROBLEM_GUEST_DATA_PAST_END),
			     scan->off + at);
}

static void count_stats(struct scan *scan, uint64_t off)
{
	struct qcow2bm_totals *totals = &scan->walk->report->totals;
	totals->allocated_clusters++;
	if (scan->next_off != 0 && off != scan->next_off)
		totals->fragmented_clusters++;
	scan->next_off = off + ((uint64_t)1 << scan->walk->cluster_bits);
}

static void scan_table(struct scan *scan, const uint8_t *l2, size_t bytes)
{
	struct q2_walk *walk = scan->walk;
	unsigned cluster_bits = walk->cluster_bits;
	unsigned times = scan->table->times;
	uint64_t odd = scan->reserved | Q2_MAPPING_COMPRESSED;
	uint64_t within = ((uint64_t)1 << cluster_bits) - 1;
	uint64_t lowest = UINT64_MAX, highest = 0;
	bool with_stats = !walk->has_ranges && scan->table->is_active;
	for (size_t at = 0; at < bytes; at += scan->stride) {
		uint64_t entry = q2_be64_load(l2 + at);
		uint64_t off = entry & Q2_MAPPING_L2_OFFSET_MASK;
		if ((entry & odd) != 0) {
			if (entry & Q2_MAPPING_COMPRESSED) {
				count_compressed(scan, entry, at);
				continue;
			}
			count_bad(scan, entry, at);
		}
		/* In an external data file a cluster may be at 0; this flag tells. */
		if (off == 0 && !(scan->has_data_file && (entry & Q2_MAPPING_COPIED)))
			continue;
		if (with_stats)
			count_stats(scan, off);
		uint64_t cluster = off >> cluster_bits;
		if (scan->has_data_file)
			continue;
		if ((off & within) != 0 || cluster >= walk->clusters) {
			if ((entry & odd) == 0)
				count_bad(scan, entry, at);
			if (cluster >= walk->clusters)
				continue;
		}
		lowest = cluster < lowest ? cluster : lowest;
		highest = cluster > highest ? cluster : highest;
		q2_references_count(walk, cluster, times);
		if (cluster - walk->first >= walk->window_clusters)
			q2_references_expect(walk, cluster, scan->off + at);
	}
	scan->lowest = q2_min_u64(scan->lowest, lowest);
	scan->highest = q2_max_u64(scan->highest, highest);
}

static void count_table(struct q2_walk *walk, struct q2_walk_l2 *table, const uint8_t *l2)
{
	uint64_t features = walk->image->header.incompatible_features;
	bool is_extended = features & Q2_INCOMPATIBLE_EXTENDED_L2;
	struct scan scan = {
		.walk = walk,
		.table = table,
		.off = table->cluster << walk->cluster_bits,
		.stride = (size_t)1 << q2_mapping_entry_shift(is_extended),
		.reserved = is_extended ? L2_EXTENDED_RESERVED : L2_RESERVED,
		.has_data_file = features & Q2_INCOMPATIBLE_DATA_FILE,
		.lowest = UINT64_MAX,
	};
	scan_table(&scan, l2, (size_t)1 << walk->cluster_bits);
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

/* A table in a hole of the file names nothing. */
static bool is_in_hole(struct q2_walk *walk, const struct q2_walk_l2 *table)
{
	uint64_t off = table->cluster << walk->cluster_bits;
	return q2_holes_is_empty(&walk->holes, off,
				 off + ((uint64_t)1 << walk->cluster_bits));
}

/* Reads all tables that matter, those that lie side by side at once, and calls fn for each. */
static enum qcow2bm_code visit_tables(struct q2_walk *walk,
				      void (*fn)(struct q2_walk *, struct q2_walk_l2 *,
						 const uint8_t *),
				      bool only_active, struct qcow2bm_error *err)
{
	struct q2_walk_l2 *tables = walk->l2_tables;
	size_t most = Q2_REFERENCES_READ_BYTES >> walk->cluster_bits;
	size_t i = 0;
	while (i < walk->l2_count) {
		if (!matters(walk, &tables[i]) || (only_active && !tables[i].is_active) ||
		    is_in_hole(walk, &tables[i])) {
			i++;
			continue;
		}
		size_t n = 1;
		while (n < most && i + n < walk->l2_count &&
		       tables[i + n].cluster == tables[i].cluster + n &&
		       matters(walk, &tables[i + n]))
			n++;
		enum qcow2bm_code code = q2_references_ask(walk, err);
		if (code == QCOW2BM_OK)
			code = q2_references_read(
				walk, walk->buf, n << walk->cluster_bits,
				tables[i].cluster << walk->cluster_bits, err);
		if (code != QCOW2BM_OK)
			return code;
		for (size_t k = 0; k < n; k++)
			if (!only_active || tables[i + k].is_active)
				fn(walk, &tables[i + k],
				   walk->buf + (k << walk->cluster_bits));
		if (!only_active)
			walk->done_bytes += (uint64_t)n << walk->cluster_bits;
		i += n;
	}
	return QCOW2BM_OK;
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
			 const uint8_t *l2)
{
	bool is_extended =
		walk->image->header.incompatible_features & Q2_INCOMPATIBLE_EXTENDED_L2;
	size_t stride = (size_t)1 << q2_mapping_entry_shift(is_extended);
	size_t bytes = (size_t)1 << walk->cluster_bits;
	uint64_t off = table->cluster << walk->cluster_bits;
	for (size_t at = 0; at < bytes; at += stride) {
		uint64_t entry = q2_be64_load(l2 + at);
		uint64_t place = entry & Q2_MAPPING_L2_OFFSET_MASK;
		if (place != 0 && !(entry & Q2_MAPPING_COMPRESSED))
			check_flag(walk, place >> walk->cluster_bits,
				   entry & Q2_MAPPING_COPIED, off + at);
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
