/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm libvirt: checkpoints of a domain that is off, as libvirt keeps them. */
#include "libvirt.h"

#include "../term/message.h"
#include "../term/nearest.h"
#include "../term/output.h"

#include <getopt.h>
#include <string.h>

static const struct tool_command *const commands[] = {
	&tool_libvirt_check, &tool_libvirt_verdict, &tool_libvirt_delete,
	&tool_libvirt_adopt, &tool_libvirt_repair,  NULL,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]) - 1)

static int print_help(void)
{
	struct tool_text text = {0};
	tool_text_print(
		&text,
		"Usage: qcow2bm libvirt COMMAND [OPTION]... --domain NAME\n"
		"libvirt's checkpoints of a domain that is off: their XML and their bitmaps.\n\n"
		"libvirt keeps a file for each checkpoint, and a bitmap of its name in each disk;\n"
		"the two drift apart. --domain NAME is enough where libvirt keeps both at its own\n"
		"places.\n\n"
		"Commands:\n");
	for (size_t i = 0; i < COMMANDS; i++)
		tool_text_print(&text, "  %-9s %s\n",
				commands[i]->name + strlen("libvirt "),
				commands[i]->summary);
	tool_text_print(&text, "\n`qcow2bm libvirt COMMAND --help` tells of each.\n");
	return tool_output_text(&text);
}

static int refuse_command(const char *word)
{
	struct tool_nearest nearest;
	tool_nearest_begin(&nearest, word, strlen(word));
	for (size_t i = 0; i < COMMANDS; i++) {
		const char *name = commands[i]->name + strlen("libvirt ");
		tool_nearest_try(&nearest, name, strlen(name));
	}
	if (nearest.best[0] != '\0')
		return tool_message_usage(&tool_cmd_libvirt,
					  "'%s' is not a libvirt command; is it '%s'?",
					  word, nearest.best);
	return tool_message_usage(&tool_cmd_libvirt, "'%s' is not a libvirt command",
				  word);
}

static int run(int argc, char **argv)
{
	if (argc < 2)
		return tool_message_usage(&tool_cmd_libvirt, "COMMAND is missing");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help();
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(argv[1], commands[i]->name + strlen("libvirt ")) == 0) {
			optind = 0; /* getopt begins anew */
			return commands[i]->run(argc - 1, argv + 1);
		}
	return refuse_command(argv[1]);
}

const struct tool_command tool_cmd_libvirt = {
	.name = "libvirt",
	.synopsis = "COMMAND [OPTION]... --domain NAME",
	.summary = "Look after libvirt's checkpoints of a domain that is off",
	.help = "",
	.run = run,
	.commands = commands,
};
