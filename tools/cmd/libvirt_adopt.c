/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm libvirt adopt: checkpoints made anew from bitmaps that nobody has any more. */
#include "../libvirt/redefine.h"
#include "../report/json.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/output.h"
#include "libvirt.h"
#include "libvirt_changes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NONE TOOL_FOLDER_NONE

struct adopt {
	struct tool_libvirt libvirt;
	bool write;
	struct tool_redefine redefine;
	struct tool_libvirt_changes changes;
	struct tool_text text;
	json_t *list;
};

static bool is_wanted(const struct adopt *adopt, const char *name)
{
	const struct tool_disks *disks = &adopt->libvirt.disks;
	for (size_t i = 0; i < disks->name_count; i++)
		if (strcmp(disks->names[i], name) == 0)
			return true;
	return disks->name_count == 0;
}

/* Each name that was asked for can be adopted. */
static int check_names(const struct adopt *adopt)
{
	const struct tool_libvirt *libvirt = &adopt->libvirt;
	for (size_t i = 0; i < libvirt->disks.name_count; i++) {
		size_t disk;
		const char *name = libvirt->disks.names[i];
		const char *why = tool_redefine_obstacle(&libvirt->world, name, &disk);
		if (why == NULL)
			continue;
		tool_message(disk == NONE ? libvirt->folder_path
					  : libvirt->world.disks[disk].target,
			     "cannot adopt '%s': %s", name, why);
		return TOOL_EXIT_FAILED;
	}
	return TOOL_EXIT_DONE;
}

static char *name_file(const char *name)
{
	struct tool_text file = {0};
	tool_text_print(&file, "%s.xml", name);
	return file.bytes;
}

/* Prints why a file is not made; without --adopt, repair would delete the bitmap. Returns an exit status. */
static int refuse_file(const struct adopt *adopt, const char *name, const char *file)
{
	tool_message(
		adopt->libvirt.folder_path,
		"cannot adopt '%s': there is a file %s already, and it may be another "
		"checkpoint's; this gives each its own: qcow2bm libvirt repair --adopt%s",
		name, file, adopt->libvirt.world.options);
	return TOOL_EXIT_FAILED;
}

/* Whether a file that is there is not this checkpoint's own, which libvirt passes over. */
static bool is_others_file(const struct tool_folder *folder, const char *file,
			   const char *name)
{
	size_t at = tool_folder_find_file(folder, file);
	return at != NONE && (folder->list[at].name == NULL ||
			      strcmp(folder->list[at].name, name) != 0);
}

/* No file is written over but one that is of the same checkpoint, and of no use to libvirt. */
static int check_files(const struct adopt *adopt)
{
	const struct tool_folder *folder = &adopt->libvirt.world.folder;
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < adopt->redefine.count && status == TOOL_EXIT_DONE; i++) {
		const char *name = adopt->redefine.names[i];
		char *file = name_file(name);
		if (is_wanted(adopt, name) && is_others_file(folder, file, name))
			status = refuse_file(adopt, name, file);
		free(file);
	}
	return status;
}

/* The newest that is there: what is made comes behind it. */
static size_t find_newest(const struct tool_folder *folder)
{
	size_t newest = NONE;
	for (size_t i = 0; i < folder->count; i++)
		if (folder->relations[i].is_loaded &&
		    folder->relations[i].children == 0 &&
		    (newest == NONE ||
		     folder->list[i].created > folder->list[newest].created))
			newest = i;
	return newest;
}

static void add_one(struct adopt *adopt, const char *name, const char *parent,
		    long long created)
{
	const struct tool_world *world = &adopt->libvirt.world;
	char *xml = tool_redefine_xml(world, name, parent, created, adopt->write);
	if (adopt->write) {
		char *file = name_file(name);
		tool_libvirt_changes_write(&adopt->changes, file, xml);
		free(file);
		return;
	}
	if (adopt->list != NULL) {
		json_t *object = json_object();
		json_object_set_new(object, "name", tool_json_text(name));
		json_object_set_new(object, "xml", tool_json_text(xml));
		json_array_append_new(adopt->list, object);
	}
	tool_text_print(&adopt->text, "%s", xml);
	free(xml);
}

