/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images and edits that reach every path of a commit, for the tests of crashes and faults. */
#include "edit_cases.h"

#include "base/endian.h"
#include "build_image.h"
#include "format/header.h"
#include "format/refcount.h"
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct edit_case edit_cases[] = {
	/* Every command, every operation alone. */
	{"small", "add n"},
	{"small", "delete a"},
	{"small", "delete b"},
	{"small", "rename a a-name-of-another-length"},
	{"small", "clear a"},
	{"small", "enable c"},
	{"small", "disable a"},
	{"small", "merge a b"},
	{"small", "merge c a"},
	{"small", "merge-from b x"},
	{"in-use", "stored a"},
	{"in-use", "allocated a"},
	{"in-use", "allocated b, full c"},
	{"in-use", "full a, stored b, merge b a, delete c"},
	{"in-use", "compared a"},
	{"in-use", "compared b, compared c, merge c b, delete a"},
	{"small", "compared a"},
	{"carved", "carved n"},
	{"carved", "carved n, merge b n, delete c"},
	{"device-carved", "carved n"},
	/* Several in one edit; data that changes its owner. */
	{"small", "clear b, merge b a, delete a"},
	{"small", "add n, merge n a, merge n b, delete a, delete b"},
	{"small", "delete a, delete b, delete c, add n"},
	{"small", "rename a n, rename b a, disable n, clear c"},
	{"small", "merge b a, merge-from b x, delete a"},
	/* The first bitmap. */
	{"none", "add n"},
	{"none", "add n, merge-from n x"},
	{"none-unknown", "add n"},
	{"none-backing", "add n"},
	{"none-backing-gap", "add n, add m"},
	{"none-backing-long", "add n"},
	{"none-backing-tight", "add n"},
	/* The name is brought back from the end of the header cluster. */
	{"backing-tight", "disable a"},
	{"backing-tight", "delete a, delete b, delete c"},
	{"payload-at-504-backing-tight", "disable a"},
	{"backing-beyond", "rename a n"},
	{"none-at-488", "add n"},
	{"none-at-496", "add n"},
	{"none-padding", "add n"},
	{"none-far", "add n"},
	/* The last one. */
	{"one", "delete a"},
	{"one-first", "delete a"},
	{"one-far", "delete a"},
	{"small", "delete a, delete b, delete c"},
	/* The extension's payload crosses a sector. */
	{"payload-at-488", "disable a"},
	{"payload-at-496", "disable a"},
	{"payload-at-504", "delete a"},
	{"payload-at-504", "delete a, delete b, delete c"},
	{"payload-at-504-backing", "rename a n"},
	/* Unknown autoclear bits. */
	{"autoclear", "disable a"},
	{"autoclear", "merge a b"},
	{"none-autoclear", "add n"},
	/* Old bytes behind the end marker; the switch's near end in a sector of its own. */
	{"none-junk", "add n"},
	{"none-far-junk", "add n"},
	{"none-far-gap-junk", "add n"},
	{"none-far-4096-junk", "add n"},
	{"one-far-junk", "delete a"},
	{"payload-at-504-junk", "disable a"},
	/* On a block device, which ends where it ends. */
	{"device", "add n"},
	{"device", "delete a"},
	{"device", "merge a b, delete b"},
	{"device-none", "add n"},
	{"device-one", "delete a"},
	{"device-block", "merge a b"},
	/* No cluster is free: the directory changes where it is. */
	{"device-full", "delete a"},
	{"device-full", "delete b"},
	{"device-full", "delete c"},
	{"device-full", "delete c, delete a"},
	{"device-full", "delete a, delete b, delete c"},
	{"device-full", "disable a"},
	{"device-full", "rename b n, enable c"},
	{"device-full-autoclear", "delete a"},
	{"device-full-at-504", "delete b"},
	/* Refcounts that must grow, of all widths. */
	{"block", "add n"},
	{"block", "merge a b"},
	{"blocks", "merge a b, merge b a, merge c a"},
	{"block-order-0", "merge a b"},
	{"block-order-1", "merge a b"},
	{"block-order-4", "merge a b"},
	{"table", "merge a b"},
	{"table", "delete a, add n"},
	{"blocks-between", "merge a b, merge b a, merge c a"},
	{"refcount-order-0", "merge a b"},
	{"refcount-order-0", "delete b"},
	{"refcount-order-1", "merge a b, delete b"},
	{"refcount-order-2", "merge a b, delete b"},
	{"refcount-order-3", "merge a b, delete b"},
	{"refcount-order-5", "merge a b, delete b"},
	{"refcount-order-6", "merge a b, delete b"},
	/* Other shapes. */
	{"long-directory", "disable a"},
	{"long-directory", "delete b"},
	{"large", "merge a b"},
	{"large", "clear b, merge b a, delete a"},
	{"everything", "merge a b, delete b, add n"},
	/* Written by QEMU. */
	{"cluster-512.qcow2", "add n"},
	{"cluster-512.qcow2",
	 "merge chk-2026-11-02 chk-2026-11-01, delete chk-2026-11-01"},
	{"cluster-512.qcow2", "disable chk-2026-11-03"},
	{"chain-top.qcow2", "clear chk-2026-11-01"},
	{"data-file.qcow2", "delete chk-2026-11-01"},
	{"empty.qcow2", "add n"},
	{"enabled.qcow2", "merge chk-2026-11-15 chk-2026-11-08"},
	{"many.qcow2", "add n"},
	{"mixed.qcow2", "delete chk-2026-11-01, merge chk-2026-11-03 chk-2026-11-04"},
	{"refcount-1.qcow2", "merge chk-2026-11-03 chk-2026-11-01"},
	{"refcount-64.qcow2", "delete chk-2026-11-02"},
	{"snapshots.qcow2", "delete chk-2026-11-01, rename chk-2026-11-02 n"},
	{"zstd.qcow2", "merge chk-2026-11-02 chk-2026-11-01"},
};

