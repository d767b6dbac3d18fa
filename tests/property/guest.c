/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions with a real QEMU: writes, checkpoints, snapshots, and how they end. */
#define _POSIX_C_SOURCE 200809L
#include "guest.h"

#include "qemu.h"
#include "steps.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {"alpha",   "bravo", "charlie",
				    "chk-one", "delta", "echo-7"};

static const char *random_name(struct random *random)
{
	return names[random_below(random, sizeof(names) / sizeof(names[0]))];
}

static struct truth *random_truth(struct disk *disk, struct random *random)
{
	if (disk->truth_count == 0)
		return NULL;
	return &disk->truths[random_below(random, disk->truth_count)];
}

static void write_once(struct world *world, struct random *random)
{
	static const uint64_t lengths[] = {512, 4096, 5120, 65536, 262144};
	static const char *const ways[] = {"write -P", "write -P",    "write -P",
					   "write -z", "write -z -u", "discard"};
	struct disk *disk = world_top(world);
	uint64_t bytes = lengths[random_below(random, 5)];
	uint64_t size = disk->sectors * SECTOR_BYTES;
	if (bytes > size)
		bytes = size;
	uint64_t off = random_below(random, (size - bytes) / SECTOR_BYTES + 1);
	off *= SECTOR_BYTES;
	if (random_percent(random, 30) && off >= 65536)
		off = off / 65536 * 65536;
	if (random_percent(random, 10))
		off = size - bytes;
	unsigned way = (unsigned)random_below(random, 6);
	truth_written(disk, off, bytes);
	if (way < 3)
		qemu_io("write -P %u %llu %llu", (unsigned)random_between(random, 1, 255),
			(unsigned long long)off, (unsigned long long)bytes);
	else
		qemu_io("%s %llu %llu", ways[way], (unsigned long long)off,
			(unsigned long long)bytes);
	steps_add("    %s %llu+%llu", ways[way], (unsigned long long)off,
		  (unsigned long long)bytes);
}

/* What the guest has written is on the disk, and in the record. */
static void settle(struct world *world, enum writer writer)
{
	qemu_io("flush");
	(void)truth_observe(world, world->count - 1, writer);
}

static bool add_bitmap(struct disk *disk, struct random *random)
{
	const char *name = random_name(random);
	uint64_t granularity = UINT64_C(512) << random_below(random, 9);
	bool disabled = random_percent(random, 25);
	if (truth_find(disk, name) != NULL ||
	    !qemu_command("block-dirty-bitmap-add", "{s:s, s:s, s:b, s:b, s:I}", "node",
			  qemu_node(), "name", name, "persistent", 1, "disabled",
			  (int)disabled, "granularity", (long long)granularity))
		return false;
	steps_add("    add %s granularity %llu%s", name, (unsigned long long)granularity,
		  disabled ? " disabled" : "");
	return truth_add(disk, name, granularity, !disabled) != NULL;
}

static void merge_bitmap(struct disk *disk, struct random *random)
{
	struct truth *into = random_truth(disk, random);
	struct truth *from = random_truth(disk, random);
	if (into == from ||
	    !qemu_command("block-dirty-bitmap-merge", "{s:s, s:s, s:[s]}", "node",
			  qemu_node(), "target", into->name, "bitmaps", from->name))
		return;
	steps_add("    merge %s into %s", from->name, into->name);
	truth_merge(into, from);
	into->changed_by_qmp = true;
}

static void change_bitmap(struct disk *disk, struct random *random)
{
	static const char *const verbs[] = {"clear", "enable", "disable", "remove"};
	static char command[40];
	struct truth *truth = random_truth(disk, random);
	unsigned verb = (unsigned)random_below(random, 4);
	snprintf(command, sizeof(command), "block-dirty-bitmap-%s", verbs[verb]);
	if (!qemu_command(command, "{s:s, s:s}", "node", qemu_node(), "name",
			  truth->name))
		return;
	steps_add("    %s %s", verbs[verb], truth->name);
	truth->changed_by_qmp = true;
	if (verb == 0)
		truth_clear(truth);
	else if (verb < 3)
		truth->recording = verb == 1;
	else
		truth_remove(disk, truth->name);
}

static void checkpoint(struct world *world, struct random *random, enum writer writer)
{
	struct disk *disk = world_top(world);
	settle(world, writer);
	if (disk->truth_count == 0 ||
	    random_percent(random, disk->truth_count < 2 ? 80 : 30))
		(void)add_bitmap(disk, random);
	else if (random_percent(random, 40))
		merge_bitmap(disk, random);
	else
		change_bitmap(disk, random);
}

