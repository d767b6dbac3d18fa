/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm rename: give a bitmap a new name. */
#include "../term/message.h"
#include "../term/operand.h"
#include "finish.h"

#include <string.h>

static int stage(struct tool_session *session, const char *old_name, const char *new_name)
{
	struct tool_operand operand;
	struct qcow2bm_error err = {0};
	int status = TOOL_EXIT_DONE;
	tool_operand_resolve(&operand, session->image, old_name);
	if (qcow2bm_edit_rename(session->edit, operand.bytes, operand.count, new_name,
				strlen(new_name), &err) != QCOW2BM_OK)
		status = tool_session_refuse_operand(session, "rename", old_name,
						     &operand, &err);
	tool_operand_free(&operand);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {TOOL_OPTIONS_EDIT};
	struct tool_session session = {.options = {.command = &tool_cmd_rename}};
	int opt;
	while ((opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1) {
		int status = tool_options_take(&session.options, opt, argv);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
	}
	if (argc - optind != 3)
		return tool_message_usage(&tool_cmd_rename,
					  "operands IMAGE, OLD and NEW are wanted");
	int status = tool_session_open(&session, argv[optind]);
	if (status == TOOL_EXIT_DONE)
		status = stage(&session, argv[optind + 1], argv[optind + 2]);
	if (status == TOOL_EXIT_DONE)
		status = tool_finish_run(&session);
	return tool_session_close(&session, status);
}

const struct tool_command tool_cmd_rename = {
	.name = "rename",
	.synopsis = "[OPTION]... IMAGE OLD NEW",
	.summary = "Give a bitmap a new name",
	.help = "NEW is taken as it stands, 1 to 1023 bytes.\n"
		"\n"
		"Options:\n" TOOL_HELP_EDIT "\n" TOOL_HELP_NAMES "\n"
		"Examples:\n"
		"  qcow2bm rename disk.qcow2 chk-1 chk-monday\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
