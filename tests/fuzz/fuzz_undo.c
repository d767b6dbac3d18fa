/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options (1 byte) and an undo file, of the edit that was made of an image or of anything else.
 * It is refused, and then no byte changes, or it is put back, and doing so again changes nothing.
 */
#include "../support/random.h"
#include "../support/undone_edit.h"
#include "base/endian.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_WORDS 31u /* of a record, without its sum */
#define FILE_WORDS 12u /* of the file's header that mean something */
#define MAX_RECORDS 256

enum {
	OPTION_FLAGS = QCOW2BM_UNDO_DRY_RUN | QCOW2BM_UNDO_FORCE | QCOW2BM_UNDO_IN_USE,
	/* Which image it is put back into: as the edit left it, or */
	OPTION_IMAGE = 3u << 4,
	IMAGE_BEFORE = 1u << 4, /* as it was before the edit */
	IMAGE_MIXED = 2u << 4,  /* partly so */
	IMAGE_CUT = 3u << 4     /* shorter */
};

/* The same edit for all inputs. */
static struct undone_edit *made(void)
{
	static struct undone_edit edit;
	static const struct edit_case edit_case = {"small", "merge b a, rename c n"};
	if (edit.image.bytes != NULL)
		return &edit;
	if (!undone_edit_run(&edit, &edit_case, true) || edit.code != QCOW2BM_OK)
		abort();
	/* The room that was never used. */
	struct memory_file *undo = &edit.undo;
	while (undo->length > 0 && undo->bytes[undo->length - 1] == 0)
		undo->length--;
	memory_file_resize(undo, (undo->length + 511) / 512 * 512);
	return &edit;
}

/* ---- Changing undo files ---------------------------------------------------------------- */

struct undo_bytes {
	uint8_t *bytes;
	size_t size, room;
	size_t heads[MAX_RECORDS], ends[MAX_RECORDS];
	size_t count;
	struct random *random;
};

static void find_records(struct undo_bytes *undo)
{
	struct q2_undo_record record;
	undo->count = 0;
	for (size_t at = 512; at + 512 <= undo->size && undo->count < MAX_RECORDS;) {
		if (!q2_undo_record_decode(&record, undo->bytes + at) ||
		    q2_undo_record_bytes(&record) > undo->size - at)
			return;
		undo->heads[undo->count] = at;
		at += q2_undo_record_bytes(&record);
		undo->ends[undo->count++] = at;
	}
}

static void make_sum(uint8_t *bytes, size_t count)
{
	q2_be32_store(bytes + count - 4, q2_undo_crc(0, bytes, count - 4));
}

static void change_word(struct undo_bytes *undo, uint8_t *word)
{
	static const uint32_t values[] = {
		0,        1,     2,        3,        511,        512,
		1u << 16, 65535, 1u << 17, 1u << 31, UINT32_MAX, (1u << 17) + 512};
	uint32_t value = q2_be32_load(word);
	switch (random_below(undo->random, 4)) {
	case 0:
		value = values[random_below(undo->random,
					    sizeof(values) / sizeof(*values))];
		break;
	case 1:
		value ^= 1u << random_below(undo->random, 32);
		break;
	default: /* a sector or two away */
		value += (uint32_t)(random_below(undo->random, 5) - 2) *
			 (random_percent(undo->random, 50) ? 512u : 1u);
	}
	q2_be32_store(word, value);
}

static void change_header(struct undo_bytes *undo)
{
	change_word(undo, undo->bytes + 4 * random_below(undo->random, FILE_WORDS));
	make_sum(undo->bytes, 512);
}

/* With the sums that this makes right. */
static void change_head(struct undo_bytes *undo, size_t idx)
{
	size_t at = undo->heads[idx], payload_off = at + Q2_UNDO_HEAD_BYTES;
	uint8_t *head = undo->bytes + at;
	change_word(undo, head + 4 * random_below(undo->random, HEAD_WORDS));
	uint64_t bytes =
		(uint64_t)q2_be32_load(head + 40) / 512 * 4 + q2_be32_load(head + 44);
	if (bytes <= undo->size - payload_off && random_percent(undo->random, 90))
		q2_be32_store(head + 56,
			      q2_undo_crc(0, undo->bytes + payload_off, (size_t)bytes));
	make_sum(head, Q2_UNDO_HEAD_BYTES);
}

static void change_payload(struct undo_bytes *undo, size_t idx)
{
	uint8_t *head = undo->bytes + undo->heads[idx],
		*payload = head + Q2_UNDO_HEAD_BYTES;
	struct q2_undo_record record;
	q2_undo_record_decode(&record, head);
	uint32_t bytes = q2_undo_record_payload(&record);
	if (bytes == 0)
		return;
	payload[random_below(undo->random, bytes)] ^=
		(uint8_t)(1u << random_below(undo->random, 8));
	record.payload_crc = q2_undo_crc(0, payload, bytes);
	q2_undo_record_encode(&record, head);
}

/* A record once more, in front of another. */
static void repeat(struct undo_bytes *undo, size_t idx)
{
	size_t bytes = undo->ends[idx] - undo->heads[idx];
	size_t to = undo->heads[random_below(undo->random, undo->count)];
	if (undo->room - undo->size < bytes)
		return;
	uint8_t *copy = fuzz_copy(undo->bytes + undo->heads[idx], bytes);
	memmove(undo->bytes + to + bytes, undo->bytes + to, undo->size - to);
	memcpy(undo->bytes + to, copy, bytes);
	undo->size += bytes;
	free(copy);
}

