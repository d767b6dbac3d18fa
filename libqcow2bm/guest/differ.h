/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What differs between a disk and older states of it: the disk is read once for all of them. */
#ifndef Q2_GUEST_DIFFER_H
#define Q2_GUEST_DIFFER_H

#include "differences.h"
#include "manifest_file.h"
#include "zeros.h"

/* An older state: a disk, or the manifest of one. What lies behind its end was zeros,
 * unless its size may be another one. */
struct q2_differ_old {
	struct q2_zeros disk;              /* its disk, or NULL */
	struct q2_manifest_file *manifest; /* or NULL */
	struct q2_differences differences; /* to be found */
	/* Of those the ones that are not known to differ: of a file that was cut, or of a manifest's granule
	 * that the disk has a part of. Opened with the first of them. */
	struct q2_differences unknown;
	uint64_t virtual_bytes;
	bool is_manifest;
	bool is_size_unsure; /* a raw file: it may have been cut */
	uint64_t
		same_bytes; /* of the disk: data that did not change, found in whole granules */
};

/* What was found, and what of the older states judging it needs. */
struct qcow2bm_differ {
	const struct qcow2bm_image
		*image; /* the top layer of the disk, when it was read */
	uint64_t virtual_bytes;
	struct q2_differ_old *olds;
	size_t count;
	struct qcow2bm_judgement judgement; /* what was given out last */
	char reason[512];
};

/*
 * Finds the differences of each old state, whose bits are open and clear: for a disk at any granularity,
 * for a manifest at its own. A bit is set where a byte of its granule is not what it was; where
 * the old state does not tell, it is set, too, and in `unknown`. Errors: those of reading; ENOMEM, EINTERRUPTED.
 */
enum qcow2bm_code q2_differ_find(struct qcow2bm_disk *disk, struct q2_differ_old *olds,
				 size_t count, struct q2_watch *watch,
				 struct qcow2bm_error *err);

#endif
