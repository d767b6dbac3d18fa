/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The intent file's words: a round trip, every cut, every changed byte, and each rule broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../support/memory_storage.h"
#include "base/endian.h"
#include "edit/intent_file.h"
#include "undo/record.h"

static char path_a[] = "/d/a.qcow2", path_b[] = "/d/b.qcow2";

static void fill(struct q2_intent_image *image, char *path)
{
	*image = (struct q2_intent_image){
		.path = path,
		.stamp = {.is_known = true, .boot = 1, .inode = 2, .mtime_s = -3},
		.cluster_bits = 16,
		.head_bytes = 65536,
		.switch_off = 120,
		.switch_bytes = 24,
		.old_state = {.directory_bytes = 32, .directory_sum = 7, .head_sum = 8},
		.new_state = {.directory_bytes = 64, .directory_sum = 9, .head_sum = 10},
		.lasts_forward = true,
		.old_tidy = {.is_due = true, .off = 504},
		.written = {.is_known = true, .sum = 11},
		.given_up = {.is_known = true, .sum = 12},
		.used = {.sum = 13},
	};
	memset(image->new_state.bytes, 0x5a, image->switch_bytes);
	assert_int_equal(q2_clusters_add(&image->written.set, 5, 2, NULL), QCOW2BM_OK);
	assert_int_equal(q2_clusters_add(&image->written.set, 9, 1, NULL), QCOW2BM_OK);
	assert_int_equal(q2_clusters_add(&image->used.set, 3, 1, NULL), QCOW2BM_OK);
}

static void forget(struct q2_intent_image *image)
{
	q2_clusters_free(&image->written.set);
	q2_clusters_free(&image->given_up.set);
	q2_clusters_free(&image->used.set);
}

/* One that is rewritten, and one that goes. */
static uint8_t old_words[] = "old", new_words[] = "newer";
static char path_c[] = "/d/c.xml", path_d[] = "/d/.d";
static struct q2_intent_file files[] = {
	{path_c, path_d, 0640, 1, 2, {true, old_words, 3}, {true, new_words, 5}},
	{path_d, path_c, 0600, 3, 4, {true, old_words, 0}, {false, NULL, 0}},
};

/* Changes the first of two images by `change`, if any. To be freed. */
static uint8_t *encode(void (*change)(struct q2_intent_image *image), size_t *size)
{
	struct q2_intent_image images[2];
	struct q2_intent intent = {images, 2, files, 2, "note", 4};
	uint8_t *bytes;
	fill(&images[0], path_a);
	fill(&images[1], path_b);
	if (change != NULL)
		change(&images[0]);
	assert_int_equal(q2_intent_encode(&intent, &bytes, size, NULL), QCOW2BM_OK);
	forget(&images[0]);
	forget(&images[1]);
	return bytes;
}

static enum qcow2bm_code decode(const uint8_t *bytes, size_t size, bool *is_whole)
{
	struct q2_intent intent;
	/* As long as it is, so that a read behind it is seen. */
	uint8_t *copy = malloc(size + (size == 0));
	assert_non_null(copy);
	memcpy(copy, bytes, size);
	enum qcow2bm_code code = q2_intent_decode(&intent, copy, size, is_whole, NULL);
	assert_true(code == QCOW2BM_OK || !*is_whole);
	assert_true(*is_whole || intent.images == NULL);
	q2_intent_free(&intent);
	free(copy);
	return code;
}

