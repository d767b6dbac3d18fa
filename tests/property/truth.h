/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The independent record: what truly changed on each disk since each of its bitmaps began. */
#ifndef PROPERTY_TRUTH_H
#define PROPERTY_TRUTH_H

#include "view.h"

enum {
	MAX_TRUTHS = 12,
	MAX_DISKS = 3,
	MAX_PATH = 256,
};

/* One bitmap. Each array has a 1 for each sector that ... */
struct truth {
	char name[MAX_NAME];
	uint64_t granularity;
	bool recording;

	/* Nobody may be held to it: somebody vouched for it, or a damage cannot be seen. */
	bool unclaimed;
	/* It lost bits so that a leaked cluster alone tells, or an L2 entry of the guest: commands
	 * that count all references see that, the others pass by. */
	bool hidden;
	/* Since it was last sound and closed: what the guarantees of recover exclude. */
	bool changed_by_qmp, resized, committed, written_by_others;

	uint8_t must[MAX_SECTORS]; /* changed through QEMU while the bitmap recorded */
	uint8_t foreign
		[MAX_SECTORS];    /* changed by a program without bitmaps, with a trace */
	uint8_t may[MAX_SECTORS]; /* was written to, changed or not: no bit needs more */
};

/* One image of the chain. */
struct disk {
	char path[MAX_PATH];
	uint64_t sectors;
	uint64_t content[MAX_SECTORS];
	struct truth truths[MAX_TRUTHS];
	unsigned truth_count;
	/* Another program wrote, or something was damaged, and no check was clean since. */
	bool suspicious, damaged;
};

enum writer {
	BY_QEMU,
	BY_FOREIGN, /* a program that knows no bitmaps */
	BY_DAMAGE,  /* nobody: the disk forgot */
};

/* disks[0] is the lowest layer, disks[count - 1] the one that the guest writes to. */
struct world {
	struct disk disks[MAX_DISKS];
	unsigned count;
};

static inline struct disk *world_top(struct world *world)
{
	return &world->disks[world->count - 1];
}

struct truth *truth_find(struct disk *disk, const char *name);

/* NULL where there are too many, or one of the name. */
struct truth *truth_add(struct disk *disk, const char *name, uint64_t granularity,
			bool recording);
void truth_remove(struct disk *disk, const char *name);

/* Begins anew: nothing has changed. */
void truth_clear(struct truth *truth);

/* What one covers the other must cover from now on. */
void truth_merge(struct truth *into, const struct truth *from);

/* The guest wrote to the range. */
void truth_written(struct disk *disk, uint64_t off, uint64_t bytes);

/* Compares the disk's content with what it was and records what has changed, and by whom.
 * False where the content cannot be read. */
bool truth_observe(struct world *world, unsigned layer, enum writer writer);

/* The disk has another size: what lay behind the smaller one is QEMU's own claim. */
void truth_resized(struct disk *disk, uint64_t old_sectors);

/* After the image was closed by QEMU or an edit: bitmaps that are gone are forgotten, whether
 * one records is what its flag says. Nothing happens where the directory cannot be read. */
void truth_match_image(struct disk *disk);

/* The first sector that must be marked and is not; -1 where there is none. */
int64_t truth_missing(const struct truth *truth, const uint8_t marked[MAX_SECTORS]);
/* The first sector that is marked although nothing was ever written near it. */
int64_t truth_surplus(const struct truth *truth, const uint8_t marked[MAX_SECTORS]);

#endif
