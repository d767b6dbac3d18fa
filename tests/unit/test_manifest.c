/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A manifest is read back as it was made, and one that was changed in any bit is refused. */
#include "base/endian.h"
#include "guest/hash.h"
#include "guest/manifest_file.h"
#include "../support/memory_storage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOM 4096

/* A disk of 10 granules: 3 of zeros, 2 hashes, 4 of zeros, 1 hash. */
struct made {
	uint8_t bytes[ROOM];
	size_t size;
	struct q2_manifest_header header;
	size_t records[6]; /* where each begins */
};

static void make(struct made *made, enum q2_manifest_hash hash)
{
	static const uint8_t text[] = "disk.qcow2 chk\xff";
	const struct q2_manifest_name names[] = {
		{.bytes = text, .count = 10},
		{text + 11, 4, Q2_MANIFEST_IS_KNOWN, 1024},
		{.bytes = text, .count = 0},
	};
	static const struct {
		enum q2_manifest_kind kind;
		uint64_t first, granules;
	} records[] = {{Q2_MANIFEST_ZEROS, 0, 3},
		       {Q2_MANIFEST_HASHES, 3, 2},
		       {Q2_MANIFEST_ZEROS, 5, 4},
		       {Q2_MANIFEST_HASHES, 9, 1},
		       {Q2_MANIFEST_END, 10, 0}};
	*made = (struct made){.header = {.hash = hash,
					 .granularity_bits = 12,
					 .disk_bytes = 10 * 4096 - 100,
					 .made_seconds = 1700000000,
					 .written_seconds = 1600000000,
					 .flags = Q2_MANIFEST_HAS_TOTAL,
					 .name_count = 2}};
	memset(made->bytes, 0xa5, ROOM);
	q2_manifest_encode_header(&made->header, names, made->bytes);
	made->size = made->header.header_bytes;
	for (size_t i = 0; i < 5; i++) {
		made->records[i] = made->size;
		made->size += q2_manifest_encode_record(
			&made->header, records[i].kind, records[i].first,
			records[i].granules, made->bytes + made->size);
	}
}

static enum qcow2bm_code open_bytes(const uint8_t *bytes, size_t size,
				    struct qcow2bm_error *err)
{
	struct memory_file memory = {0};
	struct q2_manifest_file file;
	memory_file_fill(&memory, bytes, size);
	struct q2_storage *storage = memory_storage_open(&memory);
	enum qcow2bm_code code = q2_manifest_file_open(&file, storage, NULL, err);
	q2_manifest_file_close(&file);
	q2_storage_close(storage);
	memory_file_free(&memory);
	return code;
}

static void check_granule(struct q2_manifest_file *file, uint64_t granule, bool is_hash,
			  uint64_t wanted_end)
{
	const uint8_t *hashes;
	uint64_t end;
	assert_int_equal(q2_manifest_file_find(file, granule, &hashes, &end, NULL),
			 QCOW2BM_OK);
	assert_int_equal(hashes != NULL, is_hash);
	assert_int_equal(end, wanted_end);
	if (is_hash)
		assert_int_equal(hashes[0], 0xa5);
}

static void it_is_read_back(void **state)
{
	(void)state;
	static const enum q2_manifest_hash hashes[] = {Q2_MANIFEST_XXH3,
						       Q2_MANIFEST_SHA256};
	for (size_t i = 0; i < 2; i++) {
		struct made made;
		struct memory_file memory = {0};
		struct q2_manifest_file file;
		make(&made, hashes[i]);
		memory_file_fill(&memory, made.bytes, made.size);
		struct q2_storage *storage = memory_storage_open(&memory);
		assert_int_equal(q2_manifest_file_open(&file, storage, NULL, NULL),
				 QCOW2BM_OK);
		assert_int_equal(file.header.made_seconds, 1700000000);
		assert_int_equal(file.total[31], 0xa5);
		struct q2_manifest_name name = q2_manifest_first_name(file.header_bytes);
		assert_int_equal(name.count, 10);
		name = q2_manifest_next_name(&name);
		assert_int_equal(name.count, 4);
		assert_memory_equal(name.bytes, "chk\xff", 4);
		assert_int_equal(name.dirty_bytes, 1024);
		name = q2_manifest_next_name(&name);
		assert_int_equal(name.count, 0);
		check_granule(&file, 0, false, 3);
		check_granule(&file, 4, true, 5);
		check_granule(&file, 9, true, 10);
		check_granule(&file, 2, false, 3);
		check_granule(&file, 8, false, 9);
		q2_manifest_file_close(&file);
		q2_storage_close(storage);
		memory_file_free(&memory);
	}
}

/* Counts what is read. */
static unsigned reads;
static enum qcow2bm_code (*real_read)(struct q2_storage *, void *, size_t, uint64_t,
				      struct qcow2bm_error *);

static enum qcow2bm_code counted_read(struct q2_storage *storage, void *buf, size_t bytes,
				      uint64_t off, struct qcow2bm_error *err)
{
	reads++;
	return real_read(storage, buf, bytes, off, err);
}