const size_t edit_case_count = sizeof(edit_cases) / sizeof(edit_cases[0]);

/* ---- The images --------------------------------------------------------------------- */

#define UNKNOWN_A              \
	{                      \
		0x11223344, 21 \
	}
#define UNKNOWN_B             \
	{                     \
		0x55667788, 8 \
	}

struct shape {
	const char *name;
	unsigned bitmaps;
	struct build build;
};

static const struct shape shapes[] = {
	{"small", 3, {.seed = 1, .gap_percent = 30, .before = {UNKNOWN_A}}},
	{"in-use", 3, {.seed = 32, .gap_percent = 30, .backing_name = "base.qcow2"}},
	{"carved", 3, {.seed = 45, .gap_percent = 30}},
	{"device-carved", 3, {.seed = 46, .gap_percent = 30, .free_at_end = 60}},
	{"none", 0, {.seed = 2}},
	{"none-unknown",
	 0,
	 {.seed = 3, .before = {UNKNOWN_A, UNKNOWN_B}, .header_bytes = 200}},
	{"none-backing", 0, {.seed = 4, .backing_name = "base.qcow2"}},
	{"none-backing-gap",
	 0,
	 {.seed = 5, .backing_name = "base.qcow2", .backing_gap = 40}},
	{"none-backing-long",
	 0,
	 {.seed = 47,
	  .cluster_bits = 10,
	  .backing_name =
		  "/a/name/longer/than/the/extension/that/comes/before/it.qcow2"}},
	{"none-backing-tight",
	 0,
	 {.seed = 48, .backing_name = "base.qcow2", .backing_gap = 382}},
	{"backing-tight",
	 3,
	 {.seed = 49, .backing_name = "base.qcow2", .backing_gap = 350}},
	{"payload-at-504-backing-tight",
	 3,
	 {.seed = 50,
	  .cluster_bits = 10,
	  .before = {{0x11223344, 376}},
	  .backing_name = "base.qcow2",
	  .backing_gap = 478}},
	{"backing-beyond",
	 3,
	 {.seed = 51,
	  .cluster_bits = 16,
	  .backing_name = "base.qcow2",
	  .backing_gap = 65374}},
	{"none-at-488",
	 0,
	 {.seed = 6, .cluster_bits = 10, .before = {{0x11223344, 368}}}},
	{"none-at-496",
	 0,
	 {.seed = 7, .cluster_bits = 10, .before = {{0x11223344, 376}}}},
	{"none-padding", 0, {.seed = 8, .before = {{0x71327064, 24}, UNKNOWN_A}}},
	{"none-far", 0, {.seed = 28, .cluster_bits = 12, .before = {{0x11223344, 500}}}},
	{"one-far", 1, {.seed = 29, .cluster_bits = 12, .before = {{0x11223344, 500}}}},
	{"none-junk", 0, {.seed = 32}},
	{"none-far-junk",
	 0,
	 {.seed = 33, .cluster_bits = 12, .before = {{0x11223344, 896}}}},
	{"none-far-gap-junk",
	 0,
	 {.seed = 34, .cluster_bits = 12, .before = {{0x11223344, 880}}}},
	{"none-far-4096-junk",
	 0,
	 {.seed = 35, .cluster_bits = 13, .before = {{0x11223344, 3968}}}},
	{"one-far-junk",
	 1,
	 {.seed = 36, .cluster_bits = 12, .before = {{0x11223344, 500}}}},
	{"payload-at-504-junk",
	 3,
	 {.seed = 37, .cluster_bits = 10, .before = {{0x11223344, 376}}}},
	{"device", 3, {.seed = 38, .gap_percent = 30, .free_at_end = 60}},
	{"device-full", 3, {.seed = 52}},
	{"device-full-autoclear", 3, {.seed = 53, .autoclear = (uint64_t)1 << 40}},
	{"device-full-at-504",
	 3,
	 {.seed = 55, .cluster_bits = 10, .before = {{0x11223344, 376}}}},
	{"device-none", 0, {.seed = 39, .free_at_end = 60}},
	{"device-one", 1, {.seed = 40, .free_at_end = 60}},
	{"device-block",
	 3,
	 {.seed = 41, .refcount_order = 6, .guest_clusters = 118, .free_at_end = 100}},
	{"block-order-0", 3, {.seed = 42, .refcount_order = 0}},
	{"block-order-1", 3, {.seed = 43, .refcount_order = 1}},
	{"block-order-4", 3, {.seed = 44}},
	{"none-autoclear", 0, {.seed = 9, .autoclear = (uint64_t)1 << 40}},
	{"one", 1, {.seed = 10}},
	{"one-first", 1, {.seed = 11, .behind = {UNKNOWN_A, UNKNOWN_B}}},
	{"payload-at-488",
	 3,
	 {.seed = 12, .cluster_bits = 10, .before = {{0x11223344, 360}}}},
	{"payload-at-496",
	 3,
	 {.seed = 12, .cluster_bits = 10, .before = {{0x11223344, 368}}}},
	{"payload-at-504",
	 3,
	 {.seed = 13, .cluster_bits = 10, .before = {{0x11223344, 376}}}},
	{"payload-at-504-backing",
	 3,
	 {.seed = 14,
	  .cluster_bits = 10,
	  .before = {{0x11223344, 376}},
	  .behind = {UNKNOWN_A, UNKNOWN_B},
	  .backing_name = "base.qcow2"}},
	{"autoclear", 3, {.seed = 15, .autoclear = (uint64_t)1 << 40 | 1u << 2}},
	{"block", 3, {.seed = 16, .refcount_order = 6, .guest_clusters = 118}},
	{"blocks", 3, {.seed = 17, .refcount_order = 6, .virtual_bytes = 64u << 20}},
	/* New refcount structures stand where the old ones count, unknown autoclear bits. */
	{"blocks-between",
	 3,
	 {.seed = 31,
	  .refcount_order = 6,
	  .virtual_bytes = 64u << 20,
	  .autoclear = (uint64_t)1 << 40,
	  .gap_percent = 30}},
	{"table", 3, {.seed = 18, .refcount_order = 6}},
	{"refcount-order-0", 3, {.seed = 19, .refcount_order = 0, .gap_percent = 30}},
	{"refcount-order-1", 3, {.seed = 20, .refcount_order = 1, .gap_percent = 30}},
	{"refcount-order-2", 3, {.seed = 21, .refcount_order = 2, .gap_percent = 30}},
	{"refcount-order-3", 3, {.seed = 22, .refcount_order = 3, .gap_percent = 30}},
	{"refcount-order-5", 3, {.seed = 23, .refcount_order = 5, .gap_percent = 30}},
	{"refcount-order-6", 3, {.seed = 24, .refcount_order = 6, .gap_percent = 30}},
	{"long-directory", 7, {.seed = 25}},
	{"large", 3, {.seed = 26, .cluster_bits = 16}},
	{"everything",
	 3,
	 {.seed = 27,
	  .cluster_bits = 14,
	  .extended_l2 = true,
	  .snapshots = 2,
	  .encryption_header = true,
	  .gap_percent = 30,
	  .before = {UNKNOWN_B}}},
};

