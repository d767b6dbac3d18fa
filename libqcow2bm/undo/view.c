/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image as it would be with all that an undo file has of it put back. */
#include "view.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "old.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* An entry with old bytes, and its place among the entries. */
struct place {
	uint64_t off;
	size_t number;
};

struct view {
	struct q2_storage storage; /* first: a storage pointer is a view pointer */
	const struct q2_undo *undo;
	struct q2_storage *image;
	struct place *places; /* in the order of the image */
	size_t *near;         /* those of a range */
	size_t count;
	uint64_t length;
	uint8_t old[Q2_UNDO_MAX_RANGE];
};

static struct view *view_of(struct q2_storage *storage)
{
	return (struct view *)(void *)storage;
}

/* The first place whose entry may reach to `off`. */
static size_t find_place(const struct view *view, uint64_t off)
{
	size_t low = 0, high = view->count;
	uint64_t from = off > Q2_UNDO_MAX_RANGE ? off - Q2_UNDO_MAX_RANGE : 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (view->places[middle].off < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint64_t place_end(const struct view *view, size_t i)
{
	const struct q2_undo_entry *entry = &view->undo->entries[view->places[i].number];
	return view->places[i].off + entry->record.bytes;
}

static int compare_numbers(const void *left, const void *right)
{
	size_t a = *(const size_t *)left, b = *(const size_t *)right;
	return (a < b) - (a > b);
}

/* The last entry first: what the first one says is how it was before all. */
static enum qcow2bm_code put_over(struct view *view, uint8_t *buf, size_t bytes,
				  uint64_t off, struct qcow2bm_error *err)
{
	size_t near = 0;
	for (size_t i = find_place(view, off);
	     i < view->count && view->places[i].off < off + bytes; i++)
		view->near[near++] = view->places[i].number;
	if (near > 1)
		qsort(view->near, near, sizeof(*view->near), compare_numbers);
	for (size_t i = 0; i < near; i++) {
		const struct q2_undo_entry *entry = &view->undo->entries[view->near[i]];
		uint64_t from = q2_max_u64(entry->record.off, off);
		uint64_t end =
			q2_min_u64(entry->record.off + entry->record.bytes, off + bytes);
		if (from >= end)
			continue;
		enum qcow2bm_code code =
			q2_undo_read_old(view->undo, entry, view->old, err);
		if (code != QCOW2BM_OK)
			return code;
		memcpy(buf + (from - off), view->old + (from - entry->record.off),
		       (size_t)(end - from));
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code view_read(struct q2_storage *storage, void *buf, size_t bytes,
				   uint64_t off, struct qcow2bm_error *err)
{
	struct view *view = view_of(storage);
	uint64_t now, inside = 0;
	if (!q2_checked_within(off, bytes, view->length))
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "cannot read %zu bytes at byte %" PRIu64
			       ": the file ends at byte %" PRIu64,
			       bytes, off, view->length);
	enum qcow2bm_code code = q2_storage_length(view->image, &now, err);
	if (code == QCOW2BM_OK && off < now)
		inside = q2_min_u64(bytes, now - off);
	memset((uint8_t *)buf + inside, 0, bytes - (size_t)inside);
	if (code == QCOW2BM_OK && inside != 0)
		code = q2_storage_read(view->image, buf, (size_t)inside, off, err);
	return code == QCOW2BM_OK ? put_over(view, buf, bytes, off, err) : code;
}

static enum qcow2bm_code view_length(struct q2_storage *storage, uint64_t *bytes,
				     struct qcow2bm_error *err)
{
	(void)err;
	*bytes = view_of(storage)->length;
	return QCOW2BM_OK;
}

/* What is a hole now may have held something. */
static void view_find_data(struct q2_storage *storage, uint64_t off, uint64_t end,
			   uint64_t *data_off, uint64_t *data_end)
{
	const struct view *view = view_of(storage);
	size_t i = find_place(view, off);
	q2_storage_find_data(view->image, off, end, data_off, data_end);
	while (i < view->count && place_end(view, i) <= off)
		i++;
	if (i == view->count || view->places[i].off >= *data_off)
		return;
	*data_off = q2_max_u64(view->places[i].off, off);
	*data_end = q2_min_u64(place_end(view, i), end);
}

static void view_close(struct q2_storage *storage)
{
	struct view *view = view_of(storage);
	free(view->places);
	free(view->near);
	free(view);
}

/* It is never written to. */
static const struct q2_storage_ops view_ops = {
	.read = view_read,
	.length = view_length,
	.find_data = view_find_data,
	.close = view_close,
};

static int compare_places(const void *left, const void *right)
{
	const struct place *a = left, *b = right;
	if (a->off != b->off)
		return a->off < b->off ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

static enum qcow2bm_code collect(struct view *view, struct qcow2bm_error *err)
{
	const struct q2_undo *undo = view->undo;
	view->places = calloc(undo->count + 1, sizeof(*view->places));
	view->near = calloc(undo->count + 1, sizeof(*view->near));
	if (view->places == NULL || view->near == NULL)
		return q2_fail_memory(err, "the records of an undo file");
	for (size_t i = 0; i < undo->count; i++)
		if (undo->entries[i].record.has_old && undo->entries[i].record.bytes != 0)
			view->places[view->count++] =
				(struct place){undo->entries[i].record.off, i};
	qsort(view->places, view->count, sizeof(*view->places), compare_places);
	view->length = undo->header.length_bytes;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_undo_view_open(struct q2_storage **result,
				    const struct q2_undo *undo, struct q2_storage *image,
				    struct qcow2bm_error *err)
{
	struct view *view = calloc(1, sizeof(*view));
	if (view == NULL)
		return q2_fail_memory(err, "an undo file");
	view->storage.ops = &view_ops;
	view->storage.can_grow = image->can_grow;
	view->storage.writer = image->writer;
	view->storage.allocated_bytes = image->allocated_bytes;
	view->undo = undo;
	view->image = image;
	enum qcow2bm_code code = undo != NULL
					 ? collect(view, err)
					 : q2_storage_length(image, &view->length, err);
	if (code != QCOW2BM_OK) {
		view_close(&view->storage);
		return code;
	}
	*result = &view->storage;
	return QCOW2BM_OK;
}
