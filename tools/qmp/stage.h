/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP's actions on the edits of the images that nodes stand for. */
#ifndef TOOLS_QMP_STAGE_H
#define TOOLS_QMP_STAGE_H

#include "script.h"

#include <qcow2bm.h>

/* An image, and what becomes of its bitmaps' names. */
struct tool_qmp_disk {
	const char *filename;
	struct qcow2bm_image *image;
	struct qcow2bm_edit *edit;
	json_t *temporary; /* set of names: they go at the end, and are never stored */
	json_t *going; /* set of names: removed by the transaction that is being staged */
};

/* What QMP calls a disk; several names may be one disk's. */
struct tool_qmp_node {
	const char *name;
	size_t disk;
};

struct tool_qmp_disks {
	struct tool_qmp_disk *list;
	size_t count;
	struct tool_qmp_node *nodes;
	size_t node_count;
};

/* Stages all commands in order. The failure of one is the failure of all: nothing may be committed
 * then. */
bool tool_qmp_stage(struct tool_qmp_disks *disks, const struct tool_qmp_script *script,
		    struct tool_qmp_fault *fault);

#endif
