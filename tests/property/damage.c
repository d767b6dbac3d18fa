/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Damages of metadata: one bit, one byte, one field. What no reader could see is left out, or
 * the bitmap is claimed by nobody from then on. */
#define _POSIX_C_SOURCE 200809L
#include "guest.h"

#include "steps.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FLAG_IN_USE 1u
#define FLAG_AUTO 2u

struct field {
	const char *what;
	uint64_t off;
	unsigned bytes;
};

static uint64_t damaged(const struct view *view, struct random *random,
			const struct field *field)
{
	uint64_t old = view_load(view, field->off, field->bytes);
	uint64_t mask =
		field->bytes == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * field->bytes) - 1;
	uint64_t clusters = view->length / view->cluster_bytes;
	switch (random_below(random, 7)) {
	case 0:
		return 0;
	case 1:
		return random_word(random) & mask;
	case 2: {
		unsigned shift = 8 * (unsigned)random_below(random, field->bytes);
		return (old & ~(UINT64_C(0xff) << shift)) | random_below(random, 256)
								    << shift;
	}
	case 3:
		return random_below(random, clusters + 2) * view->cluster_bytes & mask;
	default:
		return old ^ UINT64_C(1) << random_below(random, 8 * field->bytes);
	}
}

static struct field of_extension(const struct view *view, struct random *random)
{
	uint64_t off = view_extension(view);
	switch (random_below(random, 7)) {
	case 0:
		return (struct field){"extension type", off - 8, 4};
	case 1:
		return (struct field){"extension length", off - 4, 4};
	case 2:
		return (struct field){"nb_bitmaps", off, 4};
	case 3:
		return (struct field){"reserved", off + 4, 4};
	case 4:
		return (struct field){"directory size", off + 8, 8};
	default:
		return (struct field){"directory offset", off + 16, 8};
	}
}

static struct field of_entry(const struct view_entry *entry, struct random *random)
{
	uint64_t off = entry->off;
	switch (random_below(random, 9)) {
	case 0:
		return (struct field){"table size", off + 8, 4};
	case 1:
		return (struct field){"flags", off + 12, 4};
	case 2:
		return (struct field){"type", off + 16, 1};
	case 3:
	case 4:
		return (struct field){"granularity_bits", off + 17, 1};
	case 5:
		return (struct field){"name size", off + 18, 2};
	case 6:
		return (struct field){"extra data size", off + 20, 4};
	default:
		return (struct field){"table offset", off, 8};
	}
}

static struct field of_table(const struct view *view, const struct view_entry *entry,
			     struct random *random)
{
	uint64_t n = entry->table_size == 0 || entry->table_size > 4096
			     ? 0
			     : random_below(random, entry->table_size);
	for (uint64_t i = 0; i < 8; i++)
		if (view_load(view, entry->table_off + 8 * n, 8) == 0 &&
		    entry->table_size)
			n = random_below(random, entry->table_size);
	return (struct field){"table entry", entry->table_off + 8 * n, 8};
}

static struct field of_refcounts(const struct view *view)
{
	return (struct field){"refcount table entry",
			      view_load(view, HEADER_REFTABLE_OFF, 8), 8};
}

/* Whether the new value could as well be what the writer meant. */
static bool is_plausible(const struct view *view, const struct view_entry *entry,
			 const struct field *field, uint64_t number)
{
	if (strcmp(field->what, "flags") == 0)
		return ((entry->flags ^ number) & FLAG_AUTO) != 0 ||
		       ((entry->flags & ~number) & FLAG_IN_USE) != 0;
	struct view_entry other = *entry;
	other.granularity_bits = (unsigned)number;
	return strcmp(field->what, "granularity_bits") == 0 &&
	       view_table_fits(view, &other) && !view_tail_is_set(view, &other);
}

static bool is_guest_data(const struct view *view, uint64_t off)
{
	for (uint64_t at = 0; at < view->size; at += view->cluster_bytes) {
		uint64_t place = view_l2_place(view, at);
		if (place != 0 && (view_load(view, place, 8) & VIEW_OFFSET_MASK) == off)
			return true;
	}
	return false;
}

