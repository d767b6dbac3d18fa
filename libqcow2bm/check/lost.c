/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaked clusters that may be data which a bitmap has lost. Either its table has an entry without
 * data, and they hold what could stand there; or it names a cluster that may be another's: a damaged
 * place elsewhere is but one byte away from it, or a leaked table names it, too. An edit that was cut off leaves leaked
 * clusters, too, but then the directory that leads to them is leaked as well.
 */
#include "lost.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../clusters/refs.h"
#include "../format/table.h"
#include "../image/tables.h"
#include "../storage/holes.h"

#define TABLE_MAX_BYTES ((uint64_t)1 << 20) /* of a leaked one that is followed */

/* So much is explained before it is taken out of the rest. */
#define KNOWN_RUNS 1024
#define KNOWN_READ_BYTES ((uint64_t)8 << 20)

struct lost {
	struct q2_survey *survey;
	const struct q2_check_bitmaps *bitmaps;
	struct q2_clusters unexplained; /* leaked, and no leaked directory leads there */
	struct q2_clusters known;       /* not taken out of them yet */
	uint64_t read_bytes;            /* of tables, since that was done */
	struct q2_holes holes;
	size_t cluster_bytes;
	struct q2_clusters claimed; /* what bitmaps name that are to stay */
	bool has_foreign;           /* a bitmap may name what is another's */
	bool lacks_data;            /* a bitmap has room for a cluster of data */
	bool has_lost_data;         /* one of the leaked clusters may be its data */
};

/* Whether one damaged byte makes the one number of the other. */
static bool is_near(uint64_t a, uint64_t b)
{
	uint64_t differ = a ^ b;
	while (differ > 0xff && (differ & 0xff) == 0)
		differ >>= 8;
	return differ <= 0xff;
}

/* What stands in a table that lies where something else is was never its. */
static bool may_be_foreign(const struct q2_check_bitmaps *bitmaps, uint64_t off)
{
	for (size_t i = 0; i < bitmaps->survey->report->broken_count; i++) {
		const struct q2_broken *broken = &bitmaps->survey->report->broken[i];
		const struct q2_check_bitmap *bitmap = &bitmaps->bitmaps[broken->idx];
		if (is_near(broken->place, off) && bitmap->metadata.count == 0 &&
		    bitmap->guest.count == 0)
			return true;
	}
	return false;
}

static enum qcow2bm_code find_foreign(void *opaque, uint32_t idx, uint64_t entry,
				      struct qcow2bm_error *err)
{
	struct lost *lost = opaque;
	(void)idx;
	if (entry <= Q2_TABLE_ONES)
		return QCOW2BM_OK;
	lost->has_foreign |= may_be_foreign(lost->bitmaps, entry);
	return q2_clusters_add(&lost->claimed, entry >> lost->survey->cluster_bits, 1,
			       err);
}

static bool is_claimed(const struct q2_check_bitmaps *bitmaps, size_t idx)
{
	const struct q2_bitmap *bitmap = &bitmaps->survey->image->directory.bitmaps[idx];
	return bitmaps->layouts[idx].is_read &&
	       bitmaps->survey->report->verdicts[idx] != Q2_VERDICT_DROP &&
	       (bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE) == 0;
}

/* Collects what bitmaps name, and whether a damaged place may have named it before. */
static enum qcow2bm_code look_for_foreign(struct lost *lost, struct qcow2bm_error *err)
{
	const struct q2_check_bitmaps *bitmaps = lost->bitmaps;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0;
	     code == QCOW2BM_OK && i < bitmaps->survey->image->directory.count; i++) {
		const struct q2_bitmap *bitmap =
			&bitmaps->survey->image->directory.bitmaps[i];
		if (!is_claimed(bitmaps, i))
			continue;
		lost->has_foreign |= may_be_foreign(bitmaps, bitmap->entry.table_off);
		code = q2_tables_visit(bitmaps->survey->image, bitmap, find_foreign, lost,
				       err);
	}
	return code == QCOW2BM_OK ? q2_clusters_sort(&lost->claimed, NULL, err) : code;
}

