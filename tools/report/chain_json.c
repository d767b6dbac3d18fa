/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checkpoints of disks as JSON. */
#include "chain.h"
#include "json.h"

/* The bitmap in one layer; "layer" is its number, the top is 0. */
static json_t *bitmap_json(const struct qcow2bm_chain *chain, size_t idx,
			   size_t layer_idx)
{
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, layer_idx);
	struct tool_inventory_bitmap bitmap = {.problem = NULL};
	bitmap.entry = *qcow2bm_bitmap_describe(
		layer->image, qcow2bm_chain_bitmap(chain, idx, layer_idx));
	bitmap.problem = (char *)bitmap.entry.problem;
	json_t *object = json_object();
	json_object_set_new(object, "layer", json_integer((json_int_t)layer_idx));
	json_t *rest = tool_json_bitmap(&bitmap, false);
	json_object_update(object, rest);
	json_decref(rest);
	return object;
}

static json_t *checkpoint_json(const struct tool_chain_report *report, size_t idx)
{
	const struct tool_chain_checkpoint *checkpoint = &report->checkpoints[idx];
	const struct qcow2bm_checkpoint *entry = checkpoint->entry;
	json_t *object = json_object(), *bitmaps = json_array();
	json_object_set_new(object, "name",
			    tool_json_name(entry->name, entry->name_bytes));
	if (entry->parent != NULL)
		json_object_set_new(object, "parent",
				    tool_json_name(entry->parent, entry->parent_bytes));
	json_object_set_new(object, "verdict",
			    json_string(qcow2bm_verdict_name(checkpoint->since.verdict)));
	json_object_set_new(object, "bytes", tool_json_number(checkpoint->dirty_bytes));
	if (checkpoint->reason != NULL)
		json_object_set_new(object, "reason", tool_json_text(checkpoint->reason));
	if (checkpoint->since.is_superset)
		json_object_set_new(object, "superset", json_true());
	for (size_t i = 0; i < qcow2bm_chain_layer_count(report->chain); i++)
		if (qcow2bm_chain_bitmap(report->chain, idx, i) != QCOW2BM_NOT_FOUND)
			json_array_append_new(bitmaps,
					      bitmap_json(report->chain, idx, i));
	json_object_set_new(object, "bitmaps", bitmaps);
	return object;
}

json_t *tool_chain_json_disk(const struct tool_chain_report *report)
{
	json_t *object = json_object(), *checkpoints = json_array();
	json_object_set_new(object, "filename", tool_json_text(report->filename));
	json_object_set_new(object, "virtual-size",
			    tool_json_number(report->virtual_bytes));
	json_object_set_new(object, "scheme",
			    json_string(qcow2bm_scheme_name(report->order.scheme)));
	json_object_set_new(object, "order",
			    json_string(qcow2bm_witness_name(report->order.witness)));
	if (report->order.gap != NULL)
		json_object_set_new(object, "no-order-because",
				    tool_json_text(report->order.gap));
	json_object_set_new(object, "layers", tool_json_layers(report->chain));
	for (size_t i = 0; i < report->count; i++)
		json_array_append_new(checkpoints, checkpoint_json(report, i));
	json_object_set_new(object, "checkpoints", checkpoints);
	return object;
}

void tool_chain_json_verdicts(json_t *array, const struct tool_chain_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct tool_chain_checkpoint *checkpoint = &report->checkpoints[i];
		json_t *object = json_object();
		json_object_set_new(object, "filename", tool_json_text(report->filename));
		json_object_set_new(object, "checkpoint",
				    tool_json_name(checkpoint->entry->name,
						   checkpoint->entry->name_bytes));
		json_object_set_new(
			object, "verdict",
			json_string(qcow2bm_verdict_name(checkpoint->since.verdict)));
		json_object_set_new(object, "bytes",
				    tool_json_number(checkpoint->dirty_bytes));
		json_array_append_new(array, object);
	}
}
