/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm libvirt repair: the changes after which `libvirt check` finds nothing to repair. */
#define _GNU_SOURCE /* fchmodat(), qsort_r() */
#include "../libvirt/flaws.h"
#include "../libvirt/redefine.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/name.h"
#include "libvirt.h"
#include "libvirt_changes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NONE TOOL_FOLDER_NONE

struct repair {
	struct tool_libvirt libvirt;
	bool drop_all, adopt;
	struct tool_redefine adopted; /* bitmaps that become checkpoints */
	bool *goes;                   /* by file of the folder: it is removed */
	size_t *depth;                /* of those that stay: how many ancestors it has */
	struct tool_libvirt_changes changes;
};

/* ---- What stays, what goes ------------------------------------------------------------------ */

/* What another command saves, or only a person can judge, is not thrown away. */
static int refuse(const struct repair *repair, const struct tool_flaw *flaw)
{
	const struct tool_world *world = &repair->libvirt.world;
	char *command = tool_flaw_cure(world, flaw);
	tool_message(flaw->disk == TOOL_FLAW_NOWHERE ? world->folder.path
						     : world->disks[flaw->disk].target,
		     "%s: %s%s%s", tool_flaw_kind(flaw->id)->code, flaw->sentence,
		     command == NULL ? "" : "; first: ", command == NULL ? "" : command);
	free(command);
	return TOOL_EXIT_FAILED;
}

static int judge(struct repair *repair, const struct tool_flaw *flaw)
{
	if (tool_flaw_kind(flaw->id)->severity == QCOW2BM_SEVERITY_NOTE)
		return TOOL_EXIT_DONE;
	bool is_saved = flaw->cure == TOOL_LIBVIRT_CURE_REPAIR ||
			flaw->cure == TOOL_LIBVIRT_CURE_ADOPT ||
			(flaw->id == TOOL_FLAW_ORPHAN && !repair->adopt);
	if (!is_saved)
		return refuse(repair, flaw);
	switch (flaw->id) {
	case TOOL_FLAW_UNREADABLE:
	case TOOL_FLAW_NOT_LOADED:
	case TOOL_FLAW_LEFT_OVER:
	case TOOL_FLAW_NAME_TWICE:
	case TOOL_FLAW_BITMAP_NAME:
	case TOOL_FLAW_NO_BITMAP:
	case TOOL_FLAW_SOME_DISKS:
	case TOOL_FLAW_NOT_IN_TOP:
	case TOOL_FLAW_GAP:
	case TOOL_FLAW_DISABLED:
		repair->goes[flaw->checkpoint] = true;
		break;
	default:
		break;
	}
	return TOOL_EXIT_DONE;
}

static bool stays(const struct repair *repair, size_t idx)
{
	return repair->libvirt.world.folder.relations[idx].is_loaded &&
	       !repair->goes[idx];
}

/* ---- Bitmaps: all go that no checkpoint has which stays ---------------------------------------- */

static bool is_wanted(const struct repair *repair, size_t disk, const char *name,
		      size_t name_bytes)
{
	const struct tool_world *world = &repair->libvirt.world;
	char *text = tool_memory_copy(name, name_bytes);
	for (size_t i = 0; i < repair->adopted.count; i++)
		if (strcmp(repair->adopted.names[i], text) == 0) {
			free(text);
			return true;
		}
	size_t idx = strlen(text) == name_bytes ? tool_folder_find(&world->folder, text)
						: NONE;
	free(text);
	return idx != NONE && stays(repair, idx) &&
	       tool_checkpoint_has(&world->folder.list[idx], world->disks[disk].target,
				   NULL);
}

/* Marks a checkpoint of a disk unless one of libvirt's has its bitmaps. */
static int choose_bitmap(const struct repair *repair, size_t disk, size_t idx, bool *goes)
{
	const struct qcow2bm_chain *chain = repair->libvirt.world.disks[disk].chain;
	const struct qcow2bm_checkpoint *it = qcow2bm_chain_checkpoint(chain, idx);
	enum tool_libvirt_match match =
		tool_libvirt_changes_match(chain, idx, it->name, it->name_bytes);
	bool stays_here = (match & TOOL_LIBVIRT_MATCH_ALL) != 0 &&
			  is_wanted(repair, disk, it->name, it->name_bytes);
	if (stays_here && match == TOOL_LIBVIRT_MATCH_MIXED)
		return tool_libvirt_changes_refuse_mixed(&repair->changes, disk, idx,
							 it->name, it->name_bytes);
	goes[idx] = !stays_here;
	return TOOL_EXIT_DONE;
}

