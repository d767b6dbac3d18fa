/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recover --carved: one bitmap that check --carve lists, under a new name. */
#include "recover_carved.h"

#include "message.h"
#include "progress.h"

#include <string.h>

/* Reads decimal digits up to `end`. */
static bool parse_number(const char *digits, const char *end, uint64_t most,
			 uint64_t *number)
{
	*number = 0;
	for (const char *p = digits; p < end; p++) {
		unsigned digit = (unsigned char)*p - (unsigned)'0';
		if (digit > 9 || *number > (most - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	return digits != end;
}

bool tool_carved_parse(const char *text, struct qcow2bm_carved_options *options)
{
	const char *colon = strchr(text, ':');
	uint64_t idx;
	if (colon == NULL ||
	    !parse_number(text, colon, INT64_MAX, &options->directory_offset) ||
	    !parse_number(colon + 1, text + strlen(text), UINT32_MAX, &idx))
		return false;
	options->idx = (uint32_t)idx;
	return true;
}

static void show_progress(void *opaque, uint64_t done_bytes, uint64_t total_bytes)
{
	tool_progress_update(opaque, done_bytes, total_bytes);
}

int tool_carved_stage(const struct tool_edit *edit,
		      const struct qcow2bm_carved_options *options, const char *name)
{
	struct tool_progress progress;
	const struct qcow2bm_check_options check_options = {.progress = show_progress,
							    .opaque = &progress};
	struct qcow2bm_report *report = NULL;
	struct qcow2bm_error err = {0};
	tool_progress_begin(&progress, edit->options.progress, edit->options.quiet);
	enum qcow2bm_code code =
		qcow2bm_check(edit->image, &check_options, &report, &err);
	tool_progress_end(&progress);
	if (code != QCOW2BM_OK)
		return tool_message_fail(edit->filename, &err);
	code = qcow2bm_recover_carved(edit->edit, report, options, name, strlen(name),
				      &err);
	qcow2bm_report_free(report);
	if (code == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	int status = tool_edit_refuse(edit, "bring back", name, strlen(name), &err);
	if (code == QCOW2BM_EINUSE)
		tool_message(
			edit->filename,
			"--unsafe brings it back all the same; look at its bits, and make "
			"no backup that relies on them alone");
	return status;
}