static void what_is_stored_is_loaded(void **state)
{
	(void)state;
	struct memory_file file = {0};
	struct q2_intent_image images[2];
	struct q2_intent loaded, intent = {images, 2, files, 2, "note", 4};
	bool is_whole;
	fill(&images[0], path_a);
	fill(&images[1], path_b);
	struct q2_storage *storage = memory_storage_open(&file);
	assert_int_equal(q2_intent_store(&intent, storage, NULL), QCOW2BM_OK);
	assert_int_equal(q2_intent_load(&loaded, storage, &is_whole, NULL), QCOW2BM_OK);
	assert_true(is_whole);
	assert_int_equal(loaded.count, 2);
	const struct q2_intent_image *b = &loaded.images[1];
	assert_string_equal(b->path, path_b);
	assert_int_equal(b->stamp.mtime_s, -3);
	assert_int_equal(b->switch_off, 120);
	assert_int_equal(b->new_state.head_sum, 10);
	assert_memory_equal(b->new_state.bytes, images[1].new_state.bytes, 24);
	assert_true(b->lasts_forward && !b->lasts_back && b->old_tidy.is_due);
	assert_int_equal(b->written.set.count, 2);
	assert_int_equal(b->written.set.runs[1].first, 9);
	assert_int_equal(b->given_up.sum, 12);
	assert_false(b->used.is_known);
	assert_int_equal(loaded.file_count, 2);
	const struct q2_intent_file *c = &loaded.files[0], *d = &loaded.files[1];
	assert_string_equal(c->path, path_c);
	assert_string_equal(c->temporary, path_d);
	assert_int_equal(c->mode, 0640);
	assert_int_equal(c->group, 2);
	assert_int_equal(c->new_bytes.count, 5);
	assert_memory_equal(c->new_bytes.bytes, "newer", 5);
	assert_true(d->old_bytes.is_there && d->old_bytes.count == 0);
	assert_false(d->new_bytes.is_there);
	assert_int_equal(loaded.note_bytes, 4);
	assert_memory_equal(loaded.note, "note", 4);
	q2_intent_free(&loaded);
	forget(&images[0]);
	forget(&images[1]);
	q2_storage_close(storage);
	memory_file_free(&file);
}

/* What a crash can leave of it is never complete, and never taken for something else. */
static void one_that_is_cut_is_not_complete(void **state)
{
	(void)state;
	size_t size;
	bool is_whole;
	uint8_t *bytes = encode(NULL, &size);
	static const uint8_t zeros[512];
	assert_int_equal(decode(bytes, size, &is_whole), QCOW2BM_OK);
	assert_true(is_whole);
	for (size_t cut = Q2_INTENT_HEAD_BYTES; cut < size; cut++) {
		assert_int_equal(decode(bytes, cut, &is_whole), QCOW2BM_OK);
		assert_false(is_whole);
	}
	for (size_t cut = 0; cut <= sizeof(zeros); cut += 64) {
		assert_int_equal(decode(zeros, cut, &is_whole), QCOW2BM_OK);
		assert_false(is_whole);
	}
	free(bytes);
}

static void a_changed_byte_is_seen(void **state)
{
	(void)state;
	size_t size;
	bool is_whole;
	uint8_t *bytes = encode(NULL, &size);
	for (size_t i = 0; i < size; i++) {
		bytes[i] ^= 0x10;
		enum qcow2bm_code code = decode(bytes, size, &is_whole);
		assert_false(is_whole);
		if (i < 16)
			assert_int_equal(code, QCOW2BM_EIMAGE);
		else if (i < 20) /* to another version that is known, at most */
			assert_int_equal(code, QCOW2BM_EUNSUPPORTED);
		else
			assert_int_equal(code, QCOW2BM_OK);
		bytes[i] ^= 0x10;
	}
	free(bytes);
}

/* A disk of zeros is not taken for the beginning of one: it would be removed. */
static void other_files_are_refused(void **state)
{
	(void)state;
	static const uint8_t zeros[Q2_INTENT_HEAD_BYTES + 1];
	bool is_whole;
	assert_int_equal(decode(zeros, sizeof(zeros), &is_whole), QCOW2BM_EIMAGE);
	assert_int_equal(decode((const uint8_t *)"QFI\xfb", 4, &is_whole),
			 QCOW2BM_EIMAGE);
	assert_int_equal(decode((const uint8_t *)"qcow2bm-intent\n", 16, &is_whole),
			 QCOW2BM_EIMAGE);
}

/* ---- Rules, broken though the sum is right -------------------------------------------- */

static void relative_path(struct q2_intent_image *image)
{
	image->path = path_a + 1;
}

static void empty_path(struct q2_intent_image *image)
{
	image->path = path_a + sizeof(path_a) - 1;
}

static void small_clusters(struct q2_intent_image *image)
{
	image->cluster_bits = 8;
}

static void huge_clusters(struct q2_intent_image *image)
{
	image->cluster_bits = 64;
}

static void long_head(struct q2_intent_image *image)
{
	image->head_bytes = 65537;
}

static void no_switch(struct q2_intent_image *image)
{
	image->switch_bytes = 0;
}

static void switch_over_sectors(struct q2_intent_image *image)
{
	image->switch_off = 500;
}

static void switch_behind_head(struct q2_intent_image *image)
{
	image->switch_off = 65536;
}

static void far_tidy(struct q2_intent_image *image)
{
	image->new_tidy.off = 65536;
}

