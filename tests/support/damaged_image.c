/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images with three bitmaps, each damaged in one way, and the repair of them. */
#include "damaged_image.h"

#include "build_image.h"
#include "image/image.h"
#include "copies.h"

#include <stdlib.h>
#include <string.h>

#define DISK_BYTES ((9u << 20) + 1536)
#define HEADER_BYTES 112

const struct damaged_layout damaged_layouts[] = {
	{.name = "512 B, 16 bit", .cluster_bits = 9, .refcount_order = 4},
	{.name = "1 KiB, 64 bit, payload at 504",
	 .cluster_bits = 10,
	 .refcount_order = 6,
	 .payload_off = 504},
	{.name = "1 KiB, 1 bit", .cluster_bits = 10, .refcount_order = 0},
	{.name = "2 KiB, 2 bit, payload at 496",
	 .cluster_bits = 11,
	 .refcount_order = 1,
	 .payload_off = 496},
	{.name = "1 KiB, 8 bit, snapshots",
	 .cluster_bits = 10,
	 .refcount_order = 3,
	 .snapshots = 2},
};
const size_t damaged_layout_count = sizeof(damaged_layouts) / sizeof(damaged_layouts[0]);

/* ---- Fields and refcounts --------------------------------------------------------- */

uint64_t damaged_load(const struct damaged_image *image, uint64_t off, unsigned bytes)
{
	return strict_load(image->file.bytes + off, bytes);
}

void damaged_store(struct damaged_image *image, uint64_t off, unsigned bytes,
		   uint64_t value)
{
	for (unsigned i = bytes; i-- > 0; value >>= 8)
		image->file.bytes[off + i] = (uint8_t)value;
}

/* Where the refcount is, 0 without a block for it; *at is its first bit there. */
static uint64_t refcount_off(const struct damaged_image *image, uint64_t off,
			     unsigned *at)
{
	unsigned order = image->refcount_order, shift = image->cluster_bits + 3 - order;
	uint64_t cluster = off >> image->cluster_bits;
	uint64_t entry = damaged_load(image, 48, 8) + (cluster >> shift) * 8;
	uint64_t bits = (cluster & (((uint64_t)1 << shift) - 1)) << order;
	*at = (unsigned)bits % 8;
	return damaged_load(image, entry, 8) == 0
		       ? 0
		       : damaged_load(image, entry, 8) + bits / 8;
}

void damaged_image_count(struct damaged_image *image, uint64_t off, uint64_t refcount)
{
	unsigned order = image->refcount_order, at;
	uint64_t place = refcount_off(image, off, &at);
	if (order >= 3) {
		damaged_store(image, place, 1u << (order - 3), refcount);
		return;
	}
	uint8_t *byte = &image->file.bytes[place];
	unsigned mask = (1u << (1u << order)) - 1;
	*byte = (uint8_t)((*byte & ~(mask << at)) | (unsigned)refcount << at);
}

uint64_t damaged_image_refcount(const struct damaged_image *image, uint64_t off)
{
	unsigned order = image->refcount_order, at;
	uint64_t place = refcount_off(image, off, &at);
	if (place == 0)
		return 0;
	if (order >= 3)
		return damaged_load(image, place, 1u << (order - 3));
	return (unsigned)image->file.bytes[place] >> at & ((1u << (1u << order)) - 1);
}

bool damaged_is_free(const struct damaged_image *image, uint64_t off)
{
	unsigned at;
	return refcount_off(image, off, &at) != 0 &&
	       damaged_image_refcount(image, off) == 0;
}

uint64_t damaged_image_entry(const struct damaged_image *image, size_t idx, unsigned nth)
{
	uint64_t entries = damaged_load(image, image->entry_off[idx] + 8, 4);
	for (uint64_t i = 0; i < entries; i++)
		if (damaged_load(image, image->table_off[idx] + i * 8, 8) > 1 &&
		    nth-- == 0)
			return image->table_off[idx] + i * 8;
	abort();
}

uint64_t damaged_image_guest(const struct damaged_image *image)
{
	uint64_t l1 = damaged_load(image, 40, 8), l1_entries = damaged_load(image, 36, 4);
	for (uint64_t i = 0; i < l1_entries; i++) {
		uint64_t l2 = damaged_load(image, l1 + i * 8, 8) & 0x00fffffffffffe00u;
		for (uint64_t at = 0; l2 != 0 && at < 1u << image->cluster_bits;
		     at += 8) {
			uint64_t entry = damaged_load(image, l2 + at, 8);
			if ((entry >> 62 & 1) == 0 && (entry & 0x00fffffffffffe00u) != 0)
				return entry & 0x00fffffffffffe00u;
		}
	}
	abort();
}

/* ---- Making it -------------------------------------------------------------------- */