/* Records that fill more parts than one: 400 of 4096 hashes, one of zeros between each two. */
static size_t make_long(uint8_t **bytes)
{
	struct q2_manifest_header header = {.hash = Q2_MANIFEST_XXH3,
					    .granularity_bits = 9,
					    .disk_bytes = (uint64_t)400 * 4097 * 512};
	static const struct q2_manifest_name name = {.count = 0};
	*bytes = calloc(401, Q2_MANIFEST_MAX_RECORD_BYTES);
	assert_non_null(*bytes);
	q2_manifest_encode_header(&header, &name, *bytes);
	size_t size = header.header_bytes;
	for (uint64_t i = 0; i < 400; i++) {
		size += q2_manifest_encode_record(&header, Q2_MANIFEST_HASHES, i * 4097,
						  4096, *bytes + size);
		size += q2_manifest_encode_record(&header, Q2_MANIFEST_ZEROS,
						  i * 4097 + 4096, 1, *bytes + size);
	}
	return size + q2_manifest_encode_record(&header, Q2_MANIFEST_END, 400 * 4097, 0,
						*bytes + size);
}

static void a_step_back_reads_one_record(void **state)
{
	(void)state;
	uint8_t *bytes;
	struct memory_file memory = {0};
	struct q2_manifest_file file;
	size_t size = make_long(&bytes);
	memory_file_fill(&memory, bytes, size);
	struct q2_storage *storage = memory_storage_open(&memory);
	struct q2_storage_ops ops = *storage->ops;
	real_read = ops.read;
	ops.read = counted_read;
	storage->ops = &ops;
	assert_int_equal(q2_manifest_file_open(&file, storage, NULL, NULL), QCOW2BM_OK);
	reads = 0;
	for (uint64_t i = 0; i < 400; i++) {
		uint64_t end;
		const uint8_t *hashes;
		for (int back = 0; back < 2; back++) {
			assert_int_equal(q2_manifest_file_find(&file, i * 4097 + 4096,
							       &hashes, &end, NULL),
					 QCOW2BM_OK);
			assert_null(hashes);
			assert_int_equal(q2_manifest_file_find(&file, i * 4097, &hashes,
							       &end, NULL),
					 QCOW2BM_OK);
			assert_non_null(hashes);
		}
	}
	assert_true(reads <= 400 * 4);
	q2_manifest_file_close(&file);
	q2_storage_close(storage);
	memory_file_free(&memory);
	free(bytes);
}