/* Stages that all bitmaps of a disk go which nobody has. */
static int drop_bitmaps(struct repair *repair, size_t disk)
{
	const struct qcow2bm_chain *chain = repair->libvirt.world.disks[disk].chain;
	if (chain == NULL)
		return TOOL_EXIT_DONE;
	size_t count = qcow2bm_chain_count(chain);
	bool *goes = tool_memory_zeroed(count + 1, sizeof(bool));
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < count && status == TOOL_EXIT_DONE; i++)
		status = choose_bitmap(repair, disk, i, goes);
	if (status == TOOL_EXIT_DONE)
		status = tool_libvirt_changes_drop(&repair->changes, disk, goes);
	free(goes);
	return status;
}

static size_t count_bitmaps(const struct repair *repair)
{
	const struct tool_world *world = &repair->libvirt.world;
	size_t count = 0;
	for (size_t i = 0; i < world->disk_count; i++)
		if (world->disks[i].chain != NULL)
			count += qcow2bm_chain_count(world->disks[i].chain);
	return count;
}

/* A folder, or a domain's XML, that is the wrong one must not cost all of them. */
static int check_something_stays(const struct repair *repair)
{
	const struct tool_folder *folder = &repair->libvirt.world.folder;
	size_t loaded = 0;
	for (size_t i = 0; i < folder->count; i++) {
		if (stays(repair, i))
			return TOOL_EXIT_DONE;
		loaded += folder->relations[i].is_loaded;
	}
	if (repair->drop_all || repair->adopted.count != 0 ||
	    loaded + count_bitmaps(repair) == 0)
		return TOOL_EXIT_DONE;
	tool_message(
		repair->libvirt.folder_path,
		"no checkpoint would stay, and no bitmap: --adopt makes checkpoints of "
		"bitmaps, --drop-all lets them go");
	return TOOL_EXIT_FAILED;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static int by_age(const void *a, const void *b, void *opaque)
{
	const struct repair *repair = opaque;
	const struct tool_folder *folder = &repair->libvirt.world.folder;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	if (folder->list[x].created != folder->list[y].created)
		return folder->list[x].created < folder->list[y].created ? -1 : 1;
	if (repair->depth[x] != repair->depth[y])
		return repair->depth[x] < repair->depth[y] ? -1 : 1;
	return strcmp(folder->list[x].name, folder->list[y].name);
}

/* The nearest ancestor that stays, or NONE. */
static size_t find_ancestor(const struct repair *repair, size_t idx)
{
	const struct tool_folder *folder = &repair->libvirt.world.folder;
	size_t at = folder->relations[idx].parent;
	for (size_t steps = 0; at != NONE && !stays(repair, at); steps++)
		at = steps > folder->count ? NONE : folder->relations[at].parent;
	return at;
}

static size_t count_ancestors(const struct repair *repair, size_t idx)
{
	const struct tool_folder *folder = &repair->libvirt.world.folder;
	size_t count = 0;
	for (size_t at = find_ancestor(repair, idx); at != NONE && count < folder->count;
	     at = find_ancestor(repair, at))
		count++;
	return count;
}

/* Whether those that stay are one line already: each depth once, and none in a circle. */
static bool is_one_line(const struct repair *repair, const size_t *order, size_t count)
{
	bool *seen = tool_memory_zeroed(count + 1, sizeof(bool));
	bool is_line = true;
	for (size_t i = 0; i < count && is_line; i++) {
		size_t depth = repair->depth[order[i]];
		is_line = depth < count && !seen[depth];
		if (is_line)
			seen[depth] = true;
	}
	free(seen);
	return is_line;
}

static char *name_file(const struct tool_checkpoint *checkpoint)
{
	struct tool_text file = {0};
	tool_text_print(&file, "%s.xml", checkpoint->name);
	return file.bytes;
}

static bool is_file_of(const char *file, const char *name)
{
	size_t bytes = strlen(name);
	return strncmp(file, name, bytes) == 0 && strcmp(file + bytes, ".xml") == 0;
}

/* Whether a file is written over by that of a checkpoint which was in another one, or is made of a bitmap: to remove
 * it, before or after, would cost that one. */
static bool is_replaced(const struct repair *repair, size_t idx)
{
	const struct tool_folder *folder = &repair->libvirt.world.folder;
	bool is_found = false;
	for (size_t i = 0; i < repair->adopted.count && !is_found; i++)
		is_found = is_file_of(folder->list[idx].file, repair->adopted.names[i]);
	for (size_t i = 0; i < folder->count && !is_found; i++) {
		if (!stays(repair, i) || tool_checkpoint_is_own_file(&folder->list[i]))
			continue;
		is_found = is_file_of(folder->list[idx].file, folder->list[i].name);
	}
	return is_found;
}

static void change_one(struct repair *repair, size_t idx, const char *parent)
{
	const struct tool_checkpoint *it = &repair->libvirt.world.folder.list[idx];
	bool is_same = parent == NULL || it->parent == NULL
			       ? parent == it->parent
			       : strcmp(parent, it->parent) == 0;
	if (tool_checkpoint_is_own_file(it)) {
		if (!is_same)
			tool_libvirt_changes_reparent(&repair->changes, idx, parent);
		return;
	}
	char *file = name_file(it);
	if (!is_replaced(repair, idx))
		tool_libvirt_changes_remove(&repair->changes, idx);
	tool_libvirt_changes_write(
		&repair->changes, file,
		is_same ? tool_memory_copy(it->content.bytes, it->content.count)
			: tool_checkpoint_with_parent(it, parent));
	free(file);
}

/* One line, by parents where they make one, else by the clock. For a backup the order does not matter: each bitmap
 * stands for itself. */
static void link_all(struct repair *repair, const size_t *order, size_t count)
{
	const struct tool_folder *folder = &repair->libvirt.world.folder;
	bool is_line = is_one_line(repair, order, count);
	for (size_t i = 0; i < count; i++) {
		size_t parent = is_line  ? find_ancestor(repair, order[i])
				: i == 0 ? NONE
					 : order[i - 1];
		change_one(repair, order[i],
			   parent == NONE ? NULL : folder->list[parent].name);
	}
}

/* Behind the newest of those that stay, which is the last of the line. */
static void add_adopted(struct repair *repair, const size_t *order, size_t count)
{
	const struct tool_world *world = &repair->libvirt.world;
	bool is_line = is_one_line(repair, order, count);
	const char *parent = NULL;
	long long created = (long long)time(NULL) - (long long)repair->adopted.count;
	for (size_t i = 0; i < count; i++) {
		const struct tool_checkpoint *it = &world->folder.list[order[i]];
		if (!is_line || repair->depth[order[i]] == count - 1)
			parent = it->name;
		created = it->created;
	}
	for (size_t i = 0; i < repair->adopted.count; i++) {
		const char *name = repair->adopted.names[i];
		struct tool_text file = {0};
		tool_text_print(&file, "%s.xml", name);
		tool_libvirt_changes_write(
			&repair->changes, file.bytes,
			tool_redefine_xml(world, name, parent, ++created, true));
		tool_text_free(&file);
		parent = name;
	}
}

static void change_files(struct repair *repair)
{
	const struct tool_folder *folder = &repair->libvirt.world.folder;
	size_t *order = tool_memory_zeroed(folder->count + 1, sizeof(size_t)), count = 0;
	repair->depth = tool_memory_zeroed(folder->count + 1, sizeof(size_t));
	for (size_t i = 0; i < folder->count; i++) {
		if (repair->goes[i] && !is_replaced(repair, i))
			tool_libvirt_changes_remove(&repair->changes, i);
		if (!stays(repair, i))
			continue;
		repair->depth[i] = count_ancestors(repair, i);
		order[count++] = i;
	}
	qsort_r(order, count, sizeof(*order), by_age, repair);
	link_all(repair, order, count);
	add_adopted(repair, order, count);
	free(order);
}

/* Done first: it is right whatever comes then. */
static int close_modes(const struct repair *repair)
{
	const struct tool_folder *folder = &repair->libvirt.world.folder;
	for (size_t i = 0; i < folder->count; i++) {
		const struct tool_checkpoint *it = &folder->list[i];
		if (it->content.bytes == NULL || (it->content.mode & 077) == 0 ||
		    repair->libvirt.disks.options.dry_run)
			continue;
		if (fchmodat(folder->fd, it->file, it->content.mode & 0700, 0) != 0) {
			tool_message(folder->path, "cannot change the mode of '%s': %s",
				     it->file, strerror(errno));
			return TOOL_EXIT_FAILED;
		}
	}
	return TOOL_EXIT_DONE;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static int run_repair(struct repair *repair)
{
	const struct tool_world *world = &repair->libvirt.world;
	struct tool_flaws flaws;
	int status = TOOL_EXIT_DONE;
	if (repair->adopt && !repair->libvirt.disks.options.dry_run)
		status = tool_libvirt_changes_make_folder(&repair->libvirt);
	if (status == TOOL_EXIT_DONE)
		status = tool_libvirt_changes_begin(&repair->libvirt, false);
	repair->goes = tool_memory_zeroed(world->folder.count + 1, sizeof(bool));
	tool_flaws_find(&flaws, world);
	for (size_t i = 0; i < flaws.count && status == TOOL_EXIT_DONE; i++)
		status = judge(repair, &flaws.list[i]);
	tool_flaws_free(&flaws);
	if (status == TOOL_EXIT_DONE && repair->adopt)
		status = tool_libvirt_find_order(&repair->libvirt);
	if (status == TOOL_EXIT_DONE && repair->adopt)
		tool_redefine_find(&repair->adopted, world);
	if (status == TOOL_EXIT_DONE)
		status = check_something_stays(repair);
	for (size_t i = 0; i < world->disk_count && status == TOOL_EXIT_DONE; i++)
		status = drop_bitmaps(repair, i);
	if (status == TOOL_EXIT_DONE)
		status = close_modes(repair);
	if (status != TOOL_EXIT_DONE)
		return status;
	change_files(repair);
	return tool_libvirt_changes_finish(&repair->changes);
}

enum { DROP_ALL = TOOL_LIBVIRT_OWN, ADOPT };

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"adopt", no_argument, NULL, ADOPT},
		{"drop-all", no_argument, NULL, DROP_ALL},
		TOOL_LIBVIRT_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	struct repair repair = {
		.libvirt.disks = {.options = {.command = &tool_libvirt_repair},
				  .is_editing = true}};
	repair.changes.libvirt = &repair.libvirt;
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1) {
		repair.drop_all |= opt == DROP_ALL;
		repair.adopt |= opt == ADOPT;
		if (opt != DROP_ALL && opt != ADOPT)
			status = tool_libvirt_take(&repair.libvirt, opt, argv);
	}
	if (status == TOOL_OPTIONS_GO_ON) {
		status = tool_libvirt_open(&repair.libvirt, argc - optind, !repair.adopt);
		if (status == TOOL_EXIT_DONE)
			status = run_repair(&repair);
	}
	tool_libvirt_changes_free(&repair.changes);
	tool_redefine_free(&repair.adopted);
	tool_libvirt_close(&repair.libvirt);
	free(repair.goes);
	free(repair.depth);
	return status;
}

const struct tool_command tool_libvirt_repair = {
	.name = "libvirt repair",
	.synopsis = "[OPTION]... --domain NAME",
	.summary = "Bring checkpoints and bitmaps together again",
	.help = "Checkpoints that are broken on a disk go with their files and bitmaps, on all disks;\n"
		"so do files that libvirt passes over, and bitmaps that no checkpoint has. Those that\n"
		"stay become one line, by their parents, or by the clock where these make none. All of\n"
		"it happens, or nothing. -n tells what would go; --adopt keeps bitmaps that no\n"
		"checkpoint has. Where another command saves a bitmap (recover, check) it is to be\n"
		"run first. Refused while libvirt runs, and where no checkpoint would stay.\n"
		"\n"
		"Options:\n"
		"      --adopt            make checkpoints of bitmaps that none has, if they are sound\n"
		"      --drop-all         although no checkpoint stays\n" TOOL_HELP_LIBVIRT
			TOOL_HELP_EDIT "\n"
		"Examples:\n"
		"  qcow2bm libvirt repair -n --domain vm\n"
		"  qcow2bm libvirt repair --domain vm\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
