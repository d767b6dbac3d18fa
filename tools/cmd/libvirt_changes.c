/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a libvirt command changes: files of checkpoints, and bitmaps in all layers, as one. */
#define _GNU_SOURCE /* flock(), S_... */
#include "libvirt_changes.h"

#include "../libvirt/daemon.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/text.h"
#include "../term/word.h"
#include "chain_finish.h"
#include "cut_off.h"
#include "settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Whether the bitmap that a checkpoint has in a layer is of this name, all of it. */
static enum tool_libvirt_match match_layer(const struct qcow2bm_chain *chain, size_t idx,
					   size_t layer_idx, const char *name,
					   size_t name_bytes)
{
	size_t at = qcow2bm_chain_bitmap(chain, idx, layer_idx);
	if (at == QCOW2BM_NOT_FOUND)
		return TOOL_LIBVIRT_MATCH_NONE;
	const struct qcow2bm_bitmap *bitmap =
		qcow2bm_bitmap_describe(qcow2bm_chain_layer(chain, layer_idx)->image, at);
	return bitmap->name_bytes == name_bytes &&
			       memcmp(bitmap->name, name, name_bytes) == 0
		       ? TOOL_LIBVIRT_MATCH_ALL
		       : TOOL_LIBVIRT_MATCH_OTHERS;
}

enum tool_libvirt_match tool_libvirt_changes_match(const struct qcow2bm_chain *chain,
						   size_t idx, const char *name,
						   size_t name_bytes)
{
	unsigned match = TOOL_LIBVIRT_MATCH_NONE;
	for (size_t i = 0; i < qcow2bm_chain_layer_count(chain); i++)
		match |= match_layer(chain, idx, i, name, name_bytes);
	return (enum tool_libvirt_match)match;
}

/* The first layer in which it is of another name. */
static size_t find_other(const struct qcow2bm_chain *chain, size_t idx, const char *name,
			 size_t name_bytes)
{
	size_t layer = 0;
	while (match_layer(chain, idx, layer, name, name_bytes) !=
	       TOOL_LIBVIRT_MATCH_OTHERS)
		layer++;
	return layer;
}

int tool_libvirt_changes_refuse_mixed(const struct tool_libvirt_changes *changes,
				      size_t disk, size_t idx, const char *name,
				      size_t name_bytes)
{
	const struct tool_libvirt_disk *it = &changes->libvirt->world.disks[disk];
	size_t at = find_other(it->chain, idx, name, name_bytes);
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(it->chain, at);
	const struct qcow2bm_bitmap *bitmap = qcow2bm_bitmap_describe(
		layer->image, qcow2bm_chain_bitmap(it->chain, idx, at));
	char *own = tool_name_escape(name, name_bytes, TOOL_NAME_HUMAN);
	char *other = tool_name_escape(bitmap->name, bitmap->name_bytes, TOOL_NAME_HUMAN);
	struct tool_text command = {0};
	tool_word_add_file(&command, layer->filename);
	tool_word_add(&command, other);
	tool_message(
		it->path,
		"one layer has bitmap '%s', and another one '%s', which is not libvirt's; "
		"first give that another name, or delete it: qcow2bm delete --%s",
		own, other, command.bytes);
	tool_text_free(&command);
	free(other);
	free(own);
	return TOOL_EXIT_FAILED;
}

int tool_libvirt_changes_choose(const struct tool_libvirt_changes *changes, size_t disk,
				const char *name, bool *goes)
{
	const struct qcow2bm_chain *chain = changes->libvirt->world.disks[disk].chain;
	size_t bytes = strlen(name);
	for (size_t i = 0; i < qcow2bm_chain_count(chain); i++) {
		enum tool_libvirt_match match =
			tool_libvirt_changes_match(chain, i, name, bytes);
		if (match == TOOL_LIBVIRT_MATCH_MIXED)
			return tool_libvirt_changes_refuse_mixed(changes, disk, i, name,
								 bytes);
		goes[i] |= match == TOOL_LIBVIRT_MATCH_ALL;
	}
	return TOOL_EXIT_DONE;
}

