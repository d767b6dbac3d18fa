/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm clear: make every bit of bitmaps clean. */
#include "by_name.h"

static int run(int argc, char **argv)
{
	return tool_by_name_run(&tool_cmd_clear, argc, argv, qcow2bm_edit_clear);
}

const struct tool_command tool_cmd_clear = {
	.name = "clear",
	.synopsis = "[OPTION]... IMAGE [NAME]...",
	.summary = "Make every bit of bitmaps clean",
	.help = "All of them are cleared, or none.\n"
		"\n"
		"Options:\n" TOOL_HELP_MATCH TOOL_HELP_SEVERAL "\n" TOOL_HELP_NAMES "\n"
		"Examples:\n"
		"  qcow2bm clear disk.qcow2 chk-1\n"
		"  qcow2bm clear -n disk.qcow2 chk-1 chk-2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