/* Every entry takes 32 bytes and has padding. */
static void build(struct memory_file *file, const struct damaged_layout *layout)
{
	static const uint8_t granularity_bits[DAMAGED_BITMAPS] = {9, 10, 12};
	static const char *const names[DAMAGED_BITMAPS] = {"a1", "b1", "c1"};
	uint8_t *bits[DAMAGED_BITMAPS];
	struct build_bitmap bitmaps[DAMAGED_BITMAPS];
	struct random random;
	random_seed(&random, 5);
	for (size_t i = 0; i < DAMAGED_BITMAPS; i++) {
		uint64_t many = build_bits(DISK_BYTES, granularity_bits[i]);
		bits[i] = strict_alloc(many, 1);
		for (uint64_t bit = 0; bit < many; bit++)
			bits[i][bit] = random_percent(&random, 30);
		bitmaps[i] = (struct build_bitmap){
			.name = names[i],
			.name_bytes = 2,
			.flags = BUILD_FLAG_AUTO,
			.granularity_bits = granularity_bits[i],
			.bits = bits[i],
		};
	}
	struct build build = {
		.seed = 3,
		.cluster_bits = layout->cluster_bits,
		.refcount_order = layout->refcount_order,
		.virtual_bytes = DISK_BYTES,
		.guest_clusters = 24,
		.snapshots = layout->snapshots,
		.gap_percent = 20,
		.free_at_end = 4,
		.bitmaps = bitmaps,
		.bitmap_count = DAMAGED_BITMAPS,
	};
	if (layout->payload_off != 0)
		build.before[0] = (struct build_extension){
			0x6803f857, layout->payload_off - HEADER_BYTES - 16};
	build_image(&build, file);
	for (size_t i = 0; i < DAMAGED_BITMAPS; i++)
		free(bits[i]);
}

void damaged_image_make(struct damaged_image *image, const struct damaged_layout *layout,
			const struct damaged_case *damaged)
{
	memset(image, 0, sizeof(*image));
	build(&image->sound, layout);
	memory_file_fill(&image->file, image->sound.bytes, image->sound.length);
	image->cluster_bits = layout->cluster_bits;
	image->refcount_order = layout->refcount_order;
	image->payload_off =
		layout->payload_off != 0 ? layout->payload_off : HEADER_BYTES + 8;
	image->directory_off = damaged_load(image, image->payload_off + 16, 8);
	for (size_t i = 0; i < DAMAGED_BITMAPS; i++) {
		image->entry_off[i] = image->directory_off + i * 32;
		image->table_off[i] = damaged_load(image, image->entry_off[i], 8);
	}
	damaged->damage(image);
}

void damaged_image_free(struct damaged_image *image)
{
	memory_file_free(&image->sound);
	memory_file_free(&image->file);
}

/* ---- Repairing it ----------------------------------------------------------------- */

static bool names_code(const struct qcow2bm_report *report, const char *code)
{
	for (size_t i = 0; i < qcow2bm_report_count(report); i++)
		if (strcmp(qcow2bm_report_problem(report, i)->code, code) == 0)
			return true;
	return false;
}

static enum qcow2bm_code repair(struct qcow2bm_image *image,
				const struct qcow2bm_report *report,
				const struct damaged_case *damaged,
				struct qcow2bm_result *result, struct qcow2bm_error *err)
{
	struct qcow2bm_edit *edit;
	const struct qcow2bm_repair_options options = {
		.size = sizeof(struct qcow2bm_repair_options), .flags = damaged->flags};
	enum qcow2bm_code code = qcow2bm_edit_begin(&edit, image, err);
	if (code != QCOW2BM_OK)
		return code;
	code = qcow2bm_edit_repair(edit, report, &options, err);
	if (code == QCOW2BM_OK)
		code = commit_copied(edit, NULL, result, NULL, err);
	qcow2bm_edit_end(edit);
	return code;
}

enum qcow2bm_code damaged_image_repair(struct q2_storage *storage,
				       const struct damaged_case *damaged, bool *has_code,
				       struct qcow2bm_result *result,
				       struct qcow2bm_error *err)
{
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	memset(result, 0, sizeof(*result));
	enum qcow2bm_code code = q2_image_open_damaged(&image, storage, err);
	if (code != QCOW2BM_OK)
		return code;
	code = qcow2bm_image_check(image, NULL, &report, NULL, err);
	if (code == QCOW2BM_OK) {
		if (has_code != NULL)
			*has_code = names_code(report, damaged->code);
		code = repair(image, report, damaged, result, err);
		qcow2bm_report_free(report);
	}
	qcow2bm_image_close(image);
	return code;
}

bool damaged_image_is_kept(const struct strict_image *sound,
			   const struct strict_image *after, unsigned kept)
{
	struct strict_bitmap wanted[DAMAGED_BITMAPS];
	struct strict_image filtered = {.bitmaps = wanted};
	for (size_t i = 0; i < sound->bitmap_count; i++)
		if (kept >> i & 1)
			wanted[filtered.bitmap_count++] = sound->bitmaps[i];
	return strict_same_bitmaps(&filtered, after);
}
