/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What recover tells people of each bitmap, and how it is done otherwise where it is refused. */
#include "recover_told.h"

#include "../report/promise.h"
#include "../term/message.h"
#include "../term/name.h"

#include <inttypes.h>
#include <stdlib.h>

void tool_told_recovered(struct tool_text *report, const char *filename, const char *name,
			 size_t name_bytes, const struct qcow2bm_promise *promise)
{
	char *file = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	char *shown = tool_name_escape(name, name_bytes, TOOL_NAME_HUMAN);
	tool_text_print(report, "%s: '%s' recovered, ", file, shown);
	tool_promise_add(report, promise);
	free(shown);
	free(file);
}

void tool_told_differences(struct tool_text *report, const char *filename,
			   const char *name, size_t name_bytes,
			   const struct tool_compared *compared, size_t old_idx)
{
	char *old = tool_name_escape_text(compared->filenames[old_idx], TOOL_NAME_HUMAN);
	char *file = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	char *shown = tool_name_escape(name, name_bytes, TOOL_NAME_HUMAN);
	tool_text_print(report, "%s: '%s': %" PRIu64 " bytes differ from %s\n", file,
			shown, qcow2bm_differ_bytes(compared->differ, old_idx), old);
	free(shown);
	free(file);
	free(old);
}

void tool_told_nothing(struct tool_text *report, const char *filename)
{
	char *file = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	tool_text_print(report,
			"%s: no bitmap is marked in-use, there is nothing to recover\n",
			file);
	free(file);
}

void tool_told_ways_out(const char *filename, const struct qcow2bm_promise *promise)
{
	struct tool_text text = {0};
	tool_text_print(&text, "--full makes it all dirty, which is always safe; ");
	if (promise->better_conditions != 0) {
		tool_promise_add_assume(&text, promise->better_conditions);
		tool_text_print(&text, " says that you know better (see --help); ");
	}
	tool_text_print(&text, "--unsafe recovers it this way all the same");
	tool_message(filename, "%s", text.bytes);
	tool_text_free(&text);
}
