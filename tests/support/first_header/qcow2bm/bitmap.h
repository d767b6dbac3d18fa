/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bitmaps of an image: what they are, and which ranges of the disk they call dirty.
 * Included by qcow2bm.h. */
#ifndef QCOW2BM_BITMAP_H
#define QCOW2BM_BITMAP_H

#include "image.h"

#ifdef __cplusplus
extern "C" {
#endif

enum qcow2bm_state {
	QCOW2BM_STATE_VALID,        /* enabled: QEMU records into it */
	QCOW2BM_STATE_DISABLED,     /* whole, not recording */
	QCOW2BM_STATE_IN_USE_LIVE,  /* a running program has the image open for writing */
	QCOW2BM_STATE_IN_USE_STALE, /* left in-use by a crash: bits cannot be trusted */
	QCOW2BM_STATE_IN_USE_UNKNOWN, /* in-use, and locks could not tell by whom */
	QCOW2BM_STATE_CORRUPT         /* breaks the format, or was lost by autoclear */
};

/* "valid", "in-use-stale": as the JSON of qcow2bm list has it. NULL for none. */
const char *qcow2bm_state_name(enum qcow2bm_state state);

/* One entry of the bitmap directory. */
struct qcow2bm_bitmap {
	const char *name; /* name_bytes bytes of any value; not NUL-terminated */
	size_t name_bytes;
	unsigned
		granularity_bits; /* log2 of the granularity in bytes, 0 .. 63 when valid */
	bool in_use;              /* directory flag bit 0 */
	bool recording;           /* directory flag bit 1, "auto": QEMU records into it */
	bool temporary; /* its name is one that libvirt gives for the time of a job */
	enum qcow2bm_state state;
	const char *problem;    /* why state is CORRUPT, else NULL */
	uint64_t table_offset;  /* byte in the image file */
	uint32_t table_entries; /* 8-byte entries */
	uint32_t extra_bytes;   /* extra data of the entry */
	bool of_chain; /* its name is one that a chain command of qcow2bm gives for its time */
};

/* How many entries the directory has; 0 without a bitmaps extension. */
size_t qcow2bm_bitmap_count(const struct qcow2bm_image *image);

/*
 * Describes entry `idx` (0 .. qcow2bm_bitmap_count()-1): from the directory alone, until
 * the bitmaps have been judged (qcow2bm_bitmap_judge()). An index out of range describes
 * a CORRUPT bitmap with an empty name, whose problem says so. Lives, names included,
 * until the image is changed by a commit, of whichever edit, or closed; asked again for
 * the same entry, it is brought up to date.
 */
const struct qcow2bm_bitmap *qcow2bm_bitmap_describe(const struct qcow2bm_image *image,
						     size_t idx);

#define QCOW2BM_NOT_FOUND SIZE_MAX

/* The index of the first entry whose name is exactly these bytes, or
 * QCOW2BM_NOT_FOUND. */
size_t qcow2bm_bitmap_find(const struct qcow2bm_image *image, const char *name,
			   size_t name_bytes);

/*
 * For who shows names, which are bytes of any value: decodes the UTF-8 character that starts at
 * `bytes`, of which `left` are there. Returns its length; 0 when it is not valid: truncated, too
 * long a form, a surrogate, past U+10FFFF, or nothing left.
 */
size_t qcow2bm_utf8_decode(const char *bytes, size_t left, uint32_t *character);

/*
 * Judges the bitmaps of an image as qcow2bm_image_check() does, but for what only L2
 * tables and the L1 tables of snapshots tell: entries, places, refcounts, overlaps,
 * traces of programs that know no bitmaps; of bitmap `idx`, unless that is
 * QCOW2BM_NOT_FOUND, also its bits behind the end of the disk. qcow2bm_bitmap_describe()
 * tells of it from then on. Reads each table and the refcounts of what they name, once;
 * whoever reads, measures or stages a bitmap has that done first.
 *
 * Errors: EINVAL for an index out of range; ESYSTEM, ENOMEM. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_bitmap_judge(struct qcow2bm_image *image, size_t idx,
		     const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

struct qcow2bm_measure {
	uint64_t dirty_bytes;  /* guest bytes whose bit is set; 0 when not counted */
	uint64_t stored_bytes; /* clusters of table and data in the image file */
};

