/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be wrong between libvirt's checkpoints and the bitmaps of the disks. */
#ifndef TOOLS_LIBVIRT_FLAWS_H
#define TOOLS_LIBVIRT_FLAWS_H

#include "world.h"

enum tool_flaw_id {
	TOOL_FLAW_UNREADABLE,
	TOOL_FLAW_NO_FILE,
	TOOL_FLAW_NOT_LOADED,
	TOOL_FLAW_LEFT_OVER,
	TOOL_FLAW_NAME_TWICE,
	TOOL_FLAW_FILE_NAME,
	TOOL_FLAW_FILE_MODE,
	TOOL_FLAW_PARENT_MISSING,
	TOOL_FLAW_CYCLE,
	TOOL_FLAW_FORK,
	TOOL_FLAW_ROOTS,
	TOOL_FLAW_TIME,
	TOOL_FLAW_BITMAP_NAME,
	TOOL_FLAW_DISK_UNKNOWN,
	TOOL_FLAW_DISK_NOT_READ,
	TOOL_FLAW_DISK_NOT_LOCAL,
	TOOL_FLAW_OTHER_BASE,
	TOOL_FLAW_NO_BITMAP,
	TOOL_FLAW_SOME_DISKS,
	TOOL_FLAW_NOT_IN_TOP,
	TOOL_FLAW_GAP,
	TOOL_FLAW_CORRUPT,
	TOOL_FLAW_IN_USE,
	TOOL_FLAW_DISABLED,
	TOOL_FLAW_ORPHAN,
	TOOL_FLAW_UNLISTED,
	TOOL_FLAW_TEMPORARY,
	TOOL_FLAW_CHAIN_CUT_OFF,
	TOOL_FLAWS
};

/* What helps. */
enum tool_libvirt_cure {
	TOOL_LIBVIRT_CURE_NONE,
	TOOL_LIBVIRT_CURE_REPAIR,  /* qcow2bm libvirt repair */
	TOOL_LIBVIRT_CURE_ADOPT,   /* qcow2bm libvirt repair --adopt */
	TOOL_LIBVIRT_CURE_RECOVER, /* qcow2bm recover, of one bitmap */
	TOOL_LIBVIRT_CURE_DELETE,  /* qcow2bm delete, of one bitmap */
	TOOL_LIBVIRT_CURE_CHECK,   /* qcow2bm check, of one layer */
	TOOL_LIBVIRT_CURE_AGAIN    /* the chain command that was cut off */
};

struct tool_flaw_kind {
	const char *code; /* stable */
	enum qcow2bm_severity severity;
	enum tool_libvirt_cure cure; /* where libvirt knows a checkpoint at all */
};

const struct tool_flaw_kind *tool_flaw_kind(enum tool_flaw_id id);

#define TOOL_FLAW_NOWHERE SIZE_MAX

struct tool_flaw {
	enum tool_flaw_id id;
	size_t checkpoint;           /* of the folder, or NOWHERE */
	size_t disk;                 /* of the world, or NOWHERE */
	size_t layer;                /* of the disk, or NOWHERE */
	size_t bitmap;               /* of the layer, or NOWHERE */
	enum tool_libvirt_cure cure; /* its kind's, or what comes first here */
	char *sentence;
};

struct tool_flaws {
	struct tool_flaw *list;
	size_t count;
};

/* Finds all of them, the worst first. `world` must outlive them. */
void tool_flaws_find(struct tool_flaws *flaws, const struct tool_world *world);
void tool_flaws_free(struct tool_flaws *flaws);

/* Whether any is worse than a note. */
bool tool_flaws_has_problems(const struct tool_flaws *flaws);

/* Adds one of which only `place` is set. */
void tool_flaws_add(struct tool_flaws *flaws, struct tool_flaw place, const char *fmt,
		    ...) __attribute__((format(printf, 3, 4)));

#define TOOL_FLAW_AT(which, checkpoint_idx, disk_idx, layer_idx, bitmap_idx) \
	((struct tool_flaw){.id = TOOL_FLAW_##which,                         \
			    .checkpoint = (checkpoint_idx),                  \
			    .disk = (disk_idx),                              \
			    .layer = (layer_idx),                            \
			    .bitmap = (bitmap_idx)})

/* The command that helps, as a shell takes it, to be freed; NULL for none. */
char *tool_flaw_cure(const struct tool_world *world, const struct tool_flaw *flaw);

/* ---- flaws_files.c, flaws_disks.c ---- */

void tool_flaws_of_files(struct tool_flaws *flaws, const struct tool_world *world);
void tool_flaws_of_disks(struct tool_flaws *flaws, const struct tool_world *world);

/* Whether a checkpoint that libvirt knows has a bitmap of this name on the disk; *unlisted is one that
 * has the name, and says that the disk has none of it, or NOWHERE. */
bool tool_flaws_is_wanted(const struct tool_world *world, size_t disk, const char *name,
			  size_t name_bytes, size_t *unlisted);

#endif
