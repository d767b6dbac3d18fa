/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Comparing a disk with an older state, of this disk or of another one. */
#include "../guest/compare_manifest.h"

#include "old.h"

enum qcow2bm_code qcow2bm_old_compare(struct qcow2bm_old *old, struct qcow2bm_disk *disk,
				      const struct qcow2bm_compare_options *options,
				      qcow2bm_extent_fn *fn, void *opaque,
				      const struct qcow2bm_comparison **result,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	if (old->disk != NULL)
		return qcow2bm_disk_compare(disk, old->disk, options, fn, opaque, result,
					    watch, err);
	return q2_compare_manifest(disk, &old->manifest, options, fn, opaque, result,
				   watch, err);
}