/* Nothing tells when they were made: a second apart, behind those that are there, or up to now. */
static void add_all(struct adopt *adopt)
{
	const struct tool_folder *folder = &adopt->libvirt.world.folder;
	size_t newest = find_newest(folder), count = 0;
	const char *parent = newest == NONE ? NULL : folder->list[newest].name;
	for (size_t i = 0; i < adopt->redefine.count; i++)
		count += is_wanted(adopt, adopt->redefine.names[i]);
	long long created = newest == NONE ? (long long)time(NULL) - (long long)count
					   : folder->list[newest].created;
	for (size_t i = 0; i < adopt->redefine.count; i++) {
		const char *name = adopt->redefine.names[i];
		if (!is_wanted(adopt, name))
			continue;
		add_one(adopt, name, parent, ++created);
		parent = name;
	}
}

static int print(struct adopt *adopt)
{
	if (!adopt->libvirt.disks.options.json)
		return tool_output_text(&adopt->text);
	json_t *object = tool_json_document("libvirt-adopt");
	json_object_set(object, "checkpoints", adopt->list);
	return tool_output_json(object);
}

static int run_adopt(struct adopt *adopt)
{
	bool is_dry = adopt->libvirt.disks.options.dry_run;
	int status = TOOL_EXIT_DONE;
	if (adopt->write && !is_dry)
		status = tool_libvirt_changes_make_folder(&adopt->libvirt);
	if (status == TOOL_EXIT_DONE && adopt->write)
		status = tool_libvirt_changes_begin(&adopt->libvirt, false);
	if (status == TOOL_EXIT_DONE)
		status = check_names(adopt);
	if (status == TOOL_EXIT_DONE)
		status = tool_libvirt_find_order(&adopt->libvirt);
	if (status != TOOL_EXIT_DONE)
		return status;
	adopt->list = adopt->libvirt.disks.options.json ? json_array() : NULL;
	tool_redefine_find(&adopt->redefine, &adopt->libvirt.world);
	if (adopt->write)
		status = check_files(adopt);
	if (status != TOOL_EXIT_DONE)
		return status;
	add_all(adopt);
	return adopt->write ? tool_libvirt_changes_finish(&adopt->changes) : print(adopt);
}

enum { WRITE = TOOL_LIBVIRT_OWN };

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"checkpoint", required_argument, NULL, 'c'},
		{"write", no_argument, NULL, WRITE},
		{"dry-run", no_argument, NULL, 'n'},
		TOOL_LIBVIRT_OPTIONS,
		TOOL_OPTIONS_READ,
	};
	struct adopt adopt = {
		.libvirt.disks = {.options = {.command = &tool_libvirt_adopt}}};
	adopt.changes.libvirt = &adopt.libvirt;
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS "nc:",
				  long_options, NULL)) != -1) {
		adopt.write |= opt == WRITE;
		if (opt != WRITE)
			status = tool_libvirt_take(&adopt.libvirt, opt, argv);
	}
	if (status == TOOL_OPTIONS_GO_ON) {
		status = tool_libvirt_open(&adopt.libvirt, argc - optind, false);
		if (status == TOOL_EXIT_DONE)
			status = run_adopt(&adopt);
	}
	tool_libvirt_changes_free(&adopt.changes);
	tool_redefine_free(&adopt.redefine);
	tool_libvirt_close(&adopt.libvirt);
	tool_text_free(&adopt.text);
	json_decref(adopt.list);
	return status;
}

const struct tool_command tool_libvirt_adopt = {
	.name = "libvirt adopt",
	.synopsis = "[OPTION]... [-c NAME]... --domain NAME",
	.summary = "Make checkpoints anew from bitmaps that nobody has",
	.help = "Where the files of checkpoints are lost, and the bitmaps are there: prints XML for\n"
		"`virsh checkpoint-create --redefine`, the oldest first; with --write makes the files,\n"
		"for a libvirt that does not run. The bits tell which is older; nothing tells when it\n"
		"was made, so times are a second apart, behind those of the checkpoints that are\n"
		"there. A disk without the bitmap has checkpoint='no'. Bitmaps that libvirt would not\n"
		"take are left out; with -c one of them is a failure.\n"
		"\n"
		"Options:\n"
		"  -c, --checkpoint NAME  this bitmap; repeated: these\n"
		"      --write            make the files\n"
		"  -n, --dry-run          with --write: say what would be made\n" TOOL_HELP_LIBVIRT
		"      --output FORMAT    human (default) or json\n" TOOL_HELP_READ "\n"
		"Examples:\n"
		"  qcow2bm libvirt adopt -c chk-1 --domain vm >chk-1.xml\n"
		"  qcow2bm libvirt adopt --write --domain vm\n"
		"\n"
		"Exit status: 0 done, 1 refused or failed and nothing is changed, 4 unknown after an\n"
		"I/O error, 6 busy, 64 usage.\n",
	.run = run,
};
