/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways in which an image is damaged, and what a repair keeps of it. */
#include "damaged_image.h"

#include <string.h>

#define AUTOCLEAR_OFF 88

/* ---- Damages: of the extension ------------------------------------------------------ */

#define FIELD(name, where, bytes, value)                         \
	static void name(struct damaged_image *image)            \
	{                                                        \
		damaged_store(image, (where), (bytes), (value)); \
	}

FIELD(count_none, image->payload_off, 4, 0)
FIELD(count_few, image->payload_off, 4, 2)
FIELD(count_many, image->payload_off, 4, 4)
FIELD(count_huge, image->payload_off, 4, UINT32_MAX)
FIELD(reserved_set, image->payload_off + 4, 4, 7)
FIELD(size_none, image->payload_off + 8, 8, 0)
FIELD(size_small, image->payload_off + 8, 8,
      damaged_load(image, image->payload_off + 8, 8) - 32)
FIELD(size_large, image->payload_off + 8, 8,
      damaged_load(image, image->payload_off + 8, 8) + 32)
FIELD(size_huge, image->payload_off + 8, 8, UINT64_MAX)
FIELD(place_unaligned, image->payload_off + 16, 8, image->directory_off + 8)
FIELD(place_past_end, image->payload_off + 16, 8, (uint64_t)1 << 40)
FIELD(length_32, image->payload_off - 4, 4, 32)
FIELD(length_huge, image->payload_off - 4, 4, 0x20018)
FIELD(autoclear_lost, AUTOCLEAR_OFF, 8, 0)
FIELD(extension_gone, image->payload_off - 8, 4, STRICT_PADDING)
FIELD(extension_mistyped, image->payload_off - 8, 4, 0x23852871)

FIELD(length_is_16, image->payload_off - 4, 4, 16)
FIELD(length_is_huge, image->payload_off - 4, 4, 0x18000000)

/* As an earlier version of the program left it. */
static void name_at_end(struct damaged_image *image)
{
	static const char name[] = "base.qcow2";
	uint64_t off = ((uint64_t)1 << image->cluster_bits) - (sizeof(name) - 1);
	memcpy(image->file.bytes + off, name, sizeof(name) - 1);
	damaged_store(image, 8, 8, off);
	damaged_store(image, 16, 4, sizeof(name) - 1);
}

/* The end marker follows. */
static void length_16(struct damaged_image *image)
{
	damaged_store(image, image->payload_off - 4, 4, 16);
	damaged_store(image, image->payload_off + 16, 8, 0);
}

/* ---- ... of one entry of the directory ------------------------------------------- */

FIELD(entry_table_none, image->entry_off[1], 8, 0)
FIELD(entry_table_odd, image->entry_off[1], 8, image->table_off[1] + 8)
FIELD(entry_table_far, image->entry_off[1], 8, (uint64_t)1 << 40)
FIELD(entry_table_twice, image->entry_off[1], 8, image->table_off[0])
FIELD(entry_table_guest, image->entry_off[1], 8, damaged_image_guest(image))
FIELD(entry_table_l1, image->entry_off[1], 8, damaged_load(image, 40, 8))
FIELD(entry_table_header, image->entry_off[1], 8, damaged_load(image, 48, 8))
FIELD(entry_size_none, image->entry_off[1] + 8, 4, 0)
FIELD(entry_size_more, image->entry_off[1] + 8, 4,
      damaged_load(image, image->entry_off[1] + 8, 4) + 1)
FIELD(entry_size_huge, image->entry_off[1] + 8, 4, UINT32_MAX)
FIELD(entry_flags, image->entry_off[1] + 12, 4, 0x102)
FIELD(entry_in_use, image->entry_off[1] + 12, 4, 3)
FIELD(entry_flag_extra, image->entry_off[1] + 12, 4, 6)
FIELD(entry_type, image->entry_off[1] + 16, 1, 2)
FIELD(entry_granularity_high, image->entry_off[1] + 17, 1, 64)
FIELD(entry_granularity_low, image->entry_off[1] + 17, 1, 3)
FIELD(entry_name_none, image->entry_off[1] + 18, 2, 0)
FIELD(entry_name_huge, image->entry_off[1] + 18, 2, 0xffff)
FIELD(entry_extra_huge, image->entry_off[1] + 20, 4, UINT32_MAX)
FIELD(entry_extra, image->entry_off[1] + 16, 8, 0x010a000000000008)
FIELD(entry_name_twice, image->entry_off[1] + 24, 2,
      damaged_load(image, image->entry_off[0] + 24, 2))
