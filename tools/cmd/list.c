/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm list: every bitmap of the images. */
#define _POSIX_C_SOURCE 200809L

#include "../report/columns.h"
#include "../report/drawing.h"
#include "../report/image_list.h"
#include "../report/matrix.h"
#include "../term/command.h"
#include "../term/image.h"
#include "../term/image_names.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/options.h"
#include "../term/output.h"
#include "../term/size.h"
#include "../term/watch.h"
#include "layers.h"

#include <stdlib.h>

struct list {
	struct tool_options options;
	bool backing_chain;
	struct tool_columns columns;
	struct tool_selection selection;
	struct tool_inventory_order order;
	enum tool_sketch_when graph;
	int signal_number; /* that came; 0: none */
	struct tool_text text;
	struct tool_image_list images; /* in the JSON */
};

/* "3 bitmaps", or, of a selection, "1 of 3 bitmaps". */
static void begin_human(struct tool_text *text, const char *filename,
			uint64_t virtual_bytes, size_t shown_count, size_t count)
{
	char size[TOOL_SIZE_TEXT];
	tool_size_format(virtual_bytes, size);
	char *shown = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s%s: virtual size %s, ", text->used != 0 ? "\n" : "",
			shown, size);
	free(shown);
	if (shown_count != count)
		tool_text_print(text, "%zu of ", shown_count);
	if (count == 0)
		tool_text_print(text, "no bitmaps\n");
	else
		tool_text_print(text, "%zu bitmap%s\n", count, count == 1 ? "" : "s");
}

static void add_human(struct list *list, const struct tool_columns_image *image)
{
	const struct tool_inventory *survey = image->survey;
	if (!list->columns.no_headings)
		begin_human(&list->text, image->filename, image->virtual_bytes,
			    survey->count, survey->image_count);
	if (survey->count != 0)
		tool_columns_print(&list->columns, &list->text, image);
}

static json_t *begin_json(const char *filename, const struct qcow2bm_image_info *info)
{
	json_t *object = json_object();
	json_object_set_new(object, "filename", tool_json_text(filename));
	json_object_set_new(object, "virtual-size",
			    tool_json_number(info->virtual_bytes));
	json_object_set_new(object, "cluster-size",
			    tool_json_number(info->cluster_bytes));
	return object;
}

/* One of the document's images. */
static void print_json(struct list *list, json_t *object,
		       const struct tool_json_list *bitmaps)
{
	tool_image_list_open(&list->images, &list->text);
	tool_json_print(&list->text, object, tool_image_list_depth(&list->images),
			bitmaps, 1);
	tool_image_list_close(&list->images, &list->text);
}

static void add_json(struct list *list, const char *filename,
		     const struct qcow2bm_image_info *info,
		     const struct tool_inventory *survey)
{
	struct tool_json_list bitmaps;
	json_t *object = begin_json(filename, info);
	tool_json_set_bitmaps(object, &bitmaps, survey);
	print_json(list, object, &bitmaps);
}

/* The image and the layers below it. */
static void add_matrix(struct list *list, const char *filename,
		       const struct tool_matrix *matrix)
{
	const struct qcow2bm_layer *top = qcow2bm_chain_layer(matrix->chain, 0);
	struct qcow2bm_image_info info = *qcow2bm_image_describe(top->image);
	if (list->options.json) {
		struct tool_json_list bitmaps;
		json_t *object = begin_json(filename, &info);
		tool_matrix_set_json(object, &bitmaps, matrix);
		print_json(list, object, &bitmaps);
		return;
	}
	begin_human(&list->text, filename, info.virtual_bytes, matrix->count,
		    matrix->count);
	tool_drawing_layers(&list->text, matrix->chain);
	if (matrix->count != 0)
		tool_matrix_human(&list->text, matrix);
}

static int fail(struct list *list, const char *filename, const struct qcow2bm_error *err)
{
	tool_image_list_fail(&list->images, &list->text, filename, err);
	return tool_message_fail(filename, err);
}

static int list_chain(struct list *list, const char *filename)
{
	struct qcow2bm_chain *chain;
	struct tool_watch watch;
	struct tool_matrix matrix;
	struct qcow2bm_error err = {0};
	int status = TOOL_EXIT_DONE;
	if (tool_layers_try_open(&chain, &list->options, filename, "qcow2", 0, &err) !=
	    QCOW2BM_OK)
		return fail(list, filename, &err);
	tool_watch_begin(&watch, &list->options);
	enum qcow2bm_code code =
		tool_matrix_take(&matrix, chain, &list->order, &watch.watch, &err);
	list->signal_number = tool_watch_leave(&watch);
	status = code != QCOW2BM_OK
			 ? fail(list, filename, &err)
			 : tool_watch_status(filename, code, list->signal_number, &err);
	if (status == TOOL_EXIT_DONE)
		add_matrix(list, filename, &matrix);
	tool_matrix_free(&matrix);
	qcow2bm_chain_close(chain);
	return status;
}

