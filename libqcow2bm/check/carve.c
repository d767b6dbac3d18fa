/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Old bitmap directories in clusters that nothing uses, and what is left of their bitmaps. */
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../format/directory.h"
#include "../format/table.h"
#include "../image/refcounts.h"
#include "check.h"

#define READ_BYTES ((size_t)1 << 20)
#define EXTRA_MAX_BYTES 4096 /* no entry that anybody wrote has more */
/* An entry that begins at the end of what was read is whole. */
#define TAIL_BYTES 8192
#define WINDOW_CLUSTERS ((uint64_t)1 << 20) /* whose free ones are in memory together */

struct carve {
	struct qcow2bm_image *image;
	const struct qcow2bm_report *report;
	struct q2_refcounts refcounts;
	qcow2bm_carve_fn *fn;
	void *opaque;
	struct qcow2bm_carved carved; /* the last one */
	uint64_t next_off;            /* behind its entry */
	uint64_t *table;
	uint8_t buf[READ_BYTES + TAIL_BYTES];
};

static unsigned cluster_bits(const struct carve *carve)
{
	return carve->image->header.cluster_bits;
}

static bool has_plain_name(const struct q2_directory_entry *entry)
{
	return entry->name_bytes != 0 && entry->name_bytes <= Q2_DIRECTORY_MAX_NAME_BYTES &&
	       memchr(entry->name, '\0', entry->name_bytes) == NULL;
}

