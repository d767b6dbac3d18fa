/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disks of a domain's XML. All else in it may be secret: it is neither kept nor shown. */
#define _POSIX_C_SOURCE 200809L /* AT_FDCWD */
#include "domain.h"

#include "../term/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_text(const char *text, const char *wanted)
{
	return text != NULL && strcmp(text, wanted) == 0;
}

/* The local file or device of a `source`, whose kind stands in `holder`'s type. */
static char *take_path(const xmlNode *holder)
{
	char *type = tool_xml_attribute(holder, "type");
	const xmlNode *source = tool_xml_first(holder, "source");
	char *path = NULL;
	if (type == NULL || is_text(type, "file"))
		path = tool_xml_attribute(source, "file");
	else if (is_text(type, "block"))
		path = tool_xml_attribute(source, "dev");
	free(type);
	return path;
}

/* `backingStore` inside `backingStore`: one without anything ends the chain. */
static void take_below(struct tool_domain_disk *disk, const xmlNode *holder)
{
	const xmlNode *store = tool_xml_first(holder, "backingStore");
	for (; store != NULL; store = tool_xml_first(store, "backingStore")) {
		if (tool_xml_first(store, "source") == NULL) {
			disk->below_ends = true;
			return;
		}
		disk->below = tool_memory_resize(disk->below, disk->below_count + 1,
						 sizeof(*disk->below));
		disk->below[disk->below_count++] = (struct tool_domain_layer){
			take_path(store),
			tool_xml_attribute(tool_xml_first(store, "format"), "type")};
	}
}

static void take_disk(struct tool_domain_disk *disk, const xmlNode *node)
{
	char *device = tool_xml_attribute(node, "device");
	*disk = (struct tool_domain_disk){
		.target = tool_xml_attribute(tool_xml_first(node, "target"), "dev"),
		.path = take_path(node),
		.format = tool_xml_attribute(tool_xml_first(node, "driver"), "type"),
		.is_empty = tool_xml_first(node, "source") == NULL,
		.is_read_only = tool_xml_first(node, "readonly") != NULL ||
				is_text(device, "cdrom"),
	};
	take_below(disk, node);
	free(device);
}

void tool_domain_take(struct tool_domain *domain, const xmlNode *node)
{
	const xmlNode *devices = tool_xml_first(node, "devices");
	const xmlNode *disk = tool_xml_first(devices, "disk");
	*domain =
		(struct tool_domain){.name = tool_xml_text(tool_xml_first(node, "name"))};
	for (; disk != NULL; disk = tool_xml_next(disk, "disk")) {
		if (tool_xml_first(disk, "target") == NULL)
			continue;
		domain->disks = tool_memory_resize(domain->disks, domain->disk_count + 1,
						   sizeof(*domain->disks));
		take_disk(&domain->disks[domain->disk_count], disk);
		if (domain->disks[domain->disk_count].target == NULL)
			domain->disks[domain->disk_count].target =
				tool_memory_copy("", 0);
		domain->disk_count++;
	}
}

bool tool_domain_read(struct tool_domain *domain, const char *filename, xmlDoc **doc,
		      char why[TOOL_WHY])
{
	struct tool_file file;
	*domain = (struct tool_domain){0};
	if (!tool_file_read(&file, AT_FDCWD, filename, why))
		return false;
	xmlDoc *parsed = tool_xml_parse(file.bytes, file.count, why);
	tool_file_free(&file);
	if (parsed == NULL)
		return false;
	const xmlNode *root = tool_xml_root(parsed);
	bool is_domain = is_text((const char *)root->name, "domain");
	if (is_domain)
		tool_domain_take(domain, root);
	else
		snprintf(why, TOOL_WHY, "it is no domain's XML");
	if (doc != NULL && is_domain)
		*doc = parsed;
	else
		tool_xml_free(parsed);
	return is_domain;
}

void tool_domain_free(struct tool_domain *domain)
{
	for (size_t i = 0; i < domain->disk_count; i++) {
		struct tool_domain_disk *disk = &domain->disks[i];
		for (size_t k = 0; k < disk->below_count; k++) {
			free(disk->below[k].path);
			free(disk->below[k].format);
		}
		free(disk->below);
		free(disk->target);
		free(disk->path);
		free(disk->format);
	}
	free(domain->disks);
	free(domain->name);
	*domain = (struct tool_domain){0};
}

const struct tool_domain_disk *tool_domain_find(const struct tool_domain *domain,
						const char *target)
{
	for (size_t i = 0; i < domain->disk_count; i++)
		if (strcmp(domain->disks[i].target, target) == 0)
			return &domain->disks[i];
	return NULL;
}
