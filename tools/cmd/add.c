/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm add: new, empty bitmaps. */
#include "../term/message.h"
#include "../term/size.h"
#include "several.h"

#include <stdlib.h>
#include <string.h>

struct add {
	struct tool_several several;
	bool disabled;
	uint64_t granularity_bytes; /* 0: the image's default */
	int count;
	char **names;
};

static int stage(void *opaque, struct tool_session *session)
{
	const struct add *add = opaque;
	unsigned bits = qcow2bm_image_default_granularity_bits(session->image);
	if (add->granularity_bytes != 0)
		bits = tool_size_log2(add->granularity_bytes);
	for (int i = 0; i < add->count; i++) {
		struct qcow2bm_error err = {0};
		size_t name_bytes = strlen(add->names[i]);
		if (qcow2bm_edit_add(session->edit, add->names[i], name_bytes, bits,
				     !add->disabled, &err) != QCOW2BM_OK)
			return tool_session_refuse(session, "add", add->names[i],
						   name_bytes, &err);
	}
	return TOOL_EXIT_DONE;
}

static int take_options(struct add *add, int argc, char **argv)
{
	enum { DISABLE = TOOL_OPT_OWN };
	static const struct option long_options[] = {
		{"granularity", required_argument, NULL, 'g'},
		{"disable", no_argument, NULL, DISABLE},
		TOOL_SEVERAL_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_EDIT_LETTERS TOOL_SEVERAL_LETTERS "g:",
				  long_options, NULL)) != -1)
		if (opt == 'g')
			status = tool_session_take_granularity(&tool_cmd_add,
							       &add->granularity_bytes);
		else if (opt == DISABLE)
			add->disabled = true;
		else
			status = tool_several_take(&add->several, opt, argv);
	return status;
}

static int run(int argc, char **argv)
{
	struct add add = {.disabled = false};
	add.several = (struct tool_several){
		.options = {.command = &tool_cmd_add}, .stage = stage, .opaque = &add};
	int status = take_options(&add, argc, argv);
	int images = tool_several_operands(&add.several);
	add.count = argc - optind - images;
	add.names = argv + optind + images;
	if (status == TOOL_OPTIONS_GO_ON && add.count < 1)
		status = tool_message_usage(
			&tool_cmd_add, images == 0
					       ? "operand NAME... is wanted"
					       : "operands IMAGE and NAME... are wanted");
	if (status == TOOL_OPTIONS_GO_ON)
		return tool_several_run(&add.several, argv + optind);
	free(add.several.images);
	return status;
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
		"      --disable          not recording\n" TOOL_HELP_SEVERAL "\n"
		"Examples:\n"
		"  qcow2bm add disk.qcow2 chk-1\n"
		"  qcow2bm add -g 32k --disable disk.qcow2 mon tue wed\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
