/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The committed directory: what a bad entry costs, one bitmap, and bad lengths, the image; and
 * that names are found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../support/one_edit.h"
#include "../support/random.h"
#include "image/directory.h"
#include "image/image.h"

#define CLUSTER_BITS 12
#define EXTENSION_OFF 112 /* the bitmaps extension comes first */
#define AUTOCLEAR_OFF 88

/* ---- Parsing ---- */

/* Directories are made here as bytes: each name with a table of one entry. */
static uint8_t *make_directory(const char *const *names, size_t count, size_t more,
			       size_t *size)
{
	*size = more;
	for (size_t i = 0; i < count; i++)
		*size += (24 + strlen(names[i]) + 7) / 8 * 8;
	uint8_t *bytes = calloc(1, *size == 0 ? 1 : *size);
	assert_non_null(bytes);
	size_t at = 0;
	for (size_t i = 0; i < count; i++) {
		size_t name_bytes = strlen(names[i]);
		bytes[at + 5] = (uint8_t)(1 + i % 100); /* aligned to a cluster */
		bytes[at + 11] = 1;                     /* one entry */
		bytes[at + 16] = 1;                     /* dirty tracking */
		bytes[at + 17] = 16;
		bytes[at + 19] = (uint8_t)name_bytes;
		memcpy(bytes + at + 24, names[i], name_bytes);
		at += (24 + name_bytes + 7) / 8 * 8;
	}
	return bytes;
}

static enum qcow2bm_code parse(struct q2_directory *directory, const char *const *names,
			       size_t count, size_t said, size_t more,
			       struct qcow2bm_error *err)
{
	const struct q2_header header = {
		.virtual_bytes = 1u << 20,
		.cluster_bits = CLUSTER_BITS,
		.autoclear_features = 1,
	};
	size_t size;
	uint8_t *bytes = make_directory(names, count, more, &size);
	return q2_directory_parse(directory, bytes, size, said, 0x3000, &header, err);
}

static void lengths_that_do_not_add_up(void **state)
{
	(void)state;
	static const char *const names[] = {"a", "b"};
	struct q2_directory directory;
	struct qcow2bm_error err = {0};
	assert_int_equal(parse(&directory, names, 2, 3, 0, &err), QCOW2BM_EIMAGE);
	assert_non_null(strstr(err.sentence, "too few for 3 bitmaps"));
	memset(&err, 0, sizeof(err));
	assert_int_equal(parse(&directory, names, 2, 1, 0, &err), QCOW2BM_EIMAGE);
	assert_non_null(strstr(err.sentence, "its 1 entry takes 32"));
	memset(&err, 0, sizeof(err));
	assert_int_equal(parse(&directory, names, 2, 2, 8, &err), QCOW2BM_EIMAGE);
	assert_int_equal(err.offset, 0x3000 + 64);
	assert_null(directory.bitmaps);
	assert_int_equal(parse(&directory, names, 0, 0, 0, &err), QCOW2BM_OK);
	assert_int_equal(q2_directory_find(&directory, "a", 1, NULL), QCOW2BM_NOT_FOUND);
	q2_directory_free(&directory);
}

static void two_of_one_name_are_both_corrupt(void **state)
{
	(void)state;
	static const char *const names[] = {"b", "a", "b", "ab", "b", "", ""};
	struct q2_directory directory;
	assert_int_equal(parse(&directory, names, 7, 7, 0, NULL), QCOW2BM_OK);
	for (size_t i = 0; i < 7; i++) {
		bool good = i == 1 || i == 3;
		assert_int_equal(directory.bitmaps[i].problem == NULL, good);
	}
	assert_string_equal(directory.bitmaps[4].problem,
			    "another bitmap has the same name");
	assert_null(
		strstr(directory.bitmaps[5].problem, "another")); /* the first counts */
	size_t same;
	assert_int_equal(q2_directory_find(&directory, "b", 1, &same), 0);
	assert_int_equal(same, 3);
	assert_int_equal(q2_directory_find(&directory, "", 0, &same), 5);
	assert_int_equal(same, 2);
	q2_directory_free(&directory);
}

/* Against a look at one after the other. */
static void names_are_found(void **state)
{
	(void)state;
	enum { NAMES = 300, BYTES = 4 };
	static char text[NAMES][BYTES];
	const char *names[NAMES];
	struct random random;
	struct q2_directory directory;
	random_seed(&random, 6);
	for (size_t i = 0; i < NAMES; i++) {
		uint64_t bytes = random_between(&random, 1, BYTES - 1);
		for (uint64_t b = 0; b < bytes; b++)
			text[i][b] = (char)('a' + random_below(&random, 6));
		names[i] = text[i];
	}
	assert_int_equal(parse(&directory, names, NAMES, NAMES, 0, NULL), QCOW2BM_OK);
	for (size_t i = 0; i < NAMES; i++) {
		size_t first = NAMES, count = 0, same;
		for (size_t j = NAMES; j-- > 0;) {
			if (strcmp(names[i], names[j]) == 0) {
				first = j;
				count++;
			}
		}
		assert_int_equal(
			q2_directory_find(&directory, names[i], strlen(names[i]), &same),
			first);
		assert_int_equal(same, count);
		assert_int_equal(directory.bitmaps[i].problem == NULL, count == 1);
	}
	size_t same;
	assert_int_equal(q2_directory_find(&directory, "aaaaa", 5, &same),
			 QCOW2BM_NOT_FOUND);
	assert_int_equal(same, 0);
	q2_directory_free(&directory);
}

