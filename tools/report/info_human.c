/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* info's report for a human, in the form of qemu-img's. */
#define _POSIX_C_SOURCE 200809L

#include "info.h"

#include "../term/fold.h"
#include "../term/name.h"
#include "../term/size.h"
#include "state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *yes_or_no(bool value)
{
	return value ? "true" : "false";
}

/* "label: text" with what a terminal must not see escaped; nothing when there is no text. */
static void add_line(struct tool_text *text, const char *label, const char *value)
{
	if (value == NULL)
		return;
	char *shown = tool_name_escape_text(value, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s: %s\n", label, shown);
	free(shown);
}

static void add_cell(struct tool_text *text, const char *cell, size_t width)
{
	size_t columns = tool_name_columns(cell);
	tool_text_add(text, cell, strlen(cell));
	tool_text_fill(text, ' ', columns < width ? width - columns : 1);
}

static void add_snapshot(struct tool_text *text, const struct qcow2bm_snapshot *snapshot)
{
	char size[TOOL_SIZE_TEXT], date[32] = "", icount[24] = "";
	char *id = tool_name_escape_text(snapshot->id, TOOL_NAME_HUMAN);
	char *name = tool_name_escape_text(snapshot->name, TOOL_NAME_HUMAN);
	time_t seconds = (time_t)snapshot->date_seconds;
	struct tm local;
	if (localtime_r(&seconds, &local) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &local);
	uint64_t clock_ms = snapshot->vm_clock_nanoseconds / 1000000;
	uint64_t clock_s = clock_ms / 1000;
	if (snapshot->icount != UINT64_MAX)
		snprintf(icount, sizeof(icount), "%" PRIu64, snapshot->icount);
	tool_size_format(snapshot->vm_state_bytes, size);
	add_cell(text, id, 10);
	add_cell(text, name, 17);
	tool_text_print(text, "%8s%20s %02" PRIu64 ":%02u:%02u.%03u%11s\n", size, date,
			clock_s / 3600, (unsigned)(clock_s / 60 % 60),
			(unsigned)(clock_s % 60), (unsigned)(clock_ms % 1000), icount);
	free(name);
	free(id);
}

static void add_sketch(struct tool_text *text, const struct tool_sketch *sketch)
{
	static const char label[] = "            graph: ";
	size_t terminal = tool_fold_terminal(), used = sizeof(label) - 1;
	terminal = terminal != 0 ? terminal : TOOL_FOLD_COLUMNS;
	tool_text_print(text, "%s", label);
	tool_sketch_add(text, sketch,
			tool_sketch_columns(terminal > used ? terminal - used : 0));
	tool_text_add(text, "\n", 1);
}

static void add_bitmap(struct tool_text *text, size_t idx,
		       const struct tool_inventory *survey)
{
	const struct tool_inventory_bitmap *bitmap = &survey->bitmaps[idx];
	const struct qcow2bm_bitmap *entry = &bitmap->entry;
	unsigned flags = 0;
	char *name = tool_name_escape(entry->name, entry->name_bytes, TOOL_NAME_HUMAN);
	tool_text_print(text, "        [%zu]:\n            flags:\n", idx);
	if (entry->in_use)
		tool_text_print(text, "                [%u]: in-use\n", flags++);
	if (entry->recording)
		tool_text_print(text, "                [%u]: auto\n", flags);
	tool_text_print(text, "            name: %s\n", name);
	free(name);
	if (entry->granularity_bits < 64)
		tool_text_print(text, "            granularity: %" PRIu64 "\n",
				(uint64_t)1 << entry->granularity_bits);
	add_line(text, "            state", tool_state_word(bitmap->entry.state));
	if (bitmap->measured && survey->bits_counted)
		tool_text_print(text, "            dirty bytes: %" PRIu64 "\n",
				bitmap->measure.dirty_bytes);
	if (bitmap->measured)
		tool_text_print(text, "            stored bytes: %" PRIu64 "\n",
				bitmap->measure.stored_bytes);
	if (bitmap->measured && survey->has_sketches)
		add_sketch(text, &bitmap->sketch);
	add_line(text, "            problem", bitmap->problem);
}

static void add_format_specific(struct tool_text *text,
				const struct tool_info_layer *layer)
{
	const struct qcow2bm_image_info *info = &layer->info;
	bool zstd = info->compression == QCOW2BM_COMPRESSION_ZSTD;
	tool_text_print(text, "Format specific information:\n    compat: %s\n",
			info->version == 2 ? "0.10" : "1.1");
	tool_text_print(text, "    compression type: %s\n", zstd ? "zstd" : "zlib");
	if (info->version > 2)
		tool_text_print(text, "    lazy refcounts: %s\n",
				yes_or_no(info->lazy_refcounts));
	if (layer->survey.count != 0)
		tool_text_print(text, "    bitmaps:\n");
	for (size_t i = 0; i < layer->survey.count; i++)
		add_bitmap(text, i, &layer->survey);
	tool_text_print(text, "    refcount bits: %u\n", info->refcount_bits);
	add_line(text, "    data file", info->data_filename);
	if (info->external_data)
		tool_text_print(text, "    data file raw: %s\n",
				yes_or_no(info->data_file_raw));
	if (tool_info_encryption(info) != NULL)
		tool_text_print(text, "    encrypt:\n        format: %s\n",
				tool_info_encryption(info));
	if (info->version > 2)
		tool_text_print(text, "    corrupt: %s\n    extended l2: %s\n",
				yes_or_no(info->corrupt), yes_or_no(info->extended_l2));
}

static void add_backing(struct tool_text *text, const struct tool_info_layer *layer)
{
	const char *stored = layer->info.backing_filename;
	if (stored == NULL)
		return;
	char *name = tool_name_escape_text(stored, TOOL_NAME_HUMAN);
	char *full = tool_name_escape_text(layer->full_backing_filename, TOOL_NAME_HUMAN);
	tool_text_print(text, "backing file: %s", name);
	if (strcmp(name, full) != 0)
		tool_text_print(text, " (actual path: %s)", full);
	tool_text_add(text, "\n", 1);
	free(full);
	free(name);
	add_line(text, "backing file format", layer->info.backing_format);
}

void tool_info_human(struct tool_text *text, const struct tool_info_layer *layer)
{
	bool raw = layer->image == NULL;
	char virtual_size[TOOL_SIZE_TEXT], disk_size[TOOL_SIZE_TEXT];
	tool_size_format(layer->virtual_bytes, virtual_size);
	tool_size_format(layer->allocated_bytes, disk_size);
	add_line(text, "image", layer->filename);
	tool_text_print(text, "file format: %s\nvirtual size: %s (%" PRIu64 " bytes)\n",
			raw ? "raw" : "qcow2", virtual_size, layer->virtual_bytes);
	tool_text_print(text, "disk size: %s\n", disk_size);
	if (raw)
		return;
	const struct qcow2bm_image_info *info = &layer->info;
	if (info->encryption != QCOW2BM_ENCRYPTION_NONE)
		tool_text_print(text, "encrypted: yes\n");
	tool_text_print(text, "cluster_size: %" PRIu64 "\n", info->cluster_bytes);
	if (info->dirty)
		tool_text_print(text, "cleanly shut down: no\n");
	add_backing(text, layer);
	if (info->snapshots != 0)
		tool_text_print(text, "Snapshot list:\n%-10s%-17s%8s%20s%13s%11s\n", "ID",
				"TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
	for (unsigned i = 0; i < info->snapshots; i++)
		add_snapshot(text, &layer->snapshots[i]);
	add_format_specific(text, layer);
}
