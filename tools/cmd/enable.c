/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm enable and disable: whether QEMU records into bitmaps. */
#include "by_name.h"

static int run_enable(int argc, char **argv)
{
	return tool_by_name_run(&tool_cmd_enable, argc, argv, qcow2bm_edit_enable);
}

static int run_disable(int argc, char **argv)
{
	return tool_by_name_run(&tool_cmd_disable, argc, argv, qcow2bm_edit_disable);
}

const struct tool_command tool_cmd_enable = {
	.name = "enable",
	.synopsis = "[OPTION]... IMAGE [NAME]...",
	.summary = "Let QEMU record into bitmaps when it runs",
	.help = "Sets the flag \"auto\". All of the bitmaps are enabled, or none.\n"
		"\n"
		"Options:\n" TOOL_HELP_MATCH TOOL_HELP_SEVERAL "\n" TOOL_HELP_NAMES "\n"
		"Examples:\n"
		"  qcow2bm enable disk.qcow2 chk-1\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run_enable,
};

const struct tool_command tool_cmd_disable = {
	.name = "disable",
	.synopsis = "[OPTION]... IMAGE [NAME]...",
	.summary = "Stop recording into bitmaps",
	.help = "Clears the flag \"auto\": the bits stay, QEMU adds none. All of the bitmaps are\n"
		"disabled, or none.\n"
		"\n"
		"Options:\n" TOOL_HELP_MATCH TOOL_HELP_SEVERAL "\n" TOOL_HELP_NAMES "\n"
		"Examples:\n"
		"  qcow2bm disable disk.qcow2 chk-1\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run_disable,
};