/* Whether its table says somewhere that all is clean. How much of the last cluster the disk uses is
 * no help: the granularity may be damaged, too. */
static bool lacks_data(const struct q2_check_bitmaps *bitmaps, size_t idx)
{
	return is_claimed(bitmaps, idx) && bitmaps->layouts[idx].has_zeros;
}

static enum qcow2bm_code explain(struct lost *lost, uint64_t off, uint64_t bytes,
				 struct qcow2bm_error *err)
{
	return q2_refs_add_bytes(&lost->known, lost->survey->image, off, bytes, err);
}

/* Takes what is explained out of the rest, much of it at once: that looks at every run of it. */
static enum qcow2bm_code settle(struct lost *lost, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_clusters_sort(&lost->known, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&lost->unexplained, &lost->known, err);
	q2_clusters_free(&lost->known);
	lost->read_bytes = 0;
	return code;
}

/* What the table of an old entry names. */
static enum qcow2bm_code explain_data(struct lost *lost, uint64_t off, uint64_t bytes,
				      struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = lost->survey->image;
	uint8_t *table = malloc((size_t)bytes);
	if (table == NULL)
		return q2_fail_memory(err, "a bitmap table");
	enum qcow2bm_code code =
		q2_storage_read(image->storage, table, (size_t)bytes, off, err);
	for (size_t at = 0; code == QCOW2BM_OK && at < bytes;
	     at += Q2_TABLE_ENTRY_BYTES) {
		uint64_t data = q2_be64_load(table + at);
		if (q2_tables_names_data(image, data))
			code = explain(lost, data, 1, err);
	}
	free(table);
	lost->read_bytes += bytes;
	return code;
}

/* The table of an entry of a leaked directory, and what it names. */
static enum qcow2bm_code explain_table(struct lost *lost,
				       const struct q2_directory_entry *entry,
				       struct qcow2bm_error *err)
{
	const struct q2_survey *survey = lost->survey;
	uint64_t off = entry->table_off;
	uint64_t bytes = (uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES;
	uint64_t clusters = q2_shift_up(bytes, survey->cluster_bits);
	/* One that shares a cluster with what was explained is not read: together those that are
	 * read are no longer than the file. */
	if (bytes > TABLE_MAX_BYTES ||
	    !q2_checked_within(off, bytes, survey->image->file_bytes) ||
	    q2_clusters_count(&lost->unexplained, off >> survey->cluster_bits,
			      clusters) != clusters)
		return QCOW2BM_OK;
	enum qcow2bm_code code = explain(lost, off, bytes, err);
	if (code == QCOW2BM_OK && !q2_holes_is_empty(&lost->holes, off, off + bytes))
		code = explain_data(lost, off, bytes, err);
	if (code == QCOW2BM_OK &&
	    (lost->known.count >= KNOWN_RUNS || lost->read_bytes >= KNOWN_READ_BYTES))
		code = settle(lost, err);
	return code;
}

/* Follows the directory that begins with this cluster, as far as it is inside it. */
static enum qcow2bm_code explain_directory(struct lost *lost, uint64_t cluster,
					   const uint8_t *bytes,
					   struct qcow2bm_error *err)
{
	const struct q2_check_bitmaps *bitmaps = lost->bitmaps;
	struct q2_directory_entry entry;
	size_t at = 0, entry_bytes;
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK && at < lost->cluster_bytes &&
	       q2_directory_entry_is_likely(&entry, bytes + at, lost->cluster_bytes - at,
					    bitmaps->survey->cluster_bits,
					    &entry_bytes)) {
		code = explain_table(lost, &entry, err);
		at += entry_bytes;
	}
	if (code == QCOW2BM_OK && at != 0)
		code = explain(lost, cluster << bitmaps->survey->cluster_bits, 1, err);
	return code;
}

