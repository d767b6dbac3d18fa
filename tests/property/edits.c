/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the editing commands claim of the bitmaps that they leave. */
#include "claims.h"

#include "guest.h"
#include "program.h"
#include "steps.h"
#include "tally.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_done(int status)
{
	return status == 0 || status == 5;
}

static struct truth *random_truth(struct disk *disk, struct random *random)
{
	if (disk->truth_count == 0)
		return NULL;
	return &disk->truths[random_below(random, disk->truth_count)];
}

/* A vouching for the guest's disk: judged only where it is true. */
static void vouch(struct disk *disk)
{
	static const uint8_t none[MAX_SECTORS];
	for (unsigned i = 0; i < disk->truth_count; i++)
		disk->truths[i].unclaimed |=
			memcmp(disk->truths[i].foreign, none, sizeof(none)) != 0;
}

bool edit_repair(struct world *world, unsigned layer, struct random *random)
{
	static char *const choices[] = {"",
					"",
					"--drop-in-use",
					"--drop-all",
					"--trust-bitmaps",
					"--drop",
					"--drop-index",
					""};
	struct disk *disk = &world->disks[layer];
	unsigned choice = (unsigned)random_below(random, 8);
	struct truth *truth = random_truth(disk, random);
	char *what = "";
	if (choice == 5)
		what = truth == NULL ? "none" : truth->name;
	if (choice == 6)
		what = random_percent(random, 50) ? "0" : "1";
	char label[40];
	snprintf(label, sizeof(label), "repair %s", choices[choice]);
	char *const words[] = {"repair", "--no-save", choices[choice],
			       what,     disk->path,  NULL};
	int status = program_run(words);
	steps_add("qcow2bm %s %s: %d", label, what, status);
	if (!is_done(status)) {
		tally_no_claim(label);
		return true;
	}
	if (choice == 4)
		vouch(disk);
	truth_match_image(disk);
	return claims_of_image(label, disk, NULL);
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
		if (code == NULL)
			code = json_string_value(json_object_get(condition, "code"));
		if (code == NULL)
			steps_stop("recover names a condition without a code");
		else if (strcmp(code, "not-committed") == 0)
			hold &= !truth->committed;
		else if (strcmp(code, "not-resized") == 0)
			hold &= !truth->resized;
		else if (strcmp(code, "not-changed-by-qmp") == 0)
			hold &= !truth->changed_by_qmp;
		else
			steps_stop("recover names the condition %s", code);
	}
	return hold;
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
	return right;
}

