/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening older states of a disk that the command line names. */
#ifndef TOOLS_CMD_OLD_H
#define TOOLS_CMD_OLD_H

#include "../term/options.h"

#define TOOL_HELP_OLD_FORMAT                                                               \
	"      --old-format FORMAT\n"                                                      \
	"                         what OLD is: qcow2, raw or manifest (default: what it\n" \
	"                         begins as; qcow2 the guest may have written in a raw file)\n"

/* Takes the value of --old-format from optarg; returns TOOL_OPTIONS_GO_ON or the status to exit with. */
int tool_old_take_format(const struct tool_options *options, enum qcow2bm_old_kind *kind);

/* Opens an older state; a manifest is read whole, with progress. Prints what fails; returns an exit
 * status. */
int tool_old_open(struct qcow2bm_old **old, const struct tool_options *options,
		  const char *filename, enum qcow2bm_old_kind kind);

/* Compares the disk with older states, with progress. Prints what fails; returns an exit status. */
int tool_old_differ(const struct tool_options *options, struct qcow2bm_chain *chain,
		    struct qcow2bm_old *const *olds, size_t count,
		    struct qcow2bm_differ **differ);

#endif
