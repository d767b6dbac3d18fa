/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* info's report as JSON: what qemu-img prints, under the same keys, and ours in each bitmap. */
#include "info.h"

#include "json.h"

#include <string.h>

#define NANOSECONDS 1000000000u

const char *tool_info_encryption(const struct qcow2bm_image_info *info)
{
	switch (info->encryption) {
	case QCOW2BM_ENCRYPTION_AES:
		return "aes";
	case QCOW2BM_ENCRYPTION_LUKS:
		return "luks";
	default:
		return NULL;
	}
}

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text != NULL)
		json_object_set_new(object, key, tool_json_text(text));
}

static json_t *make_snapshot(const void *opaque, size_t number)
{
	const struct qcow2bm_snapshot *snapshots = opaque, *snapshot = &snapshots[number];
	json_t *object = json_object();
	set_text(object, "id", snapshot->id);
	set_text(object, "name", snapshot->name);
	json_object_set_new(object, "vm-state-size",
			    tool_json_number(snapshot->vm_state_bytes));
	json_object_set_new(object, "date-sec", tool_json_number(snapshot->date_seconds));
	json_object_set_new(object, "date-nsec",
			    tool_json_number(snapshot->date_nanoseconds));
	json_object_set_new(
		object, "vm-clock-sec",
		tool_json_number(snapshot->vm_clock_nanoseconds / NANOSECONDS));
	json_object_set_new(
		object, "vm-clock-nsec",
		tool_json_number(snapshot->vm_clock_nanoseconds % NANOSECONDS));
	if (snapshot->icount != UINT64_MAX)
		json_object_set_new(object, "icount", tool_json_number(snapshot->icount));
	return object;
}

/* What version 3 of the format brought. */
static void set_features(json_t *data, const struct qcow2bm_image_info *info)
{
	json_object_set_new(data, "lazy-refcounts", json_boolean(info->lazy_refcounts));
	json_object_set_new(data, "corrupt", json_boolean(info->corrupt));
	json_object_set_new(data, "extended-l2", json_boolean(info->extended_l2));
	set_text(data, "data-file", info->data_filename);
	if (info->external_data)
		json_object_set_new(data, "data-file-raw",
				    json_boolean(info->data_file_raw));
}

static json_t *format_specific(const struct tool_info_layer *layer,
			       struct tool_json_list lists[2])
{
	const struct qcow2bm_image_info *info = &layer->info;
	bool zstd = info->compression == QCOW2BM_COMPRESSION_ZSTD;
	json_t *data = json_object();
	json_object_set_new(data, "compat",
			    json_string(info->version == 2 ? "0.10" : "1.1"));
	json_object_set_new(data, "compression-type",
			    json_string(zstd ? "zstd" : "zlib"));
	json_object_set_new(data, "refcount-bits", tool_json_number(info->refcount_bits));
	if (info->version > 2)
		set_features(data, info);
	if (layer->survey.count != 0)
		tool_json_set_bitmaps(data, &lists[0], &layer->survey);
	const char *encryption = tool_info_encryption(info);
	if (encryption != NULL)
		json_object_set_new(data, "encrypt",
				    json_pack("{s:s}", "format", encryption));
	return json_pack("{s:s,s:o}", "type", "qcow2", "data", data);
}

static void set_qcow2(json_t *object, const struct tool_info_layer *layer,
		      struct tool_json_list lists[2])
{
	const struct qcow2bm_image_info *info = &layer->info;
	json_object_set_new(object, "cluster-size",
			    tool_json_number(info->cluster_bytes));
	if (info->encryption != QCOW2BM_ENCRYPTION_NONE)
		json_object_set_new(object, "encrypted", json_true());
	set_text(object, "backing-filename", info->backing_filename);
	set_text(object, "full-backing-filename", layer->full_backing_filename);
	if (info->backing_filename != NULL)
		set_text(object, "backing-filename-format", info->backing_format);
	if (info->snapshots != 0) {
		lists[1] = (struct tool_json_list){.count = info->snapshots,
						   .make = make_snapshot,
						   .opaque = layer->snapshots};
		tool_json_set_list(object, "snapshots", &lists[1]);
	}
	json_object_set_new(object, "format-specific", format_specific(layer, lists));
}

/* As QEMU from 8.0 on has it; QEMU counts files in whole sectors. A backing file is none of them, and other
 * files are not opened. */
static json_t *list_children(const struct tool_info_layer *layer)
{
	uint64_t sectors = (layer->file_bytes + 511) / 512;
	json_t *file = json_object(), *child = json_object(), *children = json_array();
	json_object_set_new(file, "children", json_array());
	json_object_set_new(file, "virtual-size", tool_json_number(sectors * 512));
	json_object_set_new(file, "filename", tool_json_text(layer->filename));
	json_object_set_new(file, "format",
			    json_string(layer->is_device ? "host_device" : "file"));
	json_object_set_new(file, "actual-size",
			    tool_json_number(layer->allocated_bytes));
	json_object_set_new(file, "format-specific",
			    json_pack("{s:s,s:{}}", "type", "file", "data"));
	json_object_set_new(file, "dirty-flag", json_false());
	json_object_set_new(child, "name", json_string("file"));
	json_object_set_new(child, "info", file);
	json_array_append_new(children, child);
	return children;
}

json_t *tool_info_json(const struct tool_info_layer *layer,
		       struct tool_json_list lists[2])
{
	memset(lists, 0, 2 * sizeof(*lists));
	json_t *object = json_object();
	bool raw = layer->image == NULL;
	json_object_set_new(object, "children", list_children(layer));
	json_object_set_new(object, "filename", tool_json_text(layer->filename));
	json_object_set_new(object, "format", json_string(raw ? "raw" : "qcow2"));
	json_object_set_new(object, "virtual-size",
			    tool_json_number(layer->virtual_bytes));
	json_object_set_new(object, "actual-size",
			    tool_json_number(layer->allocated_bytes));
	json_object_set_new(object, "dirty-flag",
			    json_boolean(!raw && layer->info.dirty));
	if (!raw)
		set_qcow2(object, layer, lists);
	return object;
}