static int list_image(struct list *list, const char *filename)
{
	struct qcow2bm_image *image;
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	int status = TOOL_EXIT_DONE;
	if (tool_image_try_open(&list->options, filename, 0, &image, &err) != QCOW2BM_OK)
		return fail(list, filename, &err);
	struct tool_inventory survey;
	tool_watch_begin(&watch, &list->options);
	enum qcow2bm_code code =
		tool_inventory_take(&survey, image, &list->order, &watch.watch, &err);
	list->signal_number = tool_watch_leave(&watch);
	status = code != QCOW2BM_OK
			 ? fail(list, filename, &err)
			 : tool_watch_status(filename, code, list->signal_number, &err);
	if (status == TOOL_EXIT_DONE) {
		struct qcow2bm_image_info info = *qcow2bm_image_describe(image);
		const struct tool_columns_image shown = {filename, info.virtual_bytes,
							 &survey};
		tool_columns_sort(&list->columns, &shown);
		if (list->options.json)
			add_json(list, filename, &info, &survey);
		else
			add_human(list, &shown);
	}
	tool_inventory_free(&survey);
	qcow2bm_image_close(image);
	return status;
}

/* A signal ends it behind the images that are finished. */
static int list_images(struct list *list, const struct tool_image_names *names)
{
	int status = TOOL_EXIT_DONE, printed = TOOL_EXIT_DONE;
	list->images = tool_image_list_begin("list", &list->options, names->is_several);
	for (size_t i = 0; i < names->count && list->signal_number == 0; i++) {
		int one = list->backing_chain ? list_chain(list, names->list[i])
					      : list_image(list, names->list[i]);
		status = tool_exit_worse(status, one);
		/* Lines are out as soon as they are done. */
		if (list->images.has_lines && printed == TOOL_EXIT_DONE)
			printed = tool_output_text(&list->text);
	}
	if (list->images.count != 0)
		tool_text_print(&list->text, "%s", tool_image_list_end(&list->images));
	else if (list->backing_chain && list->text.used != 0)
		tool_drawing_legend(&list->text);
	if (printed == TOOL_EXIT_DONE)
		printed = tool_output_text(&list->text);
	tool_text_free(&list->text);
	if (list->signal_number != 0)
		return TOOL_EXIT_SIGNAL + list->signal_number;
	return status != TOOL_EXIT_DONE ? status : printed;
}

enum { NO_COUNT = TOOL_OPT_OWN, BACKING_CHAIN, SORT, STATE, MATCH, NO_HEADINGS, GRAPH };

static int take_option(struct list *list, int opt, char **argv)
{
	switch (opt) {
	case NO_COUNT:
		list->order.count_bits = false;
		break;
	case BACKING_CHAIN:
		list->backing_chain = true;
		break;
	case 'o':
		return tool_columns_take(&list->columns, &tool_cmd_list, optarg);
	case SORT:
		return tool_columns_take_keys(&list->columns, &tool_cmd_list, optarg);
	case STATE:
		return tool_selection_take_states(&list->selection, &tool_cmd_list,
						  optarg);
	case MATCH:
		tool_match_add(&list->selection.match, optarg);
		break;
	case NO_HEADINGS:
		list->columns.no_headings = true;
		break;
	case GRAPH:
		return tool_sketch_choose(&list->graph, &tool_cmd_list, optarg);
	case 'b':
		list->columns.bytes = true;
		break;
	case 'H':
		list->columns.tabs = list->columns.no_headings = true;
		break;
	default:
		return tool_options_take(&list->options, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

/* Options that would do nothing are mistakes. */
static int check_options(const struct list *list)
{
	const struct tool_columns *columns = &list->columns;
	bool shapes_rows = columns->count != 0 || columns->no_headings ||
			   list->graph == TOOL_SKETCH_ALWAYS;
	if (list->backing_chain &&
	    (shapes_rows || columns->key_count != 0 || columns->bytes))
		return tool_message_usage(
			&tool_cmd_list,
			"--backing-chain draws a matrix: --columns, --sort, "
			"--no-headings, --bytes, --graph and -H are for the rows of one image");
	if (list->options.json && shapes_rows)
		return tool_message_usage(
			&tool_cmd_list,
			"--columns, --no-headings, --graph and -H are for rows: the JSON "
			"has all members always");
	if (list->graph == TOOL_SKETCH_ALWAYS && !list->order.count_bits)
		return tool_message_usage(
			&tool_cmd_list,
			"--graph draws the bits, which --no-count does not read");
	return TOOL_OPTIONS_GO_ON;
}

/* By itself in the usual rows alone. */
static bool wants_sketch(const struct list *list)
{
	const struct tool_columns *columns = &list->columns;
	if (list->options.json || list->backing_chain || !list->order.count_bits)
		return false;
	return tool_columns_has(columns, TOOL_COLUMN_GRAPH) ||
	       (columns->count == 0 && !columns->tabs &&
		tool_sketch_is_wanted(list->graph));
}

static int run_list(struct list *list, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"no-count", no_argument, NULL, NO_COUNT},
		{"backing-chain", no_argument, NULL, BACKING_CHAIN},
		{"columns", required_argument, NULL, 'o'},
		{"sort", required_argument, NULL, SORT},
		{"state", required_argument, NULL, STATE},
		{"match", required_argument, NULL, MATCH},
		{"graph", required_argument, NULL, GRAPH},
		{"no-headings", no_argument, NULL, NO_HEADINGS},
		{"bytes", no_argument, NULL, 'b'},
		{"tabs", no_argument, NULL, 'H'},
		{"progress", no_argument, NULL, TOOL_OPT_PROGRESS},
		TOOL_OPTIONS_READ,
	};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS "o:bH",
				  long_options, NULL)) != -1)
		status = take_option(list, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = check_options(list);
	if (status != TOOL_OPTIONS_GO_ON)
		return status;
	if (optind == argc)
		return tool_message_usage(&tool_cmd_list, "operand IMAGE is missing");
	list->order.sketch = wants_sketch(list);
	struct tool_image_names names;
	status = tool_image_names_take(&names, argc - optind, argv + optind);
	if (status == TOOL_EXIT_DONE)
		status = list_images(list, &names);
	tool_image_names_free(&names);
	return status;
}

