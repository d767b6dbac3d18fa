/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owners of clusters besides the L2 tables: the image's structures, and the bitmaps. */
#include "../base/checked.h"
#include "../clusters/structures.h"
#include "../format/table.h"
#include "../image/tables.h"
#include "references.h"

/* Counts a structure, and remembers in the first pass that its clusters are metadata. */
static enum qcow2bm_code count_structure(void *opaque,
					 const struct q2_structure *structure,
					 struct qcow2bm_error *err)
{
	struct q2_walk *walk = opaque;
	uint64_t off = structure->off, first = off >> walk->cluster_bits;
	if (structure->bytes == 0 || first >= walk->clusters)
		return QCOW2BM_OK;
	uint64_t end = q2_min_u64(q2_shift_up(off + structure->bytes, walk->cluster_bits),
				  walk->clusters);
	uint64_t from = q2_max_u64(first, walk->first);
	for (uint64_t cluster = from;
	     cluster < end && cluster < walk->first + walk->window_clusters; cluster++)
		q2_references_count(walk, cluster, structure->times);
	q2_references_expect(walk, first, first << walk->cluster_bits);
	q2_references_expect(walk, end - 1, (end - 1) << walk->cluster_bits);
	if (walk->has_ranges)
		return QCOW2BM_OK;
	return q2_clusters_add(&walk->metadata, first, end - first, err);
}

enum qcow2bm_code q2_owners_count_structures(struct q2_walk *walk,
					     struct qcow2bm_error *err)
{
	static const struct q2_structure header = {.bytes = 1, .times = 1};
	const struct q2_faults said = {0}, faults = q2_references_faults(walk);
	if (walk->is_quick)
		return count_structure(walk, &header, err);
	return q2_structures_each(walk->image, &walk->refcounts, &walk->l1,
				  walk->has_ranges ? &said : &faults, count_structure,
				  walk, err);
}

/* Calls fn for each cluster of the window that the bitmap refers to. */
struct visit {
	struct q2_walk *walk;
	struct q2_walk_bitmap *bitmap;
	uint64_t table_off;
	void (*fn)(struct visit *visit, uint64_t cluster, uint64_t off);
};

static void visit_bytes(struct visit *visit, uint64_t off, uint64_t bytes)
{
	struct q2_walk *walk = visit->walk;
	q2_references_expect(walk, off >> walk->cluster_bits, off);
	uint64_t first = q2_max_u64(off >> walk->cluster_bits, walk->first);
	uint64_t end = q2_min_u64(q2_shift_up(off + bytes, walk->cluster_bits),
				  walk->first + walk->window_clusters);
	for (uint64_t cluster = first; cluster < end; cluster++)
		visit->fn(visit, cluster, cluster << walk->cluster_bits);
}

static enum qcow2bm_code visit_entry(void *opaque, uint32_t idx, uint64_t entry,
				     struct qcow2bm_error *err)
{
	struct visit *visit = opaque;
	struct q2_walk *walk = visit->walk;
	(void)err;
	uint64_t cluster = entry >> walk->cluster_bits;
	uint64_t off = visit->table_off + (uint64_t)idx * Q2_TABLE_ENTRY_BYTES;
	if (!q2_tables_names_data(walk->image, entry))
		return QCOW2BM_OK;
	q2_references_expect(walk, cluster, off);
	if (cluster >= walk->first && cluster - walk->first < walk->window_clusters)
		visit->fn(visit, cluster, off);
	return QCOW2BM_OK;
}

static enum qcow2bm_code visit_bitmap(struct visit *visit, size_t idx,
				      struct qcow2bm_error *err)
{
	struct q2_walk *walk = visit->walk;
	const struct q2_layout *layout = &walk->layouts[idx];
	const struct q2_bitmap *bitmap = &walk->image->directory.bitmaps[idx];
	if (!layout->is_read)
		return QCOW2BM_OK;
	visit->bitmap = &walk->bitmaps[idx];
	visit->table_off = bitmap->entry.table_off;
	visit_bytes(visit, bitmap->entry.table_off,
		    (uint64_t)bitmap->entry.table_entries * Q2_TABLE_ENTRY_BYTES);
	if (layout->lowest > layout->highest ||
	    (walk->has_ranges && (layout->highest >> walk->cluster_bits < walk->first ||
				  layout->lowest >> walk->cluster_bits >=
					  walk->first + walk->window_clusters)))
		return QCOW2BM_OK;
	return q2_tables_visit(walk->image, bitmap, visit_entry, visit, err);
}

/* The directory first, then all bitmaps. */
static enum qcow2bm_code visit_bitmaps(struct visit *visit, struct qcow2bm_error *err)
{
	struct q2_walk *walk = visit->walk;
	const struct q2_directory *directory = &walk->image->directory;
	visit->bitmap = &walk->directory;
	if (directory->size != 0)
		visit_bytes(visit, directory->off, directory->size);
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++) {
		code = q2_references_ask(walk, err);
		if (code == QCOW2BM_OK)
			code = visit_bitmap(visit, i, err);
	}
	return code;
}

static void count_bitmap(struct visit *visit, uint64_t cluster, uint64_t off)
{
	uint16_t *count = &visit->walk->counts[cluster - visit->walk->first];
	(void)off;
	if (*count <= UINT16_MAX - Q2_REFERENCES_ONE_BITMAP)
		*count = (uint16_t)(*count + Q2_REFERENCES_ONE_BITMAP);
}

/* Whose is it too, when the counts say that something is wrong with a cluster of a bitmap? */
static void look_closely(struct visit *visit, uint64_t cluster, uint64_t off)
{
	struct q2_walk *walk = visit->walk;
	struct q2_walk_bitmap *bitmap = visit->bitmap;
	unsigned count = walk->counts[cluster - walk->first];
	if (count == Q2_REFERENCES_MARK_LOW)
		q2_tally_add(&bitmap->low, off);
	if (count == Q2_REFERENCES_MARK_HIGH)
		q2_tally_add(&bitmap->high, off);
	if (count <= Q2_REFERENCES_ONE_BITMAP)
		return;
	if ((count & Q2_REFERENCES_OTHERS) != 0) {
		bool is_metadata =
			q2_clusters_overlap(&walk->metadata, cluster, 1, NULL) ||
			q2_guest_is_l2(walk, cluster);
		q2_tally_add(is_metadata ? &bitmap->metadata : &bitmap->guest, off);
		q2_stored_keep(walk, &walk->foreign, cluster);
	}
	if (count >= 2 * Q2_REFERENCES_ONE_BITMAP) {
		q2_tally_add(&bitmap->bitmaps, off);
		if (bitmap->bitmaps.count == 1)
			bitmap->shared_cluster = cluster;
		bitmap->shared_hits += bitmap->shared_cluster == cluster;
	}
}

enum qcow2bm_code q2_owners_count_bitmaps(struct q2_walk *walk, struct qcow2bm_error *err)
{
	struct visit visit = {.walk = walk, .fn = count_bitmap};
	return visit_bitmaps(&visit, err);
}

enum qcow2bm_code q2_owners_look_closely(struct q2_walk *walk, struct qcow2bm_error *err)
{
	struct visit visit = {.walk = walk, .fn = look_closely};
	return visit_bitmaps(&visit, err);
}
