/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where an image stands between the first change of an edit and the last: in each stretch
 * between two syncs a sector has the content that it had at the start of the stretch or any
 * that the stretch gave it. The image is in a stretch when all its sectors can be.
 */
#include "undo.h"

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../base/sort.h"
#include "old.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NEVER UINT32_MAX
#define SECTORS (Q2_UNDO_MAX_RANGE / Q2_UNDO_SECTOR_BYTES) /* looked at together */

struct sector {
	uint32_t stretch; /* of the last record about it so far; NEVER before the first */
	bool fits_here;   /* its content is one that this stretch can have left */
	bool fits_last;   /* it is that of the last record */
	bool fits_any;
};

struct search {
	const struct q2_undo *undo;
	struct q2_storage *image;
	struct q2_undo_position *position;
	uint64_t length; /* of the image */
	uint32_t *order; /* entries with a range, by place, then in the file's order */
	size_t count;
	uint32_t *near; /* those about the sectors that are looked at */
	int64_t *
		deltas; /* of how many sectors fit stretch i compared with stretch i - 1 */
	uint64_t sectors, originals;
	bool has_unknown;
	uint64_t start; /* of what is looked at */
	struct sector now[SECTORS];
	uint8_t content[Q2_UNDO_MAX_RANGE];
	uint8_t old[Q2_UNDO_MAX_RANGE];
	uint8_t sums[SECTORS * 4];
};

static void count_fit(struct search *search, uint32_t first, uint32_t last)
{
	search->deltas[first]++;
	search->deltas[last + 1]--;
}

/* Whether sector `i` of the range is as it was before the change, but for marks. */
static bool is_old(const struct search *search, const struct q2_undo_record *record,
		   const uint8_t *content, size_t i)
{
	uint8_t marked[Q2_UNDO_SECTOR_BYTES];
	memcpy(marked, search->old + i * Q2_UNDO_SECTOR_BYTES, sizeof(marked));
	if (memcmp(content, marked, sizeof(marked)) == 0)
		return true;
	return q2_undo_mark(search->undo, marked, sizeof(marked),
			    record->off + i * Q2_UNDO_SECTOR_BYTES) &&
	       memcmp(content, marked, sizeof(marked)) == 0;
}

/* A record that knows the sector's content before this stretch. */
static void weigh_old(struct search *search, const struct q2_undo_record *record,
		      struct sector *sector, const uint8_t *content, size_t i)
{
	bool is_first = sector->stretch == NEVER;
	bool fits = is_old(search, record, content, i);
	search->originals += is_first && fits;
	search->sectors += is_first;
	if (fits)
		count_fit(search, is_first ? 0 : sector->stretch + 1, record->stretch);
	sector->stretch = record->stretch;
	sector->fits_here = fits;
	sector->fits_any |= fits;
}

/* Notes at which stretches of the edit a sector could be as it is. */
static enum qcow2bm_code weigh_sector(struct search *search,
				      const struct q2_undo_record *record,
				      struct sector *sector, const uint8_t *content,
				      size_t i, struct qcow2bm_error *err)
{
	bool is_change = record->kind == Q2_UNDO_CHANGE;
	bool is_later = sector->stretch == NEVER || sector->stretch != record->stretch;
	if (sector->stretch == NEVER ? !record->has_old
				     : is_change && is_later && !record->has_old)
		return q2_fail(
			err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
			"the undo file is damaged: it lacks the old bytes of the image's byte %" PRIu64,
			record->off + i * Q2_UNDO_SECTOR_BYTES);
	if (record->has_old && is_later)
		weigh_old(search, record, sector, content, i);
	bool fits = q2_undo_crc(0, content, Q2_UNDO_SECTOR_BYTES) ==
		    q2_be32_load(search->sums + 4 * i);
	if (fits && is_change && !sector->fits_here) {
		count_fit(search, record->stretch, record->stretch);
		sector->fits_here = true;
	}
	sector->fits_last = fits;
	sector->fits_any |= fits;
	return QCOW2BM_OK;
}

/* Weighs all sectors of a record. */
static enum qcow2bm_code weigh_entry(struct search *search,
				     const struct q2_undo_entry *entry,
				     struct qcow2bm_error *err)
{
	const struct q2_undo_record *record = &entry->record;
	size_t sectors = record->bytes / Q2_UNDO_SECTOR_BYTES;
	struct q2_storage *file = search->undo->storage;
	enum qcow2bm_code code =
		q2_storage_read(file, search->sums, 4 * sectors, entry->payload_off, err);
	if (code == QCOW2BM_OK && record->has_old)
		code = q2_undo_read_old(search->undo, entry, search->old, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < sectors; i++) {
		uint64_t off = record->off + i * Q2_UNDO_SECTOR_BYTES;
		if (off < search->start || off - search->start >= Q2_UNDO_MAX_RANGE)
			continue;
		size_t at = (size_t)(off - search->start);
		code = weigh_sector(search, record,
				    &search->now[at / Q2_UNDO_SECTOR_BYTES],
				    search->content + at, i, err);
	}
	return code;
}

static int compare_numbers(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	return (a > b) - (a < b);
}

