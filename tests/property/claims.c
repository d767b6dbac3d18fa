/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the reading commands claim, and what an image itself does. */
#include "claims.h"

#include "guest.h"
#include "program.h"
#include "steps.h"
#include "tally.h"

#include <stdio.h>
#include <string.h>

#define FLAG_IN_USE 1u

static uint8_t marked[MAX_SECTORS];

/* What map prints as dirty, into marked. False where it refuses. */
static bool run_map(const struct disk *disk, const char *name)
{
	int status;
	size_t i;
	json_t *extent;
	char *const words[] = {"map", (char *)disk->path, (char *)name, NULL};
	json_t *map = program_json(&status, words);
	memset(marked, 0, sizeof(marked));
	json_array_foreach(map, i, extent)
	{
		uint64_t off =
			(uint64_t)json_integer_value(json_object_get(extent, "offset"));
		uint64_t end = off + (uint64_t)json_integer_value(
					     json_object_get(extent, "length"));
		if (json_integer_value(json_object_get(extent, "type")) == 0)
			continue;
		for (off /= SECTOR_BYTES; off < MAX_SECTORS && off * SECTOR_BYTES < end;
		     off++)
			marked[off] = 1;
	}
	json_decref(map);
	return status == 0;
}

static bool is_called_sound(const json_t *bitmap)
{
	const char *state = json_string_value(json_object_get(bitmap, "state"));
	return state != NULL &&
	       (strcmp(state, "valid") == 0 || strcmp(state, "disabled") == 0);
}

static const char *labelled(const char *label, const char *command)
{
	static char text[40];
	snprintf(text, sizeof(text), "%s%s", label, command);
	return text;
}

/* The bitmaps of a report: what is called sound there, map must read, and its bits be right. */
static bool judge_report(const char *label, const char *command, struct disk *disk,
			 const json_t *bitmaps)
{
	size_t i;
	json_t *bitmap;
	bool right = true;
	json_array_foreach(bitmaps, i, bitmap)
	{
		const char *name = json_string_value(json_object_get(bitmap, "name"));
		struct truth *truth = name == NULL ? NULL : truth_find(disk, name);
		if (truth == NULL || truth->hidden || !is_called_sound(bitmap)) {
			tally_no_claim(labelled(label, command));
			continue;
		}
		bool read = run_map(disk, name);
		right &= tally_judge(labelled(label, command), truth,
				     read ? marked : NULL);
	}
	return right;
}

static bool judge_maps(const char *label, struct disk *disk)
{
	bool right = true;
	for (unsigned i = 0; i < disk->truth_count; i++) {
		struct truth *truth = &disk->truths[i];
		if (!truth->hidden && run_map(disk, truth->name))
			right &= tally_judge(labelled(label, "map"), truth, marked);
		else
			tally_no_claim(labelled(label, "map"));
	}
	return right;
}

bool claims_of_image(const char *label, struct disk *disk, const char *name)
{
	struct view view;
	struct view_entry entries[MAX_ENTRIES];
	bool right = true;
	if (!view_open(&view, disk->path))
		steps_stop("%s cannot be read", disk->path);
	int count = view_is_trusted(&view) ? view_entries(&view, entries) : 0;
	for (int i = 0; i < count; i++) {
		if (name != NULL && strcmp(entries[i].name, name) != 0)
			continue;
		struct truth *truth = truth_find(disk, entries[i].name);
		bool passed_by = name != NULL && truth != NULL && truth->hidden;
		if ((entries[i].flags & FLAG_IN_USE) != 0 || passed_by) {
			tally_no_claim(label);
			continue;
		}
		bool read = view_bits(&view, &entries[i], marked);
		right &= tally_judge(label, truth, read ? marked : NULL);
	}
	view_close(&view);
	return right;
}

unsigned claims_in_use(const struct disk *disk, char names[MAX_ENTRIES][MAX_NAME])
{
	struct view view;
	struct view_entry entries[MAX_ENTRIES];
	unsigned found = 0;
	if (!view_open(&view, disk->path))
		return 0;
	int count = view_entries(&view, entries);
	for (int i = 0; i < count; i++)
		if ((entries[i].flags & FLAG_IN_USE) != 0)
			memcpy(names[found++], entries[i].name, MAX_NAME);
	view_close(&view);
	return found;
}

/* 0 says that all bitmaps are sound; 3, leaks alone, that nothing else speaks against them. */
static bool judge_check(const char *label, struct disk *disk)
{
	char *const words[] = {"check", disk->path, NULL};
	int status = program_run(words);
	if (status == 3)
		disk->damaged = false;
	if (status != 0) {
		tally_no_claim(labelled(label, "check"));
		return true;
	}
	disk->suspicious = disk->damaged = false;
	return claims_of_image(labelled(label, "check"), disk, NULL);
}

bool claims_of_readers(const char *label, struct disk *disk)
{
	int status;
	char *const list_words[] = {"list", disk->path, NULL};
	char *const info_words[] = {"info", disk->path, NULL};
	json_t *list = program_json(&status, list_words);
	json_t *images = json_object_get(list, "images");
	bool right = judge_report(label, "list", disk,
				  json_object_get(json_array_get(images, 0), "bitmaps"));
	json_decref(list);
	json_t *info = program_json(&status, info_words);
	json_t *data = json_object_get(json_object_get(info, "format-specific"), "data");
	right &= judge_report(label, "info", disk, json_object_get(data, "bitmaps"));
	json_decref(info);
	right &= judge_maps(label, disk);
	return judge_check(label, disk) && right;
}