FIELD(entry_padding, image->entry_off[1] + 31, 1, 1)

static void autoclear_lost_and_type(struct damaged_image *image)
{
	autoclear_lost(image);
	entry_type(image);
}

/* ---- ... of a table --------------------------------------------------------------- */

FIELD(data_reserved, damaged_image_entry(image, 1, 0), 8,
      damaged_load(image, damaged_image_entry(image, 1, 0), 8) | 2)
FIELD(data_ones_and_place, damaged_image_entry(image, 1, 0), 8,
      damaged_load(image, damaged_image_entry(image, 1, 0), 8) | 1)
FIELD(data_far, damaged_image_entry(image, 1, 0), 8, (uint64_t)1 << 40)
FIELD(data_guest, damaged_image_entry(image, 1, 0), 8, damaged_image_guest(image))
FIELD(data_metadata, damaged_image_entry(image, 1, 0), 8, damaged_load(image, 40, 8))
FIELD(data_directory, damaged_image_entry(image, 1, 0), 8, image->directory_off)
FIELD(data_other, damaged_image_entry(image, 1, 0), 8,
      damaged_load(image, damaged_image_entry(image, 0, 0), 8))
FIELD(data_itself, damaged_image_entry(image, 0, 1), 8,
      damaged_load(image, damaged_image_entry(image, 0, 0), 8))

/* The last cluster of every bitmap here is used in part. */
static void tail_bit(struct damaged_image *image)
{
	uint64_t entries = damaged_load(image, image->entry_off[1] + 8, 4);
	uint64_t data = damaged_load(image, image->table_off[1] + (entries - 1) * 8, 8);
	image->file.bytes[data + (1u << image->cluster_bits) - 1] = 0x80;
}

/* ---- ... of refcounts --------------------------------------------------------------- */

#define REFCOUNT(name, where, value)                          \
	static void name(struct damaged_image *image)         \
	{                                                     \
		damaged_image_count(image, (where), (value)); \
	}

REFCOUNT(table_free, image->table_off[1], 0)
REFCOUNT(table_high, image->table_off[1], 2)
REFCOUNT(data_free, damaged_load(image, damaged_image_entry(image, 1, 0), 8), 0)
REFCOUNT(data_high, damaged_load(image, damaged_image_entry(image, 1, 0), 8), 3)
REFCOUNT(directory_free, image->directory_off, 0)
REFCOUNT(directory_high, image->directory_off, 2)

/* The last clusters of the file are nobody's. */
static void leak(struct damaged_image *image)
{
	uint64_t cluster_bytes = (uint64_t)1 << image->cluster_bits;
	damaged_image_count(image, image->file.length - cluster_bytes, 1);
	damaged_image_count(image, image->file.length - 2 * cluster_bytes, 1);
}

/* What is free is counted, so that nothing is but what comes next. */
static void fill(struct damaged_image *image, uint64_t end)
{
	uint64_t cluster_bytes = (uint64_t)1 << image->cluster_bits;
	for (uint64_t off = 0; off < end; off += cluster_bytes)
		if (damaged_is_free(image, off))
			damaged_image_count(image, off, 1);
}

/* The file must grow past some of them. */
static void leak_behind(struct damaged_image *image)
{
	fill(image, image->file.length + ((uint64_t)5 << image->cluster_bits));
}

static void data_free_alone(struct damaged_image *image)
{
	fill(image, image->file.length);
	data_free(image);
}

static void in_use_free_alone(struct damaged_image *image)
{
	data_free_alone(image);
	entry_in_use(image);
}

/* The table cannot be loaded, but names the data all the same. */
static void reserved_free_alone(struct damaged_image *image)
{
	uint64_t first = damaged_image_entry(image, 0, 0);
	uint64_t second = damaged_image_entry(image, 0, 1);
	fill(image, image->file.length);
	damaged_image_count(image, damaged_load(image, second, 8), 0);
	damaged_store(image, first, 8, damaged_load(image, first, 8) | 2);
}

