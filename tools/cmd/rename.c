/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm rename: give a bitmap a new name. */
#include "../term/message.h"
#include "../term/operand.h"
#include "several.h"

#include <stdlib.h>
#include <string.h>

static int stage(void *opaque, struct tool_session *session)
{
	char **names = opaque; /* the old one and the new one */
	struct tool_operand operand;
	struct qcow2bm_error err = {0};
	int status = TOOL_EXIT_DONE;
	tool_operand_resolve(&operand, session->image, names[0]);
	if (qcow2bm_edit_rename(session->edit, operand.bytes, operand.count, names[1],
				strlen(names[1]), &err) != QCOW2BM_OK)
		status = tool_session_refuse_operand(session, "rename", names[0],
						     &operand, &err);
	tool_operand_free(&operand);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {TOOL_SEVERAL_OPTIONS,
						     TOOL_OPTIONS_EDIT};
	struct tool_several rename = {.options = {.command = &tool_cmd_rename},
				      .stage = stage};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_EDIT_LETTERS TOOL_SEVERAL_LETTERS,
				  long_options, NULL)) != -1)
		status = tool_several_take(&rename, opt, argv);
	int images = tool_several_operands(&rename);
	if (status == TOOL_OPTIONS_GO_ON && argc - optind != images + 2)
		status = tool_message_usage(
			&tool_cmd_rename,
			images == 0 ? "operands OLD and NEW are wanted"
				    : "operands IMAGE, OLD and NEW are wanted");
	rename.opaque = argv + optind + images;
	if (status == TOOL_OPTIONS_GO_ON)
		return tool_several_run(&rename, argv + optind);
	free(rename.images);
	return status;
}

const struct tool_command tool_cmd_rename = {
	.name = "rename",
	.synopsis = "[OPTION]... IMAGE OLD NEW",
	.summary = "Give a bitmap a new name",
	.help = "NEW is taken as it stands, 1 to 1023 bytes.\n"
		"\n"
		"Options:\n" TOOL_HELP_SEVERAL "\n" TOOL_HELP_NAMES "\n"
		"Examples:\n"
		"  qcow2bm rename disk.qcow2 chk-1 chk-monday\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
