/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits of bitmaps that are named: afterwards each is called right. */
#include "claims.h"

#include "program.h"
#include "steps.h"
#include "tally.h"

#include <stdio.h>
#include <string.h>

/* What a change is in the record. */
enum change {
	CLEARS,
	ENABLES,
	DISABLES,
	DELETES,
	RENAMES,
	MERGES,
	REPLACES,
	ADDS,
};

/* The words of the command line. */
struct verb {
	const char *label;
	enum change change;
	const char *words[4];
};

/* OTHER is another bitmap, IMAGE and NAME come last, and NEW behind them. */
static const struct verb verbs[] = {
	{"clear", CLEARS, {"clear"}},
	{"enable", ENABLES, {"enable"}},
	{"disable", DISABLES, {"disable"}},
	{"delete", DELETES, {"delete"}},
	{"rename", RENAMES, {"rename"}},
	{"add", ADDS, {"add", "-g", "4k"}},
	{"merge --into", MERGES, {"merge", "--into"}},
	{"bitmap --merge", MERGES, {"bitmap", "--merge"}},
	{"bitmap --clear", CLEARS, {"bitmap", "--clear"}},
	{"bitmap --enable", ENABLES, {"bitmap", "--enable"}},
	{"bitmap --disable", DISABLES, {"bitmap", "--disable"}},
	{"bitmap --remove", DELETES, {"bitmap", "--remove"}},
	{"bitmap --clear --merge", REPLACES, {"bitmap", "--clear", "--merge"}},
};

static void rename_truth(struct disk *disk, struct truth *truth, const char *name)
{
	truth_remove(disk, name);
	snprintf(truth->name, MAX_NAME, "%s", name);
}

static void record(struct disk *disk, struct truth *truth, const struct truth *other,
		   enum change change)
{
	switch (change) {
	case CLEARS:
		truth_clear(truth);
		break;
	case ENABLES:
	case DISABLES:
		truth->recording = change == ENABLES;
		break;
	case DELETES:
		truth_remove(disk, truth->name);
		break;
	case RENAMES:
		rename_truth(disk, truth, "new");
		break;
	case REPLACES:
		truth_clear(truth);
		truth_merge(truth, other);
		break;
	case MERGES:
		truth_merge(truth, other);
		break;
	case ADDS:
		(void)truth_add(disk, "new", 4096, true);
		break;
	}
}

/* merge --into has the bitmap before the image, the others behind it. */
static int run(const struct verb *verb, const struct disk *disk, const char *name,
	       const char *other)
{
	const char *words[9];
	size_t count = 0;
	bool into = strcmp(verb->label, "merge --into") == 0;
	for (size_t i = 0; i < 4 && verb->words[i] != NULL; i++)
		words[count++] = verb->words[i];
	if (into)
		words[count++] = name;
	else if (verb->change == MERGES || verb->change == REPLACES)
		words[count++] = other;
	words[count++] = disk->path;
	words[count++] = verb->change == ADDS ? "new" : into ? other : name;
	if (verb->change == RENAMES)
		words[count++] = "new";
	words[count] = NULL;
	return program_run((char *const *)words);
}

bool edit_change(struct world *world, unsigned layer, struct random *random)
{
	struct disk *disk = &world->disks[layer];
	const struct verb *verb =
		&verbs[random_below(random, sizeof(verbs) / sizeof(verbs[0]))];
	bool makes_new = verb->change == RENAMES || verb->change == ADDS;
	bool takes_other = verb->change == MERGES || verb->change == REPLACES;
	if (disk->truth_count == 0 || disk->truth_count == MAX_TRUTHS ||
	    (makes_new && truth_find(disk, "new") != NULL))
		return true;
	struct truth *truth = &disk->truths[random_below(random, disk->truth_count)];
	struct truth *other = &disk->truths[random_below(random, disk->truth_count)];
	if (takes_other && other == truth)
		return true;
	char name[MAX_NAME];
	snprintf(name, sizeof(name), "%s", makes_new ? "new" : truth->name);
	int status = run(verb, disk, truth->name, other->name);
	steps_add("qcow2bm %s %s%s%s: %d", verb->label, truth->name,
		  takes_other ? " with " : "", takes_other ? other->name : "", status);
	if (status != 0 && status != 5) {
		tally_no_claim(verb->label);
		return true;
	}
	record(disk, truth, other, verb->change);
	return claims_of_image(verb->label, disk, name);
}
