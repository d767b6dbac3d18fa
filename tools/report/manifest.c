/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a manifest tells of itself, for people and as JSON. */
#define _POSIX_C_SOURCE 200809L

#include "manifest.h"

#include "../term/name.h"
#include "../term/size.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HEX_CHARS 65

void tool_manifest_date(uint64_t seconds, char text[TOOL_MANIFEST_DATE])
{
	struct tm tm;
	time_t when = (time_t)seconds;
	if (seconds == 0 || seconds > INT32_MAX * (uint64_t)64 ||
	    gmtime_r(&when, &tm) == NULL ||
	    strftime(text, TOOL_MANIFEST_DATE, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(text, TOOL_MANIFEST_DATE, "at an unknown time");
}

static void print_hex(const uint8_t *bytes, char text[HEX_CHARS])
{
	for (size_t i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void add_checkpoints(struct tool_text *text, struct qcow2bm_old *old)
{
	size_t count = qcow2bm_old_describe(old)->checkpoints;
	for (size_t i = 0; i < count; i++) {
		struct qcow2bm_old_checkpoint it = *qcow2bm_old_checkpoint(old, i);
		char *name = tool_name_escape(it.name, it.name_bytes, TOOL_NAME_HUMAN);
		if (it.is_known)
			tool_text_print(text,
					"Checkpoint:  %s, %" PRIu64
					" bytes had changed since\n",
					name, it.dirty_bytes);
		else
			tool_text_print(text,
					"Checkpoint:  %s, how much had changed since is "
					"not known\n",
					name);
		free(name);
	}
}

void tool_manifest_human(struct tool_text *text, const char *filename,
			 struct qcow2bm_old *old)
{
	const struct qcow2bm_old_info *info = qcow2bm_old_describe(old);
	char made[TOOL_MANIFEST_DATE], written[TOOL_MANIFEST_DATE], hex[HEX_CHARS];
	char granularity[TOOL_SIZE_TEXT];
	char *shown = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	char *image =
		tool_name_escape(info->filename, info->filename_bytes, TOOL_NAME_HUMAN);
	tool_manifest_date(info->made_seconds, made);
	tool_manifest_date(info->written_seconds, written);
	tool_size_format((uint64_t)1 << info->granularity_bits, granularity);
	tool_text_print(text,
			"Manifest:    %s, whole\n"
			"Image:       %s, last written %s\n"
			"Made:        %s\n"
			"Disk:        %" PRIu64 " bytes\n"
			"Hashes:      %s of each %s\n",
			shown, image, written, made, info->virtual_bytes, info->hash,
			granularity);
	if (info->total != NULL) {
		print_hex(info->total, hex);
		tool_text_print(text, "SHA-256:     %s\n", hex);
	}
	add_checkpoints(text, old);
	free(shown);
	free(image);
}

static json_t *checkpoint_json(const struct qcow2bm_old_checkpoint *it)
{
	json_t *object = json_object();
	json_object_set_new(object, "name", tool_json_name(it->name, it->name_bytes));
	json_object_set_new(object, "dirty-bytes",
			    it->is_known ? tool_json_number(it->dirty_bytes)
					 : json_null());
	return object;
}

json_t *tool_manifest_json(const char *filename, struct qcow2bm_old *old)
{
	const struct qcow2bm_old_info *info = qcow2bm_old_describe(old);
	json_t *object = tool_json_document("digest"), *checkpoints = json_array();
	char hex[HEX_CHARS];
	json_object_set_new(object, "filename", tool_json_text(filename));
	json_object_set_new(object, "image",
			    tool_json_name(info->filename, info->filename_bytes));
	json_object_set_new(object, "written", tool_json_number(info->written_seconds));
	json_object_set_new(object, "made", tool_json_number(info->made_seconds));
	json_object_set_new(object, "virtual-size",
			    tool_json_number(info->virtual_bytes));
	json_object_set_new(object, "hash", json_string(info->hash));
	json_object_set_new(object, "granularity",
			    tool_json_number((uint64_t)1 << info->granularity_bits));
	if (info->total != NULL) {
		print_hex(info->total, hex);
		json_object_set_new(object, "sha-256", json_string(hex));
	}
	for (size_t i = 0; i < info->checkpoints; i++)
		json_array_append_new(checkpoints,
				      checkpoint_json(qcow2bm_old_checkpoint(old, i)));
	json_object_set_new(object, "checkpoints", checkpoints);
	return object;
}