/* The bitmaps a to g: full and empty clusters, half-full ones, other granularities, the last
 * bit; long names from d on. */
static void fill_bitmaps(struct build *build, struct build_bitmap *bitmaps,
			 uint8_t **bits)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
	static const uint8_t granularity_bits[] = {9, 9, 10, 12, 9, 31, 16};
	static char long_name[4][200];
	struct random random;
	random_seed(&random, build->seed + 100);
	for (unsigned i = 0; i < build->bitmap_count; i++) {
		struct build_bitmap *bitmap = &bitmaps[i];
		bitmap->name = names[i];
		bitmap->name_bytes = 1;
		if (i >= 3) {
			memset(long_name[i - 3], names[i][0], sizeof(long_name[0]));
			bitmap->name = long_name[i - 3];
			bitmap->name_bytes = sizeof(long_name[0]);
		}
		bitmap->flags = i == 2 ? 0 : BUILD_FLAG_AUTO;
		bitmap->granularity_bits = granularity_bits[i];
		uint64_t count = build_bits(build->virtual_bytes, granularity_bits[i]);
		uint64_t part = (uint64_t)8 << build->cluster_bits;
		bits[i] = calloc(count, 1);
		if (bits[i] == NULL)
			abort();
		for (uint64_t bit = 0; bit < count; bit++)
			if (bit / part == 1)
				bits[i][bit] = i == 0;
			else
				bits[i][bit] = random_percent(&random, 50 - 20 * (i % 2));
		bits[i][count - 1] = i != 1;
		bitmap->bits = bits[i];
	}
}

