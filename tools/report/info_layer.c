/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One image file of a backing chain, as info reports it. */
#define _POSIX_C_SOURCE 200809L

#include "info_layer.h"

#include "../term/image.h"
#include "../term/memory.h"
#include "../term/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "nbd:..." and the like; a colon behind a slash is part of a file's name. */
static bool has_protocol(const char *name)
{
	return name[strcspn(name, ":/")] == ':';
}

char *tool_info_layer_resolve(const char *overlay, const char *name)
{
	const char *slash = strrchr(overlay, '/');
	size_t folder = slash != NULL ? (size_t)(slash - overlay) + 1 : 0;
	if (has_protocol(name) || name[0] == '/')
		folder = 0;
	size_t length = strlen(name);
	char *path = tool_memory_alloc(folder + length + 1);
	memcpy(path, overlay, folder);
	memcpy(path + folder, name, length + 1);
	return path;
}

static char *copy_text(const char *text)
{
	return tool_memory_copy(text, strlen(text));
}

/* Opens what may be opened here, regular files and block devices, and asks for its size. */
static int open_plain(const char *filename, struct stat *st, off_t *size)
{
	int fd = open(filename, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	*size = -1;
	errno = EINVAL;
	if (fstat(fd, st) == 0 && (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode)))
		*size = lseek(fd, 0, SEEK_END);
	if (*size >= 0)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

static int read_raw(struct tool_info_layer *layer)
{
	struct stat st;
	off_t size;
	int fd = open_plain(layer->filename, &st, &size);
	if (fd < 0) {
		tool_message(layer->filename, "cannot open: %s", strerror(errno));
		return TOOL_EXIT_FAILED;
	}
	close(fd);
	/* QEMU counts the disk in whole sectors. */
	layer->virtual_bytes = ((uint64_t)size + 511) & ~(uint64_t)511;
	layer->allocated_bytes = (uint64_t)st.st_blocks * 512;
	layer->file_bytes = (uint64_t)size;
	return TOOL_EXIT_DONE;
}

static int read_snapshots(struct tool_info_layer *layer)
{
	layer->snapshots =
		tool_memory_zeroed(layer->info.snapshots, sizeof(*layer->snapshots));
	for (unsigned i = 0; i < layer->info.snapshots; i++) {
		const struct qcow2bm_snapshot *snapshot;
		struct qcow2bm_error err = {0};
		if (qcow2bm_image_snapshot(layer->image, i, &snapshot, &err) !=
		    QCOW2BM_OK)
			return tool_message_fail(layer->filename, &err);
		layer->snapshots[i] = *snapshot;
		layer->snapshots[i].id = copy_text(snapshot->id);
		layer->snapshots[i].name = copy_text(snapshot->name);
	}
	return TOOL_EXIT_DONE;
}

static int read_qcow2(struct tool_info_layer *layer, const struct tool_options *options,
		      const struct tool_inventory_order *order)
{
	int status = tool_image_open(options, layer->filename, 0, &layer->image);
	if (status != TOOL_EXIT_DONE)
		return status;
	layer->info = *qcow2bm_image_describe(layer->image);
	layer->virtual_bytes = layer->info.virtual_bytes;
	layer->allocated_bytes = layer->info.allocated_bytes;
	layer->file_bytes = layer->info.file_bytes;
	if (layer->info.backing_filename != NULL)
		layer->full_backing_filename = tool_info_layer_resolve(
			layer->filename, layer->info.backing_filename);
	struct qcow2bm_error err = {0};
	if (tool_inventory_take(&layer->survey, layer->image, order, NULL, &err) !=
	    QCOW2BM_OK)
		return tool_message_fail(layer->filename, &err);
	return read_snapshots(layer);
}

static struct tool_info_layer *append(struct tool_chain *chain, const char *filename)
{
	chain->layers = tool_memory_resize(chain->layers, chain->count + 1,
					   sizeof(*chain->layers));
	struct tool_info_layer *layer = &chain->layers[chain->count++];
	memset(layer, 0, sizeof(*layer));
	layer->filename = copy_text(filename);
	return layer;
}

/* Takes the identity of the last layer, and sees whether it was there before. */
static int check_loop(struct tool_chain *chain)
{
	struct tool_info_layer *last = &chain->layers[chain->count - 1];
	struct stat st;
	if (stat(last->filename, &st) != 0)
		return TOOL_EXIT_DONE; /* opening it will say why */
	last->device = st.st_dev;
	last->inode = st.st_ino;
	last->is_device = S_ISBLK(st.st_mode);
	for (size_t i = 0; i + 1 < chain->count; i++) {
		if (chain->layers[i].device != st.st_dev ||
		    chain->layers[i].inode != st.st_ino)
			continue;
		tool_message(last->filename,
			     "the backing chain is a loop: it is a layer already");
		return TOOL_EXIT_FAILED;
	}
	return TOOL_EXIT_DONE;
}

/* The layer below without a stored format: QEMU looks at what the file begins with, too. */
static bool starts_as_qcow2(const char *filename)
{
	struct stat st;
	off_t size;
	unsigned char magic[4] = {0};
	int fd = open_plain(filename, &st, &size);
	if (fd < 0)
		return true; /* opening it as an image will say why */
	ssize_t got = pread(fd, magic, sizeof(magic), 0);
	close(fd);
	return got == (ssize_t)sizeof(magic) &&
	       memcmp(magic, "QFI\xfb", sizeof(magic)) == 0;
}

/* The plain file that the backing name of `layer` means; NULL, with a message, for others. */
static const char *backing_path(const struct tool_info_layer *layer)
{
	const char *name = layer->full_backing_filename;
	if (strncmp(name, "file:", 5) == 0)
		return name + 5;
	if (!has_protocol(name))
		return name;
	tool_message(layer->filename,
		     "backing file '%s' is not a local file and is not followed", name);
	return NULL;
}

/* 1 raw, 0 qcow2, -1 with a message for others. */
static int backing_is_raw(const struct tool_info_layer *layer, const char *path)
{
	const char *format = layer->info.backing_format;
	if (format == NULL)
		return !starts_as_qcow2(path);
	if (strcmp(format, "raw") == 0)
		return 1;
	if (strcmp(format, "qcow2") == 0)
		return 0;
	tool_message(layer->filename,
		     "backing file '%s' has format '%s', which is not read here", path,
		     format);
	return -1;
}

int tool_info_layer_read_chain(struct tool_chain *chain,
			       const struct tool_options *options, const char *filename,
			       bool raw, bool follow,
			       const struct tool_inventory_order *order)
{
	for (;;) {
		struct tool_info_layer *layer = append(chain, filename);
		int status = check_loop(chain);
		if (status == TOOL_EXIT_DONE)
			status =
				raw ? read_raw(layer) : read_qcow2(layer, options, order);
		if (status != TOOL_EXIT_DONE || !follow ||
		    layer->full_backing_filename == NULL)
			return status;
		filename = backing_path(layer);
		if (filename == NULL)
			return TOOL_EXIT_FAILED;
		int kind = backing_is_raw(layer, filename);
		if (kind < 0)
			return TOOL_EXIT_FAILED;
		raw = kind == 1;
	}
}

void tool_info_layer_free_chain(struct tool_chain *chain)
{
	for (size_t i = 0; i < chain->count; i++) {
		struct tool_info_layer *layer = &chain->layers[i];
		for (unsigned k = 0;
		     layer->snapshots != NULL && k < layer->info.snapshots; k++) {
			free((char *)layer->snapshots[k].id);
			free((char *)layer->snapshots[k].name);
		}
		free(layer->snapshots);
		tool_inventory_free(&layer->survey);
		qcow2bm_image_close(layer->image);
		free(layer->full_backing_filename);
		free(layer->filename);
	}
	free(chain->layers);
}
