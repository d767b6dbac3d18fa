/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bits that go into a bitmap, those of a committed one or others that follow from the image,
 * read in any order and at any granularity. */
#ifndef Q2_SOURCE_SOURCE_H
#define Q2_SOURCE_SOURCE_H

#include "../format/table.h"
#include "../image/image.h"

enum q2_source_origin { Q2_SOURCE_BITMAP, Q2_SOURCE_ALLOCATED, Q2_SOURCE_ALL };

struct q2_source {
	enum q2_source_origin origin;
	struct qcow2bm_image *image;
	const struct q2_bitmap *bitmap; /* NULL unless the bits are a bitmap's */
	bool is_carved; /* that bitmap is no entry of the directory, but the next member */
	struct q2_bitmap carved;
	unsigned granularity_bits;
	struct q2_table_shape shape;
	/* Q2_SOURCE_BITMAP: */
	uint64_t *table;
	uint32_t table_entries; /* entries behind these are all-zero */
	/* Q2_SOURCE_ALLOCATED: */
	const uint64_t *l1; /* of the image: places of the L2 tables; 0: none */
	unsigned l2_bits;   /* log2 of the bits that an L2 table stands for */
	unsigned
		entry_bits; /* and an L2 entry: 5 where clusters have subclusters, else 0 */
	uint8_t *l2_part;
};

/* Loads the table. Errors: EIMAGE, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_source_open(struct q2_source *source, struct qcow2bm_image *image,
				 size_t idx, struct qcow2bm_error *err);

/* The same for a table and data that no entry names. *source must not be moved then. */
enum qcow2bm_code q2_source_open_carved(struct q2_source *source,
					struct qcow2bm_image *image, uint64_t table_off,
					uint32_t table_entries, uint8_t granularity_bits,
					struct qcow2bm_error *err);

/* One bit for each cluster of the guest's disk, or for each subcluster, set when the active layer
 * holds it: data, compressed data, or zeros. A cluster without subclusters counts as soon as its
 * L2 entry says anything; room that was only allocated ahead for subclusters does not. All are set
 * with a raw external data file, which is whole without L2 tables. Errors: EIMAGE, ESYSTEM,
 * ENOMEM. */
enum qcow2bm_code q2_source_open_allocated(struct q2_source *source,
					   struct qcow2bm_image *image,
					   struct qcow2bm_error *err);

/* All bits are set. */
void q2_source_open_all(struct q2_source *source, struct qcow2bm_image *image);

void q2_source_close(struct q2_source *source);

enum q2_source_kind { Q2_SOURCE_ZEROS, Q2_SOURCE_ONES, Q2_SOURCE_MIXED };

/* What the table alone tells of the bits [first, first+bits); bits past the end do not count. */
enum q2_source_kind q2_source_classify(const struct q2_source *source, uint64_t first,
				       uint64_t bits);

/* Reads the bits [first, first+bits) into whole words; `first` is a multiple of 64. Bits past
 * the end of the bitmap, and of the last word, are 0. Errors: EIMAGE, ESYSTEM. */
enum qcow2bm_code q2_source_read(const struct q2_source *source, uint64_t first,
				 uint64_t bits, uint64_t *words,
				 struct qcow2bm_error *err);

/* `bits` bits from number `first` on: those of `words`, or, where that is NULL, all `value`. */
typedef enum qcow2bm_code q2_source_fn(void *opaque, uint64_t first, uint64_t bits,
				       const uint64_t *words, bool value,
				       struct qcow2bm_error *err);

/* Calls fn for [first, end) piece by piece, in order. The first bit of a piece is a multiple of
 * 64, so the first piece may begin before `first`. Errors: those of fn and of reading. */
enum qcow2bm_code q2_source_visit(const struct q2_source *source, uint64_t first,
				  uint64_t end, q2_source_fn *fn, void *opaque,
				  struct qcow2bm_error *err);

/* The bytes of the image file that reading so many bits takes. */
uint64_t q2_source_read_bytes(const struct q2_source *source, uint64_t bits);

/* ---- allocated.c ---- */

enum q2_source_kind q2_allocated_classify(const struct q2_source *source, uint64_t first,
					  uint64_t end);

/* Sets the bits [first, first+bits), all inside the shape, in words that are zero. */
enum qcow2bm_code q2_allocated_read(const struct q2_source *source, uint64_t first,
				    uint64_t bits, uint64_t *words,
				    struct qcow2bm_error *err);

/* ---- convert.c ---- */

/* The source's range that covers the bits [first, first+bits) of granularity_bits. */
struct q2_source_range {
	uint64_t first;
	uint64_t bits;
};
struct q2_source_range q2_convert_range(const struct q2_source *source,
					unsigned granularity_bits, uint64_t first,
					uint64_t bits);

#define Q2_CONVERT_WORDS 32768 /* of scratch memory: 256 KiB */

/* ORs into `words` the bits [first, first+bits) of granularity_bits, another one than the
 * source's: a bit is set when any byte that it stands for is dirty in the source. `first` is a
 * multiple of 64. Errors: EIMAGE, ESYSTEM. */
enum qcow2bm_code q2_convert_read(const struct q2_source *source,
				  unsigned granularity_bits, uint64_t first,
				  uint64_t bits, uint64_t *words, uint64_t *scratch,
				  struct qcow2bm_error *err);

#endif
