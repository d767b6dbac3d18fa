/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recover: what each method guarantees, under the conditions that it names. */
#include "claims.h"

#include "program.h"
#include "steps.h"
#include "tally.h"

#include <stdio.h>
#include <string.h>

enum { CONDITIONS = 4 };

static const char *const codes[CONDITIONS] = {
	"not-changed-by-qmp",
	"not-resized",
	"not-committed",
	"not-written-by-others",
};

static bool holds(const struct truth *truth, unsigned condition)
{
	const bool broken[CONDITIONS] = {truth->changed_by_qmp, truth->resized,
					 truth->committed, truth->written_by_others};
	return !broken[condition];
}

/* Whether every condition that the guarantee names held. */
static bool conditions_hold(const struct truth *truth, const json_t *change)
{
	size_t i;
	json_t *condition;
	bool hold = true;
	json_array_foreach(json_object_get(change, "conditions"), i, condition)
	{
		const char *code = json_string_value(condition);
		unsigned n = 0;
		while (code != NULL && n < CONDITIONS && strcmp(code, codes[n]) != 0)
			n++;
		if (code == NULL || n == CONDITIONS)
			steps_stop("recover names the condition %s", code);
		hold &= holds(truth, n);
	}
	return hold;
}

/* What a user who knows all may vouch for, with commas between; `text` is empty for nothing. */
static void assume(const struct disk *disk, struct random *random, char text[96])
{
	text[0] = '\0';
	for (unsigned n = 0; n < CONDITIONS; n++) {
		bool hold = random_percent(random, 60);
		for (unsigned i = 0; i < disk->truth_count; i++)
			hold &= holds(&disk->truths[i], n);
		if (!hold)
			continue;
		if (text[0] != '\0')
			strcat(text, ",");
		strcat(text, codes[n]);
	}
}

static bool judge_recovered(struct disk *disk, const char *label, const json_t *change)
{
	static uint8_t marked[MAX_SECTORS];
	struct view view;
	struct view_entry entries[MAX_ENTRIES];
	const char *name = json_string_value(json_object_get(change, "name"));
	const char *guarantee = json_string_value(json_object_get(change, "guarantee"));
	struct truth *truth = name == NULL ? NULL : truth_find(disk, name);
	if (truth == NULL || guarantee == NULL)
		return true;
	if (strcmp(guarantee, "unsafe") == 0 || !conditions_hold(truth, change)) {
		truth->unclaimed = true;
		tally_no_claim(label);
		return true;
	}
	if (!view_open(&view, disk->path))
		steps_stop("%s cannot be read", disk->path);
	int count = view_entries(&view, entries);
	bool read = false, right;
	for (int i = 0; i < count; i++)
		if (strcmp(entries[i].name, name) == 0)
			read = view_bits(&view, &entries[i], marked);
	if (strcmp(guarantee, "exact") == 0)
		right = tally_judge_exact(label, truth, read ? marked : NULL);
	else
		right = tally_judge(label, truth, read ? marked : NULL);
	view_close(&view);
	/* What it marks from now on is right, however much it is. */
	if (strcmp(guarantee, "superset") == 0)
		memset(truth->may, 1, sizeof(truth->may));
	return right;
}

bool edit_recover(struct world *world, unsigned layer, struct random *random)
{
	static char *const methods[] = {"--full", "--allocated", "--stored", "--auto"};
	struct disk *disk = &world->disks[layer];
	char *method = methods[random_below(random, 4)];
	char *unsafe = random_percent(random, 10) ? "--unsafe" : "";
	char names[MAX_ENTRIES][MAX_NAME], assumed[96];
	unsigned in_use = claims_in_use(disk, names);
	char *name = "";
	if (in_use > 0 && random_percent(random, 70))
		name = names[random_below(random, in_use)];
	assume(disk, random, assumed);
	/* A full one rests on nothing. */
	if (random_percent(random, 50) || strcmp(method, "--full") == 0)
		assumed[0] = '\0';
	char label[40];
	int status;
	size_t i;
	json_t *change;
	char *const words[] = {
		"recover", method,     unsafe, assumed[0] != '\0' ? "--assume" : "",
		assumed,   disk->path, name,   NULL};
	json_t *report = program_json(&status, words);
	snprintf(label, sizeof(label), "recover %s", method);
	steps_add("qcow2bm %s %s --assume '%s' %s: %d", label, unsafe, assumed, name,
		  status);
	bool right = true;
	if (status != 0 && status != 5)
		tally_no_claim(label);
	else
		json_array_foreach(json_object_get(report, "changes"), i, change)
		{
			right &= judge_recovered(disk, label, change);
		}
	json_decref(report);
	truth_match_image(disk);
	return right;
}
