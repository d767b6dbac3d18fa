/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a libvirt command changes: files of checkpoints, and bitmaps in all layers, as one. */
#define _GNU_SOURCE /* flock(), S_... */
#include "libvirt_changes.h"

#include "../libvirt/daemon.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/text.h"
#include "../term/word.h"
#include "chain_finish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* ---- Files ------------------------------------------------------------------------------- */

/* Outside of the folder, of which libvirt reads all: names of the folder's number and one's own. */
static char *make_temporary(const struct tool_libvirt_changes *changes)
{
	const struct tool_folder *folder = &changes->libvirt->world.folder;
	struct tool_text text = {0};
	struct stat st = {0};
	(void)!fstat(folder->fd, &st);
	tool_text_print(&text, "%s/../.qcow2bm-new-%llu-%zu", folder->path,
			(unsigned long long)st.st_ino, changes->count);
	return text.bytes;
}

static void add(struct tool_libvirt_changes *changes, const char *file,
		const struct tool_checkpoint *old, char *bytes)
{
	const struct tool_folder *folder = &changes->libvirt->world.folder;
	struct tool_text path = {0};
	tool_text_print(&path, "%s/%s", folder->path, file);
	changes->files = tool_memory_resize(changes->files, changes->count + 1,
					    sizeof(*changes->files));
	changes->files[changes->count] = (struct qcow2bm_together_file){
		.filename = path.bytes,
		.temporary = make_temporary(changes),
		.old_bytes = old == NULL ? NULL : old->content.bytes,
		.old_count = old == NULL ? 0 : old->content.count,
		.new_bytes = bytes,
		.new_count = bytes == NULL ? 0 : strlen(bytes),
	};
	changes->count++;
}

void tool_libvirt_changes_remove(struct tool_libvirt_changes *changes, size_t idx)
{
	const struct tool_checkpoint *it = &changes->libvirt->world.folder.list[idx];
	add(changes, it->file, it, NULL);
}

void tool_libvirt_changes_reparent(struct tool_libvirt_changes *changes, size_t idx,
				   const char *parent)
{
	const struct tool_checkpoint *it = &changes->libvirt->world.folder.list[idx];
	add(changes, it->file, it, tool_checkpoint_with_parent(it, parent));
}

void tool_libvirt_changes_write(struct tool_libvirt_changes *changes, const char *file,
				char *bytes)
{
	const struct tool_folder *folder = &changes->libvirt->world.folder;
	size_t old = tool_folder_find_file(folder, file);
	add(changes, file, old == TOOL_FOLDER_NONE ? NULL : &folder->list[old], bytes);
}

/* ---- Bitmaps ----------------------------------------------------------------------------- */

int tool_libvirt_changes_drop(struct tool_libvirt_changes *changes, size_t disk,
			      const char *name, size_t name_bytes)
{
	struct qcow2bm_chain *chain = changes->libvirt->world.disks[disk].chain;
	struct qcow2bm_error err = {0};
	size_t idx = qcow2bm_chain_find(chain, name, name_bytes);
	if (idx == QCOW2BM_NOT_FOUND)
		return TOOL_EXIT_DONE;
	return qcow2bm_chain_delete(chain, idx, &err) == QCOW2BM_OK
		       ? TOOL_EXIT_DONE
		       : tool_message_fail(changes->libvirt->world.disks[disk].path,
					   &err);
}

/* ---- Begin and end ----------------------------------------------------------------------- */

/* Where the intent file is when no image changes: beside the folder, of all of which libvirt reads. */
static char *make_intent_path(const struct tool_libvirt *libvirt)
{
	struct tool_text text = {0};
	struct stat st = {0};
	(void)!fstat(libvirt->world.folder.fd, &st);
	tool_text_print(&text, "%s/../.checkpoints-%llu.qcow2bm-intent",
			libvirt->folder_path, (unsigned long long)st.st_ino);
	return text.bytes;
}

static int check_intent(const struct tool_libvirt *libvirt)
{
	struct stat st;
	int status = TOOL_EXIT_DONE;
	char *path = make_intent_path(libvirt);
	if (lstat(path, &st) == 0) {
		struct tool_text command = {0};
		tool_word_add_file(&command, path);
		tool_message(
			libvirt->folder_path,
			"a change of these files was cut off: 'qcow2bm chain resume%s' "
			"finishes it",
			command.bytes);
		tool_text_free(&command);
		status = TOOL_EXIT_FAILED;
	}
	free(path);
	return status;
}

static int check_daemon(const struct tool_libvirt *libvirt)
{
	pid_t pid;
	if (!tool_daemon_is_running(libvirt->folder_path, &pid))
		return TOOL_EXIT_DONE;
	tool_message(
		libvirt->folder_path,
		"libvirt runs (process %ld) and has these checkpoints in memory: it would not "
		"notice. Stop it, guests go on: systemctl stop 'libvirtd*' 'virtqemud*'",
		(long)pid);
	return TOOL_EXIT_BUSY;
}

int tool_libvirt_changes_begin(struct tool_libvirt *libvirt, bool may_run)
{
	int fd = libvirt->world.folder.fd;
	bool is_dry = libvirt->disks.options.dry_run;
	int status = may_run ? TOOL_EXIT_DONE : check_daemon(libvirt);
	if (status != TOOL_EXIT_DONE || fd < 0)
		return status;
	if (!is_dry && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		tool_message(libvirt->folder_path, "another qcow2bm is changing it");
		return TOOL_EXIT_BUSY;
	}
	return check_intent(libvirt);
}

int tool_libvirt_changes_finish(struct tool_libvirt_changes *changes)
{
	char *intent_path = make_intent_path(changes->libvirt);
	struct tool_together together = {
		.options = &changes->libvirt->disks.options,
		.files = changes->files,
		.file_count = changes->count,
		.intent_path = intent_path,
	};
	tool_chain_collect(&together, &changes->libvirt->disks);
	int status = tool_together_finish(&together);
	tool_together_free(&together);
	free(intent_path);
	return status;
}

void tool_libvirt_changes_free(struct tool_libvirt_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		free((char *)(uintptr_t)changes->files[i].filename);
		free((char *)(uintptr_t)changes->files[i].temporary);
		free((char *)(uintptr_t)changes->files[i].new_bytes);
	}
	free(changes->files);
}
