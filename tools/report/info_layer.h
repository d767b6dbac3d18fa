/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One image file of a backing chain, as info reports it. */
#ifndef TOOLS_REPORT_INFO_LAYER_H
#define TOOLS_REPORT_INFO_LAYER_H

#include "../term/options.h"
#include "inventory.h"

#include <stdint.h>
#include <sys/types.h>

struct tool_info_layer {
	char *filename;
	struct qcow2bm_image *image; /* NULL: raw */
	struct qcow2bm_image_info info;
	uint64_t virtual_bytes;
	uint64_t allocated_bytes;
	uint64_t file_bytes;
	bool is_device;
	char *full_backing_filename; /* NULL: no backing file */
	struct tool_inventory survey;
	struct qcow2bm_snapshot *snapshots; /* info.snapshots of them, strings owned */
	dev_t device;
	ino_t inode;
};

struct tool_chain {
	struct tool_info_layer *layers;
	size_t count;
};

/* Reads `filename`, and the layers below it when `follow`. `raw`: it is no qcow2 image. Prints what
 * fails; returns an exit status. */
int tool_info_layer_read_chain(struct tool_chain *chain,
			       const struct tool_options *options, const char *filename,
			       bool raw, bool follow,
			       const struct tool_inventory_order *order);
void tool_info_layer_free_chain(struct tool_chain *chain);

/* The file that a name inside `overlay` means: relative to its folder. The caller frees it. */
char *tool_info_layer_resolve(const char *overlay, const char *name);

#endif
