/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking for old bitmap directories in clusters that nothing uses. */
#include "carve.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../format/entry.h"
#include "../format/table.h"
#include "../storage/holes.h"

#define READ_BYTES ((size_t)1 << 20)
/* An entry that begins at the end of what was read is whole. */
#define TAIL_BYTES 8192
#define ENTRY_MAX_BYTES                                                   \
	(Q2_DIRECTORY_ENTRY_MIN_BYTES + Q2_DIRECTORY_LIKELY_EXTRA_BYTES + \
	 Q2_DIRECTORY_MAX_NAME_BYTES + 7)
#define FIND_MAX_BYTES ((uint64_t)1 << 30) /* of one old directory */

/* The one entry that is looked for. */
struct wanted {
	uint64_t directory_off;
	uint32_t idx;
	uint32_t entries; /* that this directory has, as far as was looked */
	bool is_found;
};

struct carve {
	struct qcow2bm_image *image;
	const struct qcow2bm_report *report;
	struct q2_refcounts refcounts;
	struct q2_remains remains;
	struct q2_holes holes;
	qcow2bm_carve_fn *fn;
	void *opaque;
	struct wanted *wanted;        /* NULL: all */
	struct qcow2bm_carved carved; /* the last one */
	uint64_t next_off;            /* behind its entry */
	/* Of a run of clusters that goes on behind its window, this is not looked at yet. */
	uint64_t open_off, open_end;
	uint8_t buf[READ_BYTES + TAIL_BYTES];
};

static unsigned shift_of(const struct carve *carve)
{
	return carve->image->header.cluster_bits;
}

static bool is_wanted(struct wanted *wanted, const struct qcow2bm_carved *carved)
{
	if (wanted == NULL)
		return true;
	if (carved->directory_offset != wanted->directory_off)
		return false;
	wanted->entries = carved->idx + 1;
	wanted->is_found |= carved->idx == wanted->idx;
	return carved->idx == wanted->idx;
}

/* Calls the caller's function for one entry that was found; entries that follow one another are
 * one directory. */
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
		.recording = (entry->flags & Q2_DIRECTORY_FLAG_AUTO) != 0,
		.extra_bytes = entry->extra_bytes,
		.table_offset = entry->table_off,
		.table_entries = entry->table_entries,
	};
	struct q2_table_shape shape = q2_table_shape(
		header->virtual_bytes, entry->granularity_bits, header->cluster_bits);
	carve->carved.fits_disk = shape.entries == entry->table_entries;
	carve->next_off = off + entry_bytes;
	if (!is_wanted(carve->wanted, &carve->carved))
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_remains_judge(&carve->remains, &carve->carved, err);
	if (code != QCOW2BM_OK)
		return code;
	if (carve->fn(carve->opaque, &carve->carved) != 0)
		return q2_fail(err, QCOW2BM_ESTOPPED, off, "stopped by the caller");
	return QCOW2BM_OK;
}

/* Shows the entries that begin in the first `stop` of the bytes that were read from `off` on. *at is
 * behind the last one. An entry begins at a multiple of 8, wherever the one before is broken. */
static enum qcow2bm_code look_in_buffer(struct carve *carve, uint64_t off, size_t bytes,
					size_t stop, size_t *at,
					struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK && *at < stop &&
	       bytes - *at >= Q2_DIRECTORY_ENTRY_MIN_BYTES) {
		struct q2_directory_entry entry;
		size_t entry_bytes = 8;
		if (q2_directory_entry_is_likely(&entry, carve->buf + *at, bytes - *at,
						 shift_of(carve), &entry_bytes))
			code = show(carve, off + *at, &entry, entry_bytes, err);
		else
			entry_bytes = 8;
		*at += entry_bytes;
	}
	return code;
}

/* Looks at bytes [*off, end) of the file, all of them in adjacent clusters that nothing uses. When
 * they go on behind `end`, the rest is left in which an entry may begin that does, too. An entry's
 * first word is not zero, so none begins in a hole. */
static enum qcow2bm_code look_at(struct carve *carve, uint64_t *off, uint64_t end,
				 bool goes_on, struct qcow2bm_error *err)
{
	uint64_t stop_off = end;
	if (goes_on)
		stop_off = end - *off > TAIL_BYTES ? end - TAIL_BYTES : *off;
	while (*off < stop_off) {
		uint64_t data, data_end;
		q2_storage_find_data(carve->image->storage, *off, stop_off, &data,
				     &data_end);
		*off = q2_max_u64(*off, data & ~(uint64_t)7);
		if (*off >= stop_off)
			break;
		size_t stop =
			(size_t)q2_min_u64(READ_BYTES, (data_end - *off + 7) / 8 * 8);
		size_t bytes = (size_t)q2_min_u64(stop + TAIL_BYTES, end - *off), at = 0;
		enum qcow2bm_code code = q2_storage_read(carve->image->storage,
							 carve->buf, bytes, *off, err);
		if (code == QCOW2BM_OK)
			code = look_in_buffer(carve, *off, bytes, stop, &at, err);
		if (code != QCOW2BM_OK)
			return code;
		*off += q2_max_u64(at, stop);
	}
	return QCOW2BM_OK;
}

