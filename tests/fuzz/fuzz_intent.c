/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options (1 byte) and an intent file, of an edit of two images that was cut off or of anything else. It
 * is no intent file, or says the same when it is written again; what it says of the images is refused, and
 * then no byte changes, or it is done; by the right file once and for all.
 */
#include "../support/cut_off.h"
#include "../support/random.h"
#include "base/endian.h"
#include "edit/resume.h"
#include "fuzz.h"
#include "undo/record.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_WORDS 8u /* of the file's head that mean something */
#define SUM_BYTES 4

enum {
	OPTION_IMAGES = 3u, /* which state they are in: as they were left, or */
	BOTH_NEW = 1u,      /* both like the first */
	BOTH_OLD = 2u,      /* both like the second */
	SWAPPED = 3u,
	OPTION_TIME = 1u << 2 /* something has written since */
};

/* The same edit for all inputs. */
static struct cut_off *made(void)
{
	static struct cut_off cut;
	if (cut.file.bytes == NULL && !cut_off_make(&cut, "merge b a, delete a, add n",
						    "merge b a, delete a, add n"))
		abort();
	return &cut;
}

/* ---- Changing intent files --------------------------------------------------------------- */

static void make_sum(uint8_t *bytes, size_t size)
{
	if (size < Q2_INTENT_HEAD_BYTES + SUM_BYTES)
		return;
	q2_be64_store(bytes + 24, size);
	q2_be32_store(bytes + size - SUM_BYTES, q2_undo_crc(0, bytes, size - SUM_BYTES));
}

static void change_number(uint8_t *bytes, struct random *random)
{
	static const uint32_t values[] = {
		0,   1,    2,    8,    9,        21,       22,       511,       512,
		513, 4095, 4096, 4097, 1u << 16, 1u << 30, 1u << 31, UINT32_MAX};
	uint32_t value = q2_be32_load(bytes);
	switch (random_below(random, 3)) {
	case 0:
		value = values[random_below(random, sizeof(values) / sizeof(*values))];
		break;
	case 1:
		value ^= 1u << random_below(random, 32);
		break;
	default:
		value += (uint32_t)random_below(random, 5) - 2;
	}
	q2_be32_store(bytes, value);
}

