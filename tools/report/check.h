/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report of a check, for people and as JSON. */
#ifndef TOOLS_REPORT_CHECK_H
#define TOOLS_REPORT_CHECK_H

#include "json.h"

/* Appends what is wrong, whether the guest's data is safe, and what to type next. */
void tool_check_human(struct tool_text *text, const char *filename,
		      struct qcow2bm_image *image, const struct qcow2bm_report *report);

/* The keys of `qemu-img check --output=json`, and "to-do". */
json_t *tool_check_json(const char *filename, struct qcow2bm_image *image,
			const struct qcow2bm_report *report);

/* Sets "problems", whose list is to be printed while *problems is there. */
struct tool_check_problems {
	const struct qcow2bm_image *image;
	const struct qcow2bm_report *report;
};
void tool_check_set_problems(json_t *object, struct tool_json_list *list,
			     const struct tool_check_problems *problems);

/* Whether the problem is one of the guest's part of the image. */
bool tool_check_is_guest(const struct qcow2bm_problem *problem);

#endif
