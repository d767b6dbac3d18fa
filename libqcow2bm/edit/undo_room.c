/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether what the old bitmaps occupied has become something else's since. */
#include "../base/checked.h"
#include "../base/error.h"
#include "../clusters/refcounts.h"
#include "../clusters/refs.h"
#include "../clusters/search.h"
#include "../clusters/structures.h"
#include "../format/table.h"
#include "../image/snapshots.h"
#include "../image/tables.h"
#include "undo.h"

#include <inttypes.h>

struct room {
	const struct q2_undo_images *images;
	unsigned cluster_bits;
	struct q2_refcounts before, now;
	struct q2_structures refs;
	struct q2_clusters wanted; /* what the old bitmaps occupied */
	struct q2_clusters named;
};

/* Each table once, however many entries share it. */
static enum qcow2bm_code collect(struct room *room, struct qcow2bm_error *err)
{
	struct qcow2bm_image *before = room->images->before;
	const struct q2_directory *directory = &before->directory;
	struct q2_spans seen = {0};
	uint64_t cut_off = UINT64_MAX;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (directory->size != 0)
		code = q2_refs_add_bytes(&room->wanted, before, directory->off,
					 directory->size, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++) {
		const struct q2_directory_entry *entry = &directory->bitmaps[i].entry;
		uint64_t end = 0;
		bool is_seen = false;
		if (!q2_tables_has_place(before, entry) ||
		    !q2_checked_add(entry->table_off,
				    (uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES,
				    &end))
			continue;
		if (q2_spans_part(&seen, entry->table_off, end, &is_seen) == end &&
		    is_seen)
			continue;
		code = q2_refs_survey_bitmap(before, &directory->bitmaps[i],
					     &room->wanted, &cut_off, err);
		if (code == QCOW2BM_OK)
			code = q2_spans_add(&seen, entry->table_off, end, err);
	}
	q2_spans_free(&seen);
	return code == QCOW2BM_OK ? q2_clusters_sort(&room->wanted, NULL, err) : code;
}

static enum qcow2bm_code fail_taken(const struct room *room, uint64_t cluster,
				    const char *what, struct qcow2bm_error *err)
{
	uint64_t off = cluster << room->cluster_bits;
	return q2_fail(err, QCOW2BM_EINVAL, off,
		       "something else has written since: the cluster at byte %" PRIu64
		       " was the old bitmaps', and %s",
		       off, what);
}

/* Whether the cluster is as the undo file kept it. */
static bool is_as_kept(const struct room *room, uint64_t cluster)
{
	const struct q2_undo_images *images = room->images;
	uint64_t per_cluster = ((uint64_t)1 << room->cluster_bits) / Q2_UNDO_SECTOR_BYTES;
	uint64_t first = cluster * per_cluster, end = first + per_cluster;
	bool is_kept, is_altered;
	uint64_t kept_end = q2_spans_part(&images->undo->kept, first, end, &is_kept);
	uint64_t same_end = q2_spans_part(&images->altered, first, end, &is_altered);
	return is_kept && kept_end == end && !is_altered && same_end == end;
}

/* A cluster that nobody counts, then and now, may be anybody's, and may have been. */
static enum qcow2bm_code check_counts(struct room *room, struct qcow2bm_error *err)
{
	for (size_t i = 0; i < room->wanted.count; i++) {
		const struct q2_run *run = &room->wanted.runs[i];
		for (uint64_t c = run->first; c < run->first + run->count; c++) {
			uint64_t now, before;
			enum qcow2bm_code code =
				q2_refcounts_read(&room->now, c, &now, err);
			if (code == QCOW2BM_OK && now == 0)
				code = q2_refcounts_read(&room->before, c, &before, err);
			if (code != QCOW2BM_OK)
				return code;
			if (now == 0 && before == 0 && !is_as_kept(room, c))
				return fail_taken(room, c, "was freed since", err);
		}
	}
	return QCOW2BM_OK;
}

/* Other bytes where nobody was to write: only in what is free is there no harm in putting the
 * old ones back. */
static enum qcow2bm_code check_altered(struct room *room, struct qcow2bm_error *err)
{
	const struct q2_spans *altered = &room->images->altered;
	for (size_t i = 0; i < altered->count; i++) {
		uint64_t from = altered->items[i].first * Q2_UNDO_SECTOR_BYTES;
		uint64_t to = altered->items[i].end * Q2_UNDO_SECTOR_BYTES;
		for (uint64_t c = from >> room->cluster_bits;
		     c < q2_shift_up(to, room->cluster_bits); c++) {
			uint64_t now;
			enum qcow2bm_code code =
				q2_refcounts_read(&room->now, c, &now, err);
			if (code != QCOW2BM_OK)
				return code;
			if (now != 0)
				return fail_taken(room, c,
						  "is in use, with other bytes in it",
						  err);
		}
	}
	return QCOW2BM_OK;
}

/* The clusters of the old bitmaps must be nobody's now: the guest may have got them since. */
static enum qcow2bm_code check_unnamed(struct room *room, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_search_find(room->images->now, &room->refs.l2_tables,
						&room->wanted, &room->named, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&room->named, NULL, err);
	if (code == QCOW2BM_OK && room->named.count != 0)
		return fail_taken(room, room->named.runs[0].first,
				  "holds data of the guest's disk now", err);
	for (size_t i = 0; code == QCOW2BM_OK && i < room->wanted.count; i++) {
		uint64_t hit;
		if (q2_clusters_overlap(&room->refs.metadata, room->wanted.runs[i].first,
					room->wanted.runs[i].count, &hit))
			return fail_taken(room, hit, "holds a table of the image now",
					  err);
	}
	return code;
}

static enum qcow2bm_code load(struct room *room, struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_refcounts_open(&room->before, room->images->before, err);
	if (code == QCOW2BM_OK)
		code = q2_refcounts_open(&room->now, room->images->now, err);
	if (code == QCOW2BM_OK)
		code = q2_snapshots_load(room->images->now, err);
	if (code == QCOW2BM_OK)
		code = q2_structures_load(&room->refs, room->images->now, &room->now,
					  NULL, err);
	return code;
}

enum qcow2bm_code q2_undo_check_room(const struct q2_undo_images *images,
				     struct qcow2bm_error *err)
{
	struct room room = {.images = images,
			    .cluster_bits = images->before->header.cluster_bits};
	struct qcow2bm_error cause = {.code = QCOW2BM_OK};
	enum qcow2bm_code code = load(&room, &cause);
	if (code == QCOW2BM_EIMAGE)
		code = q2_fail_for(
			err, QCOW2BM_EINVAL, &cause,
			"cannot prove that what the old bitmaps occupied is still free: %.300s",
			cause.sentence);
	else if (code != QCOW2BM_OK)
		code = q2_pass(err, &cause);
	if (code == QCOW2BM_OK)
		code = collect(&room, err);
	if (code == QCOW2BM_OK)
		code = check_counts(&room, err);
	if (code == QCOW2BM_OK)
		code = check_altered(&room, err);
	if (code == QCOW2BM_OK)
		code = check_unnamed(&room, err);
	q2_structures_free(&room.refs);
	q2_refcounts_close(&room.before);
	q2_refcounts_close(&room.now);
	q2_clusters_free(&room.wanted);
	q2_clusters_free(&room.named);
	return code;
}
