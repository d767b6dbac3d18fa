/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaked clusters that have one explanation. A directory that an edit left behind leads to them. Or
 * a bitmap that is dropped has lost them: a place that it names and that cannot be is one damaged
 * byte away. If that was its table, it reads as one and names nothing but leaked clusters.
 */
#include "explained.h"

#include <stdlib.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../clusters/refs.h"
#include "../format/table.h"
#include "../image/tables.h"

#define TABLE_MAX_BYTES ((uint64_t)1 << 20) /* of a leaked one that is followed */

/* So much is explained before it is taken out of the rest. */
#define KNOWN_RUNS 1024
#define KNOWN_READ_BYTES ((uint64_t)8 << 20)

#define MAX_PLACES 64 /* damaged ones whose tables are looked for */

static enum qcow2bm_code explain(struct q2_explained *explained, uint64_t off,
				 uint64_t bytes, struct qcow2bm_error *err)
{
	return q2_refs_add_bytes(&explained->known, explained->bitmaps->survey->image,
				 off, bytes, err);
}

/* Takes what is explained out of the rest, much of it at once: that looks at every run of it. */
static enum qcow2bm_code settle(struct q2_explained *explained, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_clusters_sort(&explained->known, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&explained->rest, &explained->known, err);
	q2_clusters_free(&explained->known);
	explained->read_bytes = 0;
	return code;
}

/* What the table of an old entry names. */
static enum qcow2bm_code explain_data(struct q2_explained *explained, uint64_t off,
				      uint64_t bytes, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = explained->bitmaps->survey->image;
	uint8_t *table = malloc((size_t)bytes);
	if (table == NULL)
		return q2_fail_memory(err, "a bitmap table");
	enum qcow2bm_code code =
		q2_storage_read(image->storage, table, (size_t)bytes, off, err);
	for (size_t at = 0; code == QCOW2BM_OK && at < bytes;
	     at += Q2_TABLE_ENTRY_BYTES) {
		uint64_t data = q2_be64_load(table + at);
		if (q2_tables_names_data(image, data))
			code = explain(explained, data, 1, err);
	}
	free(table);
	explained->read_bytes += bytes;
	return code;
}

