/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain: checkpoints over bitmaps, layers and disks. */
#include "chain.h"

#include "../term/message.h"
#include "../term/nearest.h"
#include "../term/output.h"

#include <getopt.h>
#include <string.h>

static const struct tool_command *const commands[] = {
	&tool_chain_show,
	&tool_chain_verify,
	&tool_chain_since,
	&tool_chain_delete,
	&tool_chain_keep,
	&tool_chain_repair,
	&tool_chain_rename,
	&tool_chain_convert,
	&tool_chain_reset,
	&tool_chain_snapshot,
	&tool_chain_prune,
	&tool_chain_commit,
	&tool_chain_rebase,
	&tool_chain_restored,
	&tool_chain_export,
	&tool_chain_resume,
	NULL,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]) - 1)

static int print_help(void)
{
	struct tool_text text = {0};
	tool_text_print(
		&text,
		"Usage: qcow2bm chain COMMAND [OPTION]... IMAGE...\n"
		"Checkpoints over the bitmaps of all layers of a disk.\n\n"
		"An IMAGE is the top layer of a disk; its backing files are looked at, too. A\n"
		"checkpoint is a point in time: the bitmaps of its name, in each layer. In the\n"
		"nested scheme (libvirt, oVirt) each goes on recording; in the delta scheme only\n"
		"the newest does, and a bitmap 'B^A' is checkpoint B, child of A.\n\n"
		"Commands:\n");
	for (size_t i = 0; i < COMMANDS; i++)
		tool_text_print(&text, "  %-9s %s\n",
				commands[i]->name + strlen("chain "),
				commands[i]->summary);
	tool_text_print(&text, "\n`qcow2bm chain COMMAND --help` tells of each.\n");
	return tool_output_text(&text);
}

static int refuse_command(const char *word)
{
	struct tool_nearest nearest;
	tool_nearest_begin(&nearest, word, strlen(word));
	for (size_t i = 0; i < COMMANDS; i++) {
		const char *name = commands[i]->name + strlen("chain ");
		tool_nearest_try(&nearest, name, strlen(name));
	}
	if (nearest.best[0] != '\0')
		return tool_message_usage(&tool_cmd_chain,
					  "'%s' is not a chain command; is it '%s'?",
					  word, nearest.best);
	return tool_message_usage(&tool_cmd_chain, "'%s' is not a chain command", word);
}

static int run(int argc, char **argv)
{
	if (argc < 2)
		return tool_message_usage(&tool_cmd_chain, "COMMAND is missing");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help();
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(argv[1], commands[i]->name + strlen("chain ")) == 0) {
			optind = 0; /* getopt begins anew */
			return commands[i]->run(argc - 1, argv + 1);
		}
	return refuse_command(argv[1]);
}

const struct tool_command tool_cmd_chain = {
	.name = "chain",
	.synopsis = "COMMAND [OPTION]... IMAGE...",
	.summary = "Look after checkpoints over all layers and disks",
	.help = "",
	.run = run,
	.commands = commands,
};