/* Whether it reads as a table, and names a cluster that a bitmap has. */
static bool names_claimed(const struct lost *lost, const uint8_t *bytes)
{
	const struct qcow2bm_image *image = lost->survey->image;
	bool found = false;
	for (size_t at = 0; at < lost->cluster_bytes; at += Q2_TABLE_ENTRY_BYTES) {
		uint64_t entry = q2_be64_load(bytes + at);
		if (entry > Q2_TABLE_ONES && !q2_tables_names_data(image, entry))
			return false;
		found |=
			entry > Q2_TABLE_ONES &&
			q2_clusters_overlap(&lost->claimed,
					    entry >> lost->survey->cluster_bits, 1, NULL);
	}
	return found;
}

/* Clusters that read as zeros hold no bits: nobody stores those. */
static bool can_be_data(const struct lost *lost, const uint8_t *bytes)
{
	size_t at = 0;
	while (at < lost->cluster_bytes && bytes[at] == 0)
		at++;
	return lost->lacks_data && at < lost->cluster_bytes;
}

/* Calls fn for each leaked cluster that is no hole until it has said what there is to say. */
static enum qcow2bm_code
visit(struct lost *lost, const struct q2_clusters *set,
      enum qcow2bm_code (*fn)(struct lost *lost, uint64_t cluster, const uint8_t *bytes,
			      struct qcow2bm_error *err),
      struct qcow2bm_error *err)
{
	struct q2_survey *survey = lost->survey;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < set->count; i++) {
		uint64_t end = (set->runs[i].first + set->runs[i].count)
			       << survey->cluster_bits;
		uint64_t off = set->runs[i].first << survey->cluster_bits, stop;
		while (code == QCOW2BM_OK && !lost->has_lost_data &&
		       (off = q2_holes_skip(&lost->holes, off, end, &stop)) < end) {
			off -= off % lost->cluster_bytes;
			code = q2_survey_ask(survey, err);
			if (code == QCOW2BM_OK)
				code = q2_storage_read_padded(survey->image->storage,
							      survey->buf,
							      lost->cluster_bytes, off,
							      lost->cluster_bytes, err);
			if (code == QCOW2BM_OK)
				code = fn(lost, off >> survey->cluster_bits, survey->buf,
					  err);
			off += lost->cluster_bytes;
		}
	}
	return code;
}

static enum qcow2bm_code look(struct lost *lost, uint64_t cluster, const uint8_t *bytes,
			      struct qcow2bm_error *err)
{
	(void)cluster;
	(void)err;
	lost->has_lost_data = can_be_data(lost, bytes) || names_claimed(lost, bytes);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_lost_look(const struct q2_check_bitmaps *bitmaps,
			       bool *has_lost_data, struct qcow2bm_error *err)
{
	*has_lost_data = false;
	struct q2_survey *survey = bitmaps->survey;
	struct lost lost = {.survey = survey,
			    .bitmaps = bitmaps,
			    .holes = {.storage = survey->image->storage,
				      .length = survey->image->file_bytes},
			    .cluster_bytes = (size_t)1 << survey->cluster_bits};
	struct q2_clusters *leaked = &survey->report->leaked;
	enum qcow2bm_code code = q2_clusters_sort(leaked, NULL, err);
	if (code != QCOW2BM_OK || leaked->count == 0)
		return code;
	for (size_t i = 0; i < survey->image->directory.count; i++)
		lost.lacks_data |= lacks_data(bitmaps, i);
	if (code == QCOW2BM_OK)
		code = look_for_foreign(&lost, err);
	lost.lacks_data |= lost.has_foreign;
	for (size_t i = 0; code == QCOW2BM_OK && i < leaked->count; i++)
		code = q2_clusters_add(&lost.unexplained, leaked->runs[i].first,
				       leaked->runs[i].count, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&lost.unexplained, NULL, err);
	if (code == QCOW2BM_OK)
		code = visit(&lost, leaked, explain_directory, err);
	if (code == QCOW2BM_OK)
		code = settle(&lost, err);
	if (code == QCOW2BM_OK)
		code = visit(&lost, &lost.unexplained, look, err);
	*has_lost_data = lost.has_lost_data;
	q2_clusters_free(&lost.unexplained);
	q2_clusters_free(&lost.claimed);
	q2_clusters_free(&lost.known);
	return code;
}
