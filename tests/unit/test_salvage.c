/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Damaged directories: every entry that can be located is found, and one never hides another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/one_edit.h"
#include "../support/random.h"
#include "image/image.h"

#define CLUSTER_BITS 12
#define DATA_OFF 120 /* of the bitmaps extension, which comes first */
#define AUTOCLEAR_OFF 88
#define ENTRY_BYTES 32 /* names have one byte */

static void build_three(struct one_edit *edit)
{
	static const struct build_bitmap bitmaps[] = {
		{.name = "a", .name_bytes = 1, .flags = 2, .granularity_bits = 12},
		{.name = "b", .name_bytes = 1, .flags = 2, .granularity_bits = 12},
		{.name = "c", .name_bytes = 1, .flags = 2, .granularity_bits = 12},
	};
	const struct build build = {
		.seed = 9,
		.cluster_bits = CLUSTER_BITS,
		.refcount_order = 4,
		.virtual_bytes = 1u << 20,
		.guest_clusters = 3,
		.bitmaps = bitmaps,
		.bitmap_count = 3,
	};
	build_image(&build, &edit->file);
}

static uint64_t entry_off(const struct one_edit *edit, unsigned idx)
{
	return one_edit_load(edit, DATA_OFF + 16, 8) + (uint64_t)idx * ENTRY_BYTES;
}

static struct qcow2bm_image *salvage(struct one_edit *edit)
{
	struct qcow2bm_image *image = NULL;
	memset(&edit->err, 0, sizeof(edit->err));
	assert_int_equal(q2_image_open_damaged(&image, memory_storage_open(&edit->file),
					       &edit->err),
			 QCOW2BM_OK);
	return image;
}

/* The damages are these, in order, and the names of the entries are those of `names`: `?` for
 * one whose name is not `a`, `b` or `c`. */
static void check(struct one_edit *edit, const char *names, const char *damages)
{
	struct qcow2bm_image *image = salvage(edit);
	char found[64] = "", codes[256] = "";
	for (size_t i = 0; i < image->directory.count; i++) {
		const struct q2_directory_entry *entry =
			&image->directory.bitmaps[i].entry;
		bool known = entry->name_bytes == 1 && entry->name[0] >= 'a' &&
			     entry->name[0] <= 'c';
		found[i] = known ? (char)entry->name[0] : '?';
	}
	for (size_t i = 0; i < image->damage_count; i++) {
		strcat(codes, i == 0 ? "" : " ");
		strcat(codes, q2_problem_table_find(image->damages[i].id)->code);
	}
	assert_string_equal(found, names);
	assert_string_equal(codes, damages);
	qcow2bm_image_close(image);
	one_edit_free(edit);
	memset(edit, 0, sizeof(*edit));
	build_three(edit);
}

static void fields_of_the_extension(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_three(&edit);
	check(&edit, "abc", "");
	one_edit_store(&edit, DATA_OFF, 4, 0);
	check(&edit, "abc", "bitmap-count");
	one_edit_store(&edit, DATA_OFF, 4, 2);
	check(&edit, "abc", "bitmap-count");
	one_edit_store(&edit, DATA_OFF, 4, UINT32_MAX);
	check(&edit, "abc", "bitmap-count");
	one_edit_store(&edit, DATA_OFF + 4, 4, 7);
	check(&edit, "abc", "extension-reserved");
	one_edit_store(&edit, DATA_OFF + 8, 8, 64); /* too small by one entry */
	check(&edit, "abc", "directory-size");
	one_edit_store(&edit, DATA_OFF + 8, 8, UINT64_MAX);
	check(&edit, "abc", "directory-size");
	one_edit_store(&edit, DATA_OFF + 8, 8, 0);
	one_edit_store(&edit, DATA_OFF, 4, 0);
	check(&edit, "abc", "bitmap-count directory-size");
	one_edit_store(&edit, DATA_OFF + 16, 8, 3);
	check(&edit, "", "directory-place");
	one_edit_store(&edit, DATA_OFF + 16, 8, (uint64_t)1 << 50);
	check(&edit, "", "directory-place");
	one_edit_store(&edit, DATA_OFF - 4, 4, 32);
	check(&edit, "abc", "extension-length");
	one_edit_store(&edit, DATA_OFF - 8, 4, 0x1234);
	check(&edit, "abc", "extension-type");
	/* One that does not tell of a whole directory is somebody else's. */
	one_edit_store(&edit, DATA_OFF - 8, 4, 0x1234);
	one_edit_store(&edit, DATA_OFF, 4, 2);
	check(&edit, "", "autoclear-without-extension");
	one_edit_store(&edit, DATA_OFF - 8, 4, 0x1234);
	one_edit_store(&edit, DATA_OFF + 16, 8, 1024);
	check(&edit, "", "autoclear-without-extension");
	one_edit_store(&edit, AUTOCLEAR_OFF, 8, 0);
	check(&edit, "abc", "autoclear-lost");
	one_edit_free(&edit);
}

static void one_bad_entry_hides_no_other(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_three(&edit);
	one_edit_store(&edit, entry_off(&edit, 1) + 16, 1, 9); /* type */
	check(&edit, "abc", "");
	one_edit_store(&edit, entry_off(&edit, 1) + 18, 2,
		       0); /* name_size, and so shorter */
	check(&edit, "a?c", "directory-resync");
	one_edit_store(&edit, entry_off(&edit, 1) + 18, 2, 0xffff);
	check(&edit, "a?c", "directory-resync");
	one_edit_store(&edit, entry_off(&edit, 0) + 20, 4,
		       UINT32_MAX); /* extra_data_size */
	check(&edit, "abc", "directory-resync");
	one_edit_store(&edit, entry_off(&edit, 2) + 20, 4, 40);
	check(&edit, "abc", "directory-resync");
	one_edit_free(&edit);
}

/* The field case: the size one entry too large, and bytes of an older directory behind it. */
static void stale_bytes_behind_the_directory(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	build_three(&edit);
	one_edit_store(&edit, DATA_OFF, 4, 4);
	one_edit_store(&edit, DATA_OFF + 8, 8, 96 + 24);
	check(&edit, "abc?", "");
	one_edit_store(&edit, DATA_OFF + 8, 8, 96 + 24);
	check(&edit, "abc", "directory-size");
	one_edit_free(&edit);
}

/* Whatever the bytes are, it ends, and entries are inside the directory. */
static void random_bytes(void **state)
{
	(void)state;
	struct one_edit edit = {0};
	struct random random;
	random_seed(&random, 4);
	build_three(&edit);
	uint64_t directory_off = entry_off(&edit, 0);
	for (unsigned round = 0; round < 3000; round++) {
		uint64_t off = random_below(&random, 2) == 0 ? DATA_OFF : directory_off;
		uint64_t bytes = off == DATA_OFF ? 24 : 128;
		edit.file.bytes[off + random_below(&random, bytes)] =
			(uint8_t)random_below(&random, 256);
		struct qcow2bm_image *image = salvage(&edit);
		const struct q2_directory *directory = &image->directory;
		for (size_t i = 0; i < directory->count; i++) {
			const struct q2_bitmap *bitmap = &directory->bitmaps[i];
			assert_true(bitmap->entry.name + bitmap->entry.name_bytes <=
				    directory->bytes + directory->size);
			assert_true(i == 0 || bitmap[-1].off < bitmap->off);
		}
		qcow2bm_image_close(image);
	}
	one_edit_free(&edit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_the_extension),
		cmocka_unit_test(one_bad_entry_hides_no_other),
		cmocka_unit_test(stale_bytes_behind_the_directory),
		cmocka_unit_test(random_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
