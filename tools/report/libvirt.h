/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's checkpoints and what is wrong with them, for people and as JSON. */
#ifndef TOOLS_REPORT_LIBVIRT_H
#define TOOLS_REPORT_LIBVIRT_H

#include "../libvirt/flaws.h"

#include <jansson.h>

struct tool_libvirt_report {
	const char *domain; /* its name */
	const struct tool_world *world;
	const struct tool_flaws *flaws;
};

void tool_libvirt_human(struct tool_text *text, const struct tool_libvirt_report *report);
json_t *tool_libvirt_json(const struct tool_libvirt_report *report);

/* The "disks" of it alone: each with its layers, or with the error why it is not looked at. */
json_t *tool_libvirt_json_disks(const struct tool_world *world);

/* A word for a checkpoint's bitmap on a disk: as tool_bitmap_word(), "-" where its XML has none, "?" where the
 * disk is not looked at. */
const char *tool_libvirt_word(const struct tool_libvirt_disk *disk,
			      const struct tool_checkpoint *checkpoint);

#endif
