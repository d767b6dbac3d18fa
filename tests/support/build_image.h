/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Builds qcow2 images in memory: any geometry, a guest's data, snapshots, bitmaps, free
 * clusters in between that hold old bytes. Shares no code with the library.
 */
#ifndef TESTS_BUILD_IMAGE_H
#define TESTS_BUILD_IMAGE_H

#include "memory_storage.h"
#include "random.h"

#define BUILD_FLAG_IN_USE 1u
#define BUILD_FLAG_AUTO 2u
#define BUILD_FLAG_EXTRA_COMPATIBLE 4u

struct build_bitmap {
	const void *name;
	uint16_t name_bytes;
	uint32_t flags;
	uint8_t granularity_bits;
	const void *extra;
	uint32_t extra_bytes;
	const uint8_t *bits; /* one byte for each bit: 0 or 1; NULL: all clean */
};

/* A header extension that nobody knows. */
struct build_extension {
	uint32_t type;
	uint32_t bytes; /* of data, which is random */
};

struct build {
	uint64_t seed;
	unsigned cluster_bits;
	unsigned refcount_order;
	uint64_t virtual_bytes;
	bool extended_l2;
	unsigned header_bytes; /* 0: 112 */
	uint64_t
		autoclear; /* more bits than bit 0, which is set when there are bitmaps */
	struct build_extension before[4],
		behind[4];        /* the bitmaps extension; type 0 ends them */
	const char *backing_name; /* right behind the end marker, or NULL */
	unsigned backing_gap;     /* ... or so many bytes behind it */
	unsigned
		guest_clusters; /* how many the guest has written, compressed ones included */
	unsigned snapshots;
	bool encryption_header;
	unsigned gap_percent;    /* how often free clusters are left before a structure */
	unsigned table_clusters; /* of the refcount table; 0: 1 */
	bool near_table_end;  /* the last guest cluster is nearly the last one counted */
	unsigned free_at_end; /* clusters behind the last that is used */
	const struct build_bitmap *bitmaps;
	unsigned bitmap_count;
};

/* How many bits a bitmap of that disk has. */
uint64_t build_bits(uint64_t virtual_bytes, unsigned granularity_bits);

/* Makes the image the content of `file`. Ends the program when the description cannot be. */
void build_image(const struct build *build, struct memory_file *file);

#endif
