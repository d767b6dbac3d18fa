/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's checkpoints and disks as a libvirt command sees them, and what is wrong between them. */
#ifndef TOOLS_LIBVIRT_WORLD_H
#define TOOLS_LIBVIRT_WORLD_H

#include "../term/text.h"
#include "folder.h"

#include <qcow2bm.h>

struct tool_libvirt_disk {
	const char *target;
	const char *path; /* of the top layer; NULL: none that is local */
	const struct tool_domain_disk *xml; /* NULL: it was given by --disk */
	struct qcow2bm_chain *chain;        /* NULL: it is not looked at */
	enum qcow2bm_scheme scheme;         /* of its bitmaps, when it is to be edited */
	char *why_not; /* why it is not looked at, or NULL: it has none to look at */
	struct qcow2bm_error err; /* then: the same for scripts */
	size_t base_layer; /* the first layer whose base libvirt takes from the XML, other than its
			      header's, or NONE */
};

struct tool_world {
	struct tool_folder folder;
	struct tool_domain domain;
	xmlDoc *domain_doc; /* NULL: the disks were given by --disk alone */
	struct tool_libvirt_disk *disks;
	size_t disk_count;
	const char *
		options; /* of the command line, for commands about the same: " --domain vm" */
};

/* Whether the disk is somewhere else than in a local file: its bitmaps cannot be looked at. */
bool tool_world_is_far(const struct tool_libvirt_disk *disk);

/* Whether libvirt keeps no checkpoints of it: a CD, an empty drive, a disk that is read only. */
bool tool_world_is_idle(const struct tool_libvirt_disk *disk);

/* What libvirt's rule says of a checkpoint's bitmap on a disk. */
enum tool_bitmap_rule {
	TOOL_BITMAP_SOUND,
	TOOL_BITMAP_NONE,       /* no layer has it */
	TOOL_BITMAP_NOT_IN_TOP, /* a lower layer has it */
	TOOL_BITMAP_GAP,        /* a layer between two that have it has none */
	TOOL_BITMAP_CORRUPT,
	TOOL_BITMAP_IN_USE, /* left so by a crash, or nobody can tell */
	TOOL_BITMAP_SILENT  /* it does not record */
};

struct tool_bitmap_state {
	enum tool_bitmap_rule rule;
	size_t layer; /* that it is about */
};

/* Of the bitmap of exactly this name on a disk that is looked at. */
struct tool_bitmap_state tool_bitmap_judge(const struct tool_libvirt_disk *disk,
					   const char *name);

/* How the bitmaps of a disk are kept, for who drops some: what is named as libvirt names its own tells, and another
 * program's `B^A` only where none of these records. */
enum qcow2bm_scheme tool_bitmap_scheme(const struct qcow2bm_chain *chain);

/* A short word for it, for tables: "ok", "missing". */
const char *tool_bitmap_word(enum tool_bitmap_rule rule);

/* Why libvirt makes no increment from it. */
const char *tool_bitmap_reason(enum tool_bitmap_rule rule);

#endif
