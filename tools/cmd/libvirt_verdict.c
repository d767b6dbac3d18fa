/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm libvirt verdict: whether libvirt makes an increment from each checkpoint, on each disk. */
#include "../report/json.h"
#include "../report/libvirt.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/output.h"
#include "../term/table.h"
#include "libvirt.h"
#include "libvirt_open.h"

#include <stdlib.h>
#include <string.h>

/* Why libvirt wants a full backup of the disk, or NULL. */
static const char *find_reason(const struct tool_libvirt_disk *disk,
			       const struct tool_checkpoint *checkpoint)
{
	const char *bitmap;
	if (!tool_checkpoint_has(checkpoint, disk->target, &bitmap))
		return "its XML has no bitmap of the disk";
	if (strcmp(bitmap, checkpoint->name) != 0)
		return "its XML names a bitmap that is named otherwise";
	if (disk->why_not != NULL)
		return disk->why_not;
	if (disk->chain == NULL)
		return tool_world_is_far(disk) ? "the disk is in no local file"
					       : "the disk is no qcow2 image";
	return tool_bitmap_reason(tool_bitmap_judge(disk, bitmap).rule);
}

/* Only of those that were asked for. */
static bool is_wanted(const struct tool_libvirt *libvirt, size_t idx)
{
	const struct tool_disks *disks = &libvirt->disks;
	bool is_named = disks->name_count == 0;
	if (!libvirt->world.folder.relations[idx].is_loaded)
		return false;
	for (size_t i = 0; i < disks->name_count; i++)
		is_named |= strcmp(disks->names[i],
				   libvirt->world.folder.list[idx].name) == 0;
	return is_named;
}

static void add_rows(struct tool_table *table, const struct tool_libvirt *libvirt)
{
	const struct tool_world *world = &libvirt->world;
	static const char *const titles[] = {"CHECKPOINT", "DISK", "VERDICT", "REASON"};
	for (size_t i = 0; i < sizeof(titles) / sizeof(*titles); i++)
		tool_table_add(table, titles[i]);
	for (size_t i = 0; i < world->folder.count; i++) {
		for (size_t k = 0; is_wanted(libvirt, i) && k < world->disk_count; k++) {
			if (tool_world_is_idle(&world->disks[k]))
				continue;
			const char *reason =
				find_reason(&world->disks[k], &world->folder.list[i]);
			char *target = tool_name_escape_text(world->disks[k].target,
							     TOOL_NAME_HUMAN);
			tool_table_add(table, world->folder.list[i].name);
			tool_table_add(table, target);
			tool_table_add(table, reason == NULL ? "incremental" : "full");
			tool_table_add(table, reason == NULL ? "" : reason);
			free(target);
		}
	}
}

static json_t *list_json(const struct tool_libvirt *libvirt)
{
	const struct tool_world *world = &libvirt->world;
	json_t *list = json_array();
	for (size_t i = 0; i < world->folder.count; i++) {
		for (size_t k = 0; is_wanted(libvirt, i) && k < world->disk_count; k++) {
			if (tool_world_is_idle(&world->disks[k]))
				continue;
			const char *reason =
				find_reason(&world->disks[k], &world->folder.list[i]);
			json_t *object = json_object();
			json_object_set_new(object, "checkpoint",
					    tool_json_text(world->folder.list[i].name));
			json_object_set_new(object, "disk",
					    tool_json_text(world->disks[k].target));
			json_object_set_new(
				object, "verdict",
				json_string(reason == NULL ? "incremental" : "full"));
			if (reason != NULL)
				json_object_set_new(object, "reason",
						    json_string(reason));
			json_array_append_new(list, object);
		}
	}
	return list;
}

static int print(const struct tool_libvirt *libvirt)
{
	struct tool_table table = {.columns = 4, .shortens = {true}};
	struct tool_text text = {0};
	if (libvirt->disks.options.json) {
		json_t *object = tool_json_document("libvirt-verdict");
		json_object_set_new(object, "verdicts", list_json(libvirt));
		json_object_set_new(object, "disks",
				    tool_libvirt_json_disks(&libvirt->world));
		return tool_output_json(object);
	}
	add_rows(&table, libvirt);
	table.text = &text;
	add_rows(&table, libvirt);
	return tool_output_text(&text);
}

static int check_names(const struct tool_libvirt *libvirt)
{
	for (size_t i = 0; i < libvirt->disks.name_count; i++)
		if (tool_folder_find(&libvirt->world.folder, libvirt->disks.names[i]) ==
		    TOOL_FOLDER_NONE) {
			tool_message(libvirt->folder_path, "checkpoint '%s' not found",
				     libvirt->disks.names[i]);
			return TOOL_EXIT_FAILED;
		}
	return TOOL_EXIT_DONE;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"checkpoint", required_argument, NULL, 'c'},
		TOOL_LIBVIRT_OPTIONS,
		TOOL_OPTIONS_READ,
	};
	struct tool_libvirt libvirt = {
		.disks = {.options = {.command = &tool_libvirt_verdict}}};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS "c:",
				  long_options, NULL)) != -1)
		status = tool_libvirt_take(&libvirt, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON) {
		status = tool_libvirt_open(&libvirt, argc - optind,
					   libvirt.checkpoints != NULL);
		if (status == TOOL_EXIT_DONE)
			status = check_names(&libvirt);
		if (status == TOOL_EXIT_DONE)
			status = print(&libvirt);
	}
	tool_libvirt_close(&libvirt);
	return status;
}

const struct tool_command tool_libvirt_verdict = {
	.name = "libvirt verdict",
	.synopsis = "[OPTION]... --domain NAME",
	.summary = "Tell of each checkpoint and disk whether libvirt makes an increment",
	.help = "What `virsh checkpoint-create --redefine-validate` and a backup would say of a\n"
		"running domain: incremental, or full with the reason. libvirt does not look at the\n"
		"bits: `qcow2bm chain verify` does.\n"
		"\n"
		"Options:\n"
		"  -c, --checkpoint NAME  this checkpoint; repeated: these\n" TOOL_HELP_LIBVIRT
		"      --output FORMAT    human (default) or json\n" TOOL_HELP_READ "\n"
		"Examples:\n"
		"  qcow2bm libvirt verdict --domain vm\n"
		"  qcow2bm libvirt verdict --output=json --domain vm | jq '.verdicts[].verdict'\n"
		"\n" TOOL_HELP_READ_EXITS,
	.run = run,
};
