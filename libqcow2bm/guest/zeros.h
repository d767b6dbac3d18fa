/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a disk is known to read as zeros without being read. */
#ifndef Q2_GUEST_ZEROS_H
#define Q2_GUEST_ZEROS_H

#include "disk.h"

/* A disk, and the zeros that were found last: a long run is asked for part by part. */
struct q2_zeros {
	struct qcow2bm_disk *disk;
	uint64_t from, end;
};

/* *end: up to where the disk reads as zeros from `off` on, by its tables; `off` itself where that is not
 * known, as past the end of a file that was cut. Behind the end of the disk all are zeros. Errors: as q2_guest_disk_piece(). */
enum qcow2bm_code q2_zeros_find_end(struct q2_zeros *zeros, uint64_t off, uint64_t *end,
				    struct q2_watch *watch, struct qcow2bm_error *err);

/* The first part of [off, end) of which the file was cut; one of 0 bytes at `end` where all is there.
 * Errors: as q2_guest_disk_piece(). */
enum qcow2bm_code q2_zeros_find_cut(struct qcow2bm_disk *disk, uint64_t off, uint64_t end,
				    struct q2_guest_extent *cut, struct q2_watch *watch,
				    struct qcow2bm_error *err);

/* Reads `bytes` bytes, zeros behind the end of the disk. Errors: as q2_guest_disk_read(). */
enum qcow2bm_code q2_zeros_read(struct qcow2bm_disk *disk, uint64_t off, size_t bytes,
				uint8_t *buf, struct q2_watch *watch,
				struct qcow2bm_error *err);

#endif
