/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm map: the extents of one bitmap. */
#include "../term/command.h"
#include "../term/decimal.h"
#include "../term/image.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/operand.h"
#include "../term/options.h"
#include "../term/output.h"
#include "../term/size.h"
#include "../term/stream.h"

#include <inttypes.h>
#include <stdlib.h>

struct map {
	struct tool_options options;
	bool totals;
	bool untrusted; /* bits that are in-use or corrupt are printed all the same */
	uint64_t start, length;
	struct qcow2bm_image *image;
	size_t idx;
	struct tool_stream stream;
	bool begun;       /* JSON: an extent stands before the next one */
	uint64_t sums[2]; /* bytes clean and dirty */
};

static int add_sum(void *opaque, const struct qcow2bm_extent *extent)
{
	struct map *map = opaque;
	map->sums[extent->dirty] += extent->length;
	return 0;
}

/* As nbdinfo prints it, byte for byte. */
static int put_json(void *opaque, const struct qcow2bm_extent *extent)
{
	struct map *map = opaque;
	if (map->stream.overflowed)
		return 0; /* it is printed in a second pass */
	char *p = tool_stream_reserve(&map->stream);
	p = map->begun ? tool_stream_put(p, ",\n{ \"offset\": ")
		       : tool_stream_put(p, "{ \"offset\": ");
	p = tool_decimal_put(p, extent->start);
	p = tool_stream_put(p, ", \"length\": ");
	p = tool_decimal_put(p, extent->length);
	p = extent->dirty
		    ? tool_stream_put(p, ", \"type\": 1, \"description\": \"dirty\"}")
		    : tool_stream_put(p, ", \"type\": 0, \"description\": \"clean\"}");
	tool_stream_advance(&map->stream, p);
	map->begun = true;
	return map->stream.status;
}

static int put_human(void *opaque, const struct qcow2bm_extent *extent)
{
	struct map *map = opaque;
	if (map->stream.overflowed)
		return 0; /* it is printed in a second pass */
	if (!extent->dirty)
		return 0;
	char *p = tool_stream_reserve(&map->stream);
	p = tool_decimal_put_padded(p, extent->start, 20);
	p = tool_decimal_put_padded(p, extent->length, 21);
	*p++ = '\n';
	tool_stream_advance(&map->stream, p);
	return map->stream.status;
}

/* Makes the whole output once, into the stream. */
static enum qcow2bm_code pass(struct map *map, struct qcow2bm_error *err)
{
	bool json = map->options.json;
	char *p = tool_stream_reserve(&map->stream);
	p = json ? tool_stream_put(p, "[\n")
		 : tool_stream_put(p, "              OFFSET               LENGTH\n");
	tool_stream_advance(&map->stream, p);
	map->begun = false;
	enum qcow2bm_code code = qcow2bm_bitmap_extents(
		map->image, map->idx, map->start, map->length, QCOW2BM_READ_UNTRUSTED,
		json ? put_json : put_human, map, NULL, err);
	if (code != QCOW2BM_OK || !json)
		return code;
	p = tool_stream_reserve(&map->stream);
	p = map->begun ? tool_stream_put(p, "\n]\n") : tool_stream_put(p, "]\n");
	tool_stream_advance(&map->stream, p);
	return code;
}

static int print_extents(struct map *map, const char *filename)
{
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = pass(map, &err);
	if (code == QCOW2BM_OK && map->stream.overflowed) {
		tool_stream_start_printing(&map->stream);
		code = pass(map, &err);
	}
	if (code == QCOW2BM_OK)
		return tool_stream_finish(&map->stream);
	int status = code == QCOW2BM_ESTOPPED ? map->stream.status
					      : tool_message_fail(filename, &err);
	free(map->stream.bytes);
	return status;
}

static int print_totals(struct map *map, const char *filename)
{
	static const char *const words[] = {"clean", "dirty"};
	struct qcow2bm_error err = {0};
	if (qcow2bm_bitmap_extents(map->image, map->idx, map->start, map->length,
				   QCOW2BM_READ_UNTRUSTED, add_sum, map, NULL,
				   &err) != QCOW2BM_OK)
		return tool_message_fail(filename, &err);
	bool json = map->options.json;
	struct tool_text text = {0};
	double all = (double)(map->sums[0] + map->sums[1]);
	tool_text_print(&text, "%s", json ? "[\n" : "");
	for (int type = 0; type < 2; type++) {
		uint64_t sum = map->sums[type];
		double percent = 100.0 * (double)sum / all;
		if (sum == 0)
			continue;
		if (!json)
			tool_text_print(&text, "%10" PRIu64 " %5.1f%% %3d %s\n", sum,
					percent, type, words[type]);
		else
			tool_text_print(&text,
					"%s{ \"size\": %" PRIu64 ", \"percent\": %g, "
					"\"type\": %d, \"description\": \"%s\" }",
					text.used > 2 ? ",\n" : "", sum, percent, type,
					words[type]);
	}
	tool_text_print(&text, "%s", json ? "\n]\n" : "");
	return tool_output_text(&text);
}