/* Words stand at any place: paths have any length. */
static size_t change(uint8_t *bytes, size_t size, size_t room, struct random *random)
{
	uint64_t body = size - Q2_INTENT_HEAD_BYTES - SUM_BYTES;
	switch (random_below(random, 8)) {
	case 0:
		change_number(bytes + 4 * random_below(random, HEAD_WORDS), random);
		return size;
	case 1:
		return LLVMFuzzerMutate(bytes, size, room);
	case 2: /* cut, or longer by what was there */
		return random_percent(random, 50) || room - size < body
			       ? Q2_INTENT_HEAD_BYTES + SUM_BYTES +
					 (size_t)random_below(random, body + 1)
			       : size + (size_t)body / 2;
	case 3: /* one image's words into the other's */
		memmove(bytes + Q2_INTENT_HEAD_BYTES,
			bytes + Q2_INTENT_HEAD_BYTES + body / 2, (size_t)body / 2);
		return size;
	default:
		if (body >= 4)
			change_number(bytes + Q2_INTENT_HEAD_BYTES +
					      random_below(random, body - 3),
				      random);
		return size;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct random random;
	const struct memory_file *good = &made()->file;
	random_seed(&random, seed);
	if (max_size < 1 + good->length)
		return LLVMFuzzerMutate(data, size, max_size);
	if (size == 0 || random_percent(&random, 10))
		data[0] = (uint8_t)random_word(&random);
	if (size < 1 + Q2_INTENT_HEAD_BYTES + SUM_BYTES || random_percent(&random, 3)) {
		memcpy(data + 1, good->bytes, good->length);
		return 1 + good->length;
	}
	size_t left = change(data + 1, size - 1, max_size - 1, &random);
	if (random_percent(&random, 95))
		make_sum(data + 1, left);
	return 1 + left;
}

/* ---- One input -------------------------------------------------------------------------- */

/* What was understood says the same when it is written and read again. */
static void check_round_trip(const struct q2_intent *intent)
{
	uint8_t *bytes, *again;
	size_t size, again_size;
	struct q2_intent second;
	bool is_whole;
	if (q2_intent_encode(intent, &bytes, &size, NULL) != QCOW2BM_OK)
		abort();
	enum qcow2bm_code code = q2_intent_decode(&second, bytes, size, &is_whole, NULL);
	fuzz_require(code == QCOW2BM_OK && is_whole, "code %d of our own file", code);
	if (q2_intent_encode(&second, &again, &again_size, NULL) != QCOW2BM_OK)
		abort();
	fuzz_require(size == again_size && memcmp(bytes, again, size) == 0,
		     "the intent changed on its way through a file");
	q2_intent_free(&second);
	free(bytes);
	free(again);
}

static void copy_images(struct memory_file images[CUT_OFF_IMAGES], unsigned options)
{
	static const size_t from[][CUT_OFF_IMAGES] = {
		{0, 1}, [BOTH_NEW] = {0, 0}, [BOTH_OLD] = {1, 1}, [SWAPPED] = {1, 0}};
	for (size_t i = 0; i < CUT_OFF_IMAGES; i++) {
		const struct memory_file *image =
			&made()->images[from[options & OPTION_IMAGES][i]];
		memory_file_fill(&images[i], image->bytes, image->length);
		images[i].writes =
			made()->images[i].writes + ((options & OPTION_TIME) != 0);
		images[i].limit = images[i].length + (1u << 20);
	}
}

/* Decides, and does it. */
static enum qcow2bm_code resume(const struct q2_intent *intent,
				struct memory_file images[CUT_OFF_IMAGES],
				enum qcow2bm_resume_outcome *outcome)
{
	struct q2_storage *storages[CUT_OFF_IMAGES];
	struct q2_resume resuming;
	struct qcow2bm_error err = {0};
	for (size_t i = 0; i < CUT_OFF_IMAGES; i++)
		storages[i] = memory_storage_open(&images[i]);
	enum qcow2bm_code code = q2_resume_open(&resuming, intent, storages, NULL, &err);
	if (code == QCOW2BM_OK)
		code = q2_resume_decide(&resuming, outcome, &err);
	if (code == QCOW2BM_OK)
		code = q2_resume_do(&resuming, *outcome, &err);
	fuzz_check_error(code, &err);
	q2_resume_close(&resuming);
	return code;
}

static bool is_same(const struct memory_file *a, const struct memory_file *b)
{
	return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* What the right file says is done once; another one's owner may have anything written, each time. */
static void try_resume(const struct q2_intent *intent, unsigned options, bool is_right)
{
	struct memory_file images[CUT_OFF_IMAGES] = {{0}}, before[CUT_OFF_IMAGES] = {{0}};
	enum qcow2bm_resume_outcome outcome;
	copy_images(images, options);
	copy_images(before, options);
	enum qcow2bm_code code = resume(intent, images, &outcome);
	for (size_t i = 0; i < CUT_OFF_IMAGES; i++) {
		fuzz_require(code == QCOW2BM_OK || code == QCOW2BM_EUNKNOWN ||
				     is_same(&images[i], &before[i]),
			     "code %d, but image %zu changed", code, i);
		memory_file_fill(&before[i], images[i].bytes, images[i].length);
	}
	if (code == QCOW2BM_OK && resume(intent, images, &outcome) == QCOW2BM_OK)
		for (size_t i = 0; is_right && i < CUT_OFF_IMAGES; i++)
			fuzz_require(is_same(&images[i], &before[i]),
				     "resuming twice is not resuming once");
	for (size_t i = 0; i < CUT_OFF_IMAGES; i++) {
		memory_file_free(&images[i]);
		memory_file_free(&before[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	unsigned options = fuzz_byte(&input);
	struct q2_intent intent;
	struct qcow2bm_error err = {0};
	bool is_whole;
	size_t bytes = input.left;
	const struct memory_file *right = &made()->file;
	bool is_right =
		bytes == right->length && memcmp(input.bytes, right->bytes, bytes) == 0;
	uint8_t *copy = fuzz_copy(input.bytes, bytes);
	enum qcow2bm_code code = q2_intent_decode(&intent, copy, bytes, &is_whole, &err);
	free(copy);
	fuzz_check_error(code, &err);
	fuzz_require(code == QCOW2BM_OK || !is_whole, "code %d, and whole", code);
	fuzz_require(is_whole || intent.images == NULL,
		     "images of one that is not whole");
	if (is_whole)
		check_round_trip(&intent);
	if (is_whole && intent.count == CUT_OFF_IMAGES)
		try_resume(&intent, options, is_right);
	q2_intent_free(&intent);
	return 0;
}
