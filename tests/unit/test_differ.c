/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What differs between disks of any sizes is just that, with a disk beside it and with its manifest, which
 * also stands in for a disk that is compared. */
#include "../support/memory_storage.h"
#include "../support/random.h"
#include "base/checked.h"
#include "guest/compare_manifest.h"
#include "guest/differ.h"
#include "guest/digest.h"
#include "guest/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST_SECTORS 20000u

/* A raw disk in memory. */
struct world {
	struct memory_file file;
	struct q2_storage_ops ops;
	struct q2_storage *storage;
	struct qcow2bm_disk *disk;
};

/* Zeros of whole sectors are holes. */
static void find_data(struct q2_storage *storage, uint64_t off, uint64_t end,
		      uint64_t *data_off, uint64_t *data_end)
{
	uint8_t sector[512];
	*data_off = *data_end = end;
	for (uint64_t at = off - off % 512; at < end; at += 512) {
		if (storage->ops->read(storage, sector, 512, at, NULL) != QCOW2BM_OK)
			return;
		bool is_zeros = q2_hash_is_zeros(sector, 512);
		if (!is_zeros && *data_off == end)
			*data_off = q2_max_u64(at, off);
		if (is_zeros && *data_off != end) {
			*data_end = at;
			return;
		}
	}
}

static void open_world(struct world *world)
{
	world->storage = memory_storage_open(&world->file);
	world->ops = *world->storage->ops;
	world->ops.find_data = find_data;
	world->storage->ops = &world->ops;
	const struct q2_guest_source source = {.raw = world->storage};
	assert_int_equal(q2_guest_disk_open(&world->disk, &source, 1, NULL, NULL),
			 QCOW2BM_OK);
}

static void close_world(struct world *world)
{
	q2_guest_disk_close(world->disk);
	q2_storage_close(world->storage);
	memory_file_free(&world->file);
}

/* Zeros, and pieces of data, one of them of several windows. */
static void fill(struct world *world, struct random *random)
{
	memory_file_resize(&world->file, 512 * random_between(random, 1, MOST_SECTORS));
	for (unsigned i = 0; i < 5; i++) {
		uint64_t at = random_below(random, world->file.length);
		uint64_t count = random_below(random, i == 0 ? 6000000 : 300000) + 1;
		memset(world->file.bytes + at, (int)random_below(random, 256),
		       (size_t)q2_min_u64(count, world->file.length - at));
	}
}

/* The same, longer or shorter, with some bytes that are others, or with zeros instead of much of it. */
static void change(struct world *to, const struct world *from, struct random *random)
{
	memory_file_fill(&to->file, from->file.bytes, from->file.length);
	if (random_percent(random, 50))
		memory_file_resize(&to->file,
				   512 * random_between(random, 1, MOST_SECTORS));
	for (unsigned i = 0; i < 6; i++)
		to->file.bytes[random_below(random, to->file.length)] ^=
			(uint8_t)random_below(random, 256);
	if (random_percent(random, 30))
		to->file.bytes[to->file.length - 1] ^= 1;
	uint64_t at = random_below(random, to->file.length);
	uint64_t count = q2_min_u64(6000000, to->file.length - at);
	if (random_percent(random, 40))
		memset(to->file.bytes + at, 0, (size_t)count);
}

static uint8_t byte_at(const struct world *world, uint64_t at)
{
	return at < world->file.length ? world->file.bytes[at] : 0;
}

static bool differs(const struct world *now, const struct world *old, uint64_t start,
		    uint64_t bytes)
{
	for (uint64_t at = start; at < start + bytes && at < now->file.length; at++)
		if (byte_at(now, at) != byte_at(old, at))
			return true;
	return false;
}

/* A manifest cannot tell of a last granule that became shorter. */
static bool is_cut(const struct world *now, const struct world *old, uint64_t start,
		   uint64_t granule)
{
	uint64_t end = start + granule;
	return now->file.length < end &&
	       q2_min_u64(end, old->file.length) > now->file.length;
}

