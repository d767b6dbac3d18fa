/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to do about what a check found: the one place that decides it. */
#ifndef TOOLS_REPORT_ADVICE_H
#define TOOLS_REPORT_ADVICE_H

#include "../term/text.h"

#include <qcow2bm.h>

/* Steps are to be done in their order; of a step and the alternatives behind it, one. */
struct tool_step {
	bool is_alternative;
	char *why;
	char *command; /* as a shell takes it; NULL where nobody can do anything */
};

struct tool_advice {
	struct tool_step *steps;
	size_t count;
};

/* Decides what is to be done about the image that `report` is about, which is open with
 * QCOW2BM_OPEN_DAMAGED. Repairs are tried out in memory, so that none is advised that is refused;
 * and `qemu-img check -r`, which deletes the internal snapshots of an image with valid bitmaps,
 * never where both are there. tool_advice_free() frees it. */
void tool_advice_make(struct tool_advice *advice, const char *filename,
		      struct qcow2bm_image *image, const struct qcow2bm_report *report);
void tool_advice_free(struct tool_advice *advice);

/* ---- advice_steps.c ---- */

/* Adds a step; owns `command`. */
void tool_advice_add(struct tool_advice *advice, const char *why, char *command);

/* The same, as an alternative to the step before. */
void tool_advice_add_alternative(struct tool_advice *advice, const char *why,
				 char *command);

/* No device: a file that can grow, and beside which an undo file can stand. */
bool tool_advice_is_regular(const char *filename);

/* "COMMAND FILE", to be freed. */
char *tool_advice_command(const char *command, const char *filename);

/* A command of QEMU's tools, with what opens an encrypted image where it is one: "COMMAND -f qcow2
 * FILE". */
char *tool_advice_qemu(const struct qcow2bm_image *image, const char *command,
		       const char *filename);

/* Appends the steps as check prints them, below "To do:". */
void tool_advice_print(struct tool_text *text, const struct tool_advice *advice);

/* ---- advice_names.c ---- */

/* Adds a step for the bitmaps that have a problem with one of the cures RECOVER, RENAME and DELETE;
 * those of is_gone, one for each bitmap, are left out. */
void tool_advice_add_names(struct tool_advice *advice, const char *filename,
			   const struct qcow2bm_image *image,
			   const struct qcow2bm_report *report, const bool *is_gone);

/* ---- advice_repair.c ---- */

struct tool_trial {
	bool works; /* the repair is not refused */
	bool leaks; /* it ends with exit status 5 */
};

/* Tries `qcow2bm repair` in memory. */
struct tool_trial tool_advice_try(struct qcow2bm_image *image,
				  const struct qcow2bm_report *report, unsigned flags,
				  const size_t *drop, size_t drop_count);

/* Adds the repair that works: a plain one, one of those that a choice is wanted for, or the one
 * that drops all bitmaps; false when none does. */
bool tool_advice_add_repair(struct tool_advice *advice, const char *filename,
			    struct qcow2bm_image *image,
			    const struct qcow2bm_report *report, const bool *is_dropped);

/* Adds `qcow2bm repair --drop-all`, with the reason; false when that is refused. */
bool tool_advice_add_drop_all(struct tool_advice *advice, const char *filename,
			      struct qcow2bm_image *image,
			      const struct qcow2bm_report *report, const char *why);

#endif