bool edit_recover(struct world *world, unsigned layer, struct random *random)
{
	static char *const methods[] = {"--full", "--allocated", "--stored", "--auto"};
	struct disk *disk = &world->disks[layer];
	char *method = methods[random_below(random, 4)];
	char *unsafe = random_percent(random, 10) ? "--unsafe" : "";
	struct truth *truth = random_truth(disk, random);
	char *name = truth == NULL || random_percent(random, 50) ? "" : truth->name;
	char label[40];
	int status;
	size_t i;
	json_t *change;
	char *const words[] = {"recover", method, unsafe, disk->path, name, NULL};
	json_t *report = program_json(&status, words);
	snprintf(label, sizeof(label), "recover %s", method);
	steps_add("qcow2bm %s %s %s: %d", label, unsafe, name, status);
	bool right = true;
	if (!is_done(status))
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

/* Two bitmaps of the image, or one of it and one of the layer below, become a new one. */
bool edit_merge(struct world *world, unsigned layer, struct random *random)
{
	struct disk *disk = &world->disks[layer];
	struct truth *one = random_truth(disk, random),
		     *other = random_truth(disk, random);
	if (one == NULL || truth_find(disk, "sum") != NULL)
		return true;
	struct truth *sum = truth_add(disk, "sum", one->granularity, false);
	char *source = "", *below = "";
	if (sum == NULL)
		return true;
	truth_merge(sum, one);
	if (layer > 0 && random_percent(random, 40) && disk[-1].truth_count > 0 &&
	    disk[-1].sectors == disk->sectors) {
		struct truth *from = random_truth(&disk[-1], random);
		truth_clear(sum);
		truth_merge(sum, from);
		source = "-b";
		below = disk[-1].path;
		one = other = from;
	} else if (other != one) {
		truth_merge(sum, other);
	}
	char *const words[] = {"merge",    source,    below,
			       "--create", "--into",  "sum",
			       disk->path, one->name, other != one ? other->name : "",
			       NULL};
	int status = program_run(words);
	steps_add("qcow2bm merge %s --into sum %s %s: %d", source, one->name, other->name,
		  status);
	if (!is_done(status)) {
		truth_remove(disk, "sum");
		tally_no_claim("merge");
		return true;
	}
	return claims_of_image("merge", disk, "sum");
}

/* A repair, then perhaps a write of which only the file's times tell, then undo. */
bool edit_undo(struct world *world, unsigned layer, struct random *random)
{
	struct disk *disk = &world->disks[layer];
	static struct disk repaired;
	char file[MAX_PATH + 8];
	snprintf(file, sizeof(file), "%s.undo", disk->path);
	unlink(file);
	char *const repair[] = {
		"repair",   "--save",
		file,       random_percent(random, 30) ? "--drop-all" : "",
		disk->path, NULL};
	int status = program_run(repair);
	steps_add("qcow2bm repair --save: %d", status);
	if (!is_done(status) || access(file, F_OK) != 0)
		return true;
	repaired = *disk;
	if (random_percent(random, 60) && foreign_write_in_place(disk->path, random)) {
		steps_add("another program writes in place");
	} else if (random_percent(random, 30)) {
		guest_session(world, random);
		for (; world->count > layer + 1; world->count--)
			unlink(world_top(world)->path);
	}
	char *const undo[] = {"undo", random_percent(random, 30) ? "--in-use" : "",
			      disk->path, file, NULL};
	status = program_run(undo);
	steps_add("qcow2bm undo %s: %d", undo[1], status);
	unlink(file);
	if (!is_done(status)) {
		tally_no_claim("undo");
		return true;
	}
	/* The bitmaps are those from before the repair: all that was written since, they miss. */
	*disk = repaired;
	(void)truth_observe(world, layer, BY_FOREIGN);
	return claims_of_readers("undo, then ", disk);
}

static bool (*const edits[])(struct world *, unsigned, struct random *) = {
	edit_repair, edit_recover, edit_merge, edit_change, edit_repair, edit_undo,
};

enum { EDITS = sizeof(edits) / sizeof(edits[0]) };

static bool edit_copy(const struct world *world, unsigned layer, struct random *random,
		      unsigned i)
{
	static struct world copy;
	copy = *world;
	copy.count = layer + 1;
	struct disk *disk = &copy.disks[layer];
	size_t length = strlen(disk->path);
	if (length + sizeof(".copy") > MAX_PATH)
		steps_stop("%s is too long", disk->path);
	memcpy(disk->path + length, ".copy", sizeof(".copy"));
	program_copy(world->disks[layer].path, disk->path);
	steps_add("  on a copy:");
	bool right = edits[i](&copy, layer, random);
	unlink(disk->path);
	return right;
}

bool claims_of_edits(const struct world *world, unsigned layer, struct random *random)
{
	bool right = true;
	for (unsigned i = 0; i < EDITS; i++) {
		unsigned times = 1;
		/* There are more ways to recover than one, and more that must not be taken. */
		if (edits[i] == edit_recover && claims_has_in_use(&world->disks[layer]))
			times = 4;
		for (; times > 0; times--)
			right &= edit_copy(world, layer, random, i);
	}
	return right;
}

bool claims_adopt(struct world *world, unsigned layer, struct random *random)
{
	struct disk *disk = &world->disks[layer];
	bool right = edits[random_below(random, EDITS - 1)](world, layer, random);
	(void)truth_observe(world, layer, BY_DAMAGE);
	truth_match_image(disk);
	return right;
}
