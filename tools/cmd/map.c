/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm map: the extents of bitmaps, one or the union of several, or of the disk itself. */
#define _POSIX_C_SOURCE 200809L

#include "../report/extents.h"
#include "../report/graph.h"
#include "../term/command.h"
#include "../term/match.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "../term/name.h"
#include "../term/operand.h"
#include "../term/options.h"
#include "../term/size.h"
#include "../term/text.h"
#include "../term/watch.h"
#include "layers.h"
#include "map_disk.h"

#include <stdlib.h>
#include <string.h>

struct map {
	struct tool_options options;
	bool totals;
	bool untrusted; /* bits that are in-use or corrupt are printed all the same */
	bool backing_chain;
	bool graph; /* draw them */
	bool zero;  /* tell what reads as zeros, too */
	const char *format, *snapshot;
	uint64_t start, length;
	struct qcow2bm_chain *chain;
	struct qcow2bm_disk *disk;            /* with `zero` */
	struct qcow2bm_layer_bitmap *bitmaps; /* whose union is printed */
	bool **is_taken; /* of each layer's bitmaps: they are in it */
	size_t count;
	struct tool_match match;
};

/* One bitmap, of the image itself. */
static bool is_of_one(const struct map *map)
{
	return map->count == 1 && map->bitmaps[0].layer_idx == 0;
}

/* What there is of the range that is asked for. */
static uint64_t find_length(const struct map *map)
{
	const struct qcow2bm_layer *top = qcow2bm_chain_layer(map->chain, 0);
	uint64_t disk = qcow2bm_image_describe(top->image)->virtual_bytes;
	uint64_t left = map->start < disk ? disk - map->start : 0;
	return map->length < left ? map->length : left;
}

static enum qcow2bm_code count_dirty(void *opaque, uint64_t *dirty_bytes,
				     uint64_t *all_bytes,
				     const struct qcow2bm_watch *watch,
				     struct qcow2bm_error *err)
{
	const struct map *map = opaque;
	const struct qcow2bm_layer *top = qcow2bm_chain_layer(map->chain, 0);
	*all_bytes = find_length(map);
	if (!is_of_one(map))
		return qcow2bm_chain_measure(
			map->chain, map->bitmaps, map->count, map->start, map->length,
			QCOW2BM_READ_UNTRUSTED, dirty_bytes, watch, err);
	return qcow2bm_bitmap_dirty_bytes(top->image, map->bitmaps[0].idx, map->start,
					  map->length, QCOW2BM_READ_UNTRUSTED,
					  dirty_bytes, watch, err);
}

static enum qcow2bm_code read_extents(void *opaque, qcow2bm_extent_fn *fn,
				      void *fn_opaque, const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	const struct map *map = opaque;
	const struct qcow2bm_layer *top = qcow2bm_chain_layer(map->chain, 0);
	if (is_of_one(map))
		return qcow2bm_bitmap_extents(top->image, map->bitmaps[0].idx, map->start,
					      map->length, QCOW2BM_READ_UNTRUSTED, fn,
					      fn_opaque, watch, err);
	return qcow2bm_chain_extents(map->chain, map->bitmaps, map->count, map->start,
				     map->length, QCOW2BM_READ_UNTRUSTED, fn, fn_opaque,
				     watch, err);
}

