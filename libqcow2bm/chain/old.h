/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An older state of a disk: a chain, a raw file, or a manifest. */
#ifndef Q2_CHAIN_OLD_H
#define Q2_CHAIN_OLD_H

#include "../guest/manifest_file.h"
#include "../guest/disk.h"
#include "layers.h"

struct qcow2bm_old {
	char *filename;
	struct qcow2bm_old_info info;
	struct qcow2bm_old_checkpoint shown; /* what was given out last */
	struct qcow2bm_disk *disk;           /* or NULL, of a manifest */
	struct qcow2bm_chain *chain;         /* of a qcow2 image */
	struct q2_storage *storage;          /* else */
	struct q2_manifest_file manifest;
	struct q2_manifest_name name; /* of the manifest: that of checkpoint name_idx */
	size_t name_idx;
};

#endif
