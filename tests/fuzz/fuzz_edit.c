/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random edits of an image that may be broken: the length of a script (1 byte), the script, the
 * image. Success leads to exactly what was staged, failure to what was there before; nobody
 * else's bytes and refcounts change.
 */
#include "../support/fault_storage.h"
#include "../support/memory_storage.h"
#include "edit_script.h"
#include "fuzz.h"
#include "image/image.h"
#include "mutate_image.h"
#include "others.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SCRIPT_BYTES 48

enum {
	OPTION_TRUST = 1,
	OPTION_NO_DISCARD = 2,
	OPTION_DEVICE = 4,
	OPTION_LIMIT = 8, /* little room for the file to grow */
	OPTION_FAULT = 16,
	OPTION_FAULT_FROM = 32 /* ... and from then on */
};

static size_t mutate_script(uint8_t *script, size_t bytes, struct random *random)
{
	if (random_percent(random, 20)) {
		bytes = random_between(random, 4, 16);
		for (size_t i = 0; i < bytes; i++)
			script[i] = (uint8_t)random_word(random);
		/* The options make most edits fail. */
		script[0] = random_percent(random, 50) ? 0 : script[0];
	}
	return LLVMFuzzerMutate(script, bytes, MAX_SCRIPT_BYTES);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct random random;
	uint8_t script[MAX_SCRIPT_BYTES] = {0};
	random_seed(&random, seed);
	size_t bytes = size == 0 ? 0 : data[0];
	if (bytes > MAX_SCRIPT_BYTES || bytes + 1 > size)
		bytes = 0;
	if (bytes > 0)
		memcpy(script, data + 1, bytes);
	size_t image_bytes = size < bytes + 1 ? 0 : size - bytes - 1, before = bytes;
	bool is_script_due = random_percent(&random, 50);
	if (is_script_due)
		bytes = mutate_script(script, bytes, &random);
	if (max_size < bytes + 1 + 512)
		return size;
	if (image_bytes > max_size - bytes - 1)
		image_bytes = max_size - bytes - 1;
	memmove(data + 1 + bytes, data + 1 + before, image_bytes);
	data[0] = (uint8_t)bytes;
	memcpy(data + 1, script, bytes);
	if (!is_script_due || image_bytes < 512)
		image_bytes = mutate_image(data + 1 + bytes, image_bytes,
					   max_size - bytes - 1, &random);
	return 1 + bytes + image_bytes;
}

static struct qcow2bm_image *open_again(struct memory_file *file)
{
	struct qcow2bm_image *image;
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = q2_image_open(&image, memory_storage_open(file), &err);
	fuzz_require(code == QCOW2BM_OK, "after the edit it does not open: %s",
		     err.sentence);
	return image;
}

/* Judges the file after a commit that ended in `code`. */
static void judge(enum qcow2bm_code code, struct memory_file *file,
		  const struct staged *before, const struct staged *wanted,
		  const struct staged *in_memory)
{
	struct staged found;
	struct qcow2bm_image *image = open_again(file);
	(void)staged_read(&found, image);
	if (code == QCOW2BM_OK) {
		staged_compare(wanted, &found, "after success");
		staged_compare(&found, in_memory, "the image object");
	} else if (code != QCOW2BM_EUNKNOWN) {
		staged_compare(before, &found, "after failure");
	} else {
		fuzz_require(staged_is_same(before, &found) ||
				     staged_is_same(wanted, &found),
			     "neither the old nor the new state");
	}
	staged_free(&found);
	qcow2bm_image_close(image);
}

static void edit(struct qcow2bm_image *image, struct memory_file *file,
		 struct fuzz_input *script, unsigned options)
{
	struct qcow2bm_edit *edit;
	struct staged before, wanted, in_memory;
	struct others others;
	if (qcow2bm_edit_begin(&edit, image, NULL) != QCOW2BM_OK)
		return;
	others_note(&others, file->bytes, file->length, (options & OPTION_TRUST) != 0);
	bool usable = staged_read(&before, image);
	(void)staged_read(&wanted, image);
	if (usable) {
		struct qcow2bm_commit_options commit = {
			.size = sizeof(struct qcow2bm_commit_options),
			.flags = (options & OPTION_TRUST ? QCOW2BM_COMMIT_TRUST_REFCOUNTS
							 : 0u) |
				 (options & OPTION_NO_DISCARD ? QCOW2BM_COMMIT_NO_DISCARD
							      : 0u)};
		struct qcow2bm_error err = {0};
		edit_script_stage(script, edit, &wanted);
		enum qcow2bm_code code =
			qcow2bm_edit_commit(edit, &commit, NULL, NULL, &err);
		fuzz_check_error(code, &err);
		/* Deleting is the cure for a bitmap that cannot be read or that names what is
		 * written in place: it may be written over before the edit fails. */
		for (size_t i = 0; i < before.count; i++)
			before.bitmaps[i].may_be_lost =
				wanted.bitmaps[i].is_deleted &&
				(before.bitmaps[i].code == QCOW2BM_EIMAGE ||
				 owners_share(&others.before));
		staged_carry_out(&wanted);
		(void)staged_read(&in_memory, image);
		judge(code, file, &before, &wanted, &in_memory);
		others_check(&others, file->bytes, file->length, code == QCOW2BM_OK);
		staged_free(&in_memory);
	}
	staged_free(&wanted);
	staged_free(&before);
	others_free(&others);
	qcow2bm_edit_end(edit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size}, script;
	struct memory_file file = {0};
	struct qcow2bm_image *image;
	script.bytes = fuzz_bytes(&input, fuzz_byte(&input) % (MAX_SCRIPT_BYTES + 1),
				  &script.left);
	memory_file_fill(&file, input.bytes, input.left);
	unsigned options = fuzz_byte(&script);
	struct fault_plan fault = {
		.kinds = FAULT_ANY & ~(unsigned)FAULT_READ & ~(unsigned)FAULT_LENGTH,
		.at = options & OPTION_FAULT ? 1 + (size_t)fuzz_byte(&script) % 32 : 0,
		.from_then_on = options & OPTION_FAULT_FROM,
		.sys_errno = ENOSPC,
	};
	file.limit = file.length + (options & OPTION_LIMIT ? 4096u : 1u << 20);
	struct q2_storage *storage = memory_storage_open(&file);
	storage->can_grow = (options & OPTION_DEVICE) == 0;
	storage = fault_storage_open(storage, &fault);
	if (q2_image_open(&image, storage, NULL) == QCOW2BM_OK) {
		edit(image, &file, &script, options);
		qcow2bm_image_close(image);
	}
	memory_file_free(&file);
	return 0;
}
