/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's disk of an image: its extents, and its bytes, in bounded work; nothing of it may change. */
#include "../support/memory_storage.h"
#include "base/endian.h"
#include "fuzz.h"
#include "guest/disk.h"
#include "mutate_image.h"

#include <stdlib.h>
#include <string.h>

#define MAX_EXTENTS 2000
#define MAX_READ (256u << 10)

/* Numbers that L1 and L2 entries, and descriptors of streams, are made of. */
static uint64_t some_entry(struct random *random, size_t size)
{
	uint64_t value = random_percent(random, 70) ? random_below(random, size + 70000)
						    : random_word(random);
	if (random_percent(random, 60))
		value &= ~(uint64_t)511;
	if (random_percent(random, 30))
		value |= 1;
	if (random_percent(random, 40))
		value |= (uint64_t)1 << 62;
	if (random_percent(random, 40))
		value |= (uint64_t)1 << 63;
	if (random_percent(random, 20))
		value |= random_below(random, 200) << 54;
	return value;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct random random;
	random_seed(&random, seed);
	if (random_percent(&random, 10))
		return LLVMFuzzerMutate(data, size, max_size);
	if (size < 1024 || random_percent(&random, 30))
		return mutate_image(data, size, max_size, &random);
	uint64_t many = random_between(&random, 1, 4);
	for (uint64_t i = 0; i < many; i++) {
		size_t at = (size_t)random_below(&random, size / 8) * 8;
		/* The header is for mutate_image(). */
		if (at >= 112)
			q2_be64_store(data + at, some_entry(&random, size));
	}
	return size;
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* Reads what an extent begins with, whole and its second half alone. */
static void read_extent(struct qcow2bm_disk *disk, const struct q2_guest_extent *extent)
{
	size_t bytes = (size_t)(extent->bytes < MAX_READ ? extent->bytes : MAX_READ);
	uint8_t *whole = malloc(bytes), *half = malloc(bytes);
	struct qcow2bm_error err = {0}, again = {0};
	fuzz_require(whole != NULL && half != NULL, "no memory");
	enum qcow2bm_code code =
		q2_guest_disk_read(disk, extent->off, bytes, whole, NULL, &err);
	fuzz_check_error(code, &err);
	enum qcow2bm_code second = q2_guest_disk_read(
		disk, extent->off + bytes / 2, bytes - bytes / 2, half, NULL, &again);
	fuzz_require(code != QCOW2BM_OK || second == QCOW2BM_OK,
		     "a half cannot be read where the whole can");
	fuzz_require(code != QCOW2BM_OK ||
			     memcmp(whole + bytes / 2, half, bytes - bytes / 2) == 0,
		     "a half has other bytes than the whole");
	fuzz_require(!q2_guest_reads_zero(extent) ||
			     (code == QCOW2BM_OK && is_zero(whole, bytes)),
		     "what reads as zeros does not");
	free(whole);
	free(half);
}

static void read_disk(struct qcow2bm_disk *disk)
{
	uint64_t bytes = q2_guest_disk_bytes(disk), off = 0;
	for (int i = 0; i < MAX_EXTENTS && off < bytes; i++) {
		struct q2_guest_extent extent;
		struct qcow2bm_error err = {0};
		enum qcow2bm_code code =
			q2_guest_disk_next(disk, off, bytes, &extent, NULL, &err);
		fuzz_check_error(code, &err);
		if (code != QCOW2BM_OK)
			return;
		fuzz_require(extent.off == off && extent.bytes > 0 &&
				     extent.bytes <= bytes - off,
			     "an extent leaves a gap, or the disk");
		if (i < 40)
			read_extent(disk, &extent);
		off += extent.bytes;
	}
}

static void look(struct qcow2bm_image *image, const char *snapshot)
{
	const struct q2_guest_source source = {.image = image};
	const struct q2_guest_options options = {.snapshot = snapshot};
	struct qcow2bm_disk *disk = NULL;
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = q2_guest_disk_open(&disk, &source, 1, &options, &err);
	fuzz_check_error(code, &err);
	if (code == QCOW2BM_OK)
		read_disk(disk);
	q2_guest_disk_close(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory_file file = {0};
	struct qcow2bm_image *image = NULL;
	struct qcow2bm_error err = {0};
	memory_file_fill(&file, data, size);
	struct q2_storage *storage = memory_storage_open(&file);
	storage->writable = false;
	if (q2_image_open_damaged(&image, storage, &err) == QCOW2BM_OK) {
		look(image, NULL);
		look(image, "1");
		qcow2bm_image_close(image);
	}
	fuzz_require(file.length == size &&
			     (size == 0 || memcmp(file.bytes, data, size) == 0),
		     "the image changed");
	memory_file_free(&file);
	return 0;
}