/* Whether QEMU could have written this entry, for a disk of any size. */
static bool is_plausible(const struct carve *carve, const uint8_t *bytes, size_t left,
			 struct q2_directory_entry *entry, size_t *entry_bytes)
{
	uint64_t cluster_bytes = (uint64_t)1 << cluster_bits(carve);
	if (q2_directory_entry_decode(entry, bytes, left, entry_bytes, 0, NULL) != QCOW2BM_OK ||
	    entry->type != Q2_DIRECTORY_TYPE_DIRTY || !has_plain_name(entry) ||
	    (entry->flags & ~Q2_DIRECTORY_FLAGS_KNOWN) != 0 ||
	    entry->granularity_bits < Q2_DIRECTORY_MIN_GRANULARITY_BITS ||
	    entry->granularity_bits > Q2_DIRECTORY_MAX_GRANULARITY_BITS ||
	    entry->extra_bytes > EXTRA_MAX_BYTES || entry->table_off == 0 ||
	    !q2_is_aligned(entry->table_off, cluster_bytes) || entry->table_entries == 0 ||
	    entry->table_entries > Q2_TABLE_MAX_BITMAP_BYTES >> cluster_bits(carve))
		return false;
	size_t used = Q2_DIRECTORY_ENTRY_MIN_BYTES + entry->extra_bytes + entry->name_bytes;
	for (size_t i = used; i < *entry_bytes; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* ---- What is left of a bitmap ------------------------------------------------------- */

/* Whether nothing uses the clusters of this range of the file. */
static enum qcow2bm_code find_unused(struct carve *carve, uint64_t off, uint64_t bytes,
				     bool *is_unused, struct qcow2bm_error *err)
{
	struct q2_clusters range = {0}, unused = {0};
	uint64_t first = off >> cluster_bits(carve), stopped;
	uint64_t end = q2_shift_up(off + bytes, cluster_bits(carve));
	enum qcow2bm_code code = q2_refcounts_find_free(&carve->refcounts, first, end, UINT64_MAX,
							&unused, &stopped, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_add(&range, first, end - first, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&range, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&unused, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&range, &unused, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&range, &carve->report->leaked, err);
	*is_unused = code == QCOW2BM_OK && range.count == 0;
	q2_clusters_free(&range);
	q2_clusters_free(&unused);
	return code;
}

static enum qcow2bm_code judge_data(struct carve *carve, struct qcow2bm_error *err)
{
	struct qcow2bm_carved *carved = &carve->carved;
	uint64_t cluster_bytes = (uint64_t)1 << cluster_bits(carve);
	bool is_blank = true;
	for (uint32_t i = 0; i < carved->table_entries; i++) {
		bool is_unused;
		is_blank &= carve->table[i] == Q2_TABLE_ZEROS;
		if (!q2_table_is_data(carve->table[i]))
			continue;
		if (!q2_checked_within(carve->table[i], cluster_bytes,
				       carve->image->file_bytes)) {
			carved->state = QCOW2BM_CARVED_DATA_PAST_END;
			return QCOW2BM_OK;
		}
		enum qcow2bm_code code = find_unused(carve, carve->table[i], cluster_bytes,
						     &is_unused, err);
		if (code != QCOW2BM_OK)
			return code;
		if (!is_unused) {
			carved->state = QCOW2BM_CARVED_DATA_REUSED;
			return QCOW2BM_OK;
		}
		carved->data_clusters++;
	}
	if (is_blank)
		carved->state = QCOW2BM_CARVED_BLANK;
	return QCOW2BM_OK;
}

static enum qcow2bm_code judge(struct carve *carve, struct qcow2bm_error *err)
{
	struct qcow2bm_carved *carved = &carve->carved;
	uint64_t bytes = (uint64_t)carved->table_entries * Q2_TABLE_ENTRY_BYTES;
	bool is_unused;
	carved->state = QCOW2BM_CARVED_TABLE_PAST_END;
	if (!q2_checked_within(carved->table_offset, bytes, carve->image->file_bytes))
		return QCOW2BM_OK;
	enum qcow2bm_code code =
		find_unused(carve, carved->table_offset, bytes, &is_unused, err);
	carved->state = QCOW2BM_CARVED_TABLE_REUSED;
	if (code != QCOW2BM_OK || !is_unused)
		return code;
	carve->table = malloc((size_t)bytes);
	if (carve->table == NULL)
		return q2_fail_memory(err, "a bitmap table");
	code = q2_storage_read(carve->image->storage, carve->table, (size_t)bytes,
			       carved->table_offset, err);
	carved->state = QCOW2BM_CARVED_TABLE_DAMAGED;
	if (code == QCOW2BM_OK &&
	    q2_table_decode(carve->table, (const uint8_t *)carve->table, carved->table_entries,
			    cluster_bits(carve), carved->table_offset, NULL) == QCOW2BM_OK) {
		carved->state = QCOW2BM_CARVED_INTACT;
		code = judge_data(carve, err);
	}
	free(carve->table);
	carve->table = NULL;
	return code;
}

/* ---- Looking for entries ------------------------------------------------------------ */

static enum qcow2bm_code show(struct carve *carve, uint64_t off,
			      const struct q2_directory_entry *entry, size_t entry_bytes,
			      struct qcow2bm_error *err)
{
	const struct q2_header *header = &carve->image->header;
	const struct qcow2bm_carved last = carve->carved;
	bool goes_on = off == carve->next_off;
	carve->carved = (struct qcow2bm_carved){
		.directory_offset = goes_on ? last.directory_offset : off,
		.idx = goes_on ? last.idx + 1 : 0,
		.entry_offset = off,
		.name = (const char *)entry->name,
		.name_bytes = entry->name_bytes,
		.granularity_bits = entry->granularity_bits,
		.in_use = (entry->flags & Q2_DIRECTORY_FLAG_IN_USE) != 0,
		.autoload = (entry->flags & Q2_DIRECTORY_FLAG_AUTO) != 0,
		.table_offset = entry->table_off,
		.table_entries = entry->table_entries,
	};
	struct q2_table_shape shape = q2_table_shape(
		header->virtual_bytes, entry->granularity_bits, header->cluster_bits);
	carve->carved.fits_disk = shape.entries == entry->table_entries;
	carve->next_off = off + entry_bytes;
	enum qcow2bm_code code = judge(carve, err);
	if (code != QCOW2BM_OK)
		return code;
	if (carve->fn(carve->opaque, &carve->carved) != 0)
		return q2_fail(err, QCOW2BM_ESTOPPED, off, "stopped by the caller");
	return QCOW2BM_OK;
}

/* Looks at bytes [off, end) of the file, all of them in adjacent clusters that nothing uses. An
 * entry begins at a multiple of 8, wherever the entry before it is broken. */
static enum qcow2bm_code look_at(struct carve *carve, uint64_t off, uint64_t end,
				 struct qcow2bm_error *err)
{
	while (off < end) {
		size_t bytes = (size_t)q2_min_u64(sizeof(carve->buf), end - off);
		enum qcow2bm_code code =
			q2_storage_read(carve->image->storage, carve->buf, bytes, off, err);
		if (code != QCOW2BM_OK)
			return code;
		size_t at = 0, stop = bytes < READ_BYTES ? bytes : READ_BYTES;
		while (at < stop && bytes - at >= Q2_DIRECTORY_ENTRY_MIN_BYTES) {
			struct q2_directory_entry entry;
			size_t entry_bytes = 8;
			if (carve->buf[at + 16] == Q2_DIRECTORY_TYPE_DIRTY &&
			    is_plausible(carve, carve->buf + at, bytes - at, &entry,
					 &entry_bytes))
				code = show(carve, off + at, &entry, entry_bytes, err);
			else
				entry_bytes = 8;
			if (code != QCOW2BM_OK)
				return code;
			at += entry_bytes;
		}
		off += q2_max_u64(at, stop);
	}
	return QCOW2BM_OK;
}

/* The clusters of [first, end) that nothing uses, run by run. */
static enum qcow2bm_code look_at_window(struct carve *carve, uint64_t first, uint64_t end,
					struct qcow2bm_error *err)
{
	struct q2_clusters unused = {0};
	const struct q2_clusters *leaked = &carve->report->leaked;
	uint64_t stopped;
	enum qcow2bm_code code = q2_refcounts_find_free(&carve->refcounts, first, end, UINT64_MAX,
							&unused, &stopped, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < leaked->count; i++) {
		uint64_t from = q2_max_u64(first, leaked->runs[i].first);
		uint64_t to = q2_min_u64(end, leaked->runs[i].first + leaked->runs[i].count);
		if (from < to)
			code = q2_clusters_add(&unused, from, to - from, err);
	}
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&unused, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&unused, &carve->report->low, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < unused.count; i++) {
		uint64_t off = unused.runs[i].first << cluster_bits(carve);
		uint64_t bytes = unused.runs[i].count << cluster_bits(carve);
		code = look_at(carve, off, q2_min_u64(off + bytes, carve->image->file_bytes),
			       err);
	}
	q2_clusters_free(&unused);
	return code;
}

enum qcow2bm_code qcow2bm_carve(struct qcow2bm_image *image, const struct qcow2bm_report *report,
				qcow2bm_carve_fn *fn, void *opaque, struct qcow2bm_error *err)
{
	if (report->image != image || !report->totals.walked)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "carving wants the whole check of this image");
	if (!report->guest_is_sound)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			       "refcounts of the image are wrong, so which clusters are free is "
			       "not known: nothing was carved (qemu-img check)");
	struct carve *carve = calloc(1, sizeof(*carve));
	if (carve == NULL)
		return q2_fail_memory(err, "a look at free clusters");
	carve->image = image;
	carve->report = report;
	carve->fn = fn;
	carve->opaque = opaque;
	uint64_t clusters = q2_shift_up(image->file_bytes, image->header.cluster_bits);
	enum qcow2bm_code code = q2_refcounts_open(&carve->refcounts, image, err);
	for (uint64_t first = 0; code == QCOW2BM_OK && first < clusters;
	     first += WINDOW_CLUSTERS)
		code = look_at_window(carve, first,
				      q2_min_u64(first + WINDOW_CLUSTERS, clusters), err);
	q2_refcounts_close(&carve->refcounts);
	free(carve);
	return code;
}