static void far_cluster(struct q2_intent_image *image)
{
	image->used.set.runs[0].first = (uint64_t)1 << 62;
}

static void no_clusters(struct q2_intent_image *image)
{
	image->used.set.runs[0].count = 0;
}

static void clusters_in_disorder(struct q2_intent_image *image)
{
	image->written.set.runs[1].first = 6;
}

static void a_note_longer_than_its_place_is_refused(void **state)
{
	(void)state;
	size_t size;
	bool is_whole;
	uint8_t *bytes = encode(NULL, &size);
	for (uint32_t count = 256; count <= 257; count++) {
		q2_be32_store(bytes + 36, count);
		q2_be32_store(bytes + size - 4, q2_undo_crc(0, bytes, size - 4));
		assert_int_equal(decode(bytes, size, &is_whole),
				 count <= 256 ? QCOW2BM_OK : QCOW2BM_EIMAGE);
		assert_int_equal(is_whole, count <= 256);
	}
	free(bytes);
}

static void each_rule_is_checked(void **state)
{
	(void)state;
	static void (*const changes[])(struct q2_intent_image * image) = {
		relative_path, empty_path,  small_clusters,      huge_clusters,
		long_head,     no_switch,   switch_over_sectors, switch_behind_head,
		far_tidy,      far_cluster, no_clusters,         clusters_in_disorder,
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		size_t size;
		bool is_whole;
		uint8_t *bytes = encode(changes[i], &size);
		if (decode(bytes, size, &is_whole) != QCOW2BM_EIMAGE)
			fail_msg("rule %zu is not checked", i);
		free(bytes);
	}
}

/* The same for other files. */
static void each_rule_of_files_is_checked(void **state)
{
	(void)state;
	struct q2_intent_file good = files[0];
	struct q2_intent_file bad[5] = {good, good, good, good, good};
	bad[0].path = path_c + 1;
	bad[1].temporary = path_c;
	bad[2].mode = 0100644;
	bad[3].old_bytes.is_there = false;
	bad[4].mode = 04755;
	for (size_t i = 0; i < 5; i++) {
		size_t size;
		bool is_whole;
		files[0] = bad[i];
		uint8_t *bytes = encode(NULL, &size);
		if (decode(bytes, size, &is_whole) != QCOW2BM_EIMAGE)
			fail_msg("rule %zu of files is not checked", i);
		free(bytes);
	}
	files[0] = good;
}

/* The directory that stays where it is may be where the switch is. */
static void switch_in_directory(struct q2_intent_image *image)
{
	struct q2_bitmaps_extension extension = {
		.nb_bitmaps = 1, .directory_bytes = 512, .directory_off = 65536};
	q2_bitmaps_extension_encode(&extension, image->old_state.extension);
	q2_bitmaps_extension_encode(&extension, image->new_state.extension);
	image->switch_off = 65536;
}

static void the_directory_may_be_written(void **state)
{
	(void)state;
	size_t size;
	bool is_whole;
	uint8_t *bytes = encode(switch_in_directory, &size);
	assert_int_equal(decode(bytes, size, &is_whole), QCOW2BM_OK);
	assert_true(is_whole);
	free(bytes);
}

/* Any bytes at all with a right sum: what they say is checked, not believed. */
static void counts_are_not_believed(void **state)
{
	(void)state;
	size_t size;
	uint8_t *bytes = encode(NULL, &size);
	for (size_t at = 20; at + 8 <= size; at += 4)
		for (unsigned k = 0; k < 2; k++) {
			bool is_whole;
			uint8_t kept[8];
			memcpy(kept, bytes + at, 8);
			memset(bytes + at, k == 0 ? 0xff : 0x7f, at % 8 == 0 ? 8 : 4);
			q2_be32_store(bytes + size - 4, q2_undo_crc(0, bytes, size - 4));
			enum qcow2bm_code code = decode(bytes, size, &is_whole);
			assert_true(code == QCOW2BM_OK || code == QCOW2BM_EIMAGE);
			memcpy(bytes + at, kept, 8);
		}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_stored_is_loaded),
		cmocka_unit_test(one_that_is_cut_is_not_complete),
		cmocka_unit_test(a_changed_byte_is_seen),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(a_note_longer_than_its_place_is_refused),
		cmocka_unit_test(each_rule_is_checked),
		cmocka_unit_test(each_rule_of_files_is_checked),
		cmocka_unit_test(the_directory_may_be_written),
		cmocka_unit_test(counts_are_not_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
