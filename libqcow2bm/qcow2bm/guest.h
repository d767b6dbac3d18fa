/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disk as the guest sees it: what it holds, and where. Included by qcow2bm.h. */
#ifndef QCOW2BM_GUEST_H
#define QCOW2BM_GUEST_H

#include "chain.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A disk: the layers of a chain over each other, as QEMU reads them, or an internal snapshot of the
 * top one over the layers below. It belongs to one thread at a time, as the chain does.
 */
struct qcow2bm_disk;

struct qcow2bm_disk_options {
	size_t size;          /* of this struct */
	const char *snapshot; /* ID or name of a snapshot of the top layer; may be NULL */
	/* Look for holes of the files under all data. Else only where QEMU does. */
	bool finds_holes;
	/* Open no external data file: extents can be asked for, their data cannot be read. */
	bool without_data_files;
};

#define QCOW2BM_DISK_OPTIONS_INIT                                       \
	{                                                               \
		sizeof(struct qcow2bm_disk_options), NULL, false, false \
	}

/*
 * Opens the disk of a chain, whose layers stay open as long as the disk is; `options` may be NULL.
 * Opens the external data files that layers have: a name is relative to the folder of the image that
 * holds it. A chain that was opened with top_only gives what the top layer alone has.
 *
 * Errors: ENOTFOUND for the snapshot; as qcow2bm_image_open() for a data file; EIMAGE for one that is a
 * layer or another's data file, too, and for a layer whose name for it is missing.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_disk_open(struct qcow2bm_disk **disk, struct qcow2bm_chain *chain,
		  const struct qcow2bm_disk_options *options, struct qcow2bm_error *err);

/* The chain stays open. NULL is allowed. Crash: changes nothing. */
void qcow2bm_disk_close(struct qcow2bm_disk *disk);

/* The size, of a snapshot that of its time; raw disks count in whole sectors of 512 bytes. */
uint64_t qcow2bm_disk_bytes(const struct qcow2bm_disk *disk);

/* What a range of the disk is. May grow. */
enum qcow2bm_disk_kind {
	QCOW2BM_DISK_UNALLOCATED, /* no layer has it: it reads as zeros */
	QCOW2BM_DISK_BELOW,       /* the backing file has it, which was not opened */
	QCOW2BM_DISK_ZERO,        /* a layer says that it reads as zeros */
	QCOW2BM_DISK_DATA,
	QCOW2BM_DISK_COMPRESSED
};

struct qcow2bm_disk_extent {
	uint64_t start, length; /* bytes of the disk */
	enum qcow2bm_disk_kind kind;
	size_t layer_idx; /* whose it is, or that was asked last */
	uint64_t offset;  /* in the layer's file, or its data file; QCOW2BM_NO_OFFSET */
	bool reads_zero; /* it is known to read as zeros: also data in a hole of the file */
	bool is_past_end; /* some of it would lie past the end of the file, and reads as zeros */
};

/*
 * Finds the extent that begins at `start`, as far as it goes inside [start, start+length): parts side
 * by side that say the same, and whose places are side by side, are one. *extent lives until the
 * next call for the disk.
 *
 * Errors: EINVAL for a range that is empty or outside the disk; EIMAGE for tables that QEMU would not
 * read either, and for those past the end of the file; ESYSTEM, ENOMEM, EINTERRUPTED.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_disk_next(struct qcow2bm_disk *disk, uint64_t start, uint64_t length,
		  const struct qcow2bm_disk_extent **extent,
		  const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

/*
 * Reads `length` bytes of the disk from `start` on, those that QEMU gives the guest: data past the end
 * of a file that was cut reads as zeros, as there, and qcow2bm_disk_next() tells of it. Of half a MiB and
 * more the threads that the disk has until it is closed read and inflate parts; they call nothing.
 *
 * Errors: EINVAL for a range outside the disk; EUNSUPPORTED for data that is encrypted, or in a file that
 * was not opened; EIMAGE for a compressed cluster that is damaged, and as above.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_disk_read(struct qcow2bm_disk *disk, uint64_t start, uint64_t length, void *buf,
		  const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

enum {
	/* Compare also, as qemu-img's strict mode, whether there is data, zeros, or nothing. */
	QCOW2BM_COMPARE_STRICT = 1u << 0,
	/* End at the first difference. */
	QCOW2BM_COMPARE_FIRST = 1u << 1
};

struct qcow2bm_compare_options {
	size_t size; /* of this struct */
	unsigned flags;
	unsigned threads; /* 0: as many as there are processors */
};

#define QCOW2BM_COMPARE_OPTIONS_INIT                         \
	{                                                    \
		sizeof(struct qcow2bm_compare_options), 0, 0 \
	}

/* What came out of a comparison, as far as it went. */
struct qcow2bm_comparison {
	uint64_t first; /* byte where the disks first differ; QCOW2BM_NO_OFFSET */
	/* Strict: where something other than the bytes first differs. */
	uint64_t first_status;
	uint64_t differing_bytes; /* in whole sectors of 512 bytes */
	/* The disk has data past the end of a file, which reads as zeros. */
	bool is_past_end[2];
	/* After a failure: */
	size_t failed_disk;  /* 0 or 1, or QCOW2BM_NOT_FOUND */
	uint64_t failed_at;  /* byte of the disk */
	bool failed_reading; /* its data, not its tables */
};

/*
 * Compares two disks, the shorter one as if it went on with zeros, and calls `fn` (NULL: nobody) for each
 * extent of the longer one, those that are the same and those that differ (dirty) in turn, in sectors of
 * 512 bytes. What is known to read as zeros on both sides is not read. Reads and inflates with several
 * threads; they call nothing, and memory is bounded whatever the disks. *result lives until disk `a` is
 * compared again or closed, and is there after a failure, too: what comes before it was compared.
 *
 * Errors: EINVAL; ESTOPPED when fn returned non-zero; as qcow2bm_disk_next() and qcow2bm_disk_read();
 * EINTERRUPTED. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_disk_compare(struct qcow2bm_disk *a, struct qcow2bm_disk *b,
		     const struct qcow2bm_compare_options *options, qcow2bm_extent_fn *fn,
		     void *opaque, const struct qcow2bm_comparison **result,
		     const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
