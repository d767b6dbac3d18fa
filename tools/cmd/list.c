/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm list: every bitmap of the images. */
#include "../report/json.h"
#include "../term/command.h"
#include "../term/image.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/options.h"
#include "../term/output.h"
#include "../term/size.h"
#include "../term/table.h"

#include <stdlib.h>

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
	tool_table_add(table, qcow2bm_state_name(bitmap->entry.state));
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

static void add_human(struct tool_text *text, const char *filename,
		      const struct qcow2bm_image_info *info,
		      const struct tool_inventory *survey)
{
	char size[TOOL_SIZE_TEXT];
	tool_size_format(info->virtual_bytes, size);
	char *shown = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s%s: virtual size %s, ", text->used != 0 ? "\n" : "",
			shown, size);
	free(shown);
	if (survey->count == 0) {
		tool_text_print(text, "no bitmaps\n");
		return;
	}
	tool_text_print(text, "%zu bitmap%s\n", survey->count,
			survey->count == 1 ? "" : "s");
	add_table(text, survey);
}

/* One of the document's images. */
static void add_json(struct tool_text *text, const char *filename,
		     const struct qcow2bm_image_info *info,
		     const struct tool_inventory *survey)
{
	struct tool_json_list bitmaps;
	json_t *object = json_object();
	json_object_set_new(object, "filename", tool_json_text(filename));
	json_object_set_new(object, "virtual-size",
			    tool_json_number(info->virtual_bytes));
	json_object_set_new(object, "cluster-size",
			    tool_json_number(info->cluster_bytes));
	tool_json_set_bitmaps(object, &bitmaps, survey);
	tool_text_print(text, "%s        ",
			text->used == 0 ? "{\n    \"images\": [\n" : ",\n");
	tool_json_print(text, object, 2, &bitmaps, 1);
}

static int list_image(const struct tool_options *options, const char *filename,
		      bool count_bits, struct tool_text *text)
{
	struct qcow2bm_image *image;
	int status = tool_image_open(options, filename, 0, &image);
	if (status != TOOL_EXIT_DONE)
		return status;
	struct tool_inventory survey;
	struct qcow2bm_error err = {0};
	if (tool_inventory_take(&survey, image, count_bits, &err) != QCOW2BM_OK) {
		status = tool_message_fail(filename, &err);
	} else {
		struct qcow2bm_image_info info = *qcow2bm_image_describe(image);
		if (options->json)
			add_json(text, filename, &info, &survey);
		else
			add_human(text, filename, &info, &survey);
	}
	tool_inventory_free(&survey);
	qcow2bm_image_close(image);
	return status;
}

static int list_images(const struct tool_options *options, int count, char **filenames,
		       bool count_bits)
{
	struct tool_text text = {0};
	int status = TOOL_EXIT_DONE;
	for (int i = 0; i < count; i++) {
		int one = list_image(options, filenames[i], count_bits, &text);
		status = tool_exit_worse(status, one);
	}
	if (options->json && text.used != 0)
		tool_text_print(&text, "\n    ]\n}\n");
	int printed = tool_output_text(&text);
	return status != TOOL_EXIT_DONE ? status : printed;
}

static int run(int argc, char **argv)
{
	enum { NO_COUNT = TOOL_OPT_OWN };
	static const struct option long_options[] = {
		{"no-count", no_argument, NULL, NO_COUNT},
		TOOL_OPTIONS_READ,
	};
	struct tool_options options = {.command = &tool_cmd_list};
	bool count_bits = true;
	int opt;
	while ((opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS, long_options,
				  NULL)) != -1) {
		if (opt == NO_COUNT) {
			count_bits = false;
			continue;
		}
		int status = tool_options_take(&options, opt, argv);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
	}
	if (optind == argc)
		return tool_message_usage(options.command, "operand IMAGE is missing");
	return list_images(&options, argc - optind, argv + optind, count_bits);
}

const struct tool_command tool_cmd_list = {
	.name = "list",
	.synopsis = "[OPTION]... IMAGE...",
	.summary = "List the bitmaps of qcow2 images",
	.help = "For each bitmap: its name, how many bytes of the disk one bit stands for, its state,\n"
		"the bytes that are marked dirty, and the bytes that it occupies in the file. State:\n"
		"  valid            recording: QEMU marks what the guest writes\n"
		"  disabled         whole, but not recording\n"
		"  in-use-live      a running program has the image open for writing\n"
		"  in-use-stale     left in use by a crash: its bits cannot be trusted\n"
		"  in-use-unknown   in use: a program has the image open without writing, or\n"
		"                   locks cannot tell\n"
		"  corrupt          damaged, as check finds it; the last column says how\n"
		"An image that fails does not hide the others.\n"
		"\n"
		"Options:\n"
		"      --no-count         do not count dirty bytes, and read no bitmap data\n"
		"      --output FORMAT    human (default) or json\n" TOOL_HELP_READ "\n"
		"Examples:\n"
		"  qcow2bm list disk.qcow2\n"
		"  qcow2bm list --output=json --no-count *.qcow2 | jq '.images[].bitmaps[].name'\n"
		"\n"
		"Exit status: 0 done, 1 failed, 6 busy, 64 usage; of several images the first of 1, 6.\n",
	.run = run,
};
