/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints made anew from bitmaps that nobody has: which, in which order, and the XML that libvirt takes. */
#ifndef TOOLS_LIBVIRT_REDEFINE_H
#define TOOLS_LIBVIRT_REDEFINE_H

#include "world.h"

struct tool_redefine {
	char **names; /* the oldest first */
	size_t count;
};

/* The names of bitmaps, each once, that no checkpoint has, that libvirt takes as names and that are sound on each
 * disk that has them; in the order of the disks' checkpoints, which is to have been found. */
void tool_redefine_find(struct tool_redefine *redefine, const struct tool_world *world);
void tool_redefine_free(struct tool_redefine *redefine);

/* Why no checkpoint can be made of a name, or NULL; *disk is that which is in the way, or NOWHERE. */
const char *tool_redefine_obstacle(const struct tool_world *world, const char *name,
				   size_t *disk);

/* The XML, to be freed: `parent` may be NULL. With `has_domain` as libvirt writes it to a file, with the domain's XML,
 * secrets included; else as `virsh checkpoint-create --redefine` takes it. */
char *tool_redefine_xml(const struct tool_world *world, const char *name,
			const char *parent, long long created, bool has_domain);

#endif
