/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decodes an image in memory by itself, without the library, and believes nothing. */
#ifndef TESTS_STRICT_READER_H
#define TESTS_STRICT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STRICT_PADDING 0x71327064u /* the type of the library's padding extension */

struct strict_bitmap {
	uint8_t *name;
	size_t name_bytes;
	uint32_t flags;
	uint8_t granularity_bits;
	uint8_t *extra;
	size_t extra_bytes;
	uint8_t *bits; /* bit 0 is the lowest bit of the first byte; tail bits are 0 */
	uint64_t bit_count;
};

/*
 * An image as the specification reads it. Bitmaps count only while autoclear bit 0 is
 * set. The sums are hashes over all bytes that an edit of bitmaps must leave alone:
 * guest_sum over L1 and L2 tables, the guest's clusters, the snapshot table, the
 * encryption header, and where they stand; header_sum over the header without the fields
 * that an edit may change, over the header extensions but bitmaps and padding, and over
 * the backing file name.
 */
struct strict_image {
	char problem[256]; /* the first one; "" when the image is sound */
	size_t problems;
	unsigned cluster_bits;
	unsigned refcount_order;
	uint64_t virtual_bytes;
	uint64_t autoclear;
	bool has_extension; /* for bitmaps */
	bool has_padding;
	struct strict_bitmap *bitmaps;
	size_t bitmap_count;
	uint64_t guest_sum;
	uint64_t header_sum;
	uint64_t leaks;       /* clusters counted more often than they are named */
	uint64_t *refcounts;  /* of cluster 0 .. clusters-1 */
	uint32_t *references; /* how often something names it */
	uint64_t clusters;    /* those of the file and all that are counted */
	uint64_t l1_off, refcount_table_off, backing_off;
	uint32_t refcount_table_clusters;
	uint32_t refcount_blocks;
	const uint8_t *bytes; /* the caller's */
	uint64_t length;
};

/* Reads the `length` bytes of an image, which must outlive *image. False when there are
 * problems; strict_free() is due in any case. Aborts when out of memory. */
bool strict_read(struct strict_image *image, const uint8_t *bytes, uint64_t length);
void strict_free(struct strict_image *image);

/* The same bitmaps in the same order: names, flags, granularities, extra data, bits. */
bool strict_same_bitmaps(const struct strict_image *a, const struct strict_image *b);
/* The same, in any order; names are there once. */
bool strict_same_set(const struct strict_image *a, const struct strict_image *b);

/* The bitmap with this name, or NULL. */
const struct strict_bitmap *strict_find(const struct strict_image *image,
					const char *name);

/* ---- Between strict_reader.c and strict_references.c ---------------------------- */

/* Notes a problem. */
void strict_complain(struct strict_image *image, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The bytes [off, off+bytes) of the image, or NULL, with a complaint about `what`. */
const uint8_t *strict_range(struct strict_image *image, const char *what, uint64_t off,
			    uint64_t bytes);

static inline uint64_t strict_load(const uint8_t *bytes, unsigned count)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* Adds bytes, or a number, to a hash. */
void strict_sum(uint64_t *sum, const uint8_t *bytes, uint64_t count);
static inline void strict_sum_number(uint64_t *sum, uint64_t number)
{
	*sum = (*sum ^ number) * 0x9e3779b97f4a7c15u;
	*sum ^= *sum >> 29;
}

/* Memory for `count` items of `bytes`, zeroed. */
void *strict_alloc(uint64_t count, uint64_t bytes);

/* Something names the clusters that the bytes [off, off+bytes) lie in. */
void strict_refer(struct strict_image *image, const char *what, uint64_t off,
		  uint64_t bytes);

/* The same for a structure that is the guest's: its bytes, which are added to guest_sum. */
const uint8_t *strict_visit(struct strict_image *image, const char *what, uint64_t off,
			    uint64_t bytes);

/* Reads the refcounts, so that strict_refer() has where to count. */
bool strict_read_refcounts(struct strict_image *image);

/* Follows everything but the bitmaps. */
void strict_walk_guest(struct strict_image *image);

/* Compares refcounts with references. */
void strict_compare(struct strict_image *image);

#endif
