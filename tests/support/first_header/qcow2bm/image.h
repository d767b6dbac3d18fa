/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An open image: its header, its snapshots, its metadata. Included by qcow2bm.h. */
#ifndef QCOW2BM_IMAGE_H
#define QCOW2BM_IMAGE_H

#include "watch.h"

#ifdef __cplusplus
extern "C" {
#endif

struct qcow2bm_image;

enum {
	QCOW2BM_OPEN_WRITE = 1u << 0,       /* needed by qcow2bm_edit_commit() */
	QCOW2BM_OPEN_FORCE_SHARE = 1u << 1, /* read although another process may write */
	QCOW2BM_OPEN_NO_LOCK = 1u << 2,     /* take no locks: the caller vouches for it */
	/* Open also when the bitmaps extension or directory is damaged: for
	 * qcow2bm_image_check(). What can be located of the directory is there; an
	 * edit can only hold a repair. */
	QCOW2BM_OPEN_DAMAGED = 1u << 3
};

/*
 * Opens the regular file or block device `filename` as a qcow2 image: takes QEMU's file
 * locks, reads the header, its extensions and the bitmap directory. Reads O_RDONLY unless
 * QCOW2BM_OPEN_WRITE is given; never opens another file. `wait_seconds` is how long to
 * retry while another process holds a lock that conflicts; 0 fails at once.
 *
 * Errors: ESYSTEM, ENOMEM; ENOTQCOW2; EBUSY, the sentence names the process where it is
 * known; EIMAGE when the header, an extension or the lengths inside the directory break
 * the format (a single bad entry is not an error: its bitmap's state is
 * QCOW2BM_STATE_CORRUPT); EUNSUPPORTED for unknown incompatible feature bits.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_image_open(struct qcow2bm_image **image, const char *filename, unsigned flags,
		   unsigned wait_seconds, const struct qcow2bm_watch *watch,
		   struct qcow2bm_error *err);

/*
 * The same for a regular file or block device that the caller has opened: for writing
 * where QCOW2BM_OPEN_WRITE is given, a block device with O_EXCL then, and never with
 * O_APPEND, O_DIRECT or O_PATH. Once the image is open the descriptor is the library's,
 * and closed with it; after a failure it is the caller's still. QEMU's locks are taken on
 * the open file description, so they hold against all who opened the file themselves, and
 * not against a duplicate of the descriptor; qcow2bm_image_close() gives them back
 * although a duplicate stays open. Whether the file has been replaced under its name
 * meanwhile is for the caller to know.
 *
 * Errors: as qcow2bm_image_open(); EINVAL for a descriptor that is not open in such a
 * way.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_image_open_fd(struct qcow2bm_image **image, int fd, unsigned flags,
		      unsigned wait_seconds, const struct qcow2bm_watch *watch,
		      struct qcow2bm_error *err);

/* Releases the locks and all memory. NULL is allowed. Crash: changes nothing. */
void qcow2bm_image_close(struct qcow2bm_image *image);

enum qcow2bm_encryption {
	QCOW2BM_ENCRYPTION_NONE = 0,
	QCOW2BM_ENCRYPTION_AES = 1,
	QCOW2BM_ENCRYPTION_LUKS = 2
};

enum qcow2bm_compression { QCOW2BM_COMPRESSION_ZLIB = 0, QCOW2BM_COMPRESSION_ZSTD = 1 };

/* What the header says. Strings end in a NUL. */
struct qcow2bm_image_info {
	unsigned version;         /* 2 or 3 */
	uint64_t virtual_bytes;   /* size of the guest's disk */
	uint64_t cluster_bytes;   /* 512 .. 2 MiB */
	uint64_t file_bytes;      /* length of the image file or device */
	uint64_t allocated_bytes; /* what the file occupies (st_blocks); 0 for a device */
	unsigned refcount_bits;   /* 1 .. 64 */
	bool lazy_refcounts;      /* compatible feature bit 0 */
	bool dirty;               /* incompatible bit 0: refcounts are not up to date */
	bool corrupt;             /* incompatible bit 1 */
	bool extended_l2;         /* incompatible bit 4 */
	bool data_file_raw;       /* autoclear bit 1 */
	bool bitmaps_consistent;  /* autoclear bit 0 */
	bool bitmaps_extension;   /* the bitmaps extension is present */
	bool external_data;       /* incompatible bit 2 */
	enum qcow2bm_encryption encryption;
	enum qcow2bm_compression compression;
	const char *backing_filename; /* as stored; NULL when there is none */
	const char *backing_format;   /* NULL when not stored */
	const char
		*data_filename; /* external data file as stored; NULL when not stored */
	unsigned snapshots;     /* internal snapshots */
};

/* Lives, strings included, until the image is changed by a commit or closed; asked again,
 * it is brought up to date. Errors: none. Crash: changes nothing. */
const struct qcow2bm_image_info *
qcow2bm_image_describe(const struct qcow2bm_image *image);

/* One internal snapshot. */
struct qcow2bm_snapshot {
	const char *id;
	const char *name;
	uint64_t vm_state_bytes;
	uint32_t date_seconds; /* since 1970-01-01 */
	uint32_t date_nanoseconds;
	uint64_t vm_clock_nanoseconds;
	uint64_t disk_bytes; /* virtual size at the time of the snapshot */
	uint64_t icount;     /* UINT64_MAX when not stored */
};

/*
 * Reads the snapshot at index `idx` (0 .. snapshots-1) of the image. *snapshot lives,
 * strings included, until the next one is read, or the image is changed by a commit or
 * closed.
 * Errors: EINVAL for an index out of range; ESYSTEM, ENOMEM, EIMAGE. Crash: changes
 * nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_image_snapshot(struct qcow2bm_image *image, unsigned idx,
		       const struct qcow2bm_snapshot **snapshot,
		       struct qcow2bm_error *err);

/* Bytes of the image file from `offset` on. Returns 0 to go on, anything else to stop. */
typedef int qcow2bm_metadata_fn(void *opaque, uint64_t offset, const void *bytes,
				size_t count);

/*
 * Reads the metadata of an image, which may be open with QCOW2BM_OPEN_DAMAGED, and calls
 * `fn` for pieces of at most 1 MiB, in the order of the file: the whole clusters of the
 * header, of the refcount table and blocks, of the L1 and L2 tables of the disk and of
 * internal snapshots, of the snapshot table, the encryption header, the bitmap directory
 * and the bitmap tables, each cluster once, as far as the file goes. The guest's data and
 * the bitmaps' bits are none of it, nor is what cannot be located in a damaged image.
 * Clusters in a hole of the file are left out, too: who writes there fills it. Memory is
 * bounded but for the place of each L2 table.
 *
 * Errors: ESYSTEM, ENOMEM; ESTOPPED when fn returned non-zero. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_image_metadata(struct qcow2bm_image *image, qcow2bm_metadata_fn *fn, void *opaque,
		       const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