static enum qcow2bm_code find_zero(void *opaque, uint64_t start, uint64_t *length,
				   bool *is_zero, const struct qcow2bm_watch *watch,
				   struct qcow2bm_error *err)
{
	const struct map *map = opaque;
	const struct qcow2bm_disk_extent *extent;
	enum qcow2bm_code code =
		qcow2bm_disk_next(map->disk, start, *length, &extent, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	*length = extent->length;
	*is_zero = extent->reads_zero;
	return code;
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

static int judge_bits(const struct map *map, const struct qcow2bm_layer *layer,
		      size_t idx)
{
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	tool_watch_begin(&watch, &map->options);
	enum qcow2bm_code code =
		qcow2bm_bitmap_judge(layer->image, idx, &watch.watch, &err);
	return tool_watch_status(layer->filename, code, tool_watch_leave(&watch), &err);
}

/* Ranges that are called clean and are not lose data in a backup: refused unless asked for. */
static int judge(const struct map *map, const struct qcow2bm_layer *layer, size_t idx)
{
	struct qcow2bm_bitmap bitmap;
	struct tool_text why = {0};
	const char *ways_out = NULL;
	int status = judge_bits(map, layer, idx);
	if (status != TOOL_EXIT_DONE)
		return status;
	bitmap = *qcow2bm_bitmap_describe(layer->image, idx);
	if (!find_doubt(&bitmap, &why, &ways_out))
		return TOOL_EXIT_DONE;
	char *name = tool_name_escape(bitmap.name, bitmap.name_bytes, TOOL_NAME_HUMAN);
	if (!map->untrusted) {
		tool_message(layer->filename,
			     "bitmap '%s' %s; %s; --untrusted prints its bits as they "
			     "are stored",
			     name, why.bytes, ways_out);
		status = TOOL_EXIT_FAILED;
	} else if (!map->options.quiet) {
		tool_message(
			layer->filename,
			"warning: bitmap '%s' %s: what is printed as clean may be dirty",
			name, why.bytes);
	}
	free(name);
	tool_text_free(&why);
	return status;
}

/* Takes a bitmap of a layer, once, if its bits can be trusted. */
static int add_bitmap(struct map *map, size_t layer_idx, size_t idx)
{
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(map->chain, layer_idx);
	if (map->is_taken[layer_idx] == NULL)
		map->is_taken[layer_idx] = tool_memory_zeroed(
			qcow2bm_bitmap_count(layer->image), sizeof(bool));
	if (map->is_taken[layer_idx][idx])
		return TOOL_EXIT_DONE;
	int status = judge(map, layer, idx);
	if (status != TOOL_EXIT_DONE)
		return status;
	map->is_taken[layer_idx][idx] = true;
	map->bitmaps =
		tool_memory_resize(map->bitmaps, map->count + 1, sizeof(*map->bitmaps));
	map->bitmaps[map->count++] = (struct qcow2bm_layer_bitmap){layer_idx, idx};
	return TOOL_EXIT_DONE;
}

/* Takes the bitmaps of one name in all layers. */
static int add_name(struct map *map, const char *filename, const char *name)
{
	bool found = false;
	for (size_t i = 0; i < qcow2bm_chain_layer_count(map->chain); i++) {
		struct tool_operand operand;
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(map->chain, i);
		if (layer->image == NULL)
			continue;
		tool_operand_resolve(&operand, layer->image, name);
		size_t idx = operand.idx;
		tool_operand_free(&operand);
		if (idx == QCOW2BM_NOT_FOUND)
			continue;
		int status = add_bitmap(map, i, idx);
		if (status != TOOL_EXIT_DONE)
			return status;
		found = true;
	}
	if (found)
		return TOOL_EXIT_DONE;
	return tool_missing_bitmap(filename, qcow2bm_chain_layer(map->chain, 0)->image,
				   name);
}

/* Takes the bitmaps of all layers whose name fits. */
static int add_matches(struct map *map, const char *filename)
{
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < qcow2bm_chain_layer_count(map->chain); i++) {
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(map->chain, i);
		size_t count =
			layer->image == NULL ? 0 : qcow2bm_bitmap_count(layer->image);
		for (size_t k = 0; k < count && status == TOOL_EXIT_DONE; k++) {
			struct qcow2bm_bitmap entry =
				*qcow2bm_bitmap_describe(layer->image, k);
			if (tool_match_use(&map->match, entry.name, entry.name_bytes))
				status = add_bitmap(map, i, k);
		}
	}
	const char *unused = tool_match_unused(&map->match);
	return status != TOOL_EXIT_DONE || unused == NULL
		       ? status
		       : tool_match_missing(filename, unused);
}

/* Opens the disk of the layers that are open, for what reads as zeros. */
static int open_disk(struct map *map, const char *filename)
{
	struct qcow2bm_error err = {0};
	struct qcow2bm_disk_options options = QCOW2BM_DISK_OPTIONS_INIT;
	options.finds_holes = true;
	options.without_data_files = !map->backing_chain;
	if (!map->zero ||
	    qcow2bm_disk_open(&map->disk, map->chain, &options, &err) == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	return tool_message_fail(filename, &err);
}

static int print(struct map *map, const char *filename)
{
	struct tool_watch watch;
	const struct tool_extents_order order = {
		.read = read_extents,
		.count = map->zero ? NULL : count_dirty,
		.zero = map->zero ? find_zero : NULL,
		.opaque = map,
		.json = map->options.json,
		.totals = map->totals,
		.watch = &watch,
	};
	int status = open_disk(map, filename);
	if (status != TOOL_EXIT_DONE)
		return status;
	tool_watch_begin(&watch, &map->options);
	if (map->graph)
		return tool_graph_print(&order, map->start, find_length(map), filename);
	return tool_extents_print(&order, filename);
}

static int map_bitmaps(struct map *map, const char *filename, int count, char **names)
{
	int status = tool_layers_open(&map->chain, &map->options, filename,
				      map->backing_chain ? 0u : TOOL_LAYERS_TOP_ONLY);
	if (status != TOOL_EXIT_DONE)
		return status;
	size_t layers = qcow2bm_chain_layer_count(map->chain);
	map->is_taken = tool_memory_zeroed(layers, sizeof(*map->is_taken));
	for (int i = 0; i < count && status == TOOL_EXIT_DONE; i++)
		status = add_name(map, filename, names[i]);
	if (status == TOOL_EXIT_DONE)
		status = add_matches(map, filename);
	if (status == TOOL_EXIT_DONE)
		status = print(map, filename);
	for (size_t i = 0; i < layers; i++)
		free(map->is_taken[i]);
	free(map->is_taken);
	free(map->bitmaps);
	qcow2bm_disk_close(map->disk);
	qcow2bm_chain_close(map->chain);
	return status;
}

static int take_size(const struct map *map, const char *option, uint64_t *bytes)
{
	if (tool_size_parse(optarg, bytes))
		return TOOL_OPTIONS_GO_ON;
	return tool_message_usage(map->options.command, "option %s: '%s' is not a size",
				  option, optarg);
}

/* Without a bitmap the disk itself. */
static int map_disk(const struct map *map, const char *filename)
{
	const struct tool_map_disk disk = {
		.options = &map->options,
		.format = map->format == NULL ? "" : map->format,
		.snapshot = map->snapshot,
		.backing_chain = map->backing_chain,
		.start = map->start,
		.length = map->length,
	};
	if (map->totals || map->untrusted || map->zero || map->graph)
		return tool_message_usage(
			&tool_cmd_map,
			"--totals, --untrusted, --zero and --graph are about bitmaps: "
			"operands BITMAP... are wanted");
	return tool_map_disk_run(&disk, filename);
}

static int run_operands(struct map *map, int count, char **operands)
{
	if (count < 1)
		return tool_message_usage(
			&tool_cmd_map,
			"operands IMAGE and, of bitmaps, BITMAP... are wanted");
	if (map->graph && (map->totals || map->zero || map->options.json))
		return tool_message_usage(
			&tool_cmd_map,
			"--graph draws what is dirty, for people: not with --totals, "
			"--zero or JSON");
	if (count == 1 && map->match.count == 0)
		return map_disk(map, operands[0]);
	if (map->format != NULL && strcmp(map->format, "raw") == 0)
		return tool_message_usage(&tool_cmd_map, "a raw image holds no bitmaps");
	if (map->snapshot != NULL)
		return tool_message_usage(
			&tool_cmd_map,
			"--snapshot is about the disk: bitmaps are of its present state");
	return map_bitmaps(map, operands[0], count - 1, operands + 1);
}

static int take_format(struct map *map)
{
	if (strcmp(optarg, "qcow2") != 0 && strcmp(optarg, "raw") != 0)
		return tool_message_usage(&tool_cmd_map,
					  "option -f: '%s' is not qcow2 or raw", optarg);
	map->format = optarg;
	return TOOL_OPTIONS_GO_ON;
}

enum {
	START = TOOL_OPT_OWN,
	LENGTH,
	TOTALS,
	UNTRUSTED,
	BACKING_CHAIN,
	ZERO,
	SNAPSHOT,
	GRAPH,
	MATCH
};

static int take_option(struct map *map, int opt, char **argv)
{
	switch (opt) {
	case 'f':
		return take_format(map);
	case START:
		return take_size(map, "--start", &map->start);
	case LENGTH:
		return take_size(map, "--length", &map->length);
	case TOTALS:
		map->totals = true;
		break;
	case UNTRUSTED:
		map->untrusted = true;
		break;
	case BACKING_CHAIN:
		map->backing_chain = true;
		break;
	case ZERO:
		map->zero = true;
		break;
	case GRAPH:
		map->graph = true;
		break;
	case SNAPSHOT:
		map->snapshot = optarg;
		break;
	case MATCH:
		tool_match_add(&map->match, optarg);
		break;
	default:
		return tool_options_take(&map->options, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"format", required_argument, NULL, 'f'},
		{"start", required_argument, NULL, START},
		{"length", required_argument, NULL, LENGTH},
		{"totals", no_argument, NULL, TOTALS},
		{"backing-chain", no_argument, NULL, BACKING_CHAIN},
		{"untrusted", no_argument, NULL, UNTRUSTED},
		{"zero", no_argument, NULL, ZERO},
		{"graph", no_argument, NULL, GRAPH},
		{"snapshot", required_argument, NULL, SNAPSHOT},
		{"match", required_argument, NULL, MATCH},
		{"progress", no_argument, NULL, TOOL_OPT_PROGRESS},
		TOOL_OPTIONS_READ,
	};
	struct map map = {.options = {.command = &tool_cmd_map}, .length = UINT64_MAX};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS "f:",
				  long_options, NULL)) != -1)
		status = take_option(&map, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = run_operands(&map, argc - optind, argv + optind);
	tool_match_free(&map.match);
	return status;
}

