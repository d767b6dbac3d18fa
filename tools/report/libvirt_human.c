/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's checkpoints for people: a table by disk, a tree, what is wrong, what to type. */
#define _POSIX_C_SOURCE 200809L /* gmtime_r() */
#include "../term/name.h"
#include "../term/table.h"
#include "libvirt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NONE TOOL_FOLDER_NONE

static void add_escaped(struct tool_text *text, const char *bytes)
{
	char *shown = tool_name_escape_text(bytes, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s", shown);
	free(shown);
}

static void add_cell(struct tool_table *table, const char *bytes)
{
	char *shown = tool_name_escape_text(bytes, TOOL_NAME_HUMAN);
	tool_table_add(table, shown);
	free(shown);
}

const char *tool_libvirt_word(const struct tool_libvirt_disk *disk,
			      const struct tool_checkpoint *checkpoint)
{
	const char *bitmap;
	if (!tool_checkpoint_has(checkpoint, disk->target, &bitmap))
		return "-";
	return disk->chain == NULL
		       ? "?"
		       : tool_bitmap_word(tool_bitmap_judge(disk, bitmap).rule);
}

static void add_layers(struct tool_text *text, const struct tool_libvirt_disk *disk)
{
	for (size_t i = 1;
	     disk->chain != NULL && i < qcow2bm_chain_layer_count(disk->chain); i++) {
		tool_text_print(text, " <- ");
		add_escaped(text, qcow2bm_chain_layer(disk->chain, i)->filename);
	}
}

static void add_disks(struct tool_text *text, const struct tool_world *world)
{
	for (size_t i = 0; i < world->disk_count; i++) {
		const struct tool_libvirt_disk *disk = &world->disks[i];
		tool_text_print(text, "Disk:   ");
		add_escaped(text, disk->target);
		tool_text_print(text, " ");
		add_escaped(text, disk->path == NULL ? "(no local file)" : disk->path);
		add_layers(text, disk);
		tool_text_print(text, "\n");
	}
}

/* ---- The table --------------------------------------------------------------------------- */

#define DISK_COLUMNS (TOOL_TABLE_COLUMNS - 2)

static void format_time(char *text, size_t room, long long seconds)
{
	time_t when = (time_t)seconds;
	struct tm tm;
	if (seconds <= 0 || gmtime_r(&when, &tm) == NULL ||
	    strftime(text, room, "%Y-%m-%d %H:%M:%SZ", &tm) == 0)
		snprintf(text, room, "-");
}

static void add_rows(struct tool_table *table, const struct tool_world *world,
		     size_t first, size_t end)
{
	tool_table_add(table, "CHECKPOINT");
	tool_table_add(table, "CREATED");
	for (size_t k = first; k < end; k++)
		add_cell(table, world->disks[k].target);
	for (size_t i = 0; i < world->folder.count; i++) {
		const struct tool_checkpoint *it = &world->folder.list[i];
		char created[64];
		if (!world->folder.relations[i].is_loaded)
			continue;
		format_time(created, sizeof(created), it->created);
		add_cell(table, it->name);
		tool_table_add(table, created);
		for (size_t k = first; k < end; k++)
			tool_table_add(table, tool_libvirt_word(&world->disks[k], it));
	}
}

/* Some disks at a time. */
static void add_tables(struct tool_text *text, const struct tool_world *world)
{
	for (size_t first = 0; first < world->disk_count; first += DISK_COLUMNS) {
		size_t end = first + DISK_COLUMNS;
		end = end < world->disk_count ? end : world->disk_count;
		struct tool_table table = {.columns = (unsigned)(2 + end - first),
					   .shortens = {true}};
		add_rows(&table, world, first, end);
		table.text = text;
		add_rows(&table, world, first, end);
	}
}

/* ---- The tree ----------------------------------------------------------------------------- */

#define TREE_INDENT 60 /* columns; what is deeper stands there */

static void add_branch(struct tool_text *text, const struct tool_folder *folder,
		       size_t idx, size_t depth)
{
	size_t indent = depth * 2 < TREE_INDENT ? depth * 2 : TREE_INDENT;
	tool_text_print(text, "  ");
	tool_text_fill(text, ' ', indent);
	tool_text_print(text, depth == 0 ? "" : "+- ");
	add_escaped(text, folder->list[idx].name);
	tool_text_print(text, folder->relations[idx].parent == NONE &&
					      folder->list[idx].parent != NULL
				      ? " (parent missing)\n"
				      : "\n");
}

static size_t next_child(const struct tool_folder *folder, size_t parent, size_t from)
{
	while (from < folder->count && (!folder->relations[from].is_loaded ||
					folder->relations[from].parent != parent))
		from++;
	return from;
}

/* Down first; back up by the parents, which are no circle below a root. */
static void add_tree_of(struct tool_text *text, const struct tool_folder *folder,
			size_t root)
{
	size_t at = root, depth = 0, from = 0;
	add_branch(text, folder, at, depth);
	for (;;) {
		size_t child = folder->relations[at].children == 0
				       ? folder->count
				       : next_child(folder, at, from);
		if (child < folder->count) {
			add_branch(text, folder, child, ++depth);
			at = child;
			from = 0;
		} else if (at == root) {
			return;
		} else {
			from = at + 1;
			at = folder->relations[at].parent;
			depth--;
		}
	}
}

static void add_tree(struct tool_text *text, const struct tool_folder *folder)
{
	for (size_t i = 0; i < folder->count; i++)
		if (folder->relations[i].is_loaded && folder->relations[i].parent == NONE)
			add_tree_of(text, folder, i);
	for (size_t i = 0; i < folder->count; i++)
		if (folder->relations[i].is_in_cycle) {
			tool_text_print(text, "  (circle) ");
			add_escaped(text, folder->list[i].name);
			tool_text_print(text, "\n");
		}
}

/* ---- What is wrong ------------------------------------------------------------------------ */

static const char *name_of(const struct tool_world *world, const struct tool_flaw *flaw)
{
	if (flaw->checkpoint == TOOL_FLAW_NOWHERE)
		return "-";
	const char *name = world->folder.list[flaw->checkpoint].name;
	return name == NULL ? "-" : name;
}

static void add_flaws(struct tool_table *table, const struct tool_libvirt_report *report)
{
	static const char *const severities[] = {"note", "leak", "warning", "ERROR"};
	static const char *const titles[] = {"SEVERITY", "CHECKPOINT", "DISK",
					     "LAYER",    "CODE",       "WHAT"};
	for (size_t i = 0; i < sizeof(titles) / sizeof(*titles); i++)
		tool_table_add(table, titles[i]);
	for (size_t i = 0; i < report->flaws->count; i++) {
		const struct tool_flaw *flaw = &report->flaws->list[i];
		char layer[32] = "-";
		if (flaw->layer != TOOL_FLAW_NOWHERE)
			snprintf(layer, sizeof(layer), "%zu", flaw->layer);
		tool_table_add(table, severities[tool_flaw_kind(flaw->id)->severity]);
		add_cell(table, name_of(report->world, flaw));
		add_cell(table, flaw->disk == TOOL_FLAW_NOWHERE
					? "-"
					: report->world->disks[flaw->disk].target);
		tool_table_add(table, layer);
		tool_table_add(table, tool_flaw_kind(flaw->id)->code);
		add_cell(table, flaw->sentence);
	}
}

/* Nobody types more at once. */
#define TO_DO_LINES 50

/* Each command once; what rests on a repair comes behind what saves bitmaps from it. */
static void add_to_do(struct tool_text *text, const struct tool_libvirt_report *report)
{
	struct tool_text to_do = {0}, last = {0};
	size_t lines = 0;
	tool_text_print(&to_do, "To do:\n");
	for (size_t i = 0; i < report->flaws->count && lines < TO_DO_LINES; i++) {
		const struct tool_flaw *flaw = &report->flaws->list[i];
		char *command = tool_flaw_cure(report->world, flaw);
		struct tool_text line = {0};
		if (command == NULL)
			continue;
		lines++;
		tool_text_print(&line, "\n  %s\n", command);
		if (flaw->cure == TOOL_LIBVIRT_CURE_REPAIR ||
		    flaw->cure == TOOL_LIBVIRT_CURE_ADOPT) {
			tool_text_free(&last);
			tool_text_print(&last, "%s", line.bytes + 1);
		} else if (strstr(to_do.bytes, line.bytes) == NULL) {
			tool_text_print(&to_do, "%s", line.bytes + 1);
		}
		tool_text_free(&line);
		free(command);
	}
	if (lines != 0)
		tool_text_print(text, "%s%s", to_do.bytes,
				last.bytes == NULL ? "" : last.bytes);
	tool_text_free(&to_do);
	tool_text_free(&last);
}

void tool_libvirt_human(struct tool_text *text, const struct tool_libvirt_report *report)
{
	const struct tool_world *world = report->world;
	struct tool_table table = {.columns = 6, .right = {[3] = true}};
	tool_text_print(text, "Domain: ");
	add_escaped(text, report->domain);
	tool_text_print(text, "\nFolder: ");
	add_escaped(text, world->folder.path);
	tool_text_print(text, "%s\n", world->folder.fd < 0 ? " (is not there)" : "");
	add_disks(text, world);
	add_tables(text, world);
	add_tree(text, &world->folder);
	if (report->flaws->count != 0) {
		add_flaws(&table, report);
		table.text = text;
		add_flaws(&table, report);
	}
	add_to_do(text, report);
	if (!tool_flaws_has_problems(report->flaws))
		tool_text_print(text, "Checkpoints and bitmaps agree.\n");
}
