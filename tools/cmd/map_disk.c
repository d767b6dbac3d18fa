/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The extents of the disk itself, as `qemu-img map` prints them. */
#define _POSIX_C_SOURCE 200809L /* strnlen() */

#include "map_disk.h"

#include "../term/message.h"
#include "../term/stream.h"
#include "layers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct run {
	const struct tool_map_disk *map;
	struct qcow2bm_chain *chain;
	struct qcow2bm_disk *disk;
	uint64_t end;
	struct tool_stream stream;
	bool is_past_end; /* of the file, some data would be */
};

/* Fields and spaces of qemu-img since version 8.2. */
static char *put_json(char *p, const struct qcow2bm_disk_extent *extent)
{
	bool is_compressed = extent->kind == QCOW2BM_DISK_COMPRESSED;
	bool is_data = is_compressed || extent->kind == QCOW2BM_DISK_DATA;
	bool is_present = is_data || extent->kind == QCOW2BM_DISK_ZERO;
	const char *const words[] = {"false", "true"};
	p += snprintf(p, TOOL_STREAM_PIECE,
		      "{ \"start\": %" PRIu64 ", \"length\": %" PRIu64
		      ", \"depth\": %zu, \"present\": %s, \"zero\": %s, \"data\": %s, "
		      "\"compressed\": %s",
		      extent->start, extent->length, extent->layer_idx, words[is_present],
		      words[extent->reads_zero], words[is_data], words[is_compressed]);
	if (extent->offset != QCOW2BM_NO_OFFSET)
		p += snprintf(p, 64, ", \"offset\": %" PRIu64, extent->offset);
	*p++ = '}';
	return p;
}

/* The file that an extent is in. */
static const char *file_of(const struct run *run,
			   const struct qcow2bm_disk_extent *extent)
{
	const struct qcow2bm_layer *layer =
		qcow2bm_chain_layer(run->chain, extent->layer_idx);
	const char *data_filename =
		layer->image == NULL
			? NULL
			: qcow2bm_image_describe(layer->image)->data_filename;
	return data_filename == NULL ? layer->filename : data_filename;
}

/* Data alone, as qemu-img, which refuses where some of it has no place of its own. The name is put in
 * pieces: it may be long. */
static void put_human(struct run *run, const struct qcow2bm_disk_extent *extent)
{
	bool is_data = extent->kind == QCOW2BM_DISK_COMPRESSED ||
		       extent->kind == QCOW2BM_DISK_DATA;
	if (!is_data || extent->reads_zero)
		return;
	char place[32] = "compressed";
	if (extent->offset != QCOW2BM_NO_OFFSET)
		snprintf(place, sizeof(place), "%#" PRIx64, extent->offset);
	char *p = tool_stream_reserve(&run->stream);
	p += snprintf(p, TOOL_STREAM_PIECE, "%#-16" PRIx64 "%#-16" PRIx64 "%-16s",
		      extent->start, extent->length, place);
	tool_stream_advance(&run->stream, p);
	for (const char *name = file_of(run, extent); *name != '\0';) {
		size_t count = strnlen(name, TOOL_STREAM_PIECE - 1);
		p = tool_stream_reserve(&run->stream);
		tool_stream_advance(&run->stream, tool_stream_put_text(p, name, count));
		name += count;
	}
	p = tool_stream_reserve(&run->stream);
	tool_stream_advance(&run->stream, tool_stream_put(p, "\n"));
}

/* qemu-img tells an extent also of a disk that has none. */
static void put_empty(struct run *run)
{
	const struct qcow2bm_disk_extent nothing = {.offset = QCOW2BM_NO_OFFSET};
	char *p = tool_stream_reserve(&run->stream);
	tool_stream_advance(&run->stream, put_json(p, &nothing));
}

static enum qcow2bm_code put_extents(struct run *run, struct qcow2bm_error *err)
{
	const struct qcow2bm_disk_extent *extent;
	uint64_t start = run->map->start;
	bool is_first = true;
	if (run->map->options->json && qcow2bm_disk_bytes(run->disk) == 0)
		put_empty(run);
	for (; start < run->end; start += extent->length) {
		enum qcow2bm_code code = qcow2bm_disk_next(
			run->disk, start, run->end - start, &extent, NULL, err);
		if (code != QCOW2BM_OK)
			return code;
		run->is_past_end |= extent->is_past_end;
		if (!run->map->options->json) {
			put_human(run, extent);
			continue;
		}
		char *p = tool_stream_reserve(&run->stream);
		if (!is_first)
			p = tool_stream_put(p, ",\n");
		tool_stream_advance(&run->stream, put_json(p, extent));
		is_first = false;
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code pass(struct run *run, struct qcow2bm_error *err)
{
	static const char title[] =
		"Offset          Length          Mapped to       File\n";
	bool json = run->map->options->json;
	char *p = tool_stream_reserve(&run->stream);
	p = json ? tool_stream_put(p, "[") : tool_stream_put(p, title);
	tool_stream_advance(&run->stream, p);
	enum qcow2bm_code code = put_extents(run, err);
	if (code != QCOW2BM_OK || !json)
		return code;
	p = tool_stream_reserve(&run->stream);
	tool_stream_advance(&run->stream, tool_stream_put(p, "]\n"));
	return code;
}

/* What is longer than is kept is made twice: nothing is printed of what cannot be read to its end. */
static int print(struct run *run, const char *filename)
{
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = pass(run, &err);
	if (code == QCOW2BM_OK && run->stream.overflowed) {
		tool_stream_start_printing(&run->stream);
		code = pass(run, &err);
	}
	if (code != QCOW2BM_OK) {
		free(run->stream.bytes);
		return tool_message_fail(filename, &err);
	}
	if (run->is_past_end && !run->map->options->quiet)
		tool_message(filename, "warning: data lies past the end of the file, and "
				       "reads as zeros: the file may have been cut");
	return tool_stream_finish(&run->stream);
}

static int open_disk(struct run *run, const char *filename)
{
	struct qcow2bm_error err = {0};
	struct qcow2bm_disk_options options = QCOW2BM_DISK_OPTIONS_INIT;
	options.snapshot = run->map->snapshot;
	options.without_data_files = !run->map->backing_chain;
	if (qcow2bm_disk_open(&run->disk, run->chain, &options, &err) != QCOW2BM_OK)
		return tool_message_fail(filename, &err);
	uint64_t start = run->map->start, bytes = qcow2bm_disk_bytes(run->disk);
	if (start > bytes) {
		tool_message(filename,
			     "start %" PRIu64 " lies past the end of the disk (%" PRIu64
			     " bytes)",
			     start, bytes);
		return TOOL_EXIT_FAILED;
	}
	run->end = run->map->length < bytes - start ? start + run->map->length : bytes;
	return TOOL_EXIT_DONE;
}

int tool_map_disk_run(const struct tool_map_disk *map, const char *filename)
{
	struct run run = {.map = map};
	struct qcow2bm_error err = {0};
	if (tool_layers_try_open(&run.chain, map->options, filename, map->format,
				 map->backing_chain ? 0u : TOOL_LAYERS_TOP_ONLY,
				 &err) != QCOW2BM_OK)
		return tool_message_fail(filename, &err);
	int status = open_disk(&run, filename);
	if (status == TOOL_EXIT_DONE)
		status = print(&run, filename);
	qcow2bm_disk_close(run.disk);
	qcow2bm_chain_close(run.chain);
	return status;
}
