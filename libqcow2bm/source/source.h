/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bits that go into a bitmap, those of a committed one or others that follow from the image,
 * read in any order and at any granularity. */
#ifndef Q2_SOURCE_SOURCE_H
#define Q2_SOURCE_SOURCE_H

#include "../bits/uniform.h"
#include "../format/table.h"
#include "../guest/differences.h"
#include "../image/image.h"

enum q2_source_kind {
	Q2_SOURCE_BITMAP, /* a committed bitmap */
	Q2_SOURCE_CARVED, /* one whose table and data are in clusters that nobody uses */
	Q2_SOURCE_ALLOCATED,  /* clusters that the image itself holds data or zeros for */
	Q2_SOURCE_EVERYTHING, /* the whole disk */
	Q2_SOURCE_BEHIND, /* what lies behind the end of a layer that is smaller than the disk */
	Q2_SOURCE_DIFFERS /* what differs from an older state of the disk */
};

struct q2_source;

/* What a kind of source can do; each is in a file of its own. The bits [first, end) are inside the
 * shape. */
struct q2_source_ops {
	enum q2_source_kind kind;
	/* What can be told of the bits [first, end), at least one, without reading them. */
	enum q2_uniform (*classify)(const struct q2_source *source, uint64_t first,
				    uint64_t end);
	/* Fills whole bytes of `words` with the bits [first, end); `first` is a multiple of 64. Bits
	 * behind the last one may be anything. Errors: EIMAGE, ESYSTEM. */
	enum qcow2bm_code (*read)(const struct q2_source *source, uint64_t first,
				  uint64_t end, uint64_t *words,
				  struct qcow2bm_error *err);
	/* The bytes of the image file that reading so many bits takes. */
	uint64_t (*cost)(const struct q2_source *source, uint64_t bits);
	/* Frees what the kind has in source->own. */
	void (*close)(struct q2_source *source);
};

struct q2_source {
	const struct q2_source_ops *ops;
	struct qcow2bm_image *image;
	unsigned granularity_bits;
	struct q2_table_shape shape;
	/* A bitmap, carved or not; else NULL. */
	const struct q2_bitmap *bitmap;
	uint64_t *table;
	uint32_t table_entries; /* entries behind these are all-zero */
	uint64_t first_one;     /* of what lies behind an end; else 0 */
	const struct q2_differences
		*differences; /* of DIFFERS, somebody else's; else NULL */
	void *own;            /* what else its kind knows */
};

/* The bits of bitmap idx of the image's directory; loads its table. Errors: EIMAGE, ESYSTEM,
 * ENOMEM. */
enum qcow2bm_code q2_source_open_bitmap(struct q2_source *source,
					struct qcow2bm_image *image, size_t idx,
					struct qcow2bm_error *err);

/* The same for a table and data that no entry names. */
enum qcow2bm_code q2_source_open_carved(struct q2_source *source,
					struct qcow2bm_image *image, uint64_t table_off,
					uint32_t table_entries, uint8_t granularity_bits,
					struct qcow2bm_error *err);

/* One bit for each cluster of the guest's disk, or for each subcluster, set when the active layer
 * holds it: data, compressed data, or zeros. A cluster without subclusters counts as soon as its
 * L2 entry says anything; room that was only allocated ahead for subclusters does not. With a raw
 * external data file, which is whole without L2 tables, it is a source of everything. Errors: EIMAGE,
 * ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_source_open_allocated(struct q2_source *source,
					   struct qcow2bm_image *image,
					   struct qcow2bm_error *err);

/* All bits are set. */
void q2_source_open_everything(struct q2_source *source, struct qcow2bm_image *image);

/* Makes the source as coarse as a bitmap that its bits went through: a bit is set when any byte that
 * it stands for is dirty. A source that is as coarse already stays as it is. Its kind stays. Errors:
 * ENOMEM, and the source is as it was. */
enum qcow2bm_code q2_source_coarsen(struct q2_source *source, unsigned granularity_bits,
				    struct qcow2bm_error *err);

/* All bits are set that stand for a byte from `from_bytes` on. Bitmaps of layers of other sizes, ORed with
 * this one, are those of the disk: what they say behind its end does not count, and behind theirs they
 * say nothing. */
void q2_source_open_behind(struct q2_source *source, struct qcow2bm_image *image,
			   uint64_t from_bytes);

/* The bits are those of `differences`, of the image's disk, which stay as they are until the source is
 * closed. */
void q2_source_open_differs(struct q2_source *source, struct qcow2bm_image *image,
			    const struct q2_differences *differences);

void q2_source_close(struct q2_source *source);

static inline enum q2_source_kind q2_source_kind(const struct q2_source *source)
{
	return source->ops->kind;
}

/* What can be told of the bits [first, first+bits) without reading them; bits past the end do not
 * count. */
enum q2_uniform q2_source_classify(const struct q2_source *source, uint64_t first,
				   uint64_t bits);

/* Reads the bits [first, first+bits) into whole words; `first` is a multiple of 64. Bits past
 * the end of the source, and of the last word, are 0. Errors: EIMAGE, ESYSTEM. */
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
uint64_t q2_source_cost(const struct q2_source *source, uint64_t bits);

/* ---- bitmap.c, for carved.c ---- */

/* Loads the table of `bitmap`, and gives *source, whose kind is set, its shape. Errors: EIMAGE,
 * ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_source_load_table(struct q2_source *source,
				       struct qcow2bm_image *image,
				       const struct q2_bitmap *bitmap,
				       struct qcow2bm_error *err);
enum q2_uniform q2_source_classify_table(const struct q2_source *source, uint64_t first,
					 uint64_t end);
enum qcow2bm_code q2_source_read_table(const struct q2_source *source, uint64_t first,
				       uint64_t end, uint64_t *words,
				       struct qcow2bm_error *err);
uint64_t q2_source_cost_table(const struct q2_source *source, uint64_t bits);

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
