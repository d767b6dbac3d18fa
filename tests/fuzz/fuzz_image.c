/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole image is read and checked in every way there is; nothing of it may change. */
#include "../support/memory_storage.h"
#include "fuzz.h"
#include "image/image.h"
#include "mutate_image.h"
#include "../support/copies.h"

#include <stdlib.h>
#include <string.h>

#define MAX_EXTENTS 20000
#define MAX_BITMAPS 64

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct random random;
	random_seed(&random, seed);
	if (random_percent(&random, 10))
		return LLVMFuzzerMutate(data, size, max_size);
	return mutate_image(data, size, max_size, &random);
}

struct reading {
	uint64_t at;    /* where the next extent must start */
	uint64_t dirty; /* bytes so far */
	bool value;
	size_t count;
};

static int add_extent(void *opaque, const struct qcow2bm_extent *extent)
{
	struct reading *reading = opaque;
	fuzz_require(extent->start == reading->at && extent->length > 0,
		     "an extent leaves a gap");
	fuzz_require(reading->count == 0 || extent->dirty != reading->value,
		     "two extents in a row have one value");
	reading->at += extent->length;
	reading->dirty += extent->dirty ? extent->length : 0;
	reading->value = extent->dirty;
	return ++reading->count == MAX_EXTENTS;
}

static enum qcow2bm_code read_extents(struct qcow2bm_image *image, size_t idx,
				      uint64_t start, uint64_t length,
				      struct reading *reading)
{
	struct qcow2bm_error err = {0};
	*reading = (struct reading){.at = start};
	enum qcow2bm_code code = qcow2bm_bitmap_extents(image, idx, start, length, 0,
							add_extent, reading, NULL, &err);
	fuzz_check_error(code, &err);
	return code;
}

/* Measuring, extents of the whole disk and extents of a part agree. */
static void read_bits(struct qcow2bm_image *image, size_t idx, uint64_t virtual_bytes)
{
	struct qcow2bm_measure counted = {0}, uncounted = {0};
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = measure_copied(image, idx, 0, &uncounted, NULL, &err);
	fuzz_check_error(code, &err);
	err = (struct qcow2bm_error){0};
	code = measure_copied(image, idx, QCOW2BM_READ_COUNT, &counted, NULL, &err);
	fuzz_check_error(code, &err);
	struct reading whole, part;
	enum qcow2bm_code read = read_extents(image, idx, 0, UINT64_MAX, &whole);
	if (code == QCOW2BM_OK && read == QCOW2BM_OK) {
		fuzz_require(whole.at == virtual_bytes, "the extents end too early");
		fuzz_require(whole.dirty == counted.dirty_bytes,
			     "%llu dirty bytes counted, %llu in extents",
			     (unsigned long long)counted.dirty_bytes,
			     (unsigned long long)whole.dirty);
		fuzz_require(counted.stored_bytes == uncounted.stored_bytes,
			     "stored bytes depend on counting");
	}
	uint64_t start = virtual_bytes / 3 + 1, length = virtual_bytes / 2;
	if (start <= virtual_bytes &&
	    read_extents(image, idx, start, length, &part) == QCOW2BM_OK &&
	    read == QCOW2BM_OK)
		fuzz_require(part.dirty <= whole.dirty,
			     "a part is dirtier than the whole");
}

/* What can be staged is staged. */
static void ignore(enum qcow2bm_code code)
{
	(void)code;
}