static void several(struct damaged_image *image)
{
	count_many(image);
	reserved_set(image);
	entry_padding(image);
	data_free(image);
	leak(image);
	damaged_image_count(image,
			    damaged_load(image, damaged_image_entry(image, 0, 0), 8), 0);
	damaged_store(image, image->entry_off[2] + 16, 1, 9);
}

#define ALL 7u
#define BUT_B 5u

const struct damaged_case damaged_cases[] = {
	{.name = "count 0", "bitmap-count", count_none, ALL, 0, 0},
	{.name = "count one too few", "bitmap-count", count_few, ALL, 0, 0},
	{.name = "count one too many", "bitmap-count", count_many, ALL, 0, 0},
	{.name = "count huge", "bitmap-count", count_huge, ALL, 0, 0},
	{.name = "reserved field", "extension-reserved", reserved_set, ALL, 0, 0},
	{.name = "directory size 0", "directory-size", size_none, ALL, 0, 0},
	{.name = "directory size too small", "directory-size", size_small, ALL, 0, 0},
	{.name = "directory size too large", "directory-size", size_large, ALL, 0, 0},
	{.name = "directory size huge", "directory-size", size_huge, ALL, 0, 0},
	{.name = "directory misaligned, drop all",
	 "directory-place",
	 place_unaligned,
	 0,
	 QCOW2BM_REPAIR_DROP_ALL,
	 0},
	{.name = "directory past the end, drop all",
	 "directory-place",
	 place_past_end,
	 0,
	 QCOW2BM_REPAIR_DROP_ALL,
	 0},
	{.name = "extension of 32 bytes", "extension-length", length_32, ALL, 0, 0},
	{.name = "extension of 131096 bytes", "extension-length", length_huge, ALL, 0, 0},
	{.name = "extension of 16 bytes", "extension-length", length_is_16, ALL, 0, 0},
	{.name = "extension of 384 MiB", "extension-length", length_is_huge, ALL, 0, 0},
	{.name = "extension of 16 bytes, drop all",
	 "extension-length",
	 length_16,
	 0,
	 QCOW2BM_REPAIR_DROP_ALL,
	 0},
	{.name = "backing file name at the end",
	 "backing-name-tight",
	 name_at_end,
	 ALL,
	 0,
	 0},
	{.name = "autoclear lost, trust",
	 "autoclear-lost",
	 autoclear_lost,
	 ALL,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "autoclear lost and unknown type, trust",
	 "type-unknown",
	 autoclear_lost_and_type,
	 BUT_B,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "autoclear lost, drop all",
	 "autoclear-lost",
	 autoclear_lost,
	 0,
	 QCOW2BM_REPAIR_DROP_ALL,
	 0},
	{.name = "autoclear without extension, drop all",
	 "autoclear-without-extension",
	 extension_gone,
	 0,
	 QCOW2BM_REPAIR_DROP_ALL,
	 0},
	{.name = "extension of another type, trust",
	 "extension-type",
	 extension_mistyped,
	 ALL,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "extension of another type, drop all",
	 "extension-type",
	 extension_mistyped,
	 0,
	 QCOW2BM_REPAIR_DROP_ALL,
	 0},
	{.name = "table at 0, trust",
	 "table-misaligned",
	 entry_table_none,
	 BUT_B,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "table misaligned", "table-misaligned", entry_table_odd, BUT_B, 0, 0},
	{.name = "table past the end, trust",
	 "table-past-end",
	 entry_table_far,
	 BUT_B,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "table of another, trust",
	 "table-shared",
	 entry_table_twice,
	 4,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "table in guest data, trust",
	 "overlap-guest",
	 entry_table_guest,
	 BUT_B,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "table in L1, trust",
	 "overlap-metadata",
	 entry_table_l1,
	 BUT_B,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "table in refcount table, trust",
	 "overlap-metadata",
	 entry_table_header,
	 BUT_B,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "table size 0", "table-size", entry_size_none, BUT_B, 0, 0},
	{.name = "table size too large, trust",
	 "foreign-writer",
	 entry_size_more,
	 BUT_B,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "table size huge", "table-size", entry_size_huge, BUT_B, 0, 0},
	{.name = "reserved flags", "flags-reserved", entry_flags, BUT_B, 0, 0},
	{.name = "in-use, drop in-use",
	 "in-use-stale",
	 entry_in_use,
	 BUT_B,
	 QCOW2BM_REPAIR_DROP_IN_USE,
	 0},
	{.name = "flag for extra data, but none",
	 "extra-data-none",
	 entry_flag_extra,
	 ALL,
	 0,
	 0},
	{.name = "unknown type", "type-unknown", entry_type, BUT_B, 0, 0},
	{.name = "granularity 64",
	 "granularity-invalid",
	 entry_granularity_high,
	 BUT_B,
	 0,
	 0},
	{.name = "granularity 3",
	 "granularity-unsupported",
	 entry_granularity_low,
	 BUT_B,
	 0,
	 0},
	{.name = "empty name", "name-empty", entry_name_none, BUT_B, 0, 0},
	{.name = "name size huge", "entry-length", entry_name_huge, BUT_B, 0, 0},
	{.name = "extra size huge", "entry-length", entry_extra_huge, BUT_B, 0, 0},
	{.name = "extra data not compatible",
	 "extra-data-incompatible",
	 entry_extra,
	 BUT_B,
	 0,
	 0},
	{.name = "name twice", "name-duplicate", entry_name_twice, 4, 0, 0},
	{.name = "padding, trust",
	 "padding-nonzero",
	 entry_padding,
	 ALL,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "data with reserved bits", "table-reserved", data_reserved, BUT_B, 0, 0},
	{.name = "data and all ones", "table-reserved", data_ones_and_place, BUT_B, 0, 0},
	{.name = "data past the end, trust",
	 "data-past-end",
	 data_far,
	 BUT_B,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "data in guest data, trust",
	 "overlap-guest",
	 data_guest,
	 BUT_B,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "data in L1, trust",
	 "overlap-metadata",
	 data_metadata,
	 BUT_B,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "data in the directory, trust",
	 "overlap-bitmap",
	 data_directory,
	 BUT_B,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "data of another, trust",
	 "overlap-bitmap",
	 data_other,
	 4,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "data named twice, trust",
	 "overlap-itself",
	 data_itself,
	 6,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "bits past the end of the disk", "tail-bits", tail_bit, BUT_B, 0, 0},
	{.name = "table counted as free, trust",
	 "refcount-zero",
	 table_free,
	 ALL,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "table counted twice", "refcount-high", table_high, ALL, 0, 1},
	{.name = "data counted as free, trust",
	 "refcount-zero",
	 data_free,
	 ALL,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "data counted as free, drop all",
	 "foreign-writer",
	 data_free,
	 0,
	 QCOW2BM_REPAIR_DROP_ALL,
	 0},
	{.name = "data counted as free, no room elsewhere",
	 "refcount-zero",
	 data_free_alone,
	 ALL,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "data of one to be dropped counted as free, no room elsewhere",
	 "in-use-stale",
	 in_use_free_alone,
	 BUT_B,
	 QCOW2BM_REPAIR_DROP_IN_USE | QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "data behind reserved bits counted as free, no room elsewhere",
	 "table-reserved",
	 reserved_free_alone,
	 6,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "data counted three times", "refcount-high", data_high, ALL, 0, 1},
	{.name = "directory counted as free",
	 "directory-refcount-zero",
	 directory_free,
	 ALL,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "directory counted twice",
	 "directory-refcount-high",
	 directory_high,
	 ALL,
	 0,
	 1},
	{.name = "leaked clusters", "leaked-clusters", leak, ALL, 0, 0},
	{.name = "leaked clusters behind the end, too",
	 "leaked-clusters",
	 leak_behind,
	 ALL,
	 0,
	 0},
	{.name = "several at once, trust",
	 "type-unknown",
	 several,
	 3,
	 QCOW2BM_REPAIR_TRUST_BITMAPS,
	 0},
	{.name = "several at once, drop all",
	 "type-unknown",
	 several,
	 0,
	 QCOW2BM_REPAIR_DROP_ALL,
	 0},
};
const size_t damaged_case_count = sizeof(damaged_cases) / sizeof(damaged_cases[0]);