enum {
	QCOW2BM_READ_COUNT =
		1u << 0, /* qcow2bm_bitmap_measure(): read the data, and count the bits */
	/* Of a corrupt bitmap, too, as far as it can be read: its bits are as they are
	 * stored, and no source for anything. */
	QCOW2BM_READ_UNTRUSTED = 1u << 1
};

/*
 * Measures bitmap `idx`: reads its table and, with QCOW2BM_READ_COUNT, its data. The bits
 * are counted as they are stored; bits past the end of the disk do not count. *measure
 * lives until another bitmap of the image is measured, or the image is changed by a
 * commit or closed. A bitmap that shares its table or data with another, or names a
 * cluster twice, is not measured, with QCOW2BM_READ_UNTRUSTED neither: all bitmaps together
 * take no longer than the file is.
 *
 * Errors: EIMAGE for a corrupt bitmap, as qcow2bm_bitmap_judge() finds it: the sentence
 * says why; EINVAL for an index out of range; ESYSTEM, ENOMEM. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_bitmap_measure(struct qcow2bm_image *image, size_t idx, unsigned flags,
		       const struct qcow2bm_measure **measure,
		       const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

#define QCOW2BM_SKETCH_PARTS_MAX 65536u

/*
 * Measures bitmap `idx` as qcow2bm_bitmap_measure() does with QCOW2BM_READ_COUNT, and tells by the same
 * reading where on the disk the dirty bytes lie: of a disk of n bytes part i is the guest bytes from n * i /
 * parts on, up to those of part i + 1. part_dirty_bytes has room for `parts` numbers; they add up to
 * dirty_bytes. What a failure leaves there tells nothing.
 *
 * Errors: EINVAL unless `parts` is 1 .. QCOW2BM_SKETCH_PARTS_MAX; EINVAL, EIMAGE, ESYSTEM, ENOMEM as
 * qcow2bm_bitmap_measure(). Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_bitmap_sketch(struct qcow2bm_image *image, size_t idx, unsigned flags,
		      uint64_t *part_dirty_bytes, size_t parts,
		      const struct qcow2bm_measure **measure,
		      const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

/*
 * How many of the guest bytes [start, start+length), cut at the end of the disk, bitmap `idx` marks
 * dirty: what the extents below add up to, without making them. Of a corrupt bitmap with
 * QCOW2BM_READ_UNTRUSTED alone, as far as it can be read.
 *
 * Errors: EINVAL when start lies past the end of the disk; EINVAL, EIMAGE, ESYSTEM, ENOMEM as
 * qcow2bm_bitmap_measure(). Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_bitmap_dirty_bytes(struct qcow2bm_image *image, size_t idx, uint64_t start,
			   uint64_t length, unsigned flags, uint64_t *dirty_bytes,
			   const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

struct qcow2bm_extent {
	uint64_t start;  /* guest byte */
	uint64_t length; /* bytes, never 0 */
	bool dirty;
};

/* Returns 0 to go on, anything else to stop. */
typedef int qcow2bm_extent_fn(void *opaque, const struct qcow2bm_extent *extent);

/*
 * Calls `fn` for each extent of bitmap `idx` inside the guest bytes [start,
 * start+length), in order, clean and dirty in turn, without gaps; `length` is cut at the
 * end of the disk. Memory is bounded whatever the size of the disk. The bits are those
 * that are stored: unless the state is VALID or DISABLED, what is clean here may be dirty
 * in truth, and a backup that leaves it out may not restore. Of a corrupt one they are
 * told with QCOW2BM_READ_UNTRUSTED in `flags` alone; of one in use, ask
 * qcow2bm_bitmap_describe() first.
 *
 * Errors: EINVAL when start lies past the end of the disk; EINVAL, EIMAGE, ESYSTEM,
 * ENOMEM as qcow2bm_bitmap_measure(); ESTOPPED when fn returned non-zero. Crash: changes
 * nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_bitmap_extents(struct qcow2bm_image *image, size_t idx, uint64_t start,
		       uint64_t length, unsigned flags, qcow2bm_extent_fn *fn,
		       void *opaque, const struct qcow2bm_watch *watch,
		       struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
