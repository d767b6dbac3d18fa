/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a libvirt command changes: files of checkpoints, and bitmaps in all layers, as one. */
#ifndef TOOLS_CMD_LIBVIRT_CHANGES_H
#define TOOLS_CMD_LIBVIRT_CHANGES_H

#include "libvirt_open.h"
#include "together.h"

struct tool_libvirt_changes {
	struct tool_libvirt *libvirt;
	struct qcow2bm_together_file *files;
	size_t count;
};

/* Says that a file of the folder goes. */
void tool_libvirt_changes_remove(struct tool_libvirt_changes *changes, size_t idx);

/* Says that a checkpoint has another parent from now on, NULL for none. */
void tool_libvirt_changes_reparent(struct tool_libvirt_changes *changes, size_t idx,
				   const char *parent);

/* Says that a file of the folder, which need not be there, has these bytes from now on. Takes them. */
void tool_libvirt_changes_write(struct tool_libvirt_changes *changes, const char *file,
				char *bytes);

/* How the bitmaps of a disk's checkpoint, one in a layer, are named: libvirt knows whole names alone, and `B^A` is
 * not its `B`. */
enum tool_libvirt_match {
	TOOL_LIBVIRT_MATCH_NONE = 0,
	TOOL_LIBVIRT_MATCH_ALL = 1,
	TOOL_LIBVIRT_MATCH_OTHERS = 2,
	TOOL_LIBVIRT_MATCH_MIXED = 3
};

/* Holds the whole names of a checkpoint's bitmaps against this name. */
enum tool_libvirt_match tool_libvirt_changes_match(const struct qcow2bm_chain *chain,
						   size_t idx, const char *name,
						   size_t name_bytes);

/* Prints that a checkpoint is named otherwise in another layer, which is not for us to judge; returns a status. */
int tool_libvirt_changes_refuse_mixed(const struct tool_libvirt_changes *changes,
				      size_t disk, size_t idx, const char *name,
				      size_t name_bytes);

/* Marks, by checkpoint of the disk's chain, that whose bitmaps have this whole name; none is no failure. Prints what
 * fails; returns an exit status. */
int tool_libvirt_changes_choose(const struct tool_libvirt_changes *changes, size_t disk,
				const char *name, bool *goes);

/* Stages that the marked checkpoints of a disk that is looked at go from all its layers. Refused where older ones
 * need the bits of one that goes, and not all go. Prints what fails; returns an exit status. */
int tool_libvirt_changes_drop(struct tool_libvirt_changes *changes, size_t disk,
			      const bool *goes);

/* Makes the folder where it is lost: libvirt makes it with the first checkpoint. It goes again where nothing comes
 * into it. Prints what fails; returns an exit
 * status. */
int tool_libvirt_changes_make_folder(struct tool_libvirt *libvirt);

/* Nobody else of us changes the folder meanwhile, and no daemon runs that has it in memory, unless
 * `may_run`. Prints what is in the way; returns an exit status. */
int tool_libvirt_changes_begin(struct tool_libvirt *libvirt, bool may_run);

/* Plans or commits all; returns an exit status. */
int tool_libvirt_changes_finish(struct tool_libvirt_changes *changes);
void tool_libvirt_changes_free(struct tool_libvirt_changes *changes);

#endif
