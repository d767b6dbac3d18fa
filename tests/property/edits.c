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

/* A vouching for the bitmaps: judged only where nothing speaks against it. */
static void vouch(struct disk *disk)
{
	static const uint8_t none[MAX_SECTORS];
	for (unsigned i = 0; i < disk->truth_count; i++)
		disk->truths[i].unclaimed |=
			disk->damaged || disk->truths[i].hidden ||
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
	uint64_t sum = view_sum(disk->path);
	status = program_run(undo);
	steps_add("qcow2bm undo %s: %d", undo[1], status);
	unlink(file);
	if (!is_done(status)) {
		tally_no_claim("undo");
		return true;
	}
	/* The bitmaps are those from before the repair: all that was written since, they miss. */
	if (view_sum(disk->path) != sum)
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
	char names[MAX_ENTRIES][MAX_NAME];
	bool right = true;
	for (unsigned i = 0; i < EDITS; i++) {
		unsigned times = 1;
		/* There are more ways to recover than one, and more that must not be taken. */
		if (edits[i] == edit_recover &&
		    claims_in_use(&world->disks[layer], names) > 0)
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