/* Whether a look at the bitmap and at refcounts tells nothing: a table that has lost data, or a
 * place that is the guest's. */
static bool is_hidden(const struct view *view, const struct field *field, uint64_t number)
{
	bool is_entry = strcmp(field->what, "table entry") == 0;
	if (!is_entry && strcmp(field->what, "table offset") != 0)
		return false;
	number &= VIEW_OFFSET_MASK;
	return number == 0 ? is_entry : is_guest_data(view, number);
}

static void damage_field(struct disk *disk, struct view *view, struct random *random,
			 const struct view_entry *entry, const struct field *field)
{
	if (field->bytes == 0)
		return;
	uint64_t number = damaged(view, random, field);
	struct truth *truth = entry == NULL ? NULL : truth_find(disk, entry->name);
	if (number == view_load(view, field->off, field->bytes))
		return;
	steps_add("damage: %s of %s at %llu: %llx, was %llx", field->what,
		  entry == NULL ? "the image" : entry->name,
		  (unsigned long long)field->off, (unsigned long long)number,
		  (unsigned long long)view_load(view, field->off, field->bytes));
	if (truth != NULL && is_plausible(view, entry, field, number)) {
		truth->unclaimed = true;
		steps_add("    which nobody can see");
	}
	if (truth != NULL)
		truth->hidden |= is_hidden(view, field, number);
	view_store(view, field->off, field->bytes, number);
}

static void damage_refcount(struct view *view, struct random *random,
			    const struct view_entry *entry)
{
	uint64_t cluster = random_below(random, view->length / view->cluster_bytes);
	if (entry != NULL && random_percent(random, 70))
		cluster = random_percent(random, 50)
				  ? entry->table_off / view->cluster_bytes
				  : (view_load(view, entry->table_off, 8) &
				     VIEW_OFFSET_MASK) /
					    view->cluster_bytes;
	uint64_t old = view_refcount(view, cluster);
	uint64_t count = random_percent(random, 50) ? 0 : old + 1;
	view_set_refcount(view, cluster, count);
	steps_add("damage: refcount of cluster %llu: %llu, was %llu",
		  (unsigned long long)cluster, (unsigned long long)count,
		  (unsigned long long)old);
}

static void cut_end(const char *path, struct view *view, struct random *random)
{
	uint64_t by = random_between(random, 1, 2 * view->cluster_bytes);
	if (by >= view->length || truncate(path, (off_t)(view->length - by)) != 0)
		return;
	steps_add("damage: the file ends %llu bytes early", (unsigned long long)by);
}

void damage_metadata(struct world *world, struct random *random)
{
	struct disk *disk = world_top(world);
	struct view view;
	struct view_entry entries[MAX_ENTRIES];
	if (!view_open(&view, disk->path))
		return;
	int count = view_entries(&view, entries);
	const struct view_entry *entry = NULL;
	if (count > 0)
		entry = &entries[random_below(random, (uint64_t)count)];
	uint64_t kind = random_below(random, 20);
	struct field field = {"nothing", 0, 0};
	if (kind == 0)
		cut_end(disk->path, &view, random);
	else if (kind < 4)
		damage_refcount(&view, random, entry);
	else if (kind == 4)
		field = of_refcounts(&view);
	else if (kind < 8 && view_extension(&view) != 0)
		field = of_extension(&view, random);
	else if (kind < 14 && entry != NULL)
		field = of_entry(entry, random);
	else if (entry != NULL && entry->table_off >= view.cluster_bytes)
		field = of_table(&view, entry, random);
	damage_field(disk, &view, random, kind < 8 ? NULL : entry, &field);
	view_close(&view);
	/* A cut may take guest data, too: that is no write of a guest. */
	disk->suspicious = disk->damaged = true;
	(void)truth_observe(world, world->count - 1, BY_DAMAGE);
}
