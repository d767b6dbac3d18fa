/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options that many commands have, and what all of them say about a wrong one. */
#include "options.h"

#include "colour.h"
#include "help.h"
#include "message.h"
#include "nearest.h"
#include "size.h"

#include <string.h>

static void find_nearest(struct tool_nearest *nearest, const char *help, const char *word)
{
	struct tool_help_option option;
	tool_nearest_begin(nearest, word, strcspn(word, "="));
	while (tool_help_next(&help, &option))
		tool_nearest_try(nearest, option.name, option.name_bytes);
}

/* getopt_long() leaves the letter, or the value of a long option, in optopt; 0 for a long option
 * that it does not know. */
static int refuse(const struct tool_options *options, int opt, char **argv)
{
	const char *complaint =
		opt == ':' ? "missing argument for option" : "unrecognized option";
	if (optopt > 0 && optopt < 256)
		return tool_message_usage(options->command, "%s '-%c'", complaint,
					  optopt);
	const char *word = argv[optind - 1];
	struct tool_nearest nearest = {.distance = 0};
	if (opt != ':' && strncmp(word, "--", 2) == 0)
		find_nearest(&nearest, options->command->help, word + 2);
	if (nearest.best[0] != '\0')
		return tool_message_usage(options->command, "%s '%s'; is it '--%s'?",
					  complaint, word, nearest.best);
	return tool_message_usage(options->command, "%s '%s'", complaint, word);
}

static int take_output(struct tool_options *options)
{
	options->json_lines = options->takes_lines && strcmp(optarg, "jsonl") == 0;
	options->json = options->json_lines || strcmp(optarg, "json") == 0;
	if (options->json || strcmp(optarg, "human") == 0)
		return TOOL_OPTIONS_GO_ON;
	return tool_message_usage(options->command,
				  "option --output: '%s' is not human%s json%s", optarg,
				  options->takes_lines ? "," : " or",
				  options->takes_lines ? " or jsonl" : "");
}

static int take_color(struct tool_options *options)
{
	static const char *const words[] = {"auto", "always", "never"};
	for (unsigned i = 0; i < 3; i++)
		if (strcmp(optarg, words[i]) == 0) {
			tool_colour_choose((enum tool_colour_when)i);
			return TOOL_OPTIONS_GO_ON;
		}
	return tool_message_usage(options->command,
				  "option --color: '%s' is not auto, always or never",
				  optarg);
}

static int take_wait(struct tool_options *options)
{
	if (tool_size_parse_seconds(optarg, &options->wait_seconds))
		return TOOL_OPTIONS_GO_ON;
	return tool_message_usage(options->command,
				  "option --wait: '%s' is no number of seconds", optarg);
}

static int take_threads(struct tool_options *options)
{
	uint64_t threads;
	if (!tool_size_parse(optarg, &threads) || threads < 1 || threads > 1024)
		return tool_message_usage(options->command,
					  "option --threads: '%s' is not 1 to 1024",
					  optarg);
	options->threads = (unsigned)threads;
	return TOOL_OPTIONS_GO_ON;
}

int tool_options_take(struct tool_options *options, int opt, char **argv)
{
	switch (opt) {
	case 'h':
		return tool_help_print(options->command);
	case 'q':
		options->quiet = true;
		break;
	case 'U':
		options->force_share = true;
		break;
	case 'n':
		options->dry_run = true;
		break;
	case TOOL_OPT_OUTPUT:
		return take_output(options);
	case TOOL_OPT_COLOR:
		return take_color(options);
	case TOOL_OPT_WAIT:
		return take_wait(options);
	case TOOL_OPT_NO_LOCK:
		options->no_lock = true;
		break;
	case TOOL_OPT_THREADS:
		return take_threads(options);
	case TOOL_OPT_PROGRESS:
		options->progress = true;
		break;
	case TOOL_OPT_TRUST_REFCOUNTS:
		options->commit_flags |= QCOW2BM_COMMIT_TRUST_REFCOUNTS;
		break;
	case TOOL_OPT_DISCARD:
		options->commit_flags &= ~(unsigned)QCOW2BM_COMMIT_NO_DISCARD;
		break;
	case TOOL_OPT_NO_DISCARD:
		options->commit_flags |= QCOW2BM_COMMIT_NO_DISCARD;
		break;
	case TOOL_OPT_SAVE:
		options->save = optarg;
		break;
	default:
		return refuse(options, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}
