/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One checkpoint as its XML file tells it. */
#include "checkpoint.h"

#include "schema.h"

#include "../term/memory.h"
#include "../term/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME_BYTES 1023 /* of a bitmap */

bool tool_checkpoint_is_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_.-";
	size_t bytes = strlen(name);
	return bytes != 0 && bytes <= MAX_NAME_BYTES && name[0] != '.' &&
	       name[strspn(name, letters)] == '\0';
}

/* Only the first reason is kept. */
static void pass_over(struct tool_checkpoint *checkpoint, const char *why)
{
	if (checkpoint->problem == NULL)
		checkpoint->problem = tool_memory_copy(why, strlen(why));
}

static void take_time(struct tool_checkpoint *checkpoint, const xmlNode *node)
{
	char *text = tool_xml_text(node), *end = text;
	errno = 0;
	if (text != NULL)
		checkpoint->created = strtoll(text, &end, 10);
	if (text == NULL || !tool_schema_is_number(text) || *end != '\0' || errno != 0) {
		checkpoint->created = 0;
		pass_over(checkpoint, "it has no creationTime in seconds");
	}
	free(text);
}

static void check_attributes(struct tool_checkpoint *checkpoint,
			     const struct tool_checkpoint_disk *disk, const xmlNode *node)
{
	char *size = tool_xml_attribute(node, "size");
	if (disk->target != NULL && !tool_schema_is_disk(disk->target))
		pass_over(checkpoint, "a disk's name is none that libvirt takes");
	if (!disk->has_bitmap && (disk->bitmap != NULL || size != NULL))
		pass_over(checkpoint, "a disk without a checkpoint has a bitmap");
	if (size != NULL && !tool_schema_is_number(size))
		pass_over(checkpoint, "the size of a disk's bitmap is no number");
	free(size);
}

static void take_disk(struct tool_checkpoint *checkpoint, const xmlNode *node)
{
	struct tool_checkpoint_disk disk = {
		.target = tool_xml_attribute(node, "name"),
		.bitmap = tool_xml_attribute(node, "bitmap"),
		.has_bitmap = true,
	};
	char *kind = tool_xml_attribute(node, "checkpoint");
	if (kind != NULL && strcmp(kind, "bitmap") != 0) {
		disk.has_bitmap = false;
		if (strcmp(kind, "no") != 0)
			pass_over(
				checkpoint,
				"a disk's attribute checkpoint is neither 'no' nor 'bitmap'");
	}
	free(kind);
	check_attributes(checkpoint, &disk, node);
	if (disk.target == NULL) {
		pass_over(checkpoint, "a disk has no name");
		free(disk.bitmap);
		return;
	}
	checkpoint->disks =
		tool_memory_resize(checkpoint->disks, checkpoint->disk_count + 1,
				   sizeof(*checkpoint->disks));
	checkpoint->disks[checkpoint->disk_count++] = disk;
	checkpoint->names_other_bitmaps |= disk.bitmap != NULL &&
					   checkpoint->name != NULL &&
					   strcmp(disk.bitmap, checkpoint->name) != 0;
}

/* Without a list of disks all that can be written have a bitmap. */
static void take_all_disks(struct tool_checkpoint *checkpoint, const xmlNode *node)
{
	struct tool_domain domain;
	tool_domain_take(&domain, node);
	for (size_t i = 0; i < domain.disk_count; i++) {
		struct tool_domain_disk *disk = &domain.disks[i];
		if (disk->is_empty || disk->is_read_only)
			continue;
		checkpoint->disks =
			tool_memory_resize(checkpoint->disks, checkpoint->disk_count + 1,
					   sizeof(*checkpoint->disks));
		checkpoint->disks[checkpoint->disk_count++] =
			(struct tool_checkpoint_disk){
				tool_memory_copy(disk->target, strlen(disk->target)),
				true, NULL};
	}
	tool_domain_free(&domain);
}

static void take_root(struct tool_checkpoint *checkpoint, const xmlNode *root)
{
	const xmlNode *disks = tool_xml_first(root, "disks");
	checkpoint->name = tool_xml_text(tool_xml_first(root, "name"));
	checkpoint->parent =
		tool_xml_text(tool_xml_first(tool_xml_first(root, "parent"), "name"));
	if (checkpoint->name == NULL)
		pass_over(checkpoint, "it has no name");
	else if (!tool_checkpoint_is_name(checkpoint->name))
		pass_over(checkpoint, "its name is none that libvirt takes");
	if (checkpoint->parent != NULL && !tool_checkpoint_is_name(checkpoint->parent))
		pass_over(checkpoint, "its parent's name is none that libvirt takes");
	take_time(checkpoint, tool_xml_first(root, "creationTime"));
	for (const xmlNode *disk = tool_xml_first(disks, "disk"); disk != NULL;
	     disk = tool_xml_next(disk, "disk"))
		take_disk(checkpoint, disk);
	if (disks == NULL)
		take_all_disks(checkpoint, tool_xml_first(root, "domain"));
	const char *complaint = tool_schema_complain(root);
	if (complaint != NULL)
		pass_over(checkpoint, complaint);
}

