/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm add: new, empty bitmaps. */
#include "../term/message.h"
#include "../term/size.h"
#include "finish.h"

#include <string.h>

struct add {
	struct tool_session session;
	bool disabled;
	uint64_t granularity_bytes; /* 0: the image's default */
};

static int stage(struct add *add, int count, char **names)
{
	unsigned bits = qcow2bm_image_default_granularity_bits(add->session.image);
	if (add->granularity_bytes != 0)
		bits = tool_size_log2(add->granularity_bytes);
	for (int i = 0; i < count; i++) {
		struct qcow2bm_error err = {0};
		size_t name_bytes = strlen(names[i]);
		if (qcow2bm_edit_add(add->session.edit, names[i], name_bytes, bits,
				     !add->disabled, &err) != QCOW2BM_OK)
			return tool_session_refuse(&add->session, "add", names[i],
						   name_bytes, &err);
	}
	return TOOL_EXIT_DONE;
}

static int run(int argc, char **argv)
{
	enum { DISABLE = TOOL_OPT_OWN };
	static const struct option long_options[] = {
		{"granularity", required_argument, NULL, 'g'},
		{"disable", no_argument, NULL, DISABLE},
		TOOL_OPTIONS_EDIT,
	};
	struct add add = {.session = {.options = {.command = &tool_cmd_add}}};
	int opt;
	while ((opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS "g:",
				  long_options, NULL)) != -1) {
		int status = TOOL_OPTIONS_GO_ON;
		if (opt == 'g')
			status = tool_session_take_granularity(&add.session,
							       &add.granularity_bytes);
		else if (opt == DISABLE)
			add.disabled = true;
		else
			status = tool_options_take(&add.session.options, opt, argv);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
	}
	if (argc - optind < 2)
		return tool_message_usage(&tool_cmd_add,
					  "operands IMAGE and NAME... are wanted");
	int status = tool_session_open(&add.session, argv[optind]);
	if (status == TOOL_EXIT_DONE)
		status = stage(&add, argc - optind - 1, argv + optind + 1);
	if (status == TOOL_EXIT_DONE)
		status = tool_finish_run(&add.session);
	return tool_session_close(&add.session, status);
}

const struct tool_command tool_cmd_add = {
	.name = "add",
	.synopsis = "[OPTION]... IMAGE NAME...",
	.summary = "Add empty bitmaps",
	.help = "All of them are added, or none. NAME is taken as it stands, 1 to 1023 bytes.\n"
		"\n"
		"Options:\n"
		"  -g, --granularity SIZE  bytes of the disk per bit: a power of two from 512 to 2G\n"
		"                          (default: the cluster size, but within 4k and 64k)\n"
		"      --disable          not recording\n" TOOL_HELP_EDIT "\n"
		"Examples:\n"
		"  qcow2bm add disk.qcow2 chk-1\n"
		"  qcow2bm add -g 32k --disable disk.qcow2 mon tue wed\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
