/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Comparing a disk with the manifest of another one. */
#ifndef Q2_GUEST_COMPARE_MANIFEST_H
#define Q2_GUEST_COMPARE_MANIFEST_H

#include "manifest_file.h"

/* As qcow2bm_disk_compare(), with a manifest in place of disk `b`: what differs is told in whole granules of
 * it. Errors: the same; EINVAL for QCOW2BM_COMPARE_STRICT, which it cannot tell. */
enum qcow2bm_code
q2_compare_manifest(struct qcow2bm_disk *disk, struct q2_manifest_file *manifest,
		    const struct qcow2bm_compare_options *options, qcow2bm_extent_fn *fn,
		    void *opaque, const struct qcow2bm_comparison **result,
		    const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

#endif