static void fail_to_read(struct tool_checkpoint *checkpoint, const char *why)
{
	checkpoint->is_not_read = true;
	pass_over(checkpoint, why);
}

void tool_checkpoint_take(struct tool_checkpoint *checkpoint, const char *file,
			  struct tool_file *content)
{
	char why[TOOL_WHY];
	size_t bytes = strlen(file);
	*checkpoint = (struct tool_checkpoint){
		.file = tool_memory_copy(file, bytes),
		.content = *content,
		/* As libvirt names what it writes before it renames it. */
		.is_left_over = bytes > 4 && strcmp(file + bytes - 4, ".new") == 0,
	};
	*content = (struct tool_file){0};
	xmlDoc *doc =
		tool_xml_parse(checkpoint->content.bytes, checkpoint->content.count, why);
	if (doc == NULL) {
		fail_to_read(checkpoint, why);
		return;
	}
	const xmlNode *root = tool_xml_root(doc);
	if (strcmp((const char *)root->name, "domaincheckpoint") == 0)
		take_root(checkpoint, root);
	else
		fail_to_read(checkpoint, "it is no checkpoint's XML");
	tool_xml_free(doc);
}

void tool_checkpoint_read(struct tool_checkpoint *checkpoint, int folder,
			  const char *name)
{
	struct tool_file content;
	char why[TOOL_WHY];
	if (tool_file_read(&content, folder, name, why)) {
		tool_checkpoint_take(checkpoint, name, &content);
		return;
	}
	*checkpoint =
		(struct tool_checkpoint){.file = tool_memory_copy(name, strlen(name))};
	fail_to_read(checkpoint, why);
}

void tool_checkpoint_free(struct tool_checkpoint *checkpoint)
{
	for (size_t i = 0; i < checkpoint->disk_count; i++) {
		free(checkpoint->disks[i].target);
		free(checkpoint->disks[i].bitmap);
	}
	free(checkpoint->disks);
	free(checkpoint->file);
	tool_file_free(&checkpoint->content);
	free(checkpoint->name);
	free(checkpoint->parent);
	free(checkpoint->problem);
}

bool tool_checkpoint_is_own_file(const struct tool_checkpoint *checkpoint)
{
	size_t bytes = strlen(checkpoint->name);
	return strncmp(checkpoint->file, checkpoint->name, bytes) == 0 &&
	       strcmp(checkpoint->file + bytes, ".xml") == 0;
}

bool tool_checkpoint_has(const struct tool_checkpoint *checkpoint, const char *target,
			 const char **bitmap)
{
	for (size_t i = 0; i < checkpoint->disk_count; i++) {
		const struct tool_checkpoint_disk *disk = &checkpoint->disks[i];
		if (strcmp(disk->target, target) != 0)
			continue;
		if (bitmap != NULL)
			*bitmap = disk->bitmap == NULL ? checkpoint->name : disk->bitmap;
		return disk->has_bitmap;
	}
	return false;
}

/* ---- Another parent -------------------------------------------------------------------- */

/* With the blanks in front of it. */
static void drop(xmlNode *node)
{
	xmlNode *before = node->prev;
	if (before != NULL && tool_xml_is_blank(before))
		tool_xml_remove(before);
	tool_xml_remove(node);
}

static void set_parent(xmlNode *root, const char *name)
{
	xmlNode *parent = tool_xml_first(root, "parent");
	if (name == NULL) {
		if (parent != NULL)
			drop(parent);
		return;
	}
	if (parent == NULL)
		parent = tool_xml_add_behind(tool_xml_first(root, "name"), "parent");
	xmlNode *own = tool_xml_first(parent, "name");
	if (own != NULL)
		tool_xml_set_text(own, name);
	else
		tool_xml_add_inside(parent, "name", name);
}

/* Comments before and behind the element, too. */
static char *dump(xmlDoc *doc)
{
	struct tool_text text = {0};
	for (xmlNode *node = doc->children; node != NULL; node = node->next) {
		char *bytes = tool_xml_dump(node);
		tool_text_print(&text, "%s\n", bytes);
		free(bytes);
	}
	return text.bytes;
}

char *tool_checkpoint_with_parent(const struct tool_checkpoint *checkpoint,
				  const char *parent)
{
	char why[TOOL_WHY];
	xmlDoc *doc =
		tool_xml_parse(checkpoint->content.bytes, checkpoint->content.count, why);
	set_parent(tool_xml_root(doc), parent);
	char *bytes = dump(doc);
	tool_xml_free(doc);
	return bytes;
}
