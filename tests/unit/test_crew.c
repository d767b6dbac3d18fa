/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads that threads share: all bytes, in their places; and the first failure, whoever meets it. */
#define _DEFAULT_SOURCE /* usleep() */

#include "../support/memory_storage.h"
#include "../support/random.h"
#include "guest/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PIECES 100u
#define PIECE_BYTES 4096u
#define DISK_BYTES ((size_t)8 << 20)

/* A raw disk in memory, which several threads may read. */
struct world {
	struct memory_file file;
	struct q2_storage *storage;
	struct qcow2bm_disk *disk;
	uint8_t *buf;
};

/* Behind this byte of the file all reads fail, after a while, longer for those that are further behind. */
static uint64_t broken_from;
static bool is_slow; /* all others take a while, too */
static enum qcow2bm_code (*real_read)(struct q2_storage *, void *, size_t, uint64_t,
				      struct qcow2bm_error *);

static enum qcow2bm_code broken_read(struct q2_storage *storage, void *buf, size_t bytes,
				     uint64_t off, struct qcow2bm_error *err)
{
	if (is_slow)
		usleep(50);
	if (off >= broken_from) {
		usleep((useconds_t)(1000 + 4 * (off - broken_from)));
		err->offset = off;
		return err->code = QCOW2BM_ESYSTEM;
	}
	return real_read(storage, buf, bytes, off, err);
}

static int setup(void **state)
{
	static struct q2_storage_ops ops;
	struct world *world = calloc(1, sizeof(*world));
	struct random random;
	*state = world;
	if (world == NULL)
		return 1;
	random_seed(&random, 3);
	memory_file_resize(&world->file, DISK_BYTES);
	for (size_t i = 0; i < DISK_BYTES; i += 8) {
		uint64_t word = random_word(&random);
		memcpy(world->file.bytes + i, &word, 8);
	}
	world->storage = memory_storage_open(&world->file);
	world->storage->is_parallel = true;
	ops = *world->storage->ops;
	real_read = ops.read;
	ops.read = broken_read;
	world->storage->ops = &ops;
	broken_from = UINT64_MAX;
	is_slow = false;
	world->buf = malloc(DISK_BYTES);
	const struct q2_guest_source source = {.raw = world->storage};
	return world->buf == NULL ||
	       q2_guest_disk_open(&world->disk, &source, 1, NULL, NULL) != QCOW2BM_OK;
}

static int teardown(void **state)
{
	struct world *world = *state;
	q2_guest_disk_close(world->disk);
	q2_storage_close(world->storage);
	memory_file_free(&world->file);
	free(world->buf);
	free(world);
	return 0;
}

/* Pieces of the file, the last one first. */
static void list_pieces(const struct world *world, struct q2_crew_piece *pieces)
{
	for (size_t i = 0; i < PIECES; i++)
		pieces[i] = (struct q2_crew_piece){
			.extent = {.bytes = PIECE_BYTES,
				   .kind = Q2_GUEST_DATA,
				   .place = (PIECES - 1 - i) * (uint64_t)PIECE_BYTES},
			.buf = world->buf + i * PIECE_BYTES,
		};
}

static void test_all_is_there(void **state)
{
	struct world *world = *state;
	struct q2_crew_piece pieces[PIECES];
	struct q2_crew *crew;
	list_pieces(world, pieces);
	assert_int_equal(q2_crew_open(&crew, world->disk->layers, 1, 0, NULL),
			 QCOW2BM_OK);
	for (unsigned turn = 0; turn < 200; turn++) {
		is_slow = turn % 8 == 0;
		memset(world->buf, 0, PIECES * PIECE_BYTES);
		assert_int_equal(q2_crew_fetch(crew, pieces, turn % PIECES + 1, NULL),
				 QCOW2BM_OK);
		for (size_t i = 0; i <= turn % PIECES; i++)
			assert_memory_equal(pieces[i].buf,
					    world->file.bytes + pieces[i].extent.place,
					    PIECE_BYTES);
	}
	q2_crew_close(crew);
}

static void test_first_failure(void **state)
{
	struct world *world = *state;
	struct q2_crew_piece pieces[PIECES];
	struct q2_crew *crew;
	list_pieces(world, pieces);
	assert_int_equal(q2_crew_open(&crew, world->disk->layers, 1, 0, NULL),
			 QCOW2BM_OK);
	for (unsigned turn = 0; turn < 30; turn++) {
		struct qcow2bm_error err = {0};
		/* Pieces 7 and 8 fail, the second one later. */
		pieces[0].extent.place = 0;
		pieces[7].extent.place = (uint64_t)(PIECES - 1) * PIECE_BYTES;
		broken_from = (uint64_t)(PIECES - 1) * PIECE_BYTES;
		pieces[8].extent.place = broken_from + 512;
		assert_int_equal(q2_crew_fetch(crew, pieces, PIECES, &err),
				 QCOW2BM_ESYSTEM);
		assert_int_equal(err.offset, broken_from);
		/* And the next read knows nothing of it. */
		assert_int_equal(q2_crew_fetch(crew, pieces, 7, &err), QCOW2BM_OK);
	}
	q2_crew_close(crew);
}

/* A read of a disk: larger ones are shared. */
static void test_disk(void **state)
{
	struct world *world = *state;
	static const size_t reads[][2] = {{0, 512},
					  {3, 700},
					  {0, DISK_BYTES},
					  {1000, 5 << 20},
					  {DISK_BYTES - 1, 1}};
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		memset(world->buf, 0, reads[i][1]);
		assert_int_equal(q2_guest_disk_read(world->disk, reads[i][0], reads[i][1],
						    world->buf, NULL, NULL),
				 QCOW2BM_OK);
		assert_memory_equal(world->buf, world->file.bytes + reads[i][0],
				    reads[i][1]);
	}
	struct qcow2bm_error err = {0};
	broken_from = 7 << 20;
	assert_int_equal(
		q2_guest_disk_read(world->disk, 0, DISK_BYTES, world->buf, NULL, &err),
		QCOW2BM_ESYSTEM);
	assert_int_equal(err.offset, broken_from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disk, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
