/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes as programs do that know no bitmaps: in place, into new clusters, with refcounts that
 * are counted anew from the guest's tables alone, into a disk that they have made larger. */
#define _POSIX_C_SOURCE 200809L
#include "guest.h"

#include "steps.h"

#include <string.h>
#include <unistd.h>

#define COPIED (UINT64_C(1) << 63)
#define COMPRESSED (UINT64_C(1) << 62)
#define AUTOCLEAR_BITMAPS UINT64_C(1)

enum { MAX_CLUSTERS = 65536 };

/* By pwrite() as others write: a store to a mapping leaves the times of some files alone. */
static void fill(struct view *view, struct random *random, uint64_t off, uint64_t bytes)
{
	uint64_t words[SECTOR_BYTES / 8];
	for (uint64_t at = off; at < off + bytes; at += sizeof(words)) {
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			words[i] = random_word(random);
		if (at + sizeof(words) > view->length)
			return;
		if (pwrite(view->fd, words, sizeof(words), (off_t)at) !=
		    (ssize_t)sizeof(words))
			steps_stop("pwrite");
	}
}

/* A sector that the guest has a cluster of its own for. */
static bool write_in_place(struct view *view, struct random *random)
{
	unsigned bytes = view_l2_bytes(view);
	for (unsigned tries = 0; tries < 200; tries++) {
		uint64_t off = random_below(random, view->size / SECTOR_BYTES);
		off *= SECTOR_BYTES;
		uint64_t place = view_l2_place(view, off);
		uint64_t entry = place == 0 ? 0 : view_load(view, place, 8);
		bool zeros = bytes == 8 ? (entry & 1) != 0
					: view_load(view, place + 8, 8) != 0xffffffffu;
		if ((entry & COPIED) == 0 || (entry & COMPRESSED) != 0 || zeros)
			continue;
		fill(view, random, (entry & VIEW_OFFSET_MASK) + off % view->cluster_bytes,
		     SECTOR_BYTES);
		return true;
	}
	return false;
}

static uint64_t find_free_cluster(const struct view *view)
{
	for (uint64_t i = 1; (i + 1) * view->cluster_bytes <= view->length; i++)
		if (view_is_counted(view, i) && view_refcount(view, i) == 0)
			return i;
	return 0;
}

/* A whole cluster that the guest had none for. */
static bool write_new_cluster(struct view *view, struct random *random)
{
	uint64_t cluster = find_free_cluster(view);
	uint64_t clusters = view->size / view->cluster_bytes;
	for (unsigned tries = 0; tries < 200 && cluster != 0 && clusters != 0; tries++) {
		uint64_t place = view_l2_place(view, random_below(random, clusters) *
							     view->cluster_bytes);
		if (place == 0 || view_load(view, place, 8) != 0)
			continue;
		if (view_l2_bytes(view) == 16 && view_load(view, place + 8, 8) != 0)
			continue;
		fill(view, random, cluster * view->cluster_bytes, view->cluster_bytes);
		view_set_refcount(view, cluster, 1);
		view_store(view, place, 8, cluster * view->cluster_bytes | COPIED);
		if (view_l2_bytes(view) == 16)
			view_store(view, place + 8, 8, 0xffffffffu);
		return true;
	}
	return false;
}

static void mark_range(const struct view *view, uint8_t *used, uint64_t off,
		       uint64_t bytes)
{
	for (uint64_t i = off / view->cluster_bytes;
	     i * view->cluster_bytes < off + bytes && i < MAX_CLUSTERS; i++)
		used[i] = 1;
}

static void mark_guest(const struct view *view, uint8_t *used)
{
	uint64_t l1 = view_load(view, HEADER_L1_OFF, 8);
	uint64_t entries = view_load(view, HEADER_L1_SIZE, 4);
	mark_range(view, used, l1, entries * 8);
	for (uint64_t i = 0; i < entries; i++) {
		uint64_t l2 = view_load(view, l1 + 8 * i, 8) & VIEW_OFFSET_MASK;
		if (l2 == 0)
			continue;
		mark_range(view, used, l2, view->cluster_bytes);
		for (uint64_t at = 0; at < view->cluster_bytes;
		     at += view_l2_bytes(view)) {
			uint64_t data = view_load(view, l2 + at, 8) & VIEW_OFFSET_MASK;
			if (data != 0)
				mark_range(view, used, data, view->cluster_bytes);
		}
	}
}