/* ---- Loading ---- */

static void build_two(struct one_edit *edit)
{
	static const struct build_bitmap bitmaps[] = {
		{.name = "a", .name_bytes = 1, .flags = 2, .granularity_bits = 12},
		{.name = "b", .name_bytes = 1, .flags = 1, .granularity_bits = 12},
	};
	const struct build build = {
		.seed = 9,
		.cluster_bits = CLUSTER_BITS,
		.refcount_order = 4,
		.virtual_bytes = 1u << 20,
		.guest_clusters = 3,
		.bitmaps = bitmaps,
		.bitmap_count = 2,
	};
	build_image(&build, &edit->file);
}

static struct qcow2bm_image *load(struct one_edit *edit, enum q2_writer writer,
				  enum qcow2bm_code expected)
{
	struct qcow2bm_image *image = NULL;
	struct q2_storage *storage = memory_storage_open(&edit->file);
	storage->writer = writer;
	memset(&edit->err, 0, sizeof(edit->err));
	assert_int_equal(q2_image_open(&image, storage, &edit->err), expected);
	return image;
}

static void check_refused(uint64_t off, unsigned bytes, uint64_t value, const char *words)
{
	struct one_edit edit = {0};
	build_two(&edit);
	one_edit_store(&edit, off, bytes, value);
	load(&edit, Q2_WRITER_NONE, QCOW2BM_EIMAGE);
	assert_non_null(strstr(edit.err.sentence, words));
	/* Without the autoclear bit it may be anybody's bytes, and the disk can be read. */
	one_edit_store(&edit, AUTOCLEAR_OFF, 8, 0);
	struct qcow2bm_image *image = load(&edit, Q2_WRITER_NONE, QCOW2BM_OK);
	assert_int_equal(image->directory.count, 0);
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

static void a_directory_that_is_not_there(void **state)
{
	(void)state;
	uint64_t data = EXTENSION_OFF + 8;
	check_refused(data, 4, 1, "entry takes");
	check_refused(data + 4, 4, 1, "reserved");
	check_refused(data + 16, 8, (uint64_t)1 << 40, "past the end of the file");
}

/* As QEMU reads it; but what was there may be damaged, so nothing is made in its place. */
static void without_the_extension_there_are_no_bitmaps(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct qcow2bm_edit *staged;
	build_two(&edit);
	one_edit_store(&edit, EXTENSION_OFF, 4, 0x1234);
	struct qcow2bm_image *image = load(&edit, Q2_WRITER_NONE, QCOW2BM_OK);
	assert_int_equal(image->directory.count, 0);
	assert_int_equal(qcow2bm_edit_begin(&staged, image, &edit.err),
			 QCOW2BM_EUNSUPPORTED);
	assert_non_null(strstr(edit.err.sentence, "no bitmaps extension"));
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

static void states_tell_who_is_writing(void **state)
{
	(void)state;
	static const struct {
		enum q2_writer writer;
		enum qcow2bm_state state;
	} cases[] = {
		{Q2_WRITER_NONE, QCOW2BM_STATE_IN_USE_STALE},
		{Q2_WRITER_LIVE, QCOW2BM_STATE_IN_USE_LIVE},
		{Q2_WRITER_IDLE, QCOW2BM_STATE_IN_USE_UNKNOWN},
		{Q2_WRITER_UNKNOWN, QCOW2BM_STATE_IN_USE_UNKNOWN},
	};
	struct one_edit edit = {0};
	build_two(&edit);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qcow2bm_bitmap bitmap;
		struct qcow2bm_image *image = load(&edit, cases[i].writer, QCOW2BM_OK);
		bitmap = *qcow2bm_bitmap_describe(image, 0);
		assert_int_equal(bitmap.state, QCOW2BM_STATE_VALID);
		bitmap = *qcow2bm_bitmap_describe(image, 1);
		assert_int_equal(bitmap.state, cases[i].state);
		qcow2bm_image_close(image);
	}
	one_edit_store(&edit, AUTOCLEAR_OFF, 8, 0);
	struct qcow2bm_image *image = load(&edit, Q2_WRITER_NONE, QCOW2BM_OK);
	struct qcow2bm_bitmap bitmap = *qcow2bm_bitmap_describe(image, 0);
	assert_int_equal(bitmap.state, QCOW2BM_STATE_CORRUPT);
	assert_non_null(strstr(bitmap.problem, "autoclear bit 0"));
	qcow2bm_image_close(image);
	one_edit_free(&edit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_that_do_not_add_up),
		cmocka_unit_test(two_of_one_name_are_both_corrupt),
		cmocka_unit_test(names_are_found),
		cmocka_unit_test(a_directory_that_is_not_there),
		cmocka_unit_test(without_the_extension_there_are_no_bitmaps),
		cmocka_unit_test(states_tell_who_is_writing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
