/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every libvirt command begins with: the folder of checkpoints, the domain's XML, the disks. */
#ifndef TOOLS_CMD_LIBVIRT_OPEN_H
#define TOOLS_CMD_LIBVIRT_OPEN_H

#include "../libvirt/world.h"
#include "disks.h"

struct tool_libvirt_given {
	char *target;
	const char *path;
};

struct tool_libvirt {
	struct tool_disks disks; /* its options, -c, and the disks that are looked at */
	const char *domain;      /* --domain */
	const char *checkpoints; /* --checkpoints */
	const char *xml;         /* --xml */
	struct tool_libvirt_given *given; /* --disk */
	size_t given_count;
	char *folder_path, *xml_path;
	bool has_made_folder;     /* which goes again if nothing comes into it */
	char *domain_name;        /* as virsh knows it */
	struct tool_text options; /* of the command line, for advice */
	struct tool_world world;
};

enum {
	TOOL_LIBVIRT_DOMAIN = TOOL_DISKS_OWN,
	TOOL_LIBVIRT_CHECKPOINTS,
	TOOL_LIBVIRT_XML,
	TOOL_LIBVIRT_DISK,
	TOOL_LIBVIRT_OWN
};

/* The options that all libvirt commands have besides those of reading or editing ones. */
#define TOOL_LIBVIRT_OPTIONS                                                        \
	{"domain", required_argument, NULL, TOOL_LIBVIRT_DOMAIN},                   \
		{"checkpoints", required_argument, NULL, TOOL_LIBVIRT_CHECKPOINTS}, \
		{"xml", required_argument, NULL, TOOL_LIBVIRT_XML},                 \
	{                                                                           \
		"disk", required_argument, NULL, TOOL_LIBVIRT_DISK                  \
	}

#define TOOL_HELP_LIBVIRT                                                          \
	"      --domain NAME      libvirt's domain: its XML and its checkpoints\n" \
	"      --checkpoints DIR  the folder with the files of its checkpoints\n"  \
	"      --xml FILE         the domain's XML, for its disks\n"               \
	"      --disk TARGET=PATH  a disk and its top layer; repeated: these disks alone\n"

/* Takes what getopt_long() returned; as tool_options_take(). */
int tool_libvirt_take(struct tool_libvirt *libvirt, int opt, char **argv);

/* Reads all that is named. Prints what fails; returns an exit status. With `needs_folder` a folder that is
 * not there is a failure. */
int tool_libvirt_open(struct tool_libvirt *libvirt, int operands, bool needs_folder);

/* Orders the bitmaps of each disk by their bits, for checkpoints that are made of them. Prints what fails, and where
 * nothing tells; returns an exit status. */
int tool_libvirt_find_order(const struct tool_libvirt *libvirt);

void tool_libvirt_close(struct tool_libvirt *libvirt);

#endif