/* As cloud-hypervisor and crosvm open an image: what they do not know ends with refcount 0. */
static void count_anew(struct view *view)
{
	static uint8_t used[MAX_CLUSTERS];
	memset(used, 0, sizeof(used));
	uint64_t table = view_load(view, HEADER_REFTABLE_OFF, 8);
	uint64_t bytes =
		view_load(view, HEADER_REFTABLE_CLUSTERS, 4) * view->cluster_bytes;
	mark_range(view, used, 0, view->cluster_bytes);
	mark_range(view, used, table, bytes);
	for (uint64_t at = 0; at < bytes; at += 8) {
		uint64_t block = view_load(view, table + at, 8) & VIEW_OFFSET_MASK;
		if (block != 0)
			mark_range(view, used, block, view->cluster_bytes);
	}
	mark_guest(view, used);
	for (uint64_t i = 0; i < MAX_CLUSTERS && i * view->cluster_bytes < view->length;
	     i++)
		view_set_refcount(view, i, used[i]);
}

/* How many bitmaps that count as sound have a table of another size than the disk's. */
static unsigned count_misfits(const struct view *view)
{
	struct view_entry entries[MAX_ENTRIES];
	int count = view_entries(view, entries);
	unsigned misfits = 0;
	for (int i = 0; i < count; i++)
		misfits += (entries[i].flags & 1) == 0 &&
			   !view_table_fits(view, &entries[i]);
	return misfits;
}

static bool grow(struct view *view, struct random *random)
{
	uint64_t per_entry =
		view->cluster_bytes * view->cluster_bytes / view_l2_bytes(view);
	uint64_t limit = view_load(view, HEADER_L1_SIZE, 4) * per_entry;
	if (limit > MAX_SECTORS * SECTOR_BYTES)
		limit = MAX_SECTORS * SECTOR_BYTES;
	if (view->size >= limit)
		return false;
	view->size += random_between(random, 1, (limit - view->size) / SECTOR_BYTES) *
		      SECTOR_BYTES;
	view_store(view, HEADER_SIZE, 8, view->size);
	return true;
}

/* As programs do that allocate behind the end. */
static void add_room(const char *path, uint64_t cluster_bytes, struct random *random)
{
	struct view view;
	if (!view_open(&view, path))
		return;
	uint64_t clusters = (view.length + cluster_bytes - 1) / cluster_bytes +
			    random_below(random, 4);
	view_close(&view);
	if (truncate(path, (off_t)(clusters * cluster_bytes)) != 0)
		steps_stop("truncate");
}

/* Which ways leave a trace, whatever is written: refcounts, or the autoclear bit. */
static void write_with_trace(struct view *view, struct random *random)
{
	bool clear = random_percent(random, 50), traced = clear;
	bool has_bitmaps = view_extension(view) != 0;
	if (random_percent(random, 55) && view_load(view, HEADER_SNAPSHOTS, 4) == 0) {
		count_anew(view);
		traced |= has_bitmaps;
		steps_add("    counts refcounts anew");
	}
	unsigned misfits = count_misfits(view);
	if (random_percent(random, 25) && grow(view, random)) {
		traced |= count_misfits(view) > misfits;
		steps_add("    grows the disk to %llu", (unsigned long long)view->size);
	}
	if (clear || !traced) {
		view_store(view, HEADER_AUTOCLEAR, 8,
			   view_load(view, HEADER_AUTOCLEAR, 8) & ~AUTOCLEAR_BITMAPS);
		steps_add("    clears autoclear bit 0");
	}
	for (uint64_t n = random_between(random, 1, 3); n > 0; n--) {
		bool anew = random_percent(random, 50);
		if (anew ? write_new_cluster(view, random) : write_in_place(view, random))
			steps_add("    writes %s", anew ? "a new cluster" : "in place");
	}
}

bool foreign_write(struct world *world, struct random *random)
{
	struct disk *disk = world_top(world);
	struct view view;
	if (!view_open(&view, disk->path))
		return false;
	uint64_t cluster_bytes = view.cluster_bytes;
	view_close(&view);
	add_room(disk->path, cluster_bytes, random);
	if (!view_open(&view, disk->path))
		return false;
	steps_add("a program without bitmaps");
	write_with_trace(&view, random);
	view_close(&view);
	disk->suspicious = true;
	for (unsigned i = 0; i < disk->truth_count; i++)
		disk->truths[i].written_by_others = true;
	return truth_observe(world, world->count - 1, BY_FOREIGN);
}

bool foreign_write_in_place(const char *path, struct random *random)
{
	struct view view;
	if (!view_open(&view, path))
		return false;
	bool written = write_in_place(&view, random);
	view_close(&view);
	return written;
}
