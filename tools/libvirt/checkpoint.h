/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One checkpoint as its XML file tells it. */
#ifndef TOOLS_LIBVIRT_CHECKPOINT_H
#define TOOLS_LIBVIRT_CHECKPOINT_H

#include "domain.h"

struct tool_checkpoint_disk {
	char *target;
	bool has_bitmap; /* checkpoint='bitmap'; else 'no' */
	char *bitmap;    /* as it is named there; NULL: not said */
};

struct tool_checkpoint {
	char *file; /* its name in the folder */
	struct tool_file content;
	char *name;        /* NULL: it could not be read so far */
	char *parent;      /* NULL: none */
	long long created; /* seconds since 1970; 0: not known */
	struct tool_checkpoint_disk *disks;
	size_t disk_count;
	bool names_other_bitmaps; /* than one of its own name */
	bool is_not_read;         /* nothing is known of it: `problem` tells why */
	bool is_left_over;        /* the file of a write that was cut off */
	char *problem;            /* why libvirt passes it over when it starts, or NULL */
};

/* Reads the file `name` of a folder. What is wrong with it is in `problem`. */
void tool_checkpoint_read(struct tool_checkpoint *checkpoint, int folder,
			  const char *name);

/* The same from bytes, which the checkpoint takes over with `content`. */
void tool_checkpoint_take(struct tool_checkpoint *checkpoint, const char *file,
			  struct tool_file *content);
void tool_checkpoint_free(struct tool_checkpoint *checkpoint);

/* Whether libvirt takes it as the name of a checkpoint, and QEMU as that of a bitmap. */
bool tool_checkpoint_is_name(const char *name);

/* Whether its file is named as libvirt would name it. */
bool tool_checkpoint_is_own_file(const struct tool_checkpoint *checkpoint);

/* Whether the checkpoint has a bitmap of this disk by its XML; *bitmap (may be NULL) is its name. */
bool tool_checkpoint_has(const struct tool_checkpoint *checkpoint, const char *target,
			 const char **bitmap);

/* The file's content with another parent, NULL for none; to be freed. All else stays. */
char *tool_checkpoint_with_parent(const struct tool_checkpoint *checkpoint,
				  const char *parent);

#endif