static void resize(struct world *world, struct random *random, enum writer writer)
{
	uint64_t bytes = random_between(random, 1024, MAX_SECTORS) * SECTOR_BYTES;
	settle(world, writer);
	if (!qemu_command("block_resize", "{s:s, s:I}", "node-name", qemu_node(), "size",
			  (long long)bytes))
		return;
	steps_add("    resize to %llu", (unsigned long long)bytes);
	settle(world, writer);
}

/* A layer above that this one is the backing file of; its record begins. */
static struct disk *create_overlay(struct world *world)
{
	if (world->count == MAX_DISKS)
		return NULL;
	struct disk *below = world_top(world), *disk = below + 1;
	memset(disk, 0, sizeof(*disk));
	size_t length = strlen(below->path);
	if (length + sizeof("-2") > MAX_PATH)
		return NULL;
	memcpy(disk->path, below->path, length);
	memcpy(disk->path + length, world->count == 1 ? "-1" : "-2", sizeof("-2"));
	char *const words[] = {
		"qemu-img",  "create", "-q",    "-f", "qcow2",           "-b",
		below->path, "-F",     "qcow2", "-o", "cluster_size=4k", disk->path,
		NULL};
	if (guest_run(words) != 0)
		return NULL;
	disk->sectors = below->sectors;
	memcpy(disk->content, below->content, sizeof(disk->content));
	return disk;
}

static void snapshot(struct world *world, struct random *random, enum writer writer)
{
	char name[16];
	settle(world, writer);
	if (random_percent(random, 60)) {
		snprintf(name, sizeof(name), "s%u",
			 (unsigned)random_below(random, 1000000));
		if (qemu_command("blockdev-snapshot-internal-sync", "{s:s, s:s}",
				 "device", qemu_node(), "name", name))
			steps_add("    internal snapshot");
		return;
	}
	if (create_overlay(world) == NULL)
		return;
	if (qemu_snapshot(world->disks[world->count].path)) {
		world->count++;
		steps_add("    external snapshot");
	}
}

/* Bitmaps that QEMU has opened as valid are its own claim from now on. */
static void forget_foreign(struct disk *disk)
{
	for (unsigned i = 0; i < disk->truth_count; i++) {
		memset(disk->truths[i].foreign, 0, sizeof(disk->truths[i].foreign));
		disk->truths[i].unclaimed |= disk->suspicious;
	}
}

static void end_session(struct world *world, struct random *random, enum writer writer,
			unsigned kill_percent)
{
	if (random_percent(random, kill_percent)) {
		steps_add("    kill -9");
		qemu_kill();
	} else {
		steps_add("    end");
		qemu_close();
	}
	for (unsigned i = 0; i < world->count; i++) {
		(void)truth_observe(world, i, writer);
		truth_match_image(&world->disks[i]);
	}
}

/* Without autoclear bit 0 QEMU, too, writes past the bitmaps. */
static enum writer qemu_writes(const char *path)
{
	struct view view;
	if (!view_open(&view, path))
		return BY_FOREIGN;
	bool trusted = view_is_trusted(&view) || view_extension(&view) == 0;
	view_close(&view);
	return trusted ? BY_QEMU : BY_FOREIGN;
}

void guest_session(struct world *world, struct random *random)
{
	struct disk *disk = world_top(world);
	enum writer writer = qemu_writes(disk->path);
	/* What is added in a session that is killed is lost: that says nothing. */
	unsigned kill_percent = disk->truth_count > 0 ? 45 : 5;
	if (!qemu_open(disk->path)) {
		steps_add("QEMU refuses: %s", qemu_refusal());
		return;
	}
	truth_match_image(disk);
	steps_add("QEMU opens layer %u", world->count - 1);
	if (writer == BY_QEMU)
		forget_foreign(disk);
	for (uint64_t n = random_between(random, 3, 8); n > 0; n--) {
		uint64_t kind = random_below(random, 100);
		if (kind < 50)
			write_once(world, random);
		else if (kind < 84)
			checkpoint(world, random, writer);
		else if (kind < 90)
			resize(world, random, writer);
		else if (kind < 95)
			snapshot(world, random, writer);
		else
			qemu_io("flush");
	}
	end_session(world, random, writer, kill_percent);
}

