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
#include "../support/random.h"

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
	struct q2_stream stream = {world->in, world->used, type, CLUSTER, 512, 0};
	enum qcow2bm_code code = q2_inflate(&world->inflater, &stream, world->out, &err);
	assert_int_equal(code, is_good ? QCOW2BM_OK : QCOW2BM_EIMAGE);
	if (is_good)
		assert_memory_equal(world->out, world->plain, CLUSTER);
	else
		assert_int_equal(err.offset, 512);
}

/* Whatever stands behind what was needed, the bytes are the same; and all before is needed. */
static void expect_needed(struct world *world, uint8_t type, size_t needed)
{
	struct q2_stream stream = {world->in, world->used, type, CLUSTER, 512, 0};
	assert_int_equal(q2_inflate(&world->inflater, &stream, world->out, NULL),
			 QCOW2BM_OK);
	assert_int_equal(stream.needed, needed);
}

static void test_zlib_good(void **state)
{
	struct world *world = *state;
	deflate_part(world, 0, CLUSTER, Z_FINISH);
	expect(world, QCOW2BM_COMPRESSION_ZLIB, true);
	/* The rest of the last sector belongs to others. */
	size_t needed = world->used;
	memset(world->in + world->used, 0xff, 300);
	world->used += 300;
	expect(world, QCOW2BM_COMPRESSION_ZLIB, true);
	expect_needed(world, QCOW2BM_COMPRESSION_ZLIB, needed);
}

static void test_zlib_does_not_end(void **state)
{
	struct world *world = *state;
	deflate_part(world, 0, CLUSTER, Z_SYNC_FLUSH);
	expect(world, QCOW2BM_COMPRESSION_ZLIB, true);
	expect_needed(world, QCOW2BM_COMPRESSION_ZLIB, world->used);
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

/* What QEMU does with a stream. */
static bool inflates_by_zlib(const uint8_t *in, size_t in_bytes, uint8_t *out,
			     size_t out_bytes)
{
	z_stream stream;
	memset(&stream, 0, sizeof(stream));
	stream.next_in = (z_const Bytef *)(uintptr_t)in;
	stream.avail_in = (uInt)in_bytes;
	stream.next_out = out;
	stream.avail_out = (uInt)out_bytes;
	assert_int_equal(inflateInit2(&stream, -12), Z_OK);
	int result = inflate(&stream, Z_FINISH);
	inflateEnd(&stream);
	return (result == Z_STREAM_END || result == Z_BUF_ERROR) && stream.avail_out == 0;
}

static void agree(struct world *world, const uint8_t *in, size_t in_bytes,
		  size_t out_bytes)
{
	uint8_t expected[CLUSTER];
	bool is_good = inflates_by_zlib(in, in_bytes, expected, out_bytes);
	struct q2_stream stream = {in,        in_bytes, QCOW2BM_COMPRESSION_ZLIB,
				   out_bytes, 512,      0};
	enum qcow2bm_code code = q2_inflate(&world->inflater, &stream, world->out, NULL);
	assert_int_equal(code, is_good ? QCOW2BM_OK : QCOW2BM_EIMAGE);
	if (is_good)
		assert_memory_equal(world->out, expected, out_bytes);
}

/* Text of a few letters, runs of one byte, or a curve: codes of each kind. */
static void fill_plain(struct world *world, struct random *random)
{
	unsigned kind = (unsigned)random_below(random, 3);
	for (size_t i = 0; i < CLUSTER; i++) {
		uint8_t letter = (uint8_t)('a' + random_below(random, 4));
		uint8_t before = i == 0 ? 0 : world->plain[i - 1];
		uint8_t run = random_below(random, 64) == 0 ? letter : before;
		world->plain[i] = kind == 0   ? letter
				  : kind == 1 ? run
					      : (uint8_t)(i * i >> 5);
	}
}

/* 60,000 streams, one to three bits of each turned over: libdeflate takes some that zlib
 * refuses. Four of five are turned over where the codes are told. */
static void test_zlib_mutated(void **state)
{
	struct world *world = *state;
	struct random random;
	random_seed(&random, 12);
	uint8_t mutated[ROOM];
	for (unsigned i = 0; i < 60000; i++) {
		if (i % 200 == 0) {
			fill_plain(world, &random);
			world->used = 0;
			deflate_part(world, 0, CLUSTER, Z_FINISH);
		}
		memcpy(mutated, world->in, world->used);
		for (unsigned flips = i % 3 + 1; flips != 0; flips--) {
			size_t end = world->used;
			if (random_below(&random, 5) != 0 && end > 80)
				end = 80;
			mutated[random_below(&random, end)] ^=
				(uint8_t)(1u << random_below(&random, 8));
		}
		agree(world, mutated, world->used, CLUSTER);
	}
}

/* Bits of a stream as they are written, the first of a row first. */
static size_t add_bits(uint8_t *bytes, size_t at, const char *rows)
{
	for (; *rows != '\0'; rows++) {
		if (*rows == ' ')
			continue;
		bytes[at / 8] |= (uint8_t)((unsigned)(*rows == '1') << at % 8);
		at++;
	}
	return at;
}

static size_t add_number(uint8_t *bytes, size_t at, unsigned number, unsigned count)
{
	for (unsigned i = 0; i < count; i++, at++)
		bytes[at / 8] |= (uint8_t)((number >> i & 1) << at % 8);
	return at;
}

/* The head of a block whose codes have these lengths, each told in 4 bits. */
static size_t add_head(uint8_t *bytes, const uint8_t *lengths, unsigned literals,
		       unsigned distances)
{
	size_t at = add_bits(bytes, 0, "1 01");
	at = add_number(bytes, at, literals - 257, 5);
	at = add_number(bytes, at, distances - 1, 5);
	at = add_number(bytes, at, 15, 4);
	at = add_bits(bytes, at, "000 000 000");
	for (unsigned i = 0; i < 16; i++)
		at = add_number(bytes, at, 4, 3);
	for (unsigned i = 0; i < literals + distances; i++)
		for (unsigned bit = 4; bit-- != 0;)
			at = add_number(bytes, at, lengths[i] >> bit & 1, 1);
	return at;
}

/* Rows of bits that are no code, and codes that mean nothing: zlib refuses each, libdeflate some. */
static void test_zlib_odd_codes(void **state)
{
	static const struct {
		unsigned literals, distances; /* how many codes are told */
		uint8_t lengths[2];           /* of the codes of distances 0 and 1 */
		size_t bytes;
		const char *rows;
	} cases[] = {
		/* The letter a is 0, the end 10, a length of 3 is 11. */
		{258, 2, {1, 1}, 4, "0 11 0 10"},   {258, 2, {1, 0}, 4, "0 11 0 10"},
		{258, 2, {1, 0}, 4, "0 11 1 10"},   {258, 1, {0, 0}, 4, "0 11 0 10"},
		{286, 30, {1, 1}, 4, "0 11 0 10"},  {287, 2, {1, 1}, 4, "0 11 0 10"},
		{288, 2, {1, 1}, 4, "0 11 0 10"},   {258, 31, {1, 1}, 4, "0 11 0 10"},
		{258, 32, {1, 1}, 4, "0 11 0 10"},  {258, 2, {2, 2}, 4, "0 11 00 10"},
		{258, 2, {1, 1}, 5, "0 11 0 0 10"}, {258, 2, {1, 1}, 4, "0 11 1 10"},
	};
	static const struct {
		size_t bytes;
		const char *rows;
	} fixed[] = {
		/* A letter, a length of 3, the distances 1, 30 and 31. */
		{4, "1 10 00110000 0000001 00000 0000000"},
		{4, "1 10 00110000 0000001 11110 0000000000000 0000000"},
		{4, "1 10 00110000 0000001 11111 0000000000000 0000000"},
		/* The lengths 285, 286 and 287, which would be 258 bytes. */
		{259, "1 10 00110000 11000101 00000 0000000"},
		{259, "1 10 00110000 11000110 00000 0000000"},
		{259, "1 10 00110000 11000111 00000 0000000"},
	};
	struct world *world = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[512] = {0},
			lengths[288 + 32] = {['a'] = 1, [256] = 2, [257] = 2};
		memcpy(lengths + cases[i].literals, cases[i].lengths, 2);
		size_t at =
			add_head(bytes, lengths, cases[i].literals, cases[i].distances);
		at = add_bits(bytes, at, cases[i].rows);
		agree(world, bytes, (at + 7) / 8, cases[i].bytes);
	}
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		uint8_t bytes[16] = {0};
		size_t at = add_bits(bytes, 0, fixed[i].rows);
		agree(world, bytes, (at + 7) / 8, fixed[i].bytes);
	}
}

