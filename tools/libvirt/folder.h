/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder in which libvirt keeps the checkpoints of a domain. */
#ifndef TOOLS_LIBVIRT_FOLDER_H
#define TOOLS_LIBVIRT_FOLDER_H

#include "checkpoint.h"

#include <stdint.h>

#define TOOL_FOLDER_MAX_FILES 16384
#define TOOL_FOLDER_NONE SIZE_MAX

/* What one file's checkpoint is to the others. */
struct tool_relations {
	bool is_loaded;  /* libvirt knows it once it has started: the first of its name */
	size_t parent;   /* the loaded checkpoint that its parent's name means, or NONE */
	size_t children; /* how many loaded ones name it */
	bool is_in_cycle; /* it is its own ancestor */
};

struct tool_folder {
	const char *path;
	int fd;                       /* of the folder; -1: it is not there */
	struct tool_checkpoint *list; /* by the names of their files */
	struct tool_relations *relations;
	size_t *by_name; /* indexes of all that have a name and can be loaded, by name */
	size_t named_count;
	size_t count;
};

/* Reads all that is in the folder. Returns false with the reason in `why`; a folder that is not there is
 * none where `may_lack`. To be closed in any case. */
bool tool_folder_open(struct tool_folder *folder, const char *path, bool may_lack,
		      char why[TOOL_WHY]);
void tool_folder_close(struct tool_folder *folder);

/* The checkpoint of this name that libvirt knows, or NONE. */
size_t tool_folder_find(const struct tool_folder *folder, const char *name);

/* The file of this name, or NONE. */
size_t tool_folder_find_file(const struct tool_folder *folder, const char *file);

/* Whether `idx` is a descendant of `of`. */
bool tool_folder_descends(const struct tool_folder *folder, size_t idx, size_t of);

/* ---- relations.c ---- */

/* Finds the relations of all. */
void tool_relations_find(struct tool_folder *folder);

#endif