static void commit_layer(struct world *world, struct random *random)
{
	struct disk *disk = world_top(world);
	if (world->count < 2)
		return;
	bool keep = random_percent(random, 30);
	char *const words[] = {"qemu-img",         "commit",   "-q",
			       keep ? "-d" : "-q", disk->path, NULL};
	enum writer writer = qemu_writes(disk[-1].path);
	if (guest_run(words) != 0)
		return;
	steps_add("qemu-img commit%s of layer %u", keep ? " -d" : "", world->count - 1);
	if (writer == BY_QEMU)
		forget_foreign(&disk[-1]);
	for (unsigned i = 0; i < disk->truth_count; i++)
		disk->truths[i].committed = true;
	(void)truth_observe(world, world->count - 2, writer);
	truth_match_image(&disk[-1]);
}

static void resize_image(struct world *world, struct random *random)
{
	char size[24];
	struct disk *disk = world_top(world);
	uint64_t sectors = random_between(random, 1024, MAX_SECTORS);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)sectors * SECTOR_BYTES);
	char *const words[] = {"qemu-img", "resize",   "-q", "--shrink", "-f",
			       "qcow2",    disk->path, size, NULL};
	if (guest_run(words) == 0)
		steps_add("qemu-img resize %s", size);
}

static void apply_snapshot(struct world *world)
{
	struct disk *disk = world_top(world);
	char *const words[] = {"qemu-img", "snapshot", "-q", "-a", "1", disk->path, NULL};
	/* QEMU refuses while it has bitmaps loaded. */
	if (guest_run(words) == 0)
		steps_add("qemu-img snapshot -a 1");
}

void guest_offline(struct world *world, struct random *random)
{
	unsigned top = world->count - 1;
	enum writer writer = qemu_writes(world_top(world)->path);
	uint64_t kind = random_below(random, 10);
	if (kind < 4 && world->count > 1) {
		commit_layer(world, random);
	} else if (kind < 6) {
		if (create_overlay(world) != NULL) {
			world->count++;
			steps_add("qemu-img create -b: layer %u", world->count - 1);
		}
		return;
	} else if (kind < 8) {
		resize_image(world, random);
	} else {
		apply_snapshot(world);
	}
	(void)truth_observe(world, top, writer);
	truth_match_image(&world->disks[top]);
}

void guest_begin(struct world *world, struct random *random, const char *folder)
{
	static const char *const options[] = {
		"cluster_size=512,refcount_bits=16",
		"cluster_size=4k,refcount_bits=8",
		"cluster_size=4k,refcount_bits=16,lazy_refcounts=on",
		"cluster_size=16k,extended_l2=on",
		"cluster_size=64k,refcount_bits=64",
		"cluster_size=64k",
		"cluster_size=64k,extended_l2=on",
		"cluster_size=4k,refcount_bits=1",
	};
	char size[24], option[80];
	memset(world, 0, sizeof(*world));
	world->count = 1;
	struct disk *disk = world_top(world);
	disk->sectors = random_between(random, 2000, 12288);
	snprintf(disk->path, MAX_PATH, "%s/disk", folder);
	snprintf(size, sizeof(size), "%llu",
		 (unsigned long long)disk->sectors * SECTOR_BYTES);
	snprintf(option, sizeof(option), "%s", options[random_below(random, 8)]);
	char *const words[] = {"qemu-img", "create", "-q",       "-f", "qcow2",
			       "-o",       option,   disk->path, size, NULL};
	if (guest_run(words) != 0)
		steps_stop("qemu-img create fails");
	steps_add("create %s %s", option, size);
	if (random_percent(random, 65)) {
		guest_session(world, random);
		if (create_overlay(world) != NULL)
			world->count++;
		steps_add("overlay: layer %u", world->count - 1);
	}
}

void guest_verify(struct world *world)
{
	static uint64_t sums[MAX_SECTORS];
	struct disk *disk = world_top(world);
	struct view view;
	char path[MAX_PATH + 8];
	snprintf(path, sizeof(path), "%s.raw", disk->path);
	char *const words[] = {"qemu-img", "convert", "-O", "raw",
			       disk->path, path,      NULL};
	/* What is damaged, QEMU may not open, or read otherwise. */
	if (disk->suspicious || guest_run(words) != 0 || !view_open(&view, path))
		return;
	memset(sums, 0, sizeof(sums));
	view_raw_content(&view, sums);
	view_close(&view);
	unlink(path);
	if (memcmp(sums, disk->content, disk->sectors * sizeof(sums[0])) != 0)
		steps_stop("QEMU reads something else than the record has");
}
