/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recover --carved: bitmaps that check --carve lists, under new names. */
#include "recover_carved.h"

#include "../term/memory.h"
#include "../term/message.h"

#include <stdlib.h>
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

bool tool_carved_take_place(struct tool_carved *carved, const char *text)
{
	const char *colon = strchr(text, ':');
	uint64_t off, idx;
	if (colon == NULL || !parse_number(text, colon, INT64_MAX, &off) ||
	    !parse_number(colon + 1, text + strlen(text), UINT32_MAX, &idx))
		return false;
	carved->all =
		tool_memory_resize(carved->all, carved->count + 1, sizeof(*carved->all));
	carved->all[carved->count++] = (struct tool_carved_one){off, (uint32_t)idx, NULL};
	return true;
}

bool tool_carved_take_name(struct tool_carved *carved, const char *name)
{
	if (carved->count == 0 || carved->all[carved->count - 1].name != NULL)
		return false;
	carved->all[carved->count - 1].name = name;
	return true;
}

bool tool_carved_is_named(const struct tool_carved *carved)
{
	for (size_t i = 0; i < carved->count; i++)
		if (carved->all[i].name == NULL)
			return false;
	return true;
}

void tool_carved_free(struct tool_carved *carved)
{
	free(carved->all);
}

static int stage_one(const struct tool_session *session,
		     const struct qcow2bm_report *report,
		     const struct qcow2bm_carved_options *options, const char *name)
{
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = qcow2bm_edit_recover_carved(
		session->edit, report, options, name, strlen(name), NULL, &err);
	if (code == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	int status = tool_session_refuse(session, "bring back", name, strlen(name), &err);
	if (code == QCOW2BM_EINUSE)
		tool_message(
			session->filename,
			"--unsafe brings it back all the same; look at its bits, and make "
			"no backup that relies on them alone");
	return status;
}

int tool_carved_stage(struct tool_session *session, const struct tool_carved *carved,
		      enum qcow2bm_recording recording, bool accept_unsafe)
{
	struct qcow2bm_report *report = NULL;
	int status = tool_session_check(session, &report);
	for (size_t i = 0; status == TOOL_EXIT_DONE && i < carved->count; i++) {
		const struct qcow2bm_carved_options options = {
			.size = sizeof(struct qcow2bm_carved_options),
			.directory_offset = carved->all[i].directory_offset,
			.idx = carved->all[i].idx,
			.recording = recording,
			.accept_unsafe = accept_unsafe,
		};
		status = stage_one(session, report, &options, carved->all[i].name);
	}
	qcow2bm_report_free(report);
	return status;
}
