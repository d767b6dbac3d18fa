/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program: which command is run. */
#define _POSIX_C_SOURCE 200809L

#include "cmd/complete.h"
#include "cmd/cut_off.h"
#include "report/json.h"
#include "term/command.h"
#include "term/glyph.h"
#include "term/memory.h"
#include "term/message.h"
#include "term/nearest.h"
#include "term/output.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct tool_command *const commands[] = {
	&tool_cmd_list,    &tool_cmd_info,
	&tool_cmd_map,     &tool_cmd_add,
	&tool_cmd_delete,  &tool_cmd_rename,
	&tool_cmd_clear,   &tool_cmd_enable,
	&tool_cmd_disable, &tool_cmd_merge,
	&tool_cmd_bitmap,  &tool_cmd_check,
	&tool_cmd_repair,  &tool_cmd_undo,
	&tool_cmd_recover, &tool_cmd_verify,
	&tool_cmd_digest,  &tool_cmd_chain,
	&tool_cmd_libvirt, &tool_cmd_apply,
	&tool_cmd_compare, NULL,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]) - 1)

static int print_help(void)
{
	struct tool_text text = {0};
	tool_text_print(
		&text,
		"Usage: qcow2bm COMMAND [OPTION]... OPERAND...\n"
		"Offline care of QEMU's persistent dirty bitmaps in qcow2 images.\n\n"
		"Commands:\n");
	for (size_t i = 0; i < COMMANDS; i++)
		tool_text_print(&text, "  %-9s %s\n", commands[i]->name,
				commands[i]->summary);
	tool_text_print(&text,
			"\n"
			"  -h, --help     show this text; help COMMAND for a command\n"
			"  -V, --version  show the version\n\n"
			"Options and operands stand in any order; -- ends the options.\n"
			"The manual page qcow2bm(1) has the whole story.\n");
	return tool_output_text(&text);
}

static int print_version(void)
{
	struct tool_text text = {0};
	tool_text_print(&text, "qcow2bm %s\n", qcow2bm_version());
	return tool_output_text(&text);
}

static int refuse_command(const char *word)
{
	struct tool_nearest nearest;
	tool_nearest_begin(&nearest, word, strlen(word));
	for (size_t i = 0; i < COMMANDS; i++)
		tool_nearest_try(&nearest, commands[i]->name, strlen(commands[i]->name));
	if (nearest.best[0] != '\0')
		return tool_message_usage(NULL, "'%s' is not a command; is it '%s'?",
					  word, nearest.best);
	return tool_message_usage(NULL, "'%s' is not a command", word);
}

static int run_command(int argc, char **argv)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(argv[0], commands[i]->name) == 0)
			return commands[i]->run(argc, argv);
	if (strcmp(argv[0], "__complete") == 0)
		return tool_complete_run(commands, argc, argv);
	return refuse_command(argv[0]);
}

/* `help COMMAND...` is `COMMAND... --help`. */
static int run_help(int argc, char **argv)
{
	char option[] = "--help";
	if (argc == 1)
		return print_help();
	memmove(argv, argv + 1, (size_t)(argc - 1) * sizeof(argv[0]));
	argv[argc - 1] = option;
	return run_command(argc, argv);
}

/* getopt_long() sorts what it has read. */
static int run_sorted(int argc, char **argv)
{
	optind = 0; /* it begins anew */
	return strcmp(argv[0], "help") == 0 ? run_help(argc, argv)
					    : run_command(argc, argv);
}

/* Again, when what it had begun before it was killed is taken back. */
static int run_whole(int argc, char **argv)
{
	size_t bytes = ((size_t)argc + 1) * sizeof(argv[0]);
	char **typed = tool_memory_zeroed((size_t)argc + 1, sizeof(argv[0]));
	memcpy(typed, argv, bytes);
	tool_cut_off_begin(argc, argv);
	int status = run_sorted(argc, argv);
	if (tool_cut_off_resume(&status)) {
		int least = status;
		tool_cut_off_begin(argc, typed);
		status = run_sorted(argc, typed);
		status = status == TOOL_EXIT_DONE ? least : status;
	}
	free(typed);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	tool_glyph_setup();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a write over the limit fails, and is told */
	tool_json_setup();
	opterr = 0;
	/* the plus: options behind the command are the command's */
	int opt = getopt_long(argc, argv, "+hV", long_options, NULL);
	if (opt == 'h')
		return print_help();
	if (opt == 'V')
		return print_version();
	if (opt != -1)
		return tool_message_usage(NULL, "option %s is not known", argv[1]);
	if (optind == argc)
		return tool_message_usage(NULL, "COMMAND is missing");
	int status = run_whole(argc - optind, argv + optind);
	tool_message_forget();
	return status;
}
