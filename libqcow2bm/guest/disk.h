/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A disk as the guest sees it: layers over each other, and any range of their bytes. Says and reads
 * what QEMU does.
 */
#ifndef Q2_GUEST_DISK_H
#define Q2_GUEST_DISK_H

#include "../base/watch.h"
#include "../image/image.h"

struct qcow2bm_disk;

/* One layer, which its opener keeps open and closes. */
struct q2_guest_source {
	const char
		*filename; /* stands in its errors; NULL: the top, whose name is told */
	struct qcow2bm_image *image;  /* NULL: a raw layer */
	struct q2_storage *raw;       /* of a raw layer */
	struct q2_storage *data_file; /* the external one, where it was opened, or NULL */
};

struct q2_guest_options {
	const char
		*snapshot; /* of the top layer, its ID or name; NULL: the active disk */
	/* Look for holes of the files under all data. Else only where QEMU does: under raw layers and
	 * images of which much more is allocated than their files occupy. */
	bool finds_holes;
};

/*
 * Opens the disk of `count` layers, the top first; `options` may be NULL. Opens no file, and reads
 * no tables yet. An encrypted layer is no error until its data is read.
 * Errors: ENOTFOUND for the snapshot; EIMAGE, ESYSTEM, ENOMEM.
 */
enum qcow2bm_code q2_guest_disk_open(struct qcow2bm_disk **disk,
				     const struct q2_guest_source *layers, size_t count,
				     const struct q2_guest_options *options,
				     struct qcow2bm_error *err);

/* NULL is allowed. The layers stay open. */
void q2_guest_disk_close(struct qcow2bm_disk *disk);

/* Large reads are shared by so many threads from now on; 0: as many as there are processors. */
void q2_guest_disk_use_threads(struct qcow2bm_disk *disk, unsigned threads);

/* The size: of the snapshot, or of the top layer; a raw one counts in whole sectors. */
uint64_t q2_guest_disk_bytes(const struct qcow2bm_disk *disk);

enum q2_guest_kind {
	Q2_GUEST_UNALLOCATED, /* no layer has it: it reads as zeros */
	Q2_GUEST_BELOW,       /* the backing file has it, which is not among the layers */
	Q2_GUEST_ZERO,        /* a layer says that it reads as zeros */
	Q2_GUEST_DATA,
	Q2_GUEST_COMPRESSED
};

#define Q2_GUEST_NO_PLACE UINT64_MAX

struct q2_guest_extent {
	uint64_t off, bytes; /* of the disk */
	enum q2_guest_kind kind;
	size_t layer; /* whose it is; UNALLOCATED, BELOW: of the last one that was asked */
	/* Of the first byte in the layer's file, which is the external one where it has one; zeros may
	 * have one, too. COMPRESSED: where the first stream is, and how long its sectors are. */
	uint64_t place, stream_bytes;
	bool is_hole; /* DATA of which the file has a hole: it reads as zeros */
	bool is_past_end; /* some of it would lie in clusters past the end of the file, and reads
			     as zeros: the file may have been cut */
	bool is_cut; /* all of it, or the table that tells of it, lies past the end of a file: what
			it was is not known, and it reads as zeros */
};

/* Whether the extent is known to read as zeros. */
static inline bool q2_guest_reads_zero(const struct q2_guest_extent *extent)
{
	return extent->kind == Q2_GUEST_ZERO || extent->kind == Q2_GUEST_UNALLOCATED ||
	       extent->is_hole;
}

/*
 * The extent that begins at `off`, which is inside the disk, as far as it goes up to `end` (at most
 * the disk's): adjacent ones that say the same are joined. Errors: EIMAGE for entries that QEMU
 * would not read either, and for tables past the end of the file; ESYSTEM, ENOMEM, EINTERRUPTED.
 */
enum qcow2bm_code q2_guest_disk_next(struct qcow2bm_disk *disk, uint64_t off,
				     uint64_t end, struct q2_guest_extent *extent,
				     struct q2_watch *watch, struct qcow2bm_error *err);

/*
 * The same, joined no further than one part of a table says it, and never over compressed clusters:
 * a piece of work. Errors: the same.
 */
enum qcow2bm_code q2_guest_disk_piece(struct qcow2bm_disk *disk, uint64_t off,
				      uint64_t end, struct q2_guest_extent *extent,
				      struct q2_watch *watch, struct qcow2bm_error *err);

/*
 * Reads a range, which is inside the disk. Errors: as above; EUNSUPPORTED for data that is encrypted,
 * or in a file that was not opened, a backing file included; EIMAGE for a compressed cluster that cannot be inflated.
 */
enum qcow2bm_code q2_guest_disk_read(struct qcow2bm_disk *disk, uint64_t off,
				     uint64_t bytes, uint8_t *buf, struct q2_watch *watch,
				     struct qcow2bm_error *err);

#endif