/* Counts every cluster that the refcount table can count, with 64-bit refcounts: the next
 * one needs a longer table. New blocks are put where nothing is. */
static void leak_the_rest(struct memory_file *file)
{
	enum { CLUSTER = 512, COUNTS = CLUSTER / 8, FREE_FROM = 1000 };
	uint64_t table = q2_be64_load(file->bytes + Q2_HEADER_REFTABLE_OFF);
	memory_file_resize(file, COUNTS * COUNTS * CLUSTER);
	for (uint64_t i = 0; i < COUNTS; i++) {
		uint64_t block = q2_be64_load(file->bytes + table + i * 8);
		if (block == 0) {
			block = (FREE_FROM + i) * CLUSTER;
			memset(file->bytes + block, 0, CLUSTER);
			q2_be64_store(file->bytes + table + i * 8, block);
		}
		for (uint64_t j = 0; j < COUNTS; j++)
			if (q2_be64_load(file->bytes + block + j * 8) == 0)
				q2_be64_store(file->bytes + block + j * 8, 1);
	}
}

/* The same for the clusters of the refcount blocks that there are: the next one needs another
 * block, or there is none. */
static void leak_the_blocks(struct memory_file *file, unsigned cluster_bits,
			    unsigned order)
{
	uint64_t cluster = (uint64_t)1 << cluster_bits;
	uint64_t table = q2_be64_load(file->bytes + Q2_HEADER_REFTABLE_OFF);
	uint64_t counts = cluster * 8 >> order, blocks = 0;
	while (q2_be64_load(file->bytes + table + blocks * 8) != 0)
		blocks++;
	memory_file_resize(file, blocks * counts * cluster);
	for (uint64_t i = 0; i < blocks * counts; i++) {
		uint64_t off = q2_be64_load(file->bytes + table + i / counts * 8);
		uint8_t *block = file->bytes + off;
		uint64_t idx = i % counts;
		if (q2_refcount_decode(block, order, idx) == 0)
			q2_refcount_encode(block, order, idx, 1);
	}
}