static void a_flip_of_any_bit_is_seen(void **state)
{
	(void)state;
	struct made made;
	make(&made, Q2_MANIFEST_XXH3);
	assert_int_equal(open_bytes(made.bytes, made.size, NULL), QCOW2BM_OK);
	for (size_t bit = 0; bit < made.size * 8; bit++) {
		made.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_int_not_equal(open_bytes(made.bytes, made.size, NULL), QCOW2BM_OK);
		made.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

static void a_cut_at_any_length_is_seen(void **state)
{
	(void)state;
	struct made made;
	make(&made, Q2_MANIFEST_SHA256);
	for (size_t size = 0; size < made.size; size++)
		assert_int_equal(open_bytes(made.bytes, size, NULL), QCOW2BM_EIMAGE);
	struct qcow2bm_error err = {0};
	assert_int_equal(open_bytes(made.bytes, made.size + 1, &err), QCOW2BM_EIMAGE);
	assert_string_equal(err.sentence,
			    "the manifest is damaged: 1 bytes stand behind its end");
}

/* Whatever the length of its header and the number of its hashes. */
static void none_is_as_long_as_a_disk(void **state)
{
	(void)state;
	static const uint8_t text[512];
	for (size_t count = 0; count < sizeof(text); count++) {
		const struct q2_manifest_name name = {.bytes = text, .count = count};
		struct q2_manifest_header header = {.hash = Q2_MANIFEST_XXH3,
						    .granularity_bits = 9,
						    .disk_bytes = 512};
		uint8_t bytes[ROOM] = {0};
		q2_manifest_encode_header(&header, &name, bytes);
		size_t size = header.header_bytes;
		size += q2_manifest_encode_record(&header, Q2_MANIFEST_HASHES, 0, 1,
						  bytes + size);
		size += q2_manifest_encode_record(&header, Q2_MANIFEST_END, 1, 0,
						  bytes + size);
		assert_int_equal(open_bytes(bytes, size, NULL), QCOW2BM_OK);
		assert_true(q2_manifest_is_length(size));
	}
}

/* Writes record i anew, with another kind or count, and its check right. */
static void rewrite(struct made *made, size_t i, enum q2_manifest_kind kind,
		    uint64_t first, uint64_t granules)
{
	q2_manifest_encode_record(&made->header, kind, first, granules,
				  made->bytes + made->records[i]);
}

static void records_follow_each_other_in_one_way(void **state)
{
	(void)state;
	struct made made;
	/* More than there are; none; zeros behind zeros; hashes behind few; the end too early. */
	make(&made, Q2_MANIFEST_XXH3);
	rewrite(&made, 2, Q2_MANIFEST_ZEROS, 5, 6);
	assert_int_equal(open_bytes(made.bytes, made.size, NULL), QCOW2BM_EIMAGE);
	make(&made, Q2_MANIFEST_XXH3);
	rewrite(&made, 0, Q2_MANIFEST_ZEROS, 0, 0);
	assert_int_equal(open_bytes(made.bytes, made.size, NULL), QCOW2BM_EIMAGE);
	make(&made, Q2_MANIFEST_XXH3);
	rewrite(&made, 1, Q2_MANIFEST_ZEROS, 3, 2);
	assert_int_equal(open_bytes(made.bytes, made.size, NULL), QCOW2BM_EIMAGE);
	make(&made, Q2_MANIFEST_XXH3);
	rewrite(&made, 2, Q2_MANIFEST_HASHES, 5, 1);
	assert_int_equal(open_bytes(made.bytes, made.size, NULL), QCOW2BM_EIMAGE);
	make(&made, Q2_MANIFEST_XXH3);
	rewrite(&made, 3, Q2_MANIFEST_END, 9, 0);
	assert_int_equal(open_bytes(made.bytes, made.size, NULL), QCOW2BM_EIMAGE);
	/* The right record at the wrong place. */
	make(&made, Q2_MANIFEST_XXH3);
	rewrite(&made, 3, Q2_MANIFEST_HASHES, 8, 1);
	assert_int_equal(open_bytes(made.bytes, made.size, NULL), QCOW2BM_EIMAGE);
}

/* Two records of one kind, for 10 granules, and the end, with all checks right. */
static enum qcow2bm_code open_two(enum q2_manifest_kind kind, uint64_t granules)
{
	struct made made;
	make(&made, Q2_MANIFEST_XXH3);
	made.size = made.header.header_bytes;
	made.size += q2_manifest_encode_record(&made.header, kind, 0, granules,
					       made.bytes + made.size);
	if (granules != 10)
		made.size +=
			q2_manifest_encode_record(&made.header, kind, granules,
						  10 - granules, made.bytes + made.size);
	made.size += q2_manifest_encode_record(&made.header, Q2_MANIFEST_END, 10, 0,
					       made.bytes + made.size);
	return open_bytes(made.bytes, made.size, NULL);
}

static void one_kind_is_told_at_once(void **state)
{
	(void)state;
	assert_int_equal(open_two(Q2_MANIFEST_ZEROS, 10), QCOW2BM_OK);
	assert_int_equal(open_two(Q2_MANIFEST_HASHES, 10), QCOW2BM_OK);
	assert_int_equal(open_two(Q2_MANIFEST_ZEROS, 3), QCOW2BM_EIMAGE);
	assert_int_equal(open_two(Q2_MANIFEST_HASHES, 3), QCOW2BM_EIMAGE);
}

static void what_a_later_version_has_is_refused(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint32_t number;
		enum qcow2bm_code code;
	} changes[] = {{16, 2, QCOW2BM_EUNSUPPORTED},  {24, 3, QCOW2BM_EUNSUPPORTED},
		       {56, 3, QCOW2BM_EUNSUPPORTED},  {20, 0xffffff00, QCOW2BM_EIMAGE},
		       {20, 64, QCOW2BM_EIMAGE},       {28, 8, QCOW2BM_EIMAGE},
		       {28, 25, QCOW2BM_EIMAGE},       {32, 0x80000000, QCOW2BM_EIMAGE},
		       {0, 0x51464936, QCOW2BM_EIMAGE}};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct made made;
		make(&made, Q2_MANIFEST_XXH3);
		q2_be32_store(made.bytes + changes[i].at, changes[i].number);
		assert_int_equal(open_bytes(made.bytes, made.size, NULL),
				 changes[i].code);
	}
}

static void zeros_are_told_from_anything_else(void **state)
{
	(void)state;
	uint8_t bytes[100] = {0};
	for (size_t count = 0; count <= sizeof(bytes); count++)
		assert_true(q2_hash_is_zeros(bytes, count));
	for (size_t at = 0; at < sizeof(bytes); at++) {
		bytes[at] = 1;
		for (size_t count = 0; count <= sizeof(bytes); count++)
			assert_int_equal(q2_hash_is_zeros(bytes, count), at >= count);
		bytes[at] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_read_back),
		cmocka_unit_test(a_step_back_reads_one_record),
		cmocka_unit_test(a_flip_of_any_bit_is_seen),
		cmocka_unit_test(a_cut_at_any_length_is_seen),
		cmocka_unit_test(none_is_as_long_as_a_disk),
		cmocka_unit_test(records_follow_each_other_in_one_way),
		cmocka_unit_test(one_kind_is_told_at_once),
		cmocka_unit_test(what_a_later_version_has_is_refused),
		cmocka_unit_test(zeros_are_told_from_anything_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
