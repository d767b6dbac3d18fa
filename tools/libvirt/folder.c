/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder in which libvirt keeps the checkpoints of a domain. */
#define _GNU_SOURCE /* fdopendir(), O_DIRECTORY */
#include "folder.h"

#include "../term/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_file(const void *a, const void *b)
{
	const struct tool_checkpoint *x = a, *y = b;
	return strcmp(x->file, y->file);
}

static bool is_file(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* So that too many are refused before any of them is read. */
static size_t count_files(DIR *dir)
{
	const struct dirent *entry;
	size_t count = 0;
	while (count <= TOOL_FOLDER_MAX_FILES && (entry = readdir(dir)) != NULL)
		count += is_file(entry);
	rewinddir(dir);
	return count;
}

static bool read_files(struct tool_folder *folder, DIR *dir, char why[TOOL_WHY])
{
	const struct dirent *entry;
	size_t room = count_files(dir);
	if (room <= TOOL_FOLDER_MAX_FILES)
		folder->list = tool_memory_zeroed(room + 1, sizeof(*folder->list));
	while (folder->list != NULL && (entry = readdir(dir)) != NULL) {
		if (!is_file(entry))
			continue;
		if (folder->count == room) {
			snprintf(why, TOOL_WHY, "files are being added to it");
			return false;
		}
		tool_checkpoint_read(&folder->list[folder->count++], folder->fd,
				     entry->d_name);
	}
	if (folder->list == NULL)
		snprintf(why, TOOL_WHY, "there are more than %d files",
			 TOOL_FOLDER_MAX_FILES);
	return folder->list != NULL;
}

bool tool_folder_open(struct tool_folder *folder, const char *path, bool may_lack,
		      char why[TOOL_WHY])
{
	*folder = (struct tool_folder){.path = path};
	folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->fd < 0 && errno == ENOENT && may_lack)
		return true;
	int copy = folder->fd < 0 ? -1 : dup(folder->fd);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir == NULL) {
		snprintf(why, TOOL_WHY, "it cannot be read: %s", strerror(errno));
		if (copy >= 0)
			close(copy);
		return false;
	}
	bool is_read = read_files(folder, dir, why);
	closedir(dir);
	if (folder->count > 1)
		qsort(folder->list, folder->count, sizeof(*folder->list), by_file);
	tool_relations_find(folder);
	return is_read;
}

void tool_folder_close(struct tool_folder *folder)
{
	for (size_t i = 0; i < folder->count; i++)
		tool_checkpoint_free(&folder->list[i]);
	free(folder->list);
	free(folder->relations);
	free(folder->by_name);
	if (folder->fd >= 0)
		close(folder->fd);
	*folder = (struct tool_folder){.fd = -1};
}

size_t tool_folder_find_file(const struct tool_folder *folder, const char *file)
{
	for (size_t i = 0; i < folder->count; i++)
		if (strcmp(folder->list[i].file, file) == 0)
			return i;
	return TOOL_FOLDER_NONE;
}