/* What an earlier extension or file name may have left behind the end marker. */
static void fill_header_cluster(struct memory_file *file, unsigned cluster_bits)
{
	uint64_t at = q2_be32_load(file->bytes + 100);
	while (q2_be32_load(file->bytes + at) != 0)
		at += 8 + ((q2_be32_load(file->bytes + at + 4) + 7) & ~(uint64_t)7);
	for (at += 8; at < (uint64_t)1 << cluster_bits; at++)
		file->bytes[at] = (uint8_t)(0x80 + at % 101);
}

/* Deletes a, whose clusters keep what they hold. */
static void delete_a(struct memory_file *file)
{
	const struct qcow2bm_commit_options options = {
		.size = sizeof(struct qcow2bm_commit_options),
		.flags = QCOW2BM_COMMIT_NO_DISCARD};
	struct qcow2bm_image *image = NULL;
	struct qcow2bm_edit *edit = NULL;
	if (q2_image_open(&image, memory_storage_open(file), NULL) != QCOW2BM_OK ||
	    qcow2bm_edit_begin(&edit, image, NULL) != QCOW2BM_OK ||
	    qcow2bm_edit_delete(edit, "a", 1, NULL) != QCOW2BM_OK ||
	    qcow2bm_edit_commit(edit, &options, NULL, NULL, NULL) != QCOW2BM_OK)
		abort();
	qcow2bm_edit_end(edit);
	qcow2bm_image_close(image);
}

static void build_shape(const struct shape *shape, struct memory_file *file)
{
	struct build_bitmap bitmaps[7] = {{0}};
	uint8_t *bits[7] = {NULL};
	struct build build = shape->build;
	if (build.cluster_bits == 0)
		build.cluster_bits = 9;
	/* Zero stands for the width that QEMU takes, but where the name says otherwise. */
	if (build.refcount_order == 0 && strstr(shape->name, "order-0") == NULL)
		build.refcount_order = 4;
	if (build.guest_clusters == 0)
		build.guest_clusters = 8;
	if (build.virtual_bytes == 0)
		build.virtual_bytes = EDIT_CASE_DISK_BYTES;
	build.bitmap_count = shape->bitmaps;
	build.bitmaps = bitmaps;
	fill_bitmaps(&build, bitmaps, bits);
	for (unsigned i = 0; strcmp(shape->name, "in-use") == 0 && i < shape->bitmaps;
	     i++)
		bitmaps[i].flags |= BUILD_FLAG_IN_USE;
	build_image(&build, file);
	if (strcmp(shape->name, "table") == 0)
		leak_the_rest(file);
	if (strncmp(shape->name, "block-order-", 12) == 0 ||
	    strncmp(shape->name, "device-full", 11) == 0)
		leak_the_blocks(file, build.cluster_bits, build.refcount_order);
	if (strstr(shape->name, "carved") != NULL)
		delete_a(file);
	if (strstr(shape->name, "-junk") != NULL)
		fill_header_cluster(file, build.cluster_bits);
	for (unsigned i = 0; i < shape->bitmaps; i++)
		free(bits[i]);
}

struct q2_storage *edit_case_storage(const char *image, struct memory_file *file)
{
	struct q2_storage *storage = memory_storage_open(file);
	if (strncmp(image, "device", 6) == 0) {
		storage->can_grow = false;
		storage->allocated_bytes = 0;
	}
	return storage;
}

bool edit_case_image(const char *image, struct memory_file *file)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (strcmp(shapes[i].name, image) == 0) {
			build_shape(&shapes[i], file);
			return true;
		}
	}
	char path[4096];
	const char *srcdir = getenv("srcdir");
	if (srcdir == NULL)
		return false;
	snprintf(path, sizeof(path), "%s/images/%s", srcdir, image);
	return memory_file_load(file, path);
}