/* An edit that nobody commits: plans of every kind of change. */
static void plan_edit(struct qcow2bm_image *image, unsigned flags)
{
	struct qcow2bm_edit *edit;
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = qcow2bm_edit_begin(&edit, image, &err);
	fuzz_check_error(code, &err);
	if (code != QCOW2BM_OK)
		return;
	ignore(qcow2bm_edit_add(edit, "new", 3,
				qcow2bm_image_default_granularity_bits(image), true,
				NULL));
	for (size_t i = 0; i < qcow2bm_bitmap_count(image) && i < MAX_BITMAPS; i++) {
		struct qcow2bm_bitmap bitmap = *qcow2bm_bitmap_describe(image, i);
		ignore(qcow2bm_edit_merge(edit, "new", 3, NULL, bitmap.name,
					  bitmap.name_bytes, NULL));
		if (i % 3 == 0)
			ignore(qcow2bm_edit_delete(edit, bitmap.name, bitmap.name_bytes,
						   NULL));
		if (i % 3 == 1)
			ignore(qcow2bm_edit_clear(edit, bitmap.name, bitmap.name_bytes,
						  NULL));
	}
	struct qcow2bm_plan plan;
	err = (struct qcow2bm_error){0};
	code = plan_copied(edit, flags, &plan, NULL, &err);
	fuzz_check_error(code, &err);
	for (size_t i = 0; code == QCOW2BM_OK && i < plan.changes; i++) {
		struct qcow2bm_change change = *qcow2bm_edit_change(edit, i);
		fuzz_require((change.old_name == NULL) ==
					     (change.kind == QCOW2BM_CHANGE_ADD) &&
				     (change.new_name == NULL) ==
					     (change.kind == QCOW2BM_CHANGE_DELETE),
			     "a change of kind %d has the wrong names", change.kind);
	}
	qcow2bm_edit_end(edit);
}

static void read_image(struct qcow2bm_image *image)
{
	struct qcow2bm_image_info info = *qcow2bm_image_describe(image);
	for (size_t i = 0; i < qcow2bm_bitmap_count(image) && i < MAX_BITMAPS; i++) {
		struct qcow2bm_bitmap bitmap = *qcow2bm_bitmap_describe(image, i);
		fuzz_require((bitmap.problem != NULL) ==
				     (bitmap.state == QCOW2BM_STATE_CORRUPT),
			     "a state does not fit the problem");
		fuzz_require(qcow2bm_bitmap_find(image, bitmap.name, bitmap.name_bytes) <=
				     i,
			     "a bitmap is not found by its name");
		read_bits(image, i, info.virtual_bytes);
	}
	for (unsigned i = 0; i <= info.snapshots && i < 8; i++) {
		const struct qcow2bm_snapshot *snapshot;
		struct qcow2bm_error err = {0};
		enum qcow2bm_code code =
			qcow2bm_image_snapshot(image, i, &snapshot, &err);
		fuzz_check_error(code, &err);
		fuzz_require(code != QCOW2BM_OK || i < info.snapshots,
			     "a snapshot too many");
	}
	plan_edit(image, 0);
	plan_edit(image, QCOW2BM_COMMIT_TRUST_REFCOUNTS);
}

static int count_carved(void *opaque, const struct qcow2bm_carved *carved)
{
	size_t *count = opaque;
	fuzz_require(carved->name_bytes != 0 && carved->entry_offset != 0 &&
			     carved->directory_offset <= carved->entry_offset,
		     "an entry that was carved has no name or place");
	return ++*count == MAX_EXTENTS;
}

/* A check, also of an image that cannot be opened otherwise, and a look into what is free. */
static void check_and_carve(struct memory_file *file)
{
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	struct qcow2bm_error err = {0};
	size_t count = 0;
	struct q2_storage *storage = memory_storage_open(file);
	storage->writable = false;
	enum qcow2bm_code code = q2_image_open_damaged(&image, storage, &err);
	fuzz_check_error(code, &err);
	if (code != QCOW2BM_OK)
		return;
	code = qcow2bm_image_check(image, NULL, &report, NULL, &err);
	fuzz_check_error(code, &err);
	if (code == QCOW2BM_OK) {
		code = qcow2bm_image_carve(image, report, count_carved, &count, NULL,
					   &err);
		fuzz_check_error(code, &err);
		qcow2bm_report_free(report);
	}
	qcow2bm_image_close(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory_file file = {0};
	struct qcow2bm_image *image;
	struct qcow2bm_error err = {0};
	memory_file_fill(&file, data, size);
	struct q2_storage *storage = memory_storage_open(&file);
	/* A write would be an assertion that fails. */
	storage->writable = false;
	enum qcow2bm_code code = q2_image_open(&image, storage, &err);
	fuzz_check_error(code, &err);
	if (code == QCOW2BM_OK) {
		read_image(image);
		qcow2bm_image_close(image);
	}
	check_and_carve(&file);
	fuzz_require(file.length == size &&
			     (size == 0 || memcmp(file.bytes, data, size) == 0),
		     "reading changed the image");
	memory_file_free(&file);
	return 0;
}