/* The first of two blocks is sound, and the second has a length that means nothing. */
static void test_zlib_second_block(void **state)
{
	struct world *world = *state;
	uint8_t bytes[512] = {0},
		lengths[258 + 2] = {
			['a'] = 1, [256] = 2, [257] = 2, [258] = 1, [259] = 1};
	size_t at = add_head(bytes, lengths, 258, 2);
	bytes[0] &= 0xfe;
	at = add_bits(bytes, at, "0 0 10 1 10 11000110 00000 0000000");
	agree(world, bytes, (at + 7) / 8, 2 + 258);
}

/* The lengths of codes, in bits: 0 00, 1 01, 2 10, as before 110, many zeros 111. */
static void test_zlib_repeated_past_end(void **state)
{
	static const uint8_t told[19] = {3, 0, 3, 2, 0, 0, 0, 0, 0, 0,
					 0, 0, 0, 0, 0, 2, 0, 2, 0};
	struct world *world = *state;
	for (unsigned repeats = 0; repeats < 2; repeats++) {
		uint8_t bytes[64] = {0};
		size_t at = add_bits(bytes, 0, "1 01 10000 10000 1111");
		for (unsigned i = 0; i < 19; i++)
			at = add_number(bytes, at, told[i], 3);
		/* 97 times none, the letter a, 138 and 20 times none, the end, a length of 3. */
		at = add_number(bytes, add_bits(bytes, at, "111"), 97 - 11, 7);
		at = add_number(bytes, add_bits(bytes, at, "01 111"), 138 - 11, 7);
		at = add_number(bytes, add_bits(bytes, at, "111"), 20 - 11, 7);
		/* Two distances, of which the second is as the first, three times. */
		at = add_bits(bytes, at,
			      repeats == 0 ? "10 10 01 01" : "10 10 01 110 00");
		at = add_bits(bytes, at, "0 11 0 10");
		agree(world, bytes, (at + 7) / 8, 4);
	}
}

static void test_zstd_good(void **state)
{
	struct world *world = *state;
	add_frame(world, 0, CLUSTER);
	expect(world, QCOW2BM_COMPRESSION_ZSTD, true);
	size_t needed = world->used;
	memset(world->in + world->used, 0xff, 300);
	world->used += 300;
	expect(world, QCOW2BM_COMPRESSION_ZSTD, true);
	expect_needed(world, QCOW2BM_COMPRESSION_ZSTD, needed);
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
		cmocka_unit_test_setup_teardown(test_zlib_mutated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zlib_odd_codes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zlib_second_block, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zlib_repeated_past_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_zstd_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zstd_several_frames, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_zstd_bad, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