static void check_bits(const struct world *now, const struct world *old,
		       const struct q2_differ_old *found)
{
	const struct q2_differences *it = &found->differences;
	uint64_t granule = (uint64_t)1 << it->granularity_bits, ones = 0;
	for (uint64_t bit = 0; bit < it->bits; bit++) {
		uint64_t start = bit << it->granularity_bits, words[1];
		q2_differences_read(it, bit - bit % 64, bit + 1, words);
		bool is_set = ((const uint8_t *)words)[bit % 64 / 8] >> (bit % 8) & 1;
		bool wanted = differs(now, old, start, granule);
		ones += is_set;
		if (found->manifest != NULL && is_cut(now, old, start, granule))
			assert_true(is_set || !wanted);
		else
			assert_int_equal(is_set, wanted);
	}
	assert_int_equal(ones, it->ones);
}

/* Extents of a comparison: in order, without gaps, the same and different in turn. */
struct told {
	const struct world *now, *old;
	uint64_t granule, at, different, first;
	bool last;
};

static int check_extent(void *opaque, const struct qcow2bm_extent *extent)
{
	struct told *told = opaque;
	uint64_t end = extent->start + extent->length;
	assert_int_equal(extent->start, told->at);
	assert_true(extent->length != 0 &&
		    (told->at == 0 || told->last != extent->dirty));
	told->last = extent->dirty;
	for (; told->at < end; told->at += q2_min_u64(told->granule, end - told->at)) {
		bool is_other = differs(told->now, told->old, told->at, told->granule) ||
				differs(told->old, told->now, told->at, told->granule);
		assert_int_equal(is_other, extent->dirty);
	}
	if (extent->dirty && told->different == 0)
		told->first = extent->start;
	told->different += extent->dirty ? extent->length : 0;
	return 0;
}

/* As comparing the two disks would, rounded to granules, with any number of threads, up to the end of the
 * longer one; or up to the first difference. */
static void check_compared(const struct world *now, const struct world *old,
			   struct q2_manifest_file *manifest)
{
	struct qcow2bm_compare_options options = QCOW2BM_COMPARE_OPTIONS_INIT;
	const struct qcow2bm_comparison *result;
	for (options.threads = 1; options.threads <= 4; options.threads += 3) {
		struct told told = {
			.now = now,
			.old = old,
			.granule = (uint64_t)1 << manifest->header.granularity_bits,
			.first = QCOW2BM_NO_OFFSET,
		};
		options.flags = 0;
		assert_int_equal(q2_compare_manifest(now->disk, manifest, &options,
						     check_extent, &told, &result, NULL,
						     NULL),
				 QCOW2BM_OK);
		assert_int_equal(told.at, q2_max_u64(now->file.length, old->file.length));
		assert_int_equal(result->differing_bytes, told.different);
		assert_int_equal(result->first, told.first);
		options.flags = QCOW2BM_COMPARE_FIRST;
		assert_int_equal(q2_compare_manifest(now->disk, manifest, &options, NULL,
						     NULL, &result, NULL, NULL),
				 QCOW2BM_OK);
		assert_int_equal(result->first, told.first);
	}
	options.flags = QCOW2BM_COMPARE_STRICT;
	assert_int_equal(q2_compare_manifest(now->disk, manifest, &options, NULL, NULL,
					     &result, NULL, NULL),
			 QCOW2BM_EINVAL);
}

static enum qcow2bm_code append(void *opaque, const uint8_t *bytes, size_t count,
				struct qcow2bm_error *err)
{
	struct memory_file *file = opaque;
	uint64_t at = file->length;
	(void)err;
	memory_file_resize(file, at + count);
	memcpy(file->bytes + at, bytes, count);
	return QCOW2BM_OK;
}

static void make_manifest(const struct world *world, struct memory_file *file,
			  unsigned granularity_bits, bool is_strong)
{
	const struct q2_manifest_name name = {.bytes = (const uint8_t *)"d", .count = 1};
	struct q2_manifest_header header = {.hash = is_strong ? Q2_MANIFEST_SHA256
							      : Q2_MANIFEST_XXH3,
					    .granularity_bits = granularity_bits};
	assert_int_equal(
		q2_digest_make(world->disk, &header, &name, append, file, NULL, NULL),
		QCOW2BM_OK);
}