static void leave_out(struct undo_bytes *undo, size_t idx)
{
	memmove(undo->bytes + undo->heads[idx], undo->bytes + undo->ends[idx],
		undo->size - undo->ends[idx]);
	undo->size -= undo->ends[idx] - undo->heads[idx];
}

/* So that what was moved is not refused for its number alone. */
static void renumber(struct undo_bytes *undo)
{
	find_records(undo);
	for (size_t i = 0; i < undo->count; i++) {
		struct q2_undo_record record;
		q2_undo_record_decode(&record, undo->bytes + undo->heads[i]);
		record.number = i + 1;
		q2_undo_record_encode(&record, undo->bytes + undo->heads[i]);
	}
}

static void change(struct undo_bytes *undo)
{
	find_records(undo);
	size_t idx =
		undo->count == 0 ? 0 : (size_t)random_below(undo->random, undo->count);
	switch (undo->count == 0 ? 0 : random_below(undo->random, 8)) {
	case 0:
		change_header(undo);
		break;
	case 1:
		undo->size = LLVMFuzzerMutate(undo->bytes, undo->size, undo->room);
		break;
	case 2:
		repeat(undo, idx);
		break;
	case 3:
		leave_out(undo, idx);
		break;
	case 4:
	case 5:
		change_payload(undo, idx);
		break;
	default:
		change_head(undo, idx);
	}
	if (random_percent(undo->random, 50))
		renumber(undo);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct random random;
	const struct memory_file *good = &made()->undo;
	random_seed(&random, seed);
	if (max_size < 1 + good->length)
		return LLVMFuzzerMutate(data, size, max_size);
	if (size == 0 || random_percent(&random, 10))
		data[0] = (uint8_t)random_word(&random);
	if (size < 1 + 1024 || random_percent(&random, 3)) {
		memcpy(data + 1, good->bytes, good->length);
		return 1 + good->length;
	}
	struct undo_bytes undo = {.bytes = data + 1,
				  .size = size - 1,
				  .room = max_size - 1,
				  .random = &random};
	change(&undo);
	return 1 + undo.size;
}

/* ---- One input -------------------------------------------------------------------------- */

static void make_image(struct memory_file *image, unsigned options)
{
	const struct undone_edit *edit = made();
	const struct memory_file *before = &edit->log.before;
	unsigned kind = options & OPTION_IMAGE;
	const struct memory_file *from = kind == IMAGE_BEFORE ? before : &edit->image;
	memory_file_fill(image, from->bytes, from->length);
	/* As if nothing had written to it since. */
	image->writes = edit->image.writes;
	if (kind == IMAGE_MIXED)
		memcpy(image->bytes + before->length / 2,
		       before->bytes + before->length / 2,
		       before->length - before->length / 2);
	if (kind == IMAGE_CUT)
		memory_file_resize(image, image->length - 512);
	image->limit = image->length + (1u << 20);
}

static enum qcow2bm_code undo(struct memory_file *image, struct memory_file *file,
			      unsigned flags, struct qcow2bm_undo_result *result)
{
	struct qcow2bm_error err = {0};
	struct q2_storage *storage = memory_storage_open(image);
	struct q2_storage *undo_storage = memory_storage_open(file);
	/* A write would be an assertion that fails. */
	storage->writable = (flags & QCOW2BM_UNDO_DRY_RUN) == 0;
	undo_storage->writable = false;
	enum qcow2bm_code code = q2_undo_run(storage, undo_storage, flags, result, &err);
	fuzz_check_error(code, &err);
	q2_storage_close(storage);
	q2_storage_close(undo_storage);
	return code;
}

/* It was put back. */
static void judge(struct memory_file *image, struct memory_file *file, unsigned flags,
		  const struct qcow2bm_undo_result *result)
{
	const struct undone_edit *edit = made();
	struct memory_file again = {0};
	struct qcow2bm_undo_result unwanted;
	fuzz_require(image->length == result->file_bytes, "%llu bytes are left, not %llu",
		     (unsigned long long)image->length,
		     (unsigned long long)result->file_bytes);
	if (undone_edit_same(file, &edit->undo)) {
		struct memory_file before = {0};
		const struct memory_file *old = &edit->log.before;
		memory_file_fill(&before, old->bytes, old->length);
		if (result->marked_bitmaps != 0)
			undone_edit_mark(&before);
		fuzz_require(undone_edit_same(image, &before),
			     "the right undo file does not put back what was there");
		memory_file_free(&before);
	}
	memory_file_fill(&again, image->bytes, image->length);
	undo(&again, file, flags, &unwanted);
	fuzz_require(undone_edit_same(&again, image),
		     "undoing twice is not undoing once");
	memory_file_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct memory_file file = {0}, image = {0}, before = {0};
	struct qcow2bm_undo_result result;
	unsigned options = fuzz_byte(&input), flags = options & OPTION_FLAGS;
	memory_file_fill(&file, input.bytes, input.left);
	make_image(&image, options);
	memory_file_fill(&before, image.bytes, image.length);
	enum qcow2bm_code code = undo(&image, &file, flags, &result);
	if ((code != QCOW2BM_OK && code != QCOW2BM_EUNKNOWN) ||
	    (code == QCOW2BM_OK && result.nothing))
		fuzz_require(undone_edit_same(&image, &before),
			     "code %d, nothing %d, but the image changed", code,
			     result.nothing);
	if (code == QCOW2BM_OK && (flags & QCOW2BM_UNDO_DRY_RUN) == 0)
		judge(&image, &file, flags, &result);
	memory_file_free(&file);
	memory_file_free(&image);
	memory_file_free(&before);
	return 0;
}
