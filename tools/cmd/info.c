/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm info: qemu-img info's report, with more on the bitmaps. */
#include "../report/info.h"
#include "../term/image.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/output.h"

#include <stdlib.h>
#include <string.h>

enum { BACKING_CHAIN = TOOL_OPT_OWN, NO_COUNT, GRAPH };

struct info {
	struct tool_options options;
	bool backing_chain;
	bool no_count;
	bool raw; /* -f raw */
	enum tool_sketch_when graph;
};

static int take_option(struct info *info, int opt, char **argv)
{
	switch (opt) {
	case BACKING_CHAIN:
		info->backing_chain = true;
		break;
	case NO_COUNT:
		info->no_count = true;
		break;
	case GRAPH:
		return tool_sketch_choose(&info->graph, &tool_cmd_info, optarg);
	case 'f':
		info->raw = strcmp(optarg, "raw") == 0;
		if (!info->raw && strcmp(optarg, "qcow2") != 0)
			return tool_message_usage(&tool_cmd_info,
						  "option -f: '%s' is not qcow2 or raw",
						  optarg);
		break;
	default:
		return tool_options_take(&info->options, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

static int print_json(const struct tool_chain *chain, bool as_array)
{
	struct tool_json_list *lists =
		tool_memory_zeroed(chain->count, 2 * sizeof(*lists));
	json_t *array = json_array();
	for (size_t i = 0; i < chain->count; i++)
		json_array_append_new(array,
				      tool_info_json(&chain->layers[i], &lists[2 * i]));
	json_t *value = as_array ? array : json_incref(json_array_get(array, 0));
	if (!as_array)
		json_decref(array);
	int status = tool_json_output(value, lists, 2 * chain->count);
	free(lists);
	return status;
}

static int print_human(const struct tool_chain *chain)
{
	struct tool_text text = {0};
	for (size_t i = 0; i < chain->count; i++) {
		if (i != 0)
			tool_text_add(&text, "\n", 1);
		tool_info_human(&text, &chain->layers[i]);
	}
	return tool_output_text(&text);
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"backing-chain", no_argument, NULL, BACKING_CHAIN},
		{"no-count", no_argument, NULL, NO_COUNT},
		{"format", required_argument, NULL, 'f'},
		{"graph", required_argument, NULL, GRAPH},
		TOOL_OPTIONS_READ,
	};
	struct info info = {.options = {.command = &tool_cmd_info}};
	int opt;
	while ((opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS "f:",
				  long_options, NULL)) != -1) {
		int status = take_option(&info, opt, argv);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
	}
	if (argc - optind != 1)
		return tool_message_usage(&tool_cmd_info, "one operand IMAGE is wanted");
	if (info.graph == TOOL_SKETCH_ALWAYS && (info.options.json || info.no_count))
		return tool_message_usage(&tool_cmd_info,
					  "--graph draws the bits for people: not with "
					  "--no-count or JSON");
	struct tool_chain chain = {0};
	const struct tool_inventory_order order = {
		.count_bits = !info.no_count,
		.sketch = !info.no_count && !info.options.json &&
			  tool_sketch_is_wanted(info.graph),
	};
	int status = tool_info_layer_read_chain(&chain, &info.options, argv[optind],
						info.raw, info.backing_chain, &order);
	if (status == TOOL_EXIT_DONE)
		status = info.options.json ? print_json(&chain, info.backing_chain)
					   : print_human(&chain);
	tool_info_layer_free_chain(&chain);
	return status;
}

const struct tool_command tool_cmd_info = {
	.name = "info",
	.synopsis = "[OPTION]... IMAGE",
	.summary = "Describe an image as `qemu-img info` does, and its bitmaps",
	.help = "The JSON has the keys and values of `qemu-img info --output=json`, and in each\n"
		"bitmap \"state\", \"dirty-bytes\", \"stored-bytes\" and, where it is broken, \"problem\";\n"
		"\"children\" is there as in QEMU 8.0 and later, with any qemu-img.\n"
		"\n"
		"Options:\n"
		"      --backing-chain    describe the layers below, too; only local files are followed\n"
		"      --no-count         do not count dirty bytes, and read no bitmap data\n"
		"  -f, --format FMT       qcow2 (default) or raw\n" TOOL_SKETCH_HELP
		"      --output FORMAT    human (default) or json\n" TOOL_HELP_READ "\n"
		"Examples:\n"
		"  qcow2bm info disk.qcow2\n"
		"  qcow2bm info --backing-chain --output=json top.qcow2\n"
		"\n" TOOL_HELP_READ_EXITS,
	.run = run,
};
