/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compressed clusters: every stream that QEMU takes is taken, and those that it refuses are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "guest/inflate.h"

#define CLUSTER 4096u
#define ROOM (4 * CLUSTER)

struct world {
	struct q2_inflater inflater;
	uint8_t plain[2 * CLUSTER];
	uint8_t out[CLUSTER];
	uint8_t in[ROOM];
	size_t used;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	*state = world;
	if (world == NULL)
		return 1;
	for (size_t i = 0; i < sizeof(world->plain); i++)
		world->plain[i] = (uint8_t)(i * i >> 5);
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	q2_inflater_free(&world->inflater);
	free(world);
	return 0;
}

/* Appends plain[from ..] as a stream, which ends or is flushed only. */
static void deflate_part(struct world *world, size_t from, size_t bytes, int flush)
{
	z_stream stream;
	memset(&stream, 0, sizeof(stream));
	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY),
			 Z_OK);
	stream.next_in = world->plain + from;
	stream.avail_in = (uInt)bytes;
	stream.next_out = world->in + world->used;
	stream.avail_out = (uInt)(ROOM - world->used);
	deflate(&stream, flush);
	world->used += stream.total_out;
	deflateEnd(&stream);
}

/* Appends plain[from ..] as a frame. */
static void add_frame(struct world *world, size_t from, size_t bytes)
{
	size_t count = ZSTD_compress(world->in + world->used, ROOM - world->used,
				     world->plain + from, bytes, 3);
	assert_false(ZSTD_isError(count));
	world->used += count;
}

static void expect(struct world *world, uint8_t type, bool is_good)
{
	struct qcow2bm_error err = {0};
	memset(world->out, 0x5a, sizeof(world->out));
	enum qcow2bm_code code = q2_inflate(&world->inflater, type, world->in,
					    world->used, world->out, CLUSTER, 512, &err);
	assert_int_equal(code, is_good ? QCOW2BM_OK : QCOW2BM_EIMAGE);
	if (is_good)
		assert_memory_equal(world->out, world->plain, CLUSTER);
	else
		assert_int_equal(err.offset, 512);
}

static void test_zlib_good(void **state)
{
	struct world *world = *state;
	deflate_part(world, 0, CLUSTER, Z_FINISH);
	expect(world, QCOW2BM_COMPRESSION_ZLIB, true);
	/* The rest of the last sector belongs to others. */
	memset(world->in + world->used, 0xff, 300);
	world->used += 300;
	expect(world, QCOW2BM_COMPRESSION_ZLIB, true);
}

static void test_zlib_does_not_end(void **state)
{
	struct world *world = *state;
	deflate_part(world, 0, CLUSTER, Z_SYNC_FLUSH);
	expect(world, QCOW2BM_COMPRESSION_ZLIB, true);
}

static void test_zlib_is_longer(void **state)
{
	struct world *world = *state;
	deflate_part(world, 0, CLUSTER + 1000, Z_FINISH);
	expect(world, QCOW2BM_COMPRESSION_ZLIB, true);
}

static void test_zlib_bad(void **state)
{
	struct world *world = *state;
	deflate_part(world, 0, CLUSTER - 1, Z_FINISH);
	expect(world, QCOW2BM_COMPRESSION_ZLIB, false);
	world->used = 0;
	deflate_part(world, 0, CLUSTER, Z_FINISH);
	world->used /= 2;
	expect(world, QCOW2BM_COMPRESSION_ZLIB, false);
	world->used = 0;
	expect(world, QCOW2BM_COMPRESSION_ZLIB, false);
	/* After a bad one a good one. */
	deflate_part(world, 0, CLUSTER, Z_FINISH);
	expect(world, QCOW2BM_COMPRESSION_ZLIB, true);
}

static void test_zstd_good(void **state)
{
	struct world *world = *state;
	add_frame(world, 0, CLUSTER);
	expect(world, QCOW2BM_COMPRESSION_ZSTD, true);
	memset(world->in + world->used, 0xff, 300);
	world->used += 300;
	expect(world, QCOW2BM_COMPRESSION_ZSTD, true);
}

static void test_zstd_several_frames(void **state)
{
	struct world *world = *state;
	add_frame(world, 0, 1000);
	add_frame(world, 1000, 96);
	add_frame(world, 1096, CLUSTER - 1096);
	expect(world, QCOW2BM_COMPRESSION_ZSTD, true);
}

static void test_zstd_bad(void **state)
{
	struct world *world = *state;
	add_frame(world, 0, CLUSTER - 1);
	expect(world, QCOW2BM_COMPRESSION_ZSTD, false);
	world->used = 0;
	/* Unlike one of zlib's, a frame must end where the cluster does. */
	add_frame(world, 0, CLUSTER + 1000);
	expect(world, QCOW2BM_COMPRESSION_ZSTD, false);
	world->used = 0;
	add_frame(world, 0, CLUSTER);
	world->used -= 3;
	expect(world, QCOW2BM_COMPRESSION_ZSTD, false);
	world->used = 0;
	expect(world, QCOW2BM_COMPRESSION_ZSTD, false);
	add_frame(world, 0, CLUSTER);
	expect(world, QCOW2BM_COMPRESSION_ZSTD, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_zlib_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zlib_does_not_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zlib_is_longer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zlib_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zstd_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zstd_several_frames, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_zstd_bad, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