static int run(int argc, char **argv)
{
	struct list list = {
		.options = {.command = &tool_cmd_list, .takes_lines = true},
		.order = {.count_bits = true, .selection = &list.selection},
	};
	int status = run_list(&list, argc, argv);
	tool_selection_free(&list.selection);
	return status;
}

const struct tool_command tool_cmd_list = {
	.name = "list",
	.synopsis = "[OPTION]... IMAGE...",
	.summary = "List the bitmaps of qcow2 images",
	.help = "For each bitmap: its name, how many bytes of the disk one bit stands for, its state,\n"
		"the bytes that are marked dirty, and the bytes that it occupies in the file. State:\n"
		"  recording        QEMU marks what the guest writes (JSON: valid)\n"
		"  paused           whole, but QEMU does not record into it (JSON: disabled)\n"
		"  in-use-live      a running program has the image open for writing\n"
		"  in-use-stale     left in use by a crash: its bits cannot be trusted\n"
		"  in-use-unknown   in use: a program has the image open without writing, or\n"
		"                   locks cannot tell\n"
		"  corrupt          damaged, as check finds it; the last column says how\n"
		"An image that fails does not hide the others. With --backing-chain a matrix: which\n"
		"layer has which bitmap, its state and the bytes that are dirty there.\n"
		"\n" TOOL_HELP_IMAGE_LIST "\n"
		"Options:\n"
		"      --no-count         do not count dirty bytes, and read no bitmap data\n"
		"      --backing-chain    list the bitmaps of the layers below, too; only local files\n"
		"                         are followed\n"
		"      --match GLOB       only bitmaps whose name matches; may be given several times\n"
		"      --state STATE[,STATE]...\n"
		"                         only bitmaps in one of these states; in-use: in-use-live,\n"
		"                         -stale or -unknown\n"
		"      --sort [-]COLUMN[,[-]COLUMN]...\n"
		"                         sort the bitmaps of each image, with - downwards\n"
		"  -o, --columns COLUMN[,COLUMN]...\n"
		"                         these columns: image, size (of the disk), name,\n"
		"                         granularity, flags, state, dirty, stored, graph, why\n"
		"  -b, --bytes            sizes as exact numbers of bytes\n" TOOL_SKETCH_HELP
		"      --no-headings      rows of bitmaps only\n"
		"  -H, --tabs             the same with a tab between the columns, for scripts: image,\n"
		"                         name, granularity, state, dirty, stored, why; - for nothing\n"
		"      --progress         show progress (by itself on a terminal after a second)\n"
		"      --output FORMAT    human (default), json, or jsonl: a line for each image,\n"
		"                         as soon as it is done\n" TOOL_HELP_READ "\n"
		"Examples:\n"
		"  qcow2bm list disk.qcow2\n"
		"  qcow2bm list --backing-chain top.qcow2\n"
		"  qcow2bm list --state=recording,paused --sort=-dirty disk.qcow2\n"
		"  qcow2bm list -Hb -o image,name,dirty --match='chk-*' *.qcow2\n"
		"  qcow2bm list --output=json --no-count *.qcow2 | jq '.images[].bitmaps[].name'\n"
		"\n"
		"Exit status: 0 done, 1 failed, 6 busy, 64 usage, 128+n interrupted by signal n,\n"
		"the images that were finished printed; of several images the first of 1, 6.\n",
	.run = run,
};
