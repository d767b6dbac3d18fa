/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's checkpoints as JSON. */
#include "../term/name.h"
#include "image_list.h"
#include "json.h"
#include "libvirt.h"

#include <stdlib.h>

static json_t *disk_json(const struct tool_libvirt_disk *disk)
{
	json_t *object = json_object(), *layers = json_array();
	json_object_set_new(object, "target", tool_json_text(disk->target));
	if (disk->path != NULL)
		json_object_set_new(object, "filename", tool_json_text(disk->path));
	for (size_t i = 0;
	     disk->chain != NULL && i < qcow2bm_chain_layer_count(disk->chain); i++) {
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(disk->chain, i);
		json_array_append_new(layers, tool_json_text(layer->filename));
	}
	json_object_set_new(object, "layers", layers);
	if (disk->why_not != NULL)
		json_object_set_new(object, "error",
				    tool_image_list_error(disk->path, &disk->err));
	return object;
}

json_t *tool_libvirt_json_disks(const struct tool_world *world)
{
	json_t *disks = json_array();
	for (size_t i = 0; i < world->disk_count; i++)
		json_array_append_new(disks, disk_json(&world->disks[i]));
	return disks;
}

static json_t *checkpoint_json(const struct tool_world *world, size_t idx)
{
	const struct tool_checkpoint *it = &world->folder.list[idx];
	json_t *object = json_object(), *disks = json_object();
	if (it->name != NULL)
		json_object_set_new(object, "name", tool_json_text(it->name));
	json_object_set_new(object, "file", tool_json_text(it->file));
	if (it->parent != NULL)
		json_object_set_new(object, "parent", tool_json_text(it->parent));
	if (it->created != 0)
		json_object_set_new(object, "creation-time",
				    json_integer((json_int_t)it->created));
	json_object_set_new(object, "loaded",
			    json_boolean(world->folder.relations[idx].is_loaded));
	for (size_t i = 0; it->name != NULL && i < world->disk_count; i++) {
		char *target =
			tool_name_escape_text(world->disks[i].target, TOOL_NAME_JSON);
		json_object_set_new(disks, target,
				    json_string(tool_libvirt_word(&world->disks[i], it)));
		free(target);
	}
	json_object_set_new(object, "disks", disks);
	return object;
}

static void set_place(json_t *object, const struct tool_world *world,
		      const struct tool_flaw *flaw)
{
	if (flaw->checkpoint != TOOL_FLAW_NOWHERE) {
		const struct tool_checkpoint *it = &world->folder.list[flaw->checkpoint];
		if (it->name != NULL)
			json_object_set_new(object, "checkpoint",
					    tool_json_text(it->name));
		json_object_set_new(object, "file", tool_json_text(it->file));
	}
	if (flaw->disk == TOOL_FLAW_NOWHERE)
		return;
	const struct tool_libvirt_disk *disk = &world->disks[flaw->disk];
	json_object_set_new(object, "disk", tool_json_text(disk->target));
	if (flaw->layer == TOOL_FLAW_NOWHERE)
		return;
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(disk->chain, flaw->layer);
	json_object_set_new(object, "layer", tool_json_number(flaw->layer));
	json_object_set_new(object, "filename", tool_json_text(layer->filename));
	if (flaw->bitmap == TOOL_FLAW_NOWHERE)
		return;
	const struct qcow2bm_bitmap *bitmap =
		qcow2bm_bitmap_describe(layer->image, flaw->bitmap);
	json_object_set_new(object, "bitmap",
			    tool_json_name(bitmap->name, bitmap->name_bytes));
}

static json_t *flaw_json(const struct tool_world *world, const struct tool_flaw *flaw)
{
	static const char *const cures[] = {
		[TOOL_LIBVIRT_CURE_NONE] = "none",
		[TOOL_LIBVIRT_CURE_REPAIR] = "repair",
		[TOOL_LIBVIRT_CURE_ADOPT] = "adopt",
		[TOOL_LIBVIRT_CURE_RECOVER] = "recover",
		[TOOL_LIBVIRT_CURE_DELETE] = "delete",
		[TOOL_LIBVIRT_CURE_CHECK] = "check",
		[TOOL_LIBVIRT_CURE_AGAIN] = "again",
	};
	const struct tool_flaw_kind *kind = tool_flaw_kind(flaw->id);
	json_t *object = json_object();
	json_object_set_new(object, "code", json_string(kind->code));
	json_object_set_new(object, "severity",
			    json_string(qcow2bm_severity_name(kind->severity)));
	set_place(object, world, flaw);
	json_object_set_new(object, "sentence", tool_json_text(flaw->sentence));
	json_object_set_new(object, "cure", json_string(cures[flaw->cure]));
	char *command = tool_flaw_cure(world, flaw);
	if (command != NULL)
		json_object_set_new(object, "command", tool_json_text(command));
	free(command);
	return object;
}

json_t *tool_libvirt_json(const struct tool_libvirt_report *report)
{
	const struct tool_world *world = report->world;
	json_t *object = tool_json_document("libvirt-check"), *checkpoints = json_array(),
	       *findings = json_array();
	json_object_set_new(object, "domain", tool_json_text(report->domain));
	json_object_set_new(object, "folder", tool_json_text(world->folder.path));
	json_object_set_new(object, "sound",
			    json_boolean(!tool_flaws_has_problems(report->flaws)));
	for (size_t i = 0; i < world->folder.count; i++)
		json_array_append_new(checkpoints, checkpoint_json(world, i));
	for (size_t i = 0; i < report->flaws->count; i++)
		json_array_append_new(findings,
				      flaw_json(world, &report->flaws->list[i]));
	json_object_set_new(object, "disks", tool_libvirt_json_disks(world));
	json_object_set_new(object, "checkpoints", checkpoints);
	json_object_set_new(object, "findings", findings);
	return object;
}
