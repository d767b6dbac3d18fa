/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm map: the extents of bitmaps, one or the union of several. */
#include "../report/extents.h"
#include "../term/command.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "../term/name.h"
#include "../term/operand.h"
#include "../term/options.h"
#include "../term/size.h"
#include "../term/text.h"
#include "layers.h"

#include <stdlib.h>

struct map {
	struct tool_options options;
	bool totals;
	bool untrusted; /* bits that are in-use or corrupt are printed all the same */
	bool backing_chain;
	uint64_t start, length;
	struct qcow2bm_chain *chain;
	struct qcow2bm_layer_bitmap *bitmaps; /* whose union is printed */
	size_t count;
};

/* One bitmap, of the image itself. */
static bool is_of_one(const struct map *map)
{
	return map->count == 1 && map->bitmaps[0].layer_idx == 0;
}

static enum qcow2bm_code count_dirty(void *opaque, uint64_t *dirty_bytes,
				     uint64_t *all_bytes, struct qcow2bm_error *err)
{
	const struct map *map = opaque;
	const struct qcow2bm_layer *top = qcow2bm_chain_layer(map->chain, 0);
	*all_bytes = qcow2bm_image_describe(top->image)->virtual_bytes - map->start;
	*all_bytes = map->length < *all_bytes ? map->length : *all_bytes;
	return qcow2bm_bitmap_dirty_bytes(top->image, map->bitmaps[0].idx, map->start,
					  map->length, QCOW2BM_READ_UNTRUSTED,
					  dirty_bytes, NULL, err);
}

static enum qcow2bm_code read_extents(void *opaque, qcow2bm_extent_fn *fn,
				      void *fn_opaque, struct qcow2bm_error *err)
{
	const struct map *map = opaque;
	const struct qcow2bm_layer *top = qcow2bm_chain_layer(map->chain, 0);
	if (is_of_one(map))
		return qcow2bm_bitmap_extents(top->image, map->bitmaps[0].idx, map->start,
					      map->length, QCOW2BM_READ_UNTRUSTED, fn,
					      fn_opaque, NULL, err);
	return qcow2bm_chain_extents(map->chain, map->bitmaps, map->count, map->start,
				     map->length, QCOW2BM_READ_UNTRUSTED, fn, fn_opaque,
				     NULL, err);
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
static int judge(const struct map *map, const struct qcow2bm_layer *layer, size_t idx)
{
	struct qcow2bm_bitmap bitmap;
	struct qcow2bm_error err = {0};
	struct tool_text why = {0};
	const char *ways_out = NULL;
	int status = TOOL_EXIT_DONE;
	if (qcow2bm_bitmap_judge(layer->image, idx, NULL, &err) != QCOW2BM_OK)
		return tool_message_fail(layer->filename, &err);
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

/* Takes the bitmaps of one name in all layers. */
static int add_name(struct map *map, const char *filename, const char *name)
{
	size_t before = map->count;
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
		int status = judge(map, layer, idx);
		if (status != TOOL_EXIT_DONE)
			return status;
		map->bitmaps[map->count++] = (struct qcow2bm_layer_bitmap){i, idx};
	}
	if (map->count != before)
		return TOOL_EXIT_DONE;
	return tool_missing_bitmap(filename, qcow2bm_chain_layer(map->chain, 0)->image,
				   name);
}

static int map_bitmaps(struct map *map, const char *filename, int count, char **names)
{
	int status = tool_layers_open(&map->chain, &map->options, filename,
				      map->backing_chain ? 0u : TOOL_LAYERS_TOP_ONLY);
	if (status != TOOL_EXIT_DONE)
		return status;
	map->bitmaps =
		tool_memory_zeroed((size_t)count * qcow2bm_chain_layer_count(map->chain),
				   sizeof(*map->bitmaps));
	for (int i = 0; i < count && status == TOOL_EXIT_DONE; i++)
		status = add_name(map, filename, names[i]);
	if (status == TOOL_EXIT_DONE)
		status = tool_extents_print(read_extents,
					    is_of_one(map) ? count_dirty : NULL, map,
					    filename, map->options.json, map->totals);
	free(map->bitmaps);
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

static int run(int argc, char **argv)
{
	enum { START = TOOL_OPT_OWN, LENGTH, TOTALS, UNTRUSTED, BACKING_CHAIN };
	static const struct option long_options[] = {
		{"start", required_argument, NULL, START},
		{"length", required_argument, NULL, LENGTH},
		{"totals", no_argument, NULL, TOTALS},
		{"backing-chain", no_argument, NULL, BACKING_CHAIN},
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
		else if (opt == BACKING_CHAIN)
			map.backing_chain = true;
		else
			status = tool_options_take(&map.options, opt, argv);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
	}
	if (argc - optind < 2)
		return tool_message_usage(&tool_cmd_map,
					  "operands IMAGE and BITMAP... are wanted");
	return map_bitmaps(&map, argv[optind], argc - optind - 1, argv + optind + 1);
}

const struct tool_command tool_cmd_map = {
	.name = "map",
	.synopsis = "[OPTION]... IMAGE BITMAP...",
	.summary = "Print which ranges of the disk bitmaps mark dirty",
	.help = "For a human: the dirty extents, in bytes. As JSON: all extents, exactly as\n"
		"`nbdinfo --map=qemu:dirty-bitmap:BITMAP --json` prints them. Of several BITMAPs the\n"
		"union: what is dirty in any.\n"
		"\n"
		"Options:\n"
		"      --start SIZE       begin at this byte of the disk (512, 64k, 1.5G)\n"
		"      --length SIZE      look at so many bytes only\n"
		"      --totals           print how much is clean and dirty, as nbdinfo --totals\n"
		"      --backing-chain    take the bitmaps of these names in the layers below, too\n"
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
