/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compressed clusters of two images: a stream that both have is the same bytes, whatever stands behind it,
 * and a damaged one is an error on either side. */
#include "../support/memory_storage.h"
#include "guest/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#define CLUSTER 65536u
#define ROOM CLUSTER /* of a stream in the file */

struct side {
	struct memory_file file;
	struct qcow2bm_image image;
	struct q2_guest_layer layer;
	struct qcow2bm_disk disk;
};

struct world {
	struct side sides[2];
	uint8_t plain[CLUSTER];
	struct q2_batch batch;
	struct q2_batch_worker worker;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	*state = world;
	if (world == NULL)
		return 1;
	for (size_t i = 0; i < CLUSTER; i++)
		world->plain[i] = (uint8_t)(i * i >> 9);
	for (int k = 0; k < 2; k++) {
		struct side *side = &world->sides[k];
		memory_file_resize(&side->file, 2 * ROOM);
		side->image.storage = memory_storage_open(&side->file);
		side->image.header.cluster_bits = 16;
		side->layer.image = &side->image;
		side->layer.data = side->image.storage;
		side->disk.layers = &side->layer;
		side->disk.count = 1;
		world->batch.disks[k] = &side->disk;
	}
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	q2_batch_worker_free(&world->worker);
	for (int k = 0; k < 2; k++) {
		q2_storage_close(world->sides[k].image.storage);
		memory_file_free(&world->sides[k].file);
	}
	free(world);
	return 0;
}

/* Writes what plain has now as a stream at `place`; behind it is `behind`. Returns its length. */
static size_t put(struct world *world, int side, size_t place, int level, uint8_t behind)
{
	uint8_t *to = world->sides[side].file.bytes + place;
	z_stream stream;
	memset(&stream, 0, sizeof(stream));
	memset(to, behind, ROOM);
	assert_int_equal(
		deflateInit2(&stream, level, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY),
		Z_OK);
	stream.next_in = world->plain;
	stream.avail_in = CLUSTER;
	stream.next_out = to;
	stream.avail_out = ROOM;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return stream.total_out;
}

/* Compares the streams at these places. */
static void run(struct world *world, size_t a, size_t b)
{
	const size_t places[2] = {a, b};
	world->batch.count = 1;
	for (int k = 0; k < 2; k++)
		world->batch.pairs[0].side[k] =
			(struct q2_guest_extent){.bytes = CLUSTER,
						 .kind = Q2_GUEST_COMPRESSED,
						 .place = places[k],
						 .stream_bytes = ROOM};
	q2_batch_run(&world->batch, &world->worker);
}

static void expect_sector(const struct world *world, int sector)
{
	assert_int_equal(world->batch.done, 1);
	for (int i = 0; i < (int)(CLUSTER / Q2_BATCH_SECTOR); i++)
		assert_int_equal(world->batch.differs[i / 64] >> i % 64 & 1, i == sector);
}

static void expect_failure(const struct world *world, int side)
{
	assert_int_equal(world->batch.done, 0);
	assert_int_equal(world->batch.failed, side);
	assert_int_equal(world->batch.err.code, QCOW2BM_EIMAGE);
}

static void test_same_stream(void **state)
{
	struct world *world = *state;
	put(world, 0, 0, 6, 0);
	put(world, 1, ROOM, 6, 0xff);
	run(world, 0, ROOM);
	expect_sector(world, -1);
}

static void test_other_stream(void **state)
{
	struct world *world = *state;
	put(world, 0, 0, 1, 0);
	put(world, 1, 0, 9, 0);
	run(world, 0, 0);
	expect_sector(world, -1);
	world->plain[CLUSTER - 1] ^= 1;
	put(world, 1, 0, 9, 0);
	run(world, 0, 0);
	expect_sector(world, 127);
}

/* What zlib, which QEMU asks, makes of the stream at the start of side 1. */
static bool inflate_other(struct world *world, uint8_t *out)
{
	z_stream stream;
	memset(&stream, 0, sizeof(stream));
	stream.next_in = world->sides[1].file.bytes;
	stream.avail_in = ROOM;
	stream.next_out = out;
	stream.avail_out = CLUSTER;
	assert_int_equal(inflateInit2(&stream, -12), Z_OK);
	int result = inflate(&stream, Z_FINISH);
	inflateEnd(&stream);
	return (result == Z_STREAM_END || result == Z_BUF_ERROR) && stream.avail_out == 0;
}

/* Every bit that is needed tells; what others say makes no difference. */
static void test_nearly_the_same(void **state)
{
	struct world *world = *state;
	uint8_t *out = malloc(CLUSTER);
	unsigned same = 0, other = 0, failed = 0;
	size_t bytes = put(world, 0, 0, 6, 0);
	put(world, 1, 0, 6, 0);
	for (size_t bit = 0; bit < bytes * 8 + 64;
	     bit += bit + 307 < bytes * 8 ? 307 : 1) {
		world->sides[1].file.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		run(world, 0, 0);
		bool is_good = inflate_other(world, out);
		assert_int_equal(world->batch.done, is_good);
		assert_true(is_good || world->batch.failed == 1);
		bool is_same = is_good && memcmp(out, world->plain, CLUSTER) == 0;
		bool differs = false;
		for (size_t i = 0; i < CLUSTER / Q2_BATCH_SECTOR / 64; i++)
			differs |= world->batch.differs[i] != 0;
		assert_int_equal(differs, is_good && !is_same);
		same += is_same;
		other += is_good && !is_same;
		failed += !is_good;
		world->sides[1].file.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	free(out);
	assert_true(same >= 64 && other != 0 && failed != 0);
}

static void test_same_damage(void **state)
{
	struct world *world = *state;
	for (int k = 0; k < 2; k++) {
		put(world, k, 0, 6, 0);
		world->sides[k].file.bytes[2] ^= 0x55;
	}
	run(world, 0, 0);
	expect_failure(world, 0);
}

/* Of two methods the same bytes mean different things: each is inflated. */
static void test_other_method(void **state)
{
	struct world *world = *state;
	put(world, 0, 0, 6, 0);
	put(world, 1, 0, 6, 0);
	world->sides[1].image.header.compression_type = QCOW2BM_COMPRESSION_ZSTD;
	run(world, 0, 0);
	expect_failure(world, 1);
}

/* What has no key is not compared, however it is stored. */
static void test_encrypted(void **state)
{
	struct world *world = *state;
	for (int k = 0; k < 2; k++) {
		put(world, k, 0, 6, 0);
		world->sides[k].image.header.crypt_method = 2;
	}
	run(world, 0, 0);
	assert_int_equal(world->batch.done, 0);
	assert_int_equal(world->batch.err.code, QCOW2BM_EUNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nearly_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_method, setup, teardown),
		cmocka_unit_test_setup_teardown(test_encrypted, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