/* Whether all of the table is leaked, and not explained yet. */
static bool is_rest(const struct q2_explained *explained,
		    const struct q2_directory_entry *entry)
{
	const struct q2_survey *survey = explained->bitmaps->survey;
	uint64_t bytes = (uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES;
	uint64_t clusters = q2_shift_up(bytes, survey->cluster_bits);
	return bytes <= TABLE_MAX_BYTES &&
	       q2_checked_within(entry->table_off, bytes, survey->image->file_bytes) &&
	       q2_clusters_count(&explained->rest,
				 entry->table_off >> survey->cluster_bits,
				 clusters) == clusters;
}

/* The table of an entry, and what it names. One that shares a cluster with what was explained is not
 * read: together those that are read are no longer than the file. */
static enum qcow2bm_code explain_table(struct q2_explained *explained,
				       const struct q2_directory_entry *entry,
				       struct qcow2bm_error *err)
{
	uint64_t off = entry->table_off;
	uint64_t bytes = (uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES;
	if (!is_rest(explained, entry))
		return QCOW2BM_OK;
	enum qcow2bm_code code = explain(explained, off, bytes, err);
	if (code == QCOW2BM_OK && !q2_holes_is_empty(&explained->holes, off, off + bytes))
		code = explain_data(explained, off, bytes, err);
	if (code == QCOW2BM_OK && (explained->known.count >= KNOWN_RUNS ||
				   explained->read_bytes >= KNOWN_READ_BYTES))
		code = settle(explained, err);
	return code;
}

/* ---- Places that one damaged byte may have been -------------------------------------- */

/* The nearest is the place itself, if it is one. */
static bool find_near(const struct q2_survey *survey, const struct q2_clusters *set,
		      uint64_t place, uint64_t *off)
{
	*off = place;
	if (q2_tables_names_data(survey->image, place))
		return q2_clusters_overlap(set, place >> survey->cluster_bits, 1, NULL);
	for (unsigned shift = 0; shift < 64; shift += 8)
		for (uint64_t byte = 0; byte <= 0xff; byte++) {
			*off = (place & ~((uint64_t)0xff << shift)) | byte << shift;
			if (q2_tables_names_data(survey->image, *off) &&
			    q2_clusters_overlap(set, *off >> survey->cluster_bits, 1,
						NULL))
				return true;
		}
	return false;
}

/* ---- Directories that are left ------------------------------------------------------- */

/* A table of one entry, written over an old directory whose remains stand behind it, reads as that
 * directory. It is the table of the bitmap that, misled, has its own data for its table: bits
 * stand behind what is read there as its entry. */
static enum qcow2bm_code is_table(const struct q2_explained *explained,
				  const uint8_t *bytes, bool *found,
				  struct qcow2bm_error *err)
{
	const struct q2_survey *survey = explained->bitmaps->survey;
	size_t cluster_bytes = (size_t)1 << survey->cluster_bits;
	uint64_t off;
	*found = false;
	if (!find_near(survey, &explained->singles, q2_be64_load(bytes), &off))
		return QCOW2BM_OK;
	uint8_t *table = malloc(cluster_bytes);
	if (table == NULL)
		return q2_fail_memory(err, "a bitmap table");
	enum qcow2bm_code code = q2_storage_read_padded(
		survey->image->storage, table, cluster_bytes, off, cluster_bytes, err);
	for (size_t at = Q2_TABLE_ENTRY_BYTES; code == QCOW2BM_OK && at < cluster_bytes;
	     at++)
		*found |= table[at] != 0;
	free(table);
	return code;
}

/* Follows the directory that begins with this cluster, as far as it is inside it. */
static enum qcow2bm_code explain_directory(void *opaque, uint64_t cluster,
					   const uint8_t *bytes, bool *is_done,
					   struct qcow2bm_error *err)
{
	struct q2_explained *explained = opaque;
	unsigned cluster_bits = explained->bitmaps->survey->cluster_bits;
	size_t cluster_bytes = (size_t)1 << cluster_bits, at = 0, entry_bytes;
	struct q2_directory_entry entry;
	bool is_other;
	(void)is_done;
	if (!q2_directory_entry_is_likely(&entry, bytes, cluster_bytes, cluster_bits,
					  &entry_bytes))
		return QCOW2BM_OK;
	enum qcow2bm_code code = is_table(explained, bytes, &is_other, err);
	if (code != QCOW2BM_OK || is_other)
		return code;
	while (code == QCOW2BM_OK && at < cluster_bytes &&
	       q2_directory_entry_is_likely(&entry, bytes + at, cluster_bytes - at,
					    cluster_bits, &entry_bytes)) {
		code = explain_table(explained, &entry, err);
		at += entry_bytes;
	}
	if (code == QCOW2BM_OK)
		code = explain(explained, cluster << cluster_bits, 1, err);
	return code;
}

/* ---- Tables that damaged entries have lost ------------------------------------------- */

/* Whether it and all that it names is leaked. */
static enum qcow2bm_code is_left(const struct q2_explained *explained,
				 const struct q2_directory_entry *entry, bool *result,
				 struct qcow2bm_error *err)
{
	const struct q2_survey *survey = explained->bitmaps->survey;
	uint64_t bytes = (uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES;
	*result = false;
	if (!is_rest(explained, entry))
		return QCOW2BM_OK;
	uint8_t *table = malloc((size_t)bytes);
	if (table == NULL)
		return q2_fail_memory(err, "a bitmap table");
	enum qcow2bm_code code = q2_storage_read(survey->image->storage, table,
						 (size_t)bytes, entry->table_off, err);
	*result = code == QCOW2BM_OK;
	for (size_t at = 0; at < bytes && *result; at += Q2_TABLE_ENTRY_BYTES) {
		uint64_t data = q2_be64_load(table + at);
		*result = data <= Q2_TABLE_ONES ||
			  (q2_tables_names_data(survey->image, data) &&
			   q2_clusters_overlap(&explained->rest,
					       data >> survey->cluster_bits, 1, NULL));
	}
	free(table);
	return code;
}

/* Where the place may be that of a bitmap that stays, too, there are two explanations. */
static enum qcow2bm_code explain_entry(struct q2_explained *explained, size_t idx,
				       struct qcow2bm_error *err)
{
	const struct q2_survey *survey = explained->bitmaps->survey;
	struct q2_directory_entry entry = survey->image->directory.bitmaps[idx].entry;
	uint64_t off;
	bool is_its;
	if (entry.granularity_bits > Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS ||
	    find_near(survey, &explained->claimed, entry.table_off, &off) ||
	    !find_near(survey, &explained->rest, entry.table_off, &off))
		return QCOW2BM_OK;
	entry.table_off = off;
	entry.table_entries = (uint32_t)q2_min_u64(
		q2_table_shape(survey->image->header.virtual_bytes,
			       entry.granularity_bits, survey->cluster_bits)
			.entries,
		UINT32_MAX);
	enum qcow2bm_code code = is_left(explained, &entry, &is_its, err);
	return code == QCOW2BM_OK && is_its ? explain_table(explained, &entry, err)
					    : code;
}

struct visit {
	struct q2_explained *explained;
	unsigned tried;
};

static enum qcow2bm_code explain_place(void *opaque, uint32_t idx, uint64_t entry,
				       struct qcow2bm_error *err)
{
	struct visit *visit = opaque;
	struct q2_explained *explained = visit->explained;
	const struct q2_survey *survey = explained->bitmaps->survey;
	uint64_t off;
	(void)idx;
	if (entry <= Q2_TABLE_ONES || q2_tables_names_data(survey->image, entry) ||
	    visit->tried == MAX_PLACES)
		return QCOW2BM_OK;
	visit->tried++;
	if (find_near(survey, &explained->claimed, entry, &off) ||
	    !find_near(survey, &explained->rest, entry, &off))
		return QCOW2BM_OK;
	enum qcow2bm_code code = explain(explained, off, 1, err);
	return code == QCOW2BM_OK ? settle(explained, err) : code;
}

static enum qcow2bm_code explain_damages(struct q2_explained *explained,
					 struct qcow2bm_error *err)
{
	const struct q2_check_bitmaps *bitmaps = explained->bitmaps;
	const struct qcow2bm_image *image = bitmaps->survey->image;
	struct visit visit = {explained, 0};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0;
	     code == QCOW2BM_OK && i < image->directory.count && visit.tried < MAX_PLACES;
	     i++) {
		if (bitmaps->survey->report->verdicts[i] != Q2_VERDICT_DROP)
			continue;
		if (bitmaps->layouts[i].is_read) {
			code = q2_tables_visit(image, &image->directory.bitmaps[i],
					       explain_place, &visit, err);
		} else {
			visit.tried++;
			code = explain_entry(explained, i, err);
			if (code == QCOW2BM_OK)
				code = settle(explained, err);
		}
	}
	return code;
}

/* ---- What bitmaps have that are to stay ---------------------------------------------- */

static enum qcow2bm_code claim_data(void *opaque, uint32_t idx, uint64_t entry,
				    struct qcow2bm_error *err)
{
	struct q2_explained *explained = opaque;
	(void)idx;
	if (entry <= Q2_TABLE_ONES)
		return QCOW2BM_OK;
	return q2_clusters_add(&explained->claimed,
			       entry >> explained->bitmaps->survey->cluster_bits, 1, err);
}

enum qcow2bm_code q2_explained_claim(struct q2_explained *explained, size_t idx,
				     struct qcow2bm_error *err)
{
	const struct q2_survey *survey = explained->bitmaps->survey;
	const struct q2_bitmap *bitmap = &survey->image->directory.bitmaps[idx];
	const struct q2_directory_entry *entry = &bitmap->entry;
	enum qcow2bm_code code = q2_refs_add_bytes(
		&explained->claimed, survey->image, entry->table_off,
		(uint64_t)entry->table_entries * Q2_TABLE_ENTRY_BYTES, err);
	if (code == QCOW2BM_OK && entry->table_entries == 1)
		code = q2_clusters_add(&explained->singles,
				       entry->table_off >> survey->cluster_bits, 1, err);
	return code == QCOW2BM_OK ? q2_tables_visit(survey->image, bitmap, claim_data,
						    explained, err)
				  : code;
}

enum qcow2bm_code q2_explained_find(struct q2_explained *explained,
				    struct qcow2bm_error *err)
{
	struct q2_survey *survey = explained->bitmaps->survey;
	struct q2_clusters *leaked = &survey->report->leaked;
	explained->holes = (struct q2_holes){.storage = survey->image->storage,
					     .length = survey->image->file_bytes};
	enum qcow2bm_code code = q2_clusters_append(&explained->rest, leaked, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&explained->rest, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&explained->claimed, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&explained->singles, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_survey_visit(survey, leaked, explain_directory, explained, err);
	if (code == QCOW2BM_OK)
		code = settle(explained, err);
	return code == QCOW2BM_OK ? explain_damages(explained, err) : code;
}

void q2_explained_free(struct q2_explained *explained)
{
	q2_clusters_free(&explained->rest);
	q2_clusters_free(&explained->claimed);
	q2_clusters_free(&explained->singles);
	q2_clusters_free(&explained->known);
}