const struct tool_command tool_cmd_map = {
	.name = "map",
	.synopsis = "[OPTION]... IMAGE [BITMAP]...",
	.summary = "Print which ranges of the disk bitmaps mark dirty, or what it holds",
	.help = "For a human: the dirty extents, in bytes. As JSON: all extents, exactly as\n"
		"`nbdinfo --map=qemu:dirty-bitmap:BITMAP --json` prints them. Of several BITMAPs the\n"
		"union: what is dirty in any. Without a BITMAP what the disk itself holds, as\n"
		"`qemu-img map` prints it: of the one layer IMAGE, or of all with --backing-chain.\n"
		"\n"
		"Options:\n"
		"  -f, --format FMT       what IMAGE is, without a BITMAP: qcow2 or raw (default: what\n"
		"                         it begins as; qcow2 the guest may have written in a raw one)\n"
		"      --start SIZE       begin at this byte of the disk (512, 64k, 1.5G)\n"
		"      --length SIZE      look at so many bytes only\n"
		"      --totals           print how much is clean and dirty, as nbdinfo --totals\n"
		"      --graph            draw where they lie, a character for each part of the disk\n"
		"      --zero             tell what is known to read as zeros, too: 0 clean, 1 dirty,\n"
		"                         2 zero, 3 dirty and zero (to be written as zeros)\n"
		"      --backing-chain    take the bitmaps of these names in the layers below, too;\n"
		"                         the disk: go through all layers, open its data files\n"
		"      --match GLOB       also bitmaps whose name, as `list` shows it, matches;\n"
		"                         repeatable. * ? [abc] as in a shell\n"
		"      --snapshot NAME    the disk as it was at this internal snapshot (ID or name)\n"
		"      --untrusted        print the bits of a bitmap that is in-use or corrupt, too:\n"
		"                         what is clean there may be dirty\n"
		"      --progress         show progress (by itself on a terminal after a second)\n"
		"      --output FORMAT    human (default) or json\n" TOOL_HELP_READ
		"\n" TOOL_HELP_NAMES "\n"
		"Examples:\n"
		"  qcow2bm map disk.qcow2 chk-1\n"
		"  qcow2bm map --start 1G --length 64M --output=json disk.qcow2 chk-1\n"
		"  qcow2bm map --zero --backing-chain --output=json disk.qcow2 chk-1\n"
		"  qcow2bm map --backing-chain --output=json disk.qcow2\n"
		"\n" TOOL_HELP_READ_EXITS,
	.run = run,
};
