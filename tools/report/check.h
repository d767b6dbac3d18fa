/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report of a check, for people and as JSON. */
#ifndef TOOLS_REPORT_CHECK_H
#define TOOLS_REPORT_CHECK_H

#include "../term/text.h"

#include <jansson.h>
#include <qcow2bm.h>

/* Appends what is wrong, whether the guest's data is safe, and what to type next. */
void tool_check_human(struct tool_text *text, const char *filename,
		      struct qcow2bm_image *image, const struct qcow2bm_report *report);

/* The keys of `qemu-img check --output=json`, and "to-do"; "problems" come with the next. */
json_t *tool_check_json(const char *filename, struct qcow2bm_image *image,
			const struct qcow2bm_report *report);

/* Appends the value, which it gives back, and in it the problems, as one of a document's images. */
void tool_check_print(struct tool_text *text, json_t *value,
		      const struct qcow2bm_image *image,
		      const struct qcow2bm_report *report);

/* Whether the problem is one of the guest's part of the image. */
bool tool_check_is_guest(const struct qcow2bm_problem *problem);

#endif
