/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm list: every bitmap of the images. */
#define _POSIX_C_SOURCE 200809L

#include "../report/drawing.h"
#include "../report/image_list.h"
#include "../report/matrix.h"
#include "../report/state.h"
#include "../term/command.h"
#include "../term/image.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/options.h"
#include "../term/output.h"
#include "../term/size.h"
#include "../term/table.h"
#include "../term/watch.h"
#include "layers.h"

#include <stdlib.h>

struct list {
	struct tool_options options;
	bool count_bits;
	bool backing_chain;
	int signal_number; /* that came; 0: none */
	struct tool_text text;
	struct tool_image_list images; /* in the JSON */
};

static void add_size(struct tool_table *table, bool known, uint64_t bytes)
{
	char text[TOOL_SIZE_TEXT] = "-";
	if (known)
		tool_size_format(bytes, text);
	tool_table_add(table, text);
}

static void add_row(struct tool_table *table, const struct tool_inventory_bitmap *bitmap,
		    bool bits_counted, bool reasons)
{
	const struct qcow2bm_bitmap *entry = &bitmap->entry;
	char *name = tool_name_escape(entry->name, entry->name_bytes, TOOL_NAME_HUMAN);
	tool_table_add(table, name);
	free(name);
	add_size(table, entry->granularity_bits < 64,
		 (uint64_t)1 << (entry->granularity_bits & 63));
	tool_state_add_cell(table, entry->state);
	if (bits_counted)
		add_size(table, bitmap->measured, bitmap->measure.dirty_bytes);
	add_size(table, bitmap->measured, bitmap->measure.stored_bytes);
	if (!reasons)
		return;
	char *reason = tool_name_escape_text(
		bitmap->problem != NULL ? bitmap->problem : "", TOOL_NAME_HUMAN);
	tool_table_add(table, reason);
	free(reason);
}

static bool has_reasons(const struct tool_inventory *survey)
{
	for (size_t i = 0; i < survey->count; i++)
		if (survey->bitmaps[i].problem != NULL)
			return true;
	return false;
}

static void add_rows(struct tool_table *table, const struct tool_inventory *survey,
		     bool reasons)
{
	bool counted = survey->bits_counted;
	tool_table_add(table, "NAME");
	tool_table_add(table, "GRANULARITY");
	tool_table_add(table, "STATE");
	if (counted)
		tool_table_add(table, "DIRTY");
	tool_table_add(table, "STORED");
	if (reasons)
		tool_table_add(table, "WHY");
	for (size_t i = 0; i < survey->count; i++)
		add_row(table, &survey->bitmaps[i], counted, reasons);
}

static void add_table(struct tool_text *text, const struct tool_inventory *survey)
{
	bool counted = survey->bits_counted, reasons = has_reasons(survey);
	struct tool_table table = {
		.columns = 4 + (unsigned)counted + (unsigned)reasons,
		.right = {[1] = true, [3] = true, [4] = counted},
	};
	add_rows(&table, survey, reasons);
	table.text = text;
	add_rows(&table, survey, reasons);
}

static void begin_human(struct tool_text *text, const char *filename,
			const struct qcow2bm_image_info *info, size_t bitmaps)
{
	char size[TOOL_SIZE_TEXT];
	tool_size_format(info->virtual_bytes, size);
	char *shown = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s%s: virtual size %s, ", text->used != 0 ? "\n" : "",
			shown, size);
	free(shown);
	if (bitmaps == 0)
		tool_text_print(text, "no bitmaps\n");
	else
		tool_text_print(text, "%zu bitmap%s\n", bitmaps, bitmaps == 1 ? "" : "s");
}

static void add_human(struct tool_text *text, const char *filename,
		      const struct qcow2bm_image_info *info,
		      const struct tool_inventory *survey)
{
	begin_human(text, filename, info, survey->count);
	if (survey->count != 0)
		add_table(text, survey);
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
	begin_human(&list->text, filename, &info, matrix->count);
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
		tool_matrix_take(&matrix, chain, list->count_bits, &watch.watch, &err);
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
		tool_inventory_take(&survey, image, list->count_bits, &watch.watch, &err);
	list->signal_number = tool_watch_leave(&watch);
	status = code != QCOW2BM_OK
			 ? fail(list, filename, &err)
			 : tool_watch_status(filename, code, list->signal_number, &err);
	if (status == TOOL_EXIT_DONE) {
		struct qcow2bm_image_info info = *qcow2bm_image_describe(image);
		if (list->options.json)
			add_json(list, filename, &info, &survey);
		else
			add_human(&list->text, filename, &info, &survey);
	}
	tool_inventory_free(&survey);
	qcow2bm_image_close(image);
	return status;
}

/* A signal ends it behind the images that are finished. */
static int list_images(struct list *list, int count, char **filenames)
{
	int status = TOOL_EXIT_DONE, printed = TOOL_EXIT_DONE;
	list->images = tool_image_list_begin("list", &list->options, count);
	for (int i = 0; i < count && list->signal_number == 0; i++) {
		int one = list->backing_chain ? list_chain(list, filenames[i])
					      : list_image(list, filenames[i]);
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

static int run(int argc, char **argv)
{
	enum { NO_COUNT = TOOL_OPT_OWN, BACKING_CHAIN };
	static const struct option long_options[] = {
		{"no-count", no_argument, NULL, NO_COUNT},
		{"backing-chain", no_argument, NULL, BACKING_CHAIN},
		{"progress", no_argument, NULL, TOOL_OPT_PROGRESS},
		TOOL_OPTIONS_READ,
	};
	struct list list = {.options = {.command = &tool_cmd_list, .takes_lines = true},
			    .count_bits = true};
	int opt;
	while ((opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS, long_options,
				  NULL)) != -1) {
		int status = TOOL_OPTIONS_GO_ON;
		if (opt == NO_COUNT)
			list.count_bits = false;
		else if (opt == BACKING_CHAIN)
			list.backing_chain = true;
		else
			status = tool_options_take(&list.options, opt, argv);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
	}
	if (optind == argc)
		return tool_message_usage(&tool_cmd_list, "operand IMAGE is missing");
	return list_images(&list, argc - optind, argv + optind);
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
		"\n"
		"Options:\n"
		"      --no-count         do not count dirty bytes, and read no bitmap data\n"
		"      --backing-chain    list the bitmaps of the layers below, too; only local files\n"
		"                         are followed\n"
		"      --progress         show progress (by itself on a terminal after a second)\n"
		"      --output FORMAT    human (default), json, or jsonl: a line for each image,\n"
		"                         as soon as it is done\n" TOOL_HELP_READ "\n"
		"Examples:\n"
		"  qcow2bm list disk.qcow2\n"
		"  qcow2bm list --backing-chain top.qcow2\n"
		"  qcow2bm list --output=json --no-count *.qcow2 | jq '.images[].bitmaps[].name'\n"
		"\n"
		"Exit status: 0 done, 1 failed, 6 busy, 64 usage, 128+n interrupted by signal n,\n"
		"the images that were finished printed; of several images the first of 1, 6.\n",
	.run = run,
};
