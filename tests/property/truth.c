/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the record of what changed: by the content of the disks, not by what anybody says. */
#include "truth.h"

#include <string.h>

#define FLAG_IN_USE 1u
#define FLAG_AUTO 2u

struct truth *truth_find(struct disk *disk, const char *name)
{
	for (unsigned i = 0; i < disk->truth_count; i++)
		if (strcmp(disk->truths[i].name, name) == 0)
			return &disk->truths[i];
	return NULL;
}

struct truth *truth_add(struct disk *disk, const char *name, uint64_t granularity,
			bool recording)
{
	if (disk->truth_count == MAX_TRUTHS || truth_find(disk, name) != NULL)
		return NULL;
	struct truth *truth = &disk->truths[disk->truth_count++];
	memset(truth, 0, sizeof(*truth));
	strncpy(truth->name, name, MAX_NAME - 1);
	truth->granularity = granularity;
	truth->recording = recording;
	return truth;
}

void truth_remove(struct disk *disk, const char *name)
{
	struct truth *truth = truth_find(disk, name);
	if (truth == NULL)
		return;
	struct truth *last = &disk->truths[--disk->truth_count];
	if (truth != last)
		*truth = *last;
}

void truth_clear(struct truth *truth)
{
	memset(truth->must, 0, sizeof(truth->must));
	memset(truth->foreign, 0, sizeof(truth->foreign));
	memset(truth->may, 0, sizeof(truth->may));
	truth->unclaimed = truth->hidden = false;
}

/* Marks whole granules. */
static void mark_may(struct truth *truth, uint64_t off, uint64_t bytes)
{
	uint64_t granule = truth->granularity;
	uint64_t end = (off + bytes + granule - 1) / granule * granule;
	for (uint64_t i = off / granule * granule; i < end; i += SECTOR_BYTES)
		if (i / SECTOR_BYTES < MAX_SECTORS)
			truth->may[i / SECTOR_BYTES] = 1;
}

void truth_merge(struct truth *into, const struct truth *from)
{
	if (into == from)
		return;
	for (uint64_t i = 0; i < MAX_SECTORS; i++) {
		into->must[i] |= from->must[i];
		into->foreign[i] |= from->foreign[i];
		if (from->may[i] != 0)
			mark_may(into, i * SECTOR_BYTES, SECTOR_BYTES);
	}
	into->unclaimed |= from->unclaimed;
	into->hidden |= from->hidden;
}

void truth_written(struct disk *disk, uint64_t off, uint64_t bytes)
{
	for (unsigned i = 0; i < disk->truth_count; i++)
		if (disk->truths[i].recording)
			mark_may(&disk->truths[i], off, bytes);
}

static void record_sector(struct disk *disk, uint64_t sector, enum writer writer)
{
	for (unsigned i = 0; i < disk->truth_count; i++) {
		struct truth *truth = &disk->truths[i];
		if (truth->recording && writer == BY_FOREIGN)
			truth->foreign[sector] = 1;
		if (truth->recording && writer == BY_QEMU)
			truth->must[sector] = 1;
	}
}

bool truth_observe(struct world *world, unsigned layer, enum writer writer)
{
	static uint64_t now[MAX_SECTORS];
	struct disk *disk = &world->disks[layer];
	const struct disk *below = layer == 0 ? NULL : &world->disks[layer - 1];
	struct view view;
	if (!view_open(&view, disk->path))
		return false;
	uint64_t old_sectors = disk->sectors;
	memset(now, 0, sizeof(now));
	view_content(&view, now, below == NULL ? NULL : below->content,
		     below == NULL ? 0 : below->sectors);
	disk->sectors = view.size / SECTOR_BYTES;
	view_close(&view);
	/* What a guest finds in a disk that QEMU has made larger, perhaps old data of the last
	 * cluster, QEMU itself calls unchanged. */
	uint64_t common = disk->sectors < old_sectors ? disk->sectors : old_sectors;
	uint64_t end = writer == BY_QEMU ? common : disk->sectors;
	for (uint64_t i = 0; i < end; i++)
		if (now[i] != (i < common ? disk->content[i] : 0))
			record_sector(disk, i, writer);
	memcpy(disk->content, now, sizeof(now));
	if (disk->sectors != old_sectors)
		truth_resized(disk, old_sectors);
	return true;
}

void truth_resized(struct disk *disk, uint64_t old_sectors)
{
	uint64_t from = disk->sectors < old_sectors ? disk->sectors : old_sectors;
	for (unsigned i = 0; i < disk->truth_count; i++) {
		struct truth *truth = &disk->truths[i];
		truth->resized = true;
		memset(truth->may, 1, sizeof(truth->may));
		if (disk->sectors < old_sectors) {
			memset(truth->must + from, 0, MAX_SECTORS - from);
			memset(truth->foreign + from, 0, MAX_SECTORS - from);
		}
	}
}

static const struct view_entry *entry_of(const struct view_entry *entries, int count,
					 const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(entries[i].name, name) == 0)
			return &entries[i];
	return NULL;
}

static void match_entry(struct truth *truth, const struct view_entry *entry)
{
	truth->recording = (entry->flags & FLAG_AUTO) != 0;
	if ((entry->flags & FLAG_IN_USE) == 0)
		truth->changed_by_qmp = truth->resized = truth->committed =
			truth->written_by_others = false;
}

void truth_match_image(struct disk *disk)
{
	struct view view;
	struct view_entry entries[MAX_ENTRIES];
	if (!view_open(&view, disk->path))
		return;
	int count = view_entries(&view, entries);
	view_close(&view);
	for (unsigned i = disk->truth_count; count >= 0 && i-- > 0;) {
		struct truth *truth = &disk->truths[i];
		const struct view_entry *entry = entry_of(entries, count, truth->name);
		if (entry == NULL)
			truth_remove(disk, truth->name);
		else
			match_entry(truth, entry);
	}
}

int64_t truth_missing(const struct truth *truth, const uint8_t marked[MAX_SECTORS])
{
	for (int64_t i = 0; i < MAX_SECTORS; i++)
		if ((truth->must[i] | truth->foreign[i]) != 0 && marked[i] == 0)
			return i;
	return -1;
}

int64_t truth_surplus(const struct truth *truth, const uint8_t marked[MAX_SECTORS])
{
	for (int64_t i = 0; i < MAX_SECTORS; i++)
		if (marked[i] != 0 && truth->may[i] == 0)
			return i;
	return -1;
}