/* Why the bits are not to be trusted, and what to do then; false: they are. */
static bool find_doubt(const struct qcow2bm_bitmap *bitmap, struct tool_text *why,
		       const char **ways_out)
{
	if (bitmap->problem != NULL) {
		tool_text_print(why, "is corrupt (%s)", bitmap->problem);
		*ways_out = "qcow2bm check says what to do";
	} else if (bitmap->state == QCOW2BM_STATE_IN_USE_LIVE) {
		tool_text_print(why, "is in use by a running program, which has not "
				     "stored its changes yet");
		*ways_out = "wait until it ends, or ask that program";
	} else if (bitmap->in_use) {
		tool_text_print(why,
				"is marked in-use, so changes may be missing from it");
		*ways_out = "recover it (qcow2bm recover), or delete it (qcow2bm delete)";
	}
	return why->used != 0;
}

/* Ranges that are called clean and are not lose data in a backup: refused unless asked for. */
static int judge(const struct map *map, const char *filename, const char *name)
{
	struct qcow2bm_bitmap bitmap;
	struct tool_text why = {0};
	const char *ways_out = NULL;
	int status = TOOL_EXIT_DONE;
	bitmap = *qcow2bm_bitmap_describe(map->image, map->idx);
	if (!find_doubt(&bitmap, &why, &ways_out))
		return TOOL_EXIT_DONE;
	if (!map->untrusted) {
		tool_message(filename,
			     "bitmap '%s' %s; %s; --untrusted prints its bits as they "
			     "are stored",
			     name, why.bytes, ways_out);
		status = TOOL_EXIT_FAILED;
	} else if (!map->options.quiet) {
		tool_message(
			filename,
			"warning: bitmap '%s' %s: what is printed as clean may be dirty",
			name, why.bytes);
	}
	tool_text_free(&why);
	return status;
}

static int map_bitmap(struct map *map, const char *filename, const char *name)
{
	int status = tool_image_open(&map->options, filename, 0, &map->image);
	if (status != TOOL_EXIT_DONE)
		return status;
	struct tool_operand operand;
	struct qcow2bm_error err = {0};
	tool_operand_resolve(&operand, map->image, name);
	map->idx = operand.idx;
	if (map->idx == QCOW2BM_NOT_FOUND) {
		tool_message(filename, "bitmap '%s' not found", name);
		status = TOOL_EXIT_FAILED;
	} else if (qcow2bm_bitmap_judge(map->image, map->idx, NULL, &err) != QCOW2BM_OK) {
		status = tool_message_fail(filename, &err);
	} else {
		status = judge(map, filename, name);
		if (status == TOOL_EXIT_DONE)
			status = map->totals ? print_totals(map, filename)
					     : print_extents(map, filename);
	}
	tool_operand_free(&operand);
	qcow2bm_image_close(map->image);
	return status;
}

static int take_size(const struct map *map, const char *option, uint64_t *bytes)
{
	if (tool_size_parse(optarg, bytes))
		return TOOL_OPTIONS_GO_ON;
	return tool_message_usage(map->options.command, "option %s: '%s' is not a size",
				  option, optarg);
}

static int run(int argc, char **argv)
{
	enum { START = TOOL_OPT_OWN, LENGTH, TOTALS, UNTRUSTED };
	static const struct option long_options[] = {
		{"start", required_argument, NULL, START},
		{"length", required_argument, NULL, LENGTH},
		{"totals", no_argument, NULL, TOTALS},
		{"untrusted", no_argument, NULL, UNTRUSTED},
		TOOL_OPTIONS_READ,
	};
	struct map map = {.options = {.command = &tool_cmd_map}, .length = UINT64_MAX};
	int opt;
	while ((opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS, long_options,
				  NULL)) != -1) {
		int status = TOOL_OPTIONS_GO_ON;
		if (opt == START)
			status = take_size(&map, "--start", &map.start);
		else if (opt == LENGTH)
			status = take_size(&map, "--length", &map.length);
		else if (opt == TOTALS)
			map.totals = true;
		else if (opt == UNTRUSTED)
			map.untrusted = true;
		else
			status = tool_options_take(&map.options, opt, argv);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
	}
	if (argc - optind != 2)
		return tool_message_usage(&tool_cmd_map,
					  "operands IMAGE and BITMAP are wanted");
	return map_bitmap(&map, argv[optind], argv[optind + 1]);
}

const struct tool_command tool_cmd_map = {
	.name = "map",
	.synopsis = "[OPTION]... IMAGE BITMAP",
	.summary = "Print which ranges of the disk a bitmap marks dirty",
	.help = "For a human: the dirty extents, in bytes. As JSON: all extents, exactly as\n"
		"`nbdinfo --map=qemu:dirty-bitmap:BITMAP --json` prints them.\n"
		"\n"
		"Options:\n"
		"      --start SIZE       begin at this byte of the disk (512, 64k, 1.5G)\n"
		"      --length SIZE      look at so many bytes only\n"
		"      --totals           print how much is clean and dirty, as nbdinfo --totals\n"
		"      --untrusted        print the bits of a bitmap that is in-use or corrupt, too:\n"
		"                         what is clean there may be dirty\n"
		"      --output FORMAT    human (default) or json\n" TOOL_HELP_READ
		"\n" TOOL_HELP_NAMES "\n"
		"Examples:\n"
		"  qcow2bm map disk.qcow2 chk-1\n"
		"  qcow2bm map --start 1G --length 64M --output=json disk.qcow2 chk-1\n"
		"\n" TOOL_HELP_READ_EXITS,
	.run = run,
};
