/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A strict reader of qcow2 images for tests. It decodes everything anew and shares no code
 * with the library, so that one mistake cannot hide the other.
 */
#ifndef TESTS_INSPECT_IMAGE_H
#define TESTS_INSPECT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum inspect_kind {
	INSPECT_FREE,
	INSPECT_HEADER,
	INSPECT_REFCOUNTS, /* table or block */
	INSPECT_MAPPING,   /* L1 or L2 table */
	INSPECT_GUEST,
	INSPECT_SNAPSHOTS,
	INSPECT_ENCRYPTION,
	INSPECT_DIRECTORY,
	INSPECT_TABLE,
	INSPECT_DATA
};

struct inspect_bitmap {
	const uint8_t *name;
	size_t name_bytes;
	uint32_t flags;
	unsigned granularity_bits;
	const uint8_t *extra;
	size_t extra_bytes;
	uint64_t table_off;
	uint64_t entries;
	uint64_t bits; /* that the disk has at this granularity */
};

struct inspect_extension {
	uint32_t type;
	uint32_t bytes;
	uint64_t off; /* of its data */
};

#define INSPECT_BITMAPS_EXTENSION 0x23852875u
#define INSPECT_MAX_EXTENSIONS 32

struct inspect {
	const uint8_t *bytes; /* of the image: the caller's */
	uint64_t length;
	unsigned cluster_bits, refcount_order, l2_shift;
	uint64_t virtual_bytes, autoclear;
	uint64_t backing_off, backing_bytes;
	uint64_t table_off, table_clusters;
	struct inspect_extension extensions[INSPECT_MAX_EXTENSIONS];
	size_t extension_count;
	uint64_t end_marker_off;
	bool has_extension;   /* the bitmaps extension */
	uint64_t payload_off; /* its data */
	struct inspect_bitmap *bitmaps;
	size_t bitmap_count;
	uint64_t clusters; /* of the file */
	uint64_t *refs;    /* how often each is referred to */
	uint8_t *kinds;    /* enum inspect_kind; of the last that refers to it */
	char problem[256];
};

/* Decodes the image, `bytes` of which must outlive it; false with a problem when something
 * is not as the format says. Frees itself then. */
bool inspect_load(struct inspect *inspect, const uint8_t *bytes, uint64_t length);
void inspect_free(struct inspect *inspect);

/* Notes the first problem, and returns false. */
bool inspect_fail(struct inspect *inspect, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

uint64_t inspect_number(const struct inspect *inspect, uint64_t off, unsigned bytes);

/* The value in the refcount blocks. */
uint64_t inspect_refcount(const struct inspect *inspect, uint64_t cluster);

/* Whether every refcount is the number of references; with leaks_allowed, at least it. */
bool inspect_check_refcounts(struct inspect *inspect, bool leaks_allowed,
			     uint64_t *leaks);

/* One bit of a bitmap. */
bool inspect_bit(const struct inspect *inspect, const struct inspect_bitmap *bitmap,
		 uint64_t bit);

/* Checks what no edit may touch, guest data, mapping, snapshots, what nobody knows in the
 * header; and that what it wrote anew is written as it should be. */
bool inspect_check_edit(struct inspect *after, const struct inspect *before);

#endif