static enum qcow2bm_code read_content(struct search *search, struct qcow2bm_error *err)
{
	uint64_t inside = search->start >= search->length
				  ? 0
				  : q2_min_u64(search->length - search->start,
					       sizeof(search->content));
	memset(search->content + inside, 0, sizeof(search->content) - (size_t)inside);
	if (inside == 0)
		return QCOW2BM_OK;
	return q2_storage_read(search->image, search->content, (size_t)inside,
			       search->start, err);
}

/* The sectors that are looked at have met all records about them. */
static void close_sectors(struct search *search)
{
	for (size_t i = 0; i < SECTORS; i++) {
		const struct sector *sector = &search->now[i];
		if (sector->stretch == NEVER)
			continue;
		if (sector->fits_last)
			count_fit(search, sector->stretch + 1, search->undo->stretches);
		if (!sector->fits_any && !search->has_unknown) {
			search->has_unknown = true;
			search->position->off = search->start + i * Q2_UNDO_SECTOR_BYTES;
		}
	}
}

/* Looks at the sectors from search->start on; `from` is the first of order[] that may be about
 * one of them. */
static enum qcow2bm_code look(struct search *search, size_t from,
			      struct qcow2bm_error *err)
{
	size_t near = 0;
	for (size_t i = from; i < search->count; i++) {
		const struct q2_undo_record *record =
			&search->undo->entries[search->order[i]].record;
		if (record->off >= search->start + Q2_UNDO_MAX_RANGE)
			break;
		if (record->off + record->bytes > search->start)
			search->near[near++] = search->order[i];
	}
	qsort(search->near, near, sizeof(*search->near), compare_numbers);
	for (size_t i = 0; i < SECTORS; i++)
		search->now[i] = (struct sector){.stretch = NEVER};
	enum qcow2bm_code code = read_content(search, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < near; i++)
		code = weigh_entry(search, &search->undo->entries[search->near[i]], err);
	if (code == QCOW2BM_OK)
		close_sectors(search);
	return code;
}

/* Looks at each sector that any record is about once, in the order of places. */
static enum qcow2bm_code look_at_all(struct search *search, struct qcow2bm_error *err)
{
	uint64_t done = 0;
	for (size_t i = 0; i < search->count;) {
		const struct q2_undo_record *record =
			&search->undo->entries[search->order[i]].record;
		if (record->off + record->bytes <= done) {
			i++;
			continue;
		}
		search->start = q2_max_u64(done, record->off);
		enum qcow2bm_code code = look(search, i, err);
		if (code != QCOW2BM_OK)
			return code;
		done = search->start + Q2_UNDO_MAX_RANGE;
	}
	return QCOW2BM_OK;
}

static int by_place(const void *context, const void *a, const void *b)
{
	const struct q2_undo_entry *entries = context;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	uint64_t off_x = entries[x].record.off, off_y = entries[y].record.off;
	return off_x != off_y ? (off_x > off_y) - (off_x < off_y) : (x > y) - (x < y);
}

static enum qcow2bm_code prepare(struct search *search, struct qcow2bm_error *err)
{
	const struct q2_undo *undo = search->undo;
	search->order = calloc(undo->count + 1, sizeof(*search->order));
	search->near = calloc(undo->count + 1, sizeof(*search->near));
	search->deltas = calloc((size_t)undo->stretches + 2, sizeof(*search->deltas));
	if (search->order == NULL || search->near == NULL || search->deltas == NULL)
		return q2_fail_memory(err, "the records of an undo file");
	for (size_t i = 0; i < undo->count; i++)
		if (undo->entries[i].record.bytes != 0 &&
		    undo->entries[i].record.kind != Q2_UNDO_KEPT)
			search->order[search->count++] = (uint32_t)i;
	q2_sort(search->order, search->count, sizeof(*search->order), by_place,
		undo->entries);
	return q2_storage_length(search->image, &search->length, err);
}

static void conclude(struct search *search)
{
	struct q2_undo_position *position = search->position;
	const struct q2_undo *undo = search->undo;
	uint64_t fits = 0;
	for (uint32_t i = 0; i <= undo->stretches; i++) {
		fits += (uint64_t)search->deltas[i];
		if (fits != search->sectors || position->is_known)
			continue;
		position->is_known = true;
		position->stretch = i;
	}
	position->is_original = position->is_known &&
				search->originals == search->sectors &&
				search->length == undo->header.length_bytes;
}

enum qcow2bm_code q2_undo_find_position(const struct q2_undo *undo,
					struct q2_storage *image,
					struct q2_undo_position *position,
					struct qcow2bm_error *err)
{
	memset(position, 0, sizeof(*position));
	position->off = QCOW2BM_NO_OFFSET;
	struct search *search = calloc(1, sizeof(*search));
	if (search == NULL)
		return q2_fail_memory(err, "an undo file");
	search->undo = undo;
	search->image = image;
	search->position = position;
	enum qcow2bm_code code = prepare(search, err);
	if (code == QCOW2BM_OK)
		code = look_at_all(search, err);
	if (code == QCOW2BM_OK)
		conclude(search);
	free(search->order);
	free(search->near);
	free(search->deltas);
	free(search);
	return code;
}
