/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints made anew from bitmaps that nobody has. */
#define _GNU_SOURCE /* memmem() */
#include "redefine.h"

#include "../term/memory.h"

#include <libxml/parser.h>
#include <libxml/entities.h>
#include <stdlib.h>
#include <string.h>

static bool has_name(const struct tool_redefine *redefine, const char *name)
{
	for (size_t i = 0; i < redefine->count; i++)
		if (strcmp(redefine->names[i], name) == 0)
			return true;
	return false;
}

const char *tool_redefine_obstacle(const struct tool_world *world, const char *name,
				   size_t *disk)
{
	*disk = TOOL_FOLDER_NONE;
	if (!tool_checkpoint_is_name(name))
		return "libvirt takes no such name";
	if (tool_folder_find(&world->folder, name) != TOOL_FOLDER_NONE)
		return "there is a checkpoint of that name";
	bool is_there = false;
	for (size_t i = 0; i < world->disk_count; i++) {
		if (world->disks[i].chain == NULL)
			continue;
		enum tool_bitmap_rule rule =
			tool_bitmap_judge(&world->disks[i], name).rule;
		is_there |= rule != TOOL_BITMAP_NONE;
		*disk = i;
		if (rule != TOOL_BITMAP_NONE && rule != TOOL_BITMAP_SOUND)
			return tool_bitmap_reason(rule);
	}
	*disk = TOOL_FOLDER_NONE;
	return is_there ? NULL : "no disk has a bitmap of that name";
}

static void take(struct tool_redefine *redefine, const struct tool_world *world,
		 const struct qcow2bm_checkpoint *it)
{
	size_t disk;
	char *name = tool_memory_copy(it->name, it->name_bytes);
	if (it->parent != NULL || strlen(name) != it->name_bytes ||
	    has_name(redefine, name) ||
	    tool_redefine_obstacle(world, name, &disk) != NULL) {
		free(name);
		return;
	}
	redefine->names = tool_memory_resize(redefine->names, redefine->count + 1,
					     sizeof(*redefine->names));
	redefine->names[redefine->count++] = name;
}

void tool_redefine_find(struct tool_redefine *redefine, const struct tool_world *world)
{
	*redefine = (struct tool_redefine){0};
	for (size_t i = 0; i < world->disk_count; i++) {
		const struct qcow2bm_chain *chain = world->disks[i].chain;
		for (size_t k = 0; chain != NULL && k < qcow2bm_chain_count(chain); k++)
			take(redefine, world, qcow2bm_chain_checkpoint(chain, k));
	}
}

void tool_redefine_free(struct tool_redefine *redefine)
{
	for (size_t i = 0; i < redefine->count; i++)
		free(redefine->names[i]);
	free(redefine->names);
}

/* ---- XML ---------------------------------------------------------------------------------- */

static void add_escaped(struct tool_text *text, const char *bytes)
{
	char *escaped = tool_xml_escape(bytes);
	tool_text_print(text, "%s", escaped);
	free(escaped);
}

static void add_disk(struct tool_text *text, const struct tool_libvirt_disk *disk,
		     const char *name)
{
	bool has = disk->chain != NULL &&
		   tool_bitmap_judge(disk, name).rule == TOOL_BITMAP_SOUND;
	tool_text_print(text, "    <disk name=\"");
	add_escaped(text, disk->target);
	tool_text_print(text, "\" checkpoint=\"%s\"", has ? "bitmap" : "no");
	if (has)
		tool_text_print(text, " bitmap=\"%s\"", name);
	tool_text_print(text, "/>\n");
}

/* A name that libvirt takes needs no escapes. */
char *tool_redefine_xml(const struct tool_world *world, const char *name,
			const char *parent, long long created, bool has_domain)
{
	struct tool_text text = {0};
	tool_text_print(&text, "<domaincheckpoint>\n  <name>%s</name>\n", name);
	if (parent != NULL)
		tool_text_print(&text, "  <parent>\n    <name>%s</name>\n  </parent>\n",
				parent);
	tool_text_print(&text, "  <creationTime>%lld</creationTime>\n  <disks>\n",
			created);
	for (size_t i = 0; i < world->disk_count; i++)
		add_disk(&text, &world->disks[i], name);
	tool_text_print(&text, "  </disks>\n");
	if (has_domain && world->domain_doc != NULL) {
		char *domain = tool_xml_dump(tool_xml_root(world->domain_doc));
		tool_text_print(&text, "  %s\n", domain);
		free(domain);
	}
	tool_text_print(&text, "</domaincheckpoint>\n");
	return text.bytes;
}
