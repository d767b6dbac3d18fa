/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XML, as a checkpoint's file and as a domain's: what libvirt would load has a name that is one, and with another
 * parent it is the same otherwise.
 */
#include "../../tools/libvirt/checkpoint.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void take(struct tool_checkpoint *checkpoint, const void *bytes, size_t size)
{
	struct tool_file content = {.bytes = fuzz_copy(bytes, size), .count = size};
	tool_checkpoint_take(checkpoint, "c.xml", &content);
}

static bool is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_disks(const struct tool_checkpoint *a, const struct tool_checkpoint *b)
{
	fuzz_require(a->disk_count == b->disk_count, "%zu disks became %zu",
		     a->disk_count, b->disk_count);
	for (size_t i = 0; i < a->disk_count; i++)
		fuzz_require(is_same(a->disks[i].target, b->disks[i].target) &&
				     is_same(a->disks[i].bitmap, b->disks[i].bitmap) &&
				     a->disks[i].has_bitmap == b->disks[i].has_bitmap,
			     "disk %zu changed", i);
}

static void check_parent(const struct tool_checkpoint *before, const char *parent)
{
	struct tool_checkpoint after;
	char *bytes = tool_checkpoint_with_parent(before, parent);
	take(&after, bytes, strlen(bytes));
	/* The quotes may have made it longer than libvirt reads. */
	if (strlen(bytes) <= TOOL_FILE_MAX_BYTES) {
		fuzz_require(after.problem == NULL, "it is passed over then: %s",
			     after.problem);
		fuzz_require(is_same(after.parent, parent), "the parent is another one");
		fuzz_require(is_same(after.name, before->name) &&
				     after.created == before->created,
			     "name or time changed");
		check_disks(before, &after);
	}
	tool_checkpoint_free(&after);
	free(bytes);
}

static void check_domain(const uint8_t *data, size_t size)
{
	char why[TOOL_WHY];
	struct tool_domain domain;
	char *bytes = fuzz_copy(data, size);
	xmlDoc *doc = tool_xml_parse(bytes, size, why);
	if (doc != NULL) {
		tool_domain_take(&domain, tool_xml_root(doc));
		for (size_t i = 0; i < domain.disk_count; i++)
			fuzz_require(domain.disks[i].target != NULL,
				     "a disk has no target");
		tool_domain_free(&domain);
		tool_xml_free(doc);
	}
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tool_checkpoint checkpoint;
	take(&checkpoint, data, size);
	fuzz_require(!checkpoint.is_not_read || checkpoint.problem != NULL,
		     "nothing tells why");
	if (checkpoint.problem == NULL) {
		fuzz_require(tool_checkpoint_is_name(checkpoint.name), "no name");
		check_parent(&checkpoint, "other.parent-1");
		check_parent(&checkpoint, NULL);
	}
	tool_checkpoint_free(&checkpoint);
	check_domain(data, size);
	return 0;
}