/* A run of clusters that nothing uses, or the part of it that is in a window. */
static enum qcow2bm_code look_at_run(struct carve *carve, uint64_t off, uint64_t end,
				     bool goes_on, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	if (carve->open_end == off)
		off = carve->open_off;
	else if (carve->open_end != 0)
		code = look_at(carve, &carve->open_off, carve->open_end, false, err);
	carve->open_end = 0;
	if (code == QCOW2BM_OK)
		code = look_at(carve, &off, end, goes_on, err);
	carve->open_off = off;
	if (goes_on)
		carve->open_end = end;
	return code;
}

/* The clusters of [first, end) that nothing uses, in order. */
static enum qcow2bm_code find_unused(struct carve *carve, uint64_t first, uint64_t end,
				     struct q2_clusters *unused,
				     struct qcow2bm_error *err)
{
	const struct q2_clusters *leaked = &carve->report->leaked;
	uint64_t stopped;
	enum qcow2bm_code code = q2_refcounts_find_free(
		&carve->refcounts, first, end, UINT64_MAX, unused, &stopped, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < leaked->count; i++) {
		uint64_t from = q2_max_u64(first, leaked->runs[i].first);
		uint64_t to =
			q2_min_u64(end, leaked->runs[i].first + leaked->runs[i].count);
		if (from < to)
			code = q2_clusters_add(unused, from, to - from, err);
	}
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(unused, NULL, err);
	return code == QCOW2BM_OK ? q2_clusters_subtract(unused, &carve->report->low, err)
				  : code;
}

static enum qcow2bm_code look_at_window(struct carve *carve, uint64_t first, uint64_t end,
					struct qcow2bm_error *err)
{
	struct q2_clusters unused = {0};
	uint64_t file_bytes = carve->image->file_bytes;
	enum qcow2bm_code code = find_unused(carve, first, end, &unused, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < unused.count; i++) {
		uint64_t off = unused.runs[i].first << shift_of(carve);
		uint64_t run_end = unused.runs[i].first + unused.runs[i].count;
		uint64_t end_off = q2_min_u64(run_end << shift_of(carve), file_bytes);
		code = look_at_run(carve, off, end_off,
				   run_end == end && end_off != file_bytes, err);
	}
	q2_clusters_free(&unused);
	return code;
}

/* NULL when there is no memory for it. */
static struct carve *make(struct qcow2bm_image *image,
			  const struct qcow2bm_report *report, qcow2bm_carve_fn *fn,
			  void *opaque)
{
	struct carve *carve = calloc(1, sizeof(*carve));
	if (carve == NULL)
		return NULL;
	carve->image = image;
	carve->holes =
		(struct q2_holes){.storage = image->storage, .length = image->file_bytes};
	carve->report = report;
	carve->fn = fn;
	carve->opaque = opaque;
	return carve;
}

/* What is free is known only from a whole check that found the refcounts right. */
static enum qcow2bm_code begin(struct carve *carve, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_check_is_about(carve->report, carve->image, err);
	if (code != QCOW2BM_OK)
		return code;
	if (!carve->report->totals.walked)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "carving wants the whole check of this image");
	if (!carve->report->guest_is_sound)
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			"refcounts of the image are wrong, so which clusters are free is not known: nothing was carved" QCOW2BM_SEE_CHECK);
	code = q2_refcounts_open(&carve->refcounts, carve->image, err);
	return code == QCOW2BM_OK ? q2_remains_open(&carve->remains, carve->image,
						    carve->report, err)
				  : code;
}

static void end(struct carve *carve)
{
	q2_remains_close(&carve->remains);
	q2_refcounts_close(&carve->refcounts);
	free(carve);
}

/* The clusters from part->first on, at most a window of them, that an entry may begin in, and those that
 * it may reach into; false when there are none. No entry begins in a hole. */
