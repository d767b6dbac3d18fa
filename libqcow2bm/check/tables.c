/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables of bitmaps: where they are, what their entries say, and the bits past the disk's end. */
#include "tables.h"

#include <inttypes.h>
#include <stdlib.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../clusters/refs.h"
#include "../format/table.h"
#include "../image/tables.h"

#include "problems.h"

struct place {
	uint64_t off;
	uint64_t end;
	size_t idx;
};

static uint64_t table_bytes(const struct q2_bitmap *bitmap)
{
	return (uint64_t)bitmap->entry.table_entries * Q2_TABLE_ENTRY_BYTES;
}

/* Whether the table is where it can be read; adds why not. */
static bool check_place(struct qcow2bm_report *report, size_t idx)
{
	const struct qcow2bm_image *image = report->image;
	const struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	uint64_t off = bitmap->entry.table_off;
	if (off == 0 || !q2_is_aligned(off, q2_header_cluster_bytes(&image->header))) {
		q2_problems_add(report, Q2_PROBLEM_TABLE_MISALIGNED, idx, bitmap->off,
				"its table is said to be at byte %" PRIu64
				", which is not the start of a cluster for it",
				off);
		return false;
	}
	if (!q2_checked_within(off, table_bytes(bitmap), image->file_bytes)) {
		q2_problems_add(report, Q2_PROBLEM_TABLE_PAST_END, idx, bitmap->off,
				"its table (%" PRIu64 " bytes at %" PRIu64
				") lies past the end of the file, which has %" PRIu64
				" bytes",
				table_bytes(bitmap), off, image->file_bytes);
		return false;
	}
	return q2_tables_has_place(image, &bitmap->entry);
}

static int by_off(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return (x->idx > y->idx) - (x->idx < y->idx);
}

static void add_shared(struct qcow2bm_report *report, struct q2_layout *layouts,
		       const struct place *place)
{
	if (!layouts[place->idx].is_read)
		return;
	layouts[place->idx].is_read = false;
	q2_problems_add(report, Q2_PROBLEM_TABLE_SHARED, place->idx,
			report->image->directory.bitmaps[place->idx].off,
			"its table at byte %" PRIu64 " is that of another bitmap, too",
			place->off);
}

static bool has_name(const struct qcow2bm_report *report, const struct place *place)
{
	return report->image->directory.bitmaps[place->idx].entry.name_bytes != 0;
}

/* Of two tables that overlap either may be misplaced, unless one has no name: then nobody can ask
 * for it, it is no bitmap, and its claim does not touch the other. */
static void compare_places(struct qcow2bm_report *report, struct q2_layout *layouts,
			   const struct place *places, size_t count, bool names)
{
	const struct place *longest = NULL; /* the one so far that reaches furthest */
	for (size_t i = 0; i < count; i++) {
		if (names && !has_name(report, &places[i]))
			continue;
		if (longest != NULL && places[i].off < longest->end) {
			if (names || !has_name(report, longest))
				add_shared(report, layouts, longest);
			if (names || !has_name(report, &places[i]))
				add_shared(report, layouts, &places[i]);
		}
		if (longest == NULL || places[i].end > longest->end)
			longest = &places[i];
	}
}

/* Tables that overlap are not read: sound ones never do, so together they are no longer than the
 * file, and a hostile image cannot make us read one table 65535 times. */
static enum qcow2bm_code check_places(struct qcow2bm_report *report,
				      struct q2_layout *layouts,
				      struct qcow2bm_error *err)
{
	const struct q2_directory *directory = &report->image->directory;
	uint64_t cluster_bytes = q2_header_cluster_bytes(&report->image->header);
	struct place *places = calloc(directory->count + 1, sizeof(*places));
	if (places == NULL)
		return q2_fail_memory(err, "the places of bitmap tables");
	size_t count = 0;
	for (size_t i = 0; i < directory->count; i++) {
		const struct q2_bitmap *bitmap = &directory->bitmaps[i];
		layouts[i] = (struct q2_layout){.is_read = check_place(report, i),
						.lowest = UINT64_MAX};
		uint64_t off = bitmap->entry.table_off;
		uint64_t bytes = q2_round_up(table_bytes(bitmap), cluster_bytes);
		if (layouts[i].is_read)
			places[count++] = (struct place){off, off + bytes, i};
	}
	qsort(places, count, sizeof(*places), by_off);
	compare_places(report, layouts, places, count, true);
	compare_places(report, layouts, places, count, false);
	free(places);
	return QCOW2BM_OK;
}

struct look {
	struct qcow2bm_report *report;
	size_t idx;
	const struct qcow2bm_image *image;
	const struct q2_bitmap *bitmap;
	struct q2_layout *layout;
	const struct q2_clusters *unread; /* where tables are that are not read */
	struct q2_tally reserved, misaligned, past_end, taken;
	uint64_t last;  /* the last entry */
	uint32_t named; /* those that are neither all-zero nor all-one */
};

