/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manifests: hashes of a disk's granules, to be compared with later. Included by qcow2bm.h. */
#ifndef QCOW2BM_DIGEST_H
#define QCOW2BM_DIGEST_H

#include "differ.h"
#include "guest.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
	QCOW2BM_DIGEST_SHA256 = 1u
				<< 0, /* hashes of granules are SHA-256, else XXH3-128 */
	QCOW2BM_DIGEST_NO_TOTAL = 1u
				  << 1 /* no SHA-256 of the whole disk, zeros included */
};

struct qcow2bm_digest_options {
	size_t size;    /* of this struct */
	unsigned flags; /* QCOW2BM_DIGEST_... */
	/* log2 of the bytes of a granule, 9 .. 24. 0: as fine as the finest bitmap of the layers, and
	 * not coarser than 64 KiB. */
	unsigned granularity_bits;
	uint64_t made_seconds; /* the date that it tells, since 1970 */
};

#define QCOW2BM_DIGEST_OPTIONS_INIT                            \
	{                                                      \
		sizeof(struct qcow2bm_digest_options), 0, 0, 0 \
	}

/* Bytes of a manifest, in their order. Returns 0 to go on, anything else to stop. */
typedef int qcow2bm_digest_fn(void *opaque, const void *bytes, size_t count);

/*
 * Reads a disk once, one that was opened as an older state is, and gives out its manifest: hash by hash
 * what the guest sees, whatever clusters, compression and layers it is made of, with the disk's
 * size, the name of the file and those of its checkpoints, and how much has changed since each. Zeros
 * are not read where tables tell of them. Memory is bounded.
 *
 * Errors: EUNSUPPORTED for data that is encrypted; EIMAGE for tables or data that QEMU would not read
 * either; EINVAL, for a manifest too; ESTOPPED when fn returned non-zero; ESYSTEM, ENOMEM,
 * EINTERRUPTED. What was given out until then is no manifest, and whoever reads it will see that.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_old_digest(struct qcow2bm_old *old, const struct qcow2bm_digest_options *options,
		   qcow2bm_digest_fn *fn, void *opaque, const struct qcow2bm_watch *watch,
		   struct qcow2bm_error *err);

/*
 * Compares a disk with an older state, as qcow2bm_disk_compare() does, whose disk `a` it is: *result is the
 * disk's. Of a manifest it is known which granules differ, and not where in them: each counts whole, and in
 * the result so does `first`. The shorter one goes on with zeros, up to the end of the longer one. Of
 * failed_disk 0 is the disk, 1 the older state.
 *
 * Errors: the same; EINVAL for QCOW2BM_COMPARE_STRICT with a manifest, which tells of bytes alone.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_old_compare(struct qcow2bm_old *old, struct qcow2bm_disk *disk,
		    const struct qcow2bm_compare_options *options, qcow2bm_extent_fn *fn,
		    void *opaque, const struct qcow2bm_comparison **result,
		    const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