static bool find_part(struct carve *carve, uint64_t window, struct q2_run *part)
{
	uint64_t file_bytes = carve->image->file_bytes, stop;
	uint64_t clusters = q2_shift_up(file_bytes, shift_of(carve));
	if (part->first >= clusters)
		return false;
	uint64_t off = q2_holes_skip(&carve->holes, part->first << shift_of(carve),
				     file_bytes, &stop);
	if (off >= file_bytes)
		return false;
	uint64_t end = q2_shift_up(stop, shift_of(carve)) +
		       q2_shift_up(TAIL_BYTES, shift_of(carve));
	part->first = off >> shift_of(carve);
	end = q2_min_u64(q2_min_u64(end, clusters), part->first + window);
	part->count = end - part->first;
	return true;
}

enum qcow2bm_code q2_carve_run(struct qcow2bm_image *image,
			       const struct qcow2bm_report *report, unsigned window_shift,
			       qcow2bm_carve_fn *fn, void *opaque,
			       struct qcow2bm_error *err)
{
	struct carve *carve = make(image, report, fn, opaque);
	if (carve == NULL)
		return q2_fail_memory(err, "a look at free clusters");
	uint64_t window = (uint64_t)1 << window_shift;
	enum qcow2bm_code code = begin(carve, err);
	uint64_t clusters = q2_shift_up(image->file_bytes, image->header.cluster_bits);
	struct q2_run part = {0};
	while (code == QCOW2BM_OK && find_part(carve, window, &part)) {
		q2_watch_note(image->storage->watch, part.first << shift_of(carve),
			      clusters << shift_of(carve));
		code = look_at_window(carve, part.first, part.first + part.count, err);
		part.first += part.count;
	}
	if (code == QCOW2BM_OK && carve->open_end != 0)
		code = look_at(carve, &carve->open_off, carve->open_end, false, err);
	end(carve);
	return code;
}

enum qcow2bm_code qcow2bm_image_carve(struct qcow2bm_image *image,
				      const struct qcow2bm_report *report,
				      qcow2bm_carve_fn *fn, void *opaque,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	struct q2_watch own;
	enum qcow2bm_code code = q2_storage_watch(image->storage, &own, watch, err);
	if (code == QCOW2BM_OK)
		code = q2_carve_run(image, report, Q2_CARVE_WINDOW_SHIFT, fn, opaque,
				    err);
	if (code == QCOW2BM_OK)
		q2_watch_end(&own);
	q2_storage_unwatch(image->storage);
	return code;
}

static enum qcow2bm_code explain_missing(const struct wanted *wanted,
					 struct qcow2bm_error *err)
{
	if (wanted->entries == 0)
		return q2_fail(
			err, QCOW2BM_ENOTFOUND, wanted->directory_off,
			"no old bitmap directory begins at byte %llu, in clusters that are free or leaked; what carving finds can be brought back",
			(unsigned long long)wanted->directory_off);
	return q2_fail(
		err, QCOW2BM_ENOTFOUND, wanted->directory_off,
		"the old bitmap directory at byte %llu has no entry %u: it has %u, counted from 0",
		(unsigned long long)wanted->directory_off, wanted->idx, wanted->entries);
}

enum qcow2bm_code q2_carve_find(struct qcow2bm_image *image,
				const struct qcow2bm_report *report,
				uint64_t directory_off, uint32_t idx,
				qcow2bm_carve_fn *fn, void *opaque,
				struct qcow2bm_error *err)
{
	struct carve *carve = make(image, report, fn, opaque);
	if (carve == NULL)
		return q2_fail_memory(err, "a look at free clusters");
	struct wanted wanted = {.directory_off = directory_off, .idx = idx};
	struct q2_clusters unused = {0};
	enum qcow2bm_code code = begin(carve, err);
	if (code == QCOW2BM_OK && directory_off % 8 == 0 &&
	    directory_off < image->file_bytes) {
		uint64_t most =
			q2_min_u64((idx + (uint64_t)1) * ENTRY_MAX_BYTES, FIND_MAX_BYTES);
		uint64_t end_off = q2_min_u64(image->file_bytes, directory_off + most);
		uint64_t first = directory_off >> shift_of(carve);
		uint64_t last = q2_shift_up(end_off, shift_of(carve));
		carve->wanted = &wanted;
		code = find_unused(carve, first, last, &unused, err);
		if (code == QCOW2BM_OK && unused.count != 0 &&
		    unused.runs[0].first == first) {
			last = first + unused.runs[0].count;
			end_off = q2_min_u64(end_off, last << shift_of(carve));
			code = look_at(carve, &directory_off, end_off, false, err);
		}
	}
	if (code == QCOW2BM_OK && !wanted.is_found)
		code = explain_missing(&wanted, err);
	q2_clusters_free(&unused);
	end(carve);
	return code;
}