/* Tallies one entry of a table. */
static enum qcow2bm_code look_at_entry(void *opaque, uint32_t idx, uint64_t entry,
				       struct qcow2bm_error *err)
{
	(void)err;
	struct look *look = opaque;
	const struct q2_directory_entry *bitmap = &look->bitmap->entry;
	uint64_t off = bitmap->table_off + (uint64_t)idx * Q2_TABLE_ENTRY_BYTES;
	if (idx == bitmap->table_entries - 1)
		look->last = entry;
	if (entry <= Q2_TABLE_ONES)
		return QCOW2BM_OK;
	look->named++;
	switch (q2_tables_judge_entry(look->image, look->bitmap, idx, entry)) {
	case Q2_TABLE_FAULT_NONE:
		break;
	case Q2_TABLE_FAULT_RESERVED:
		q2_tally_add(&look->reserved, off);
		break;
	case Q2_TABLE_FAULT_MISALIGNED:
		q2_tally_add(&look->misaligned, off);
		break;
	case Q2_TABLE_FAULT_PAST_END:
		q2_tally_add(&look->past_end, off);
		break;
	}
	if (!q2_tables_names_data(look->image, entry))
		return QCOW2BM_OK;
	if (q2_clusters_overlap(look->unread, entry >> look->image->header.cluster_bits,
				1, NULL))
		q2_tally_add(&look->taken, off);
	look->layout->lowest = q2_min_u64(look->layout->lowest, entry);
	look->layout->highest = q2_max_u64(look->layout->highest, entry);
	return QCOW2BM_OK;
}

/* One problem for each kind of bad entry, however many there are. */
static void add_entry_problems(struct qcow2bm_report *report, size_t idx,
			       const struct look *look)
{
	if (look->reserved.count != 0)
		q2_problems_add(
			report, Q2_PROBLEM_TABLE_RESERVED, idx, look->reserved.first_off,
			"its table has bits set that the format reserves (in %" PRIu64
			" of its entries)",
			look->reserved.count);
	if (look->misaligned.count != 0)
		q2_problems_add(
			report, Q2_PROBLEM_DATA_MISALIGNED, idx,
			look->misaligned.first_off,
			"its table names places that are not the start of a cluster (in %" PRIu64
			" of its entries)",
			look->misaligned.count);
	if (look->past_end.count != 0)
		q2_problems_add(
			report, Q2_PROBLEM_DATA_PAST_END, idx, look->past_end.first_off,
			"its data lies past the end of the file, which has %" PRIu64
			" bytes (clusters: %" PRIu64 ")",
			look->image->file_bytes, look->past_end.count);
	if (look->taken.count != 0)
		q2_problems_add(
			report, Q2_PROBLEM_OVERLAP_BITMAP, idx, look->taken.first_off,
			"%" PRIu64
			" of its clusters are said to be the table of another bitmap, too",
			look->taken.count);
}

/* Places of tables that nobody reads, since another has them or they have an impossible length: the
 * walk does not count them, but what names them as its data has something else there. */
static enum qcow2bm_code collect_unread(const struct qcow2bm_image *image,
					const struct q2_layout *layouts,
					struct q2_clusters *unread,
					struct qcow2bm_error *err)
{
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < image->directory.count; i++) {
		const struct q2_bitmap *bitmap = &image->directory.bitmaps[i];
		uint64_t off = bitmap->entry.table_off;
		if (layouts[i].is_read || off == 0 || off >= image->file_bytes ||
		    !q2_is_aligned(off, cluster_bytes))
			continue;
		uint64_t bytes = q2_tables_has_place(image, &bitmap->entry)
					 ? table_bytes(bitmap)
					 : 1;
		code = q2_refs_add_bytes(unread, image, off, bytes, err);
	}
	return code == QCOW2BM_OK ? q2_clusters_sort(unread, NULL, err) : code;
}

/* The format wants them zero, and whoever wrote them set them for another granularity or disk. */
static enum qcow2bm_code check_tail(struct qcow2bm_report *report, size_t idx,
				    uint64_t last, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = report->image;
	uint64_t off = QCOW2BM_NO_OFFSET;
	if (!q2_tables_names_data(image, last))
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_tables_find_tail_bit(
		image, &image->directory.bitmaps[idx].entry, last, &off, err);
	if (code == QCOW2BM_OK && off != QCOW2BM_NO_OFFSET)
		q2_problems_add(
			report, Q2_PROBLEM_TAIL_BITS, idx, off,
			"bits past the end of the disk are set, which must be zero: its granularity or its table is not the one that its bits were written for");
	return code;
}

enum qcow2bm_code q2_check_tables(struct qcow2bm_report *report,
				  struct q2_layout *layouts, struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = report->image;
	struct q2_clusters unread = {0};
	enum qcow2bm_code code = check_places(report, layouts, err);
	if (code == QCOW2BM_OK)
		code = collect_unread(image, layouts, &unread, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < image->directory.count; i++) {
		if (!layouts[i].is_read)
			continue;
		struct look look = {.report = report,
				    .idx = i,
				    .image = image,
				    .bitmap = &image->directory.bitmaps[i],
				    .layout = &layouts[i],
				    .unread = &unread};
		code = q2_tables_visit(image, look.bitmap, look_at_entry, &look, err);
		layouts[i].has_room = look.named < look.bitmap->entry.table_entries;
		add_entry_problems(report, i, &look);
		if (code == QCOW2BM_OK)
			code = check_tail(report, i, look.last, err);
	}
	q2_clusters_free(&unread);
	return code;
}