static void try_once(struct random *random)
{
	struct world now = {.disk = NULL}, old = {.disk = NULL};
	struct memory_file bytes = {0};
	struct q2_manifest_file manifest;
	unsigned bits[2] = {(unsigned)random_between(random, 9, 22),
			    (unsigned)random_between(random, 9, 22)};
	fill(&old, random);
	change(&now, &old, random);
	open_world(&now);
	open_world(&old);
	make_manifest(&old, &bytes, bits[1], random_percent(random, 30));
	struct q2_storage *storage = memory_storage_open(&bytes);
	assert_int_equal(q2_manifest_file_open(&manifest, storage, NULL, NULL),
			 QCOW2BM_OK);
	struct q2_differ_old olds[2] = {{.disk = {.disk = old.disk}},
					{.manifest = &manifest}};
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(q2_differences_open(&olds[i].differences,
						     now.file.length, bits[i], NULL),
				 QCOW2BM_OK);
	assert_int_equal(q2_differ_find(now.disk, olds, 2, NULL, NULL), QCOW2BM_OK);
	for (size_t i = 0; i < 2; i++) {
		check_bits(&now, &old, &olds[i]);
		q2_differences_close(&olds[i].differences);
		q2_differences_close(&olds[i].unknown);
	}
	check_compared(&now, &old, &manifest);
	q2_manifest_file_close(&manifest);
	q2_storage_close(storage);
	memory_file_free(&bytes);
	close_world(&now);
	close_world(&old);
}

static void just_what_differs_is_found(void **state)
{
	(void)state;
	struct random random;
	random_seed(&random, 5);
	for (unsigned i = 0; i < 25; i++)
		try_once(&random);
}

/* Zeros end inside a granule: what differs is all of that granule. */
static void zeros_may_end_inside_a_granule(void **state)
{
	(void)state;
	struct world now = {.storage = NULL}, old = {.storage = NULL};
	struct memory_file bytes = {.bytes = NULL};
	struct q2_manifest_file manifest;
	memory_file_resize(&now.file, 8u << 20);
	memory_file_resize(&old.file, 8u << 20);
	memset(now.file.bytes + (5u << 20) + 3 * 512, 1, 512);
	open_world(&now);
	open_world(&old);
	make_manifest(&old, &bytes, 16, false);
	struct q2_storage *storage = memory_storage_open(&bytes);
	assert_int_equal(q2_manifest_file_open(&manifest, storage, NULL, NULL),
			 QCOW2BM_OK);
	check_compared(&now, &old, &manifest);
	q2_manifest_file_close(&manifest);
	q2_storage_close(storage);
	memory_file_free(&bytes);
	close_world(&now);
	close_world(&old);
}

static bool stop(void *opaque)
{
	unsigned *left = opaque;
	return --*left == 0;
}

static void who_looks_on_may_stop_it(void **state)
{
	(void)state;
	struct random random;
	struct world now = {.disk = NULL};
	struct memory_file bytes = {0};
	unsigned left = 1;
	const struct qcow2bm_watch caller = {
		.size = sizeof(caller), .interrupted = stop, .opaque = &left};
	struct q2_watch watch;
	struct q2_manifest_header header = {.hash = Q2_MANIFEST_XXH3,
					    .granularity_bits = 9};
	const struct q2_manifest_name name = {.count = 0};
	random_seed(&random, 3);
	fill(&now, &random);
	open_world(&now);
	struct q2_differ_old old = {.disk = {.disk = now.disk}};
	assert_int_equal(q2_differences_open(&old.differences, now.file.length, 9, NULL),
			 QCOW2BM_OK);
	assert_int_equal(q2_watch_begin(&watch, &caller, "", NULL), QCOW2BM_OK);
	assert_int_equal(q2_differ_find(now.disk, &old, 1, &watch, NULL),
			 QCOW2BM_EINTERRUPTED);
	left = 1;
	assert_int_equal(q2_watch_begin(&watch, &caller, "", NULL), QCOW2BM_OK);
	assert_int_equal(
		q2_digest_make(now.disk, &header, &name, append, &bytes, &watch, NULL),
		QCOW2BM_EINTERRUPTED);
	q2_differences_close(&old.differences);
	memory_file_free(&bytes);
	close_world(&now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(just_what_differs_is_found),
		cmocka_unit_test(zeros_may_end_inside_a_granule),
		cmocka_unit_test(who_looks_on_may_stop_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
