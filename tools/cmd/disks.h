/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disks that a chain command is about: their layers and the order of their checkpoints. */
#ifndef TOOLS_CMD_DISKS_H
#define TOOLS_CMD_DISKS_H

#include "../term/image_names.h"
#include "../term/options.h"
#include "../term/progress.h"

struct json_t;

struct tool_disk {
	const char *filename;
	struct qcow2bm_chain *chain; /* NULL: it failed, and the others go on */
	struct qcow2bm_error err;    /* then */
	const struct qcow2bm_order *order;
};

struct tool_disks {
	struct tool_options options;
	bool is_editing;    /* layers are opened for writing when they are edited */
	const char **names; /* -c, as they were typed */
	size_t name_count;
	enum qcow2bm_scheme scheme; /* --scheme; NONE: found out */
	char **given;               /* --order, the oldest first */
	size_t given_count;
	bool is_report; /* of several disks one that fails does not hide the others */
	int status;     /* the worst of those that failed so */
	struct tool_image_names images; /* of a command that takes lists of them */
	struct tool_disk *list;
	size_t count;
	bool goes_on; /* the edit is not the command's last */
	struct json_t *
		report; /* what the JSON tells of each disk besides its images, or NULL */
	struct tool_progress
		progress; /* of a command that reads: half of it is opening */
};

enum { TOOL_DISKS_SCHEME = TOOL_OPT_OWN, TOOL_DISKS_ORDER, TOOL_DISKS_OWN };

/* The options that all chain commands have besides those of reading or editing ones. */
#define TOOL_DISKS_LETTERS "c:"
#define TOOL_DISKS_OPTIONS                                              \
	{"checkpoint", required_argument, NULL, 'c'},                   \
		{"scheme", required_argument, NULL, TOOL_DISKS_SCHEME}, \
	{                                                               \
		"order", required_argument, NULL, TOOL_DISKS_ORDER      \
	}

#define TOOL_HELP_DISKS                                                                \
	"  -c, --checkpoint NAME  this checkpoint; repeated: these\n"                  \
	"      --scheme SCHEME    nested or delta, where the images tell it wrongly\n" \
	"      --order A,B,C      the checkpoints from the oldest on, where nothing tells\n"

/* Takes what getopt_long() returned; as tool_options_take(). */
int tool_disks_take(struct tool_disks *disks, int opt, char **argv);

/* Opens the disks with all their layers and finds the order of their checkpoints. Prints what fails;
 * returns an exit status. */
int tool_disks_open(struct tool_disks *disks, int count, char **filenames);

/* The same for operands that may be lists of images, of which one may fail in a report. */
int tool_disks_open_all(struct tool_disks *disks, int count, char **operands);

/* What an edit that was cut off has left, in any layer of one of them, is not to be built on. Prints that it
 * is so; returns an exit status. */
int tool_disks_check_cut_off(const struct tool_disks *disks,
			     const struct qcow2bm_chain *chain);

/* What failed on a disk was told; returns the status that ends the command, or that it goes on without this
 * disk. */
int tool_disks_fail(struct tool_disks *disks, struct tool_disk *disk, int status);

/* The checkpoint of this name in a disk, or QCOW2BM_NOT_FOUND. */
size_t tool_disks_look_up(const struct tool_disk *disk, const char *name);

/* The same, with a message when it is not there; returns an exit status. */
int tool_disks_find(const struct tool_disk *disk, const char *name, size_t *idx);

/* Verifies the checkpoints of all of them that did not fail, and numbers those from 0 on. Prints what fails;
 * returns an exit status. */
int tool_disks_verify(struct tool_disks *disks, struct qcow2bm_findings **findings);

/* Closes the images; the options stay. */
void tool_disks_close_images(struct tool_disks *disks);

void tool_disks_close(struct tool_disks *disks);

#endif
