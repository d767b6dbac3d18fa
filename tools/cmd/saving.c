/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The undo file of an image that is about to be edited. */
#define _POSIX_C_SOURCE 200809L
#include "saving.h"

#include "../term/memory.h"
#include "../term/message.h"
#include "../term/word.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Undo files of so many edits may stand next to each other. */
#define UNDO_FILES 99

/* There is no place for one. */
static const struct qcow2bm_error refused = {.code = QCOW2BM_EINVAL,
					     .offset = QCOW2BM_NO_OFFSET};

char *tool_saving_choose(const char *filename, const char *beside)
{
	for (unsigned i = 1; i <= UNDO_FILES; i++) {
		struct tool_text name = {0};
		tool_text_print(&name, "%s.undo", beside);
		if (i > 1)
			tool_text_print(&name, ".%u", i);
		if (access(name.bytes, F_OK) != 0)
			return name.bytes;
		tool_text_free(&name);
	}
	tool_message_because(
		filename, &refused,
		"there are %d undo files already (%s.undo...); remove old ones, or "
		"choose another place with --save FILE",
		UNDO_FILES, beside);
	return NULL;
}

static bool is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A new file in the folder. */
static char *choose_in_folder(const char *filename, const char *folder)
{
	struct tool_text beside = {0};
	const char *slash = strrchr(filename, '/');
	tool_text_print(&beside, "%s/%s", folder, slash != NULL ? slash + 1 : filename);
	char *path = tool_saving_choose(filename, beside.bytes);
	tool_text_free(&beside);
	return path;
}

static bool is_in_memory(const char *path)
{
	struct statfs fs;
	if (statfs(path, &fs) != 0)
		return false;
	unsigned long type = (unsigned long)fs.f_type;
	return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

int tool_saving_begin(struct tool_saving *saving, struct qcow2bm_image *image,
		      const char *filename, const char *save, bool is_one)
{
	struct qcow2bm_error err = {0};
	*saving = (struct tool_saving){.image = image, .filename = filename};
	if (save == NULL)
		return TOOL_EXIT_DONE;
	if (is_folder(save)) {
		saving->path = choose_in_folder(filename, save);
	} else if (is_one) {
		saving->path = tool_memory_copy(save, strlen(save));
	} else {
		tool_message_because(
			save, &refused,
			"several images change: --save has to name a folder that is "
			"there, for an undo file of each; nothing is done");
	}
	if (saving->path == NULL)
		return TOOL_EXIT_FAILED;
	if (qcow2bm_undo_begin(image, saving->path, &err) != QCOW2BM_OK) {
		int status = tool_message_fail(saving->path, &err);
		tool_saving_free(saving);
		return status;
	}
	if (is_in_memory(saving->path))
		tool_message(saving->path,
			     "warning: this file system is in memory: after a power cut "
			     "the undo file is gone");
	return TOOL_EXIT_DONE;
}

void tool_saving_end(struct tool_saving *saving)
{
	struct qcow2bm_error err = {0};
	if (saving->path == NULL)
		return;
	if (qcow2bm_undo_end(saving->image, &err) != QCOW2BM_OK)
		tool_message(saving->path,
			     "%s; the edit is done; the undo file lacks its end, but "
			     "works as long as nothing else writes to the image",
			     err.sentence);
	else if (access(saving->path, F_OK) != 0)
		tool_saving_free(saving);
}

void tool_saving_drop(struct tool_saving *saving)
{
	if (saving->path != NULL)
		(void)unlink(saving->path);
	tool_saving_free(saving);
}

void tool_saving_add(struct tool_text *text, const struct tool_saving *saving)
{
	tool_text_print(text, "to take this back: qcow2bm undo");
	tool_word_add_file(text, saving->filename);
	tool_word_add_file(text, saving->path);
}

void tool_saving_free(struct tool_saving *saving)
{
	free(saving->path);
	saving->path = NULL;
}
