/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs our commands and holds them to what they claim. */
#ifndef PROPERTY_CLAIMS_H
#define PROPERTY_CLAIMS_H

#include "../support/random.h"
#include "truth.h"

/* Reads with list, info, map and check. False where a claim is false. */
bool claims_of_readers(const char *label, struct disk *disk);

/* All that an image holds, for QEMU: bitmaps that are trusted and not in-use. Only the bitmap
 * `name` where it is not NULL. */
bool claims_of_image(const char *label, struct disk *disk, const char *name);

/* The names of the bitmaps that a crash has left in the image; how many they are. */
unsigned claims_in_use(const struct disk *disk, char names[MAX_ENTRIES][MAX_NAME]);

/* repair, recover, merge, undo and more, each on a copy of a layer. */
bool claims_of_edits(const struct world *world, unsigned layer, struct random *random);

/* One edit that stays: world is what it is from now on. */
bool claims_adopt(struct world *world, unsigned layer, struct random *random);

/* The steps of claims_of_edits() and claims_adopt(); the world is that of the image which is
 * edited. */
bool edit_repair(struct world *world, unsigned layer, struct random *random);
bool edit_recover(struct world *world, unsigned layer, struct random *random);
bool edit_merge(struct world *world, unsigned layer, struct random *random);
bool edit_change(struct world *world, unsigned layer, struct random *random);
bool edit_undo(struct world *world, unsigned layer, struct random *random);

#endif