/* Prints what merges the bits of one that would go, with the file left to libvirt delete; returns a status. */
static int refuse_delta(const struct tool_libvirt_disk *disk, size_t idx)
{
	const struct qcow2bm_checkpoint *it = qcow2bm_chain_checkpoint(disk->chain, idx);
	char *name = tool_name_escape(it->name, it->name_bytes, TOOL_NAME_HUMAN);
	struct tool_text command = {0};
	tool_word_add(&command, name);
	tool_text_print(&command, " --");
	tool_word_add_file(&command, disk->path);
	tool_message(
		disk->path,
		"%s: what changed since an older one would lack the bits of '%s'. This merges "
		"them (with --order where no names tell it), then libvirt delete "
		"--metadata-only deletes the file: qcow2bm chain delete -c%s",
		disk->scheme == QCOW2BM_SCHEME_DELTA
			? "only the newest of its bitmaps records"
			: "none of its bitmaps records",
		name, command.bytes);
	tool_text_free(&command);
	free(name);
	return TOOL_EXIT_FAILED;
}

/* Bitmaps that have what changed together may go together alone: a drop merges no bits. */
static int check_delta(const struct tool_libvirt_disk *disk, const bool *goes)
{
	size_t count = qcow2bm_chain_count(disk->chain), going = 0, last = 0;
	bool is_alone = disk->scheme != QCOW2BM_SCHEME_DELTA &&
			disk->scheme != QCOW2BM_SCHEME_UNKNOWN;
	for (size_t i = 0; i < count; i++)
		if (goes[i]) {
			going++;
			last = i;
		}
	return is_alone || going == 0 || going == count ? TOOL_EXIT_DONE
							: refuse_delta(disk, last);
}

int tool_libvirt_changes_drop(struct tool_libvirt_changes *changes, size_t disk,
			      const bool *goes)
{
	const struct tool_libvirt_disk *it = &changes->libvirt->world.disks[disk];
	struct qcow2bm_error err = {0};
	int status = check_delta(it, goes);
	if (status != TOOL_EXIT_DONE)
		return status;
	size_t count = qcow2bm_chain_count(it->chain), going = 0;
	size_t *idxs = tool_memory_zeroed(count + 1, sizeof(*idxs));
	for (size_t i = 0; i < count; i++)
		if (goes[i])
			idxs[going++] = i;
	enum qcow2bm_code code =
		qcow2bm_chain_delete_several(it->chain, idxs, going, &err);
	free(idxs);
	return code == QCOW2BM_OK ? TOOL_EXIT_DONE : tool_message_fail(it->path, &err);
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
	char *path = make_intent_path(libvirt);
	int status = tool_cut_off_check(&libvirt->disks.options, libvirt->folder_path,
					path, true);
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

/* The folder's name is on stable storage before what is made in it says that it is. */
static bool make_folder(struct tool_libvirt *libvirt)
{
	struct tool_text parent = {0};
	tool_text_print(&parent, "%s/..", libvirt->folder_path);
	libvirt->has_made_folder = mkdir(libvirt->folder_path, 0700) == 0;
	bool is_made = libvirt->has_made_folder || errno == EEXIST;
	int fd = is_made ? open(parent.bytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	is_made = fd >= 0 && fsync(fd) == 0;
	int error = errno;
	if (fd >= 0)
		close(fd);
	tool_text_free(&parent);
	errno = error;
	return is_made;
}

int tool_libvirt_changes_make_folder(struct tool_libvirt *libvirt)
{
	char why[TOOL_WHY];
	if (libvirt->world.folder.fd >= 0)
		return TOOL_EXIT_DONE;
	if (!make_folder(libvirt)) {
		tool_message(libvirt->folder_path, "cannot make the folder: %s",
			     strerror(errno));
		return TOOL_EXIT_FAILED;
	}
	tool_folder_close(&libvirt->world.folder);
	if (tool_folder_open(&libvirt->world.folder, libvirt->folder_path, false, why))
		return TOOL_EXIT_DONE;
	tool_message(libvirt->folder_path, "%s", why);
	return TOOL_EXIT_FAILED;
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
	int status = tool_settle(&changes->libvirt->disks);
	if (status == TOOL_EXIT_DONE)
		status = tool_together_finish(&together);
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
