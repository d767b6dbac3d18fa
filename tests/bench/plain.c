/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading an image that is known to be sound. */
#define _POSIX_C_SOURCE 200809L
#include "plain.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXTENSION_BITMAPS 0x23852875u

void plain_stop(const char *what)
{
	perror(what);
	exit(1);
}

void *plain_allocate(size_t bytes)
{
	void *memory = malloc(bytes == 0 ? 1 : bytes);
	if (memory == NULL)
		plain_stop("malloc");
	return memory;
}

void plain_read(const struct plain_image *image, void *bytes, size_t count, uint64_t off)
{
	if (pread(image->fd, bytes, count, (off_t)off) != (ssize_t)count)
		plain_stop("pread");
}

void plain_write(const struct plain_image *image, const void *bytes, size_t count,
		 uint64_t off)
{
	if (pwrite(image->fd, bytes, count, (off_t)off) != (ssize_t)count)
		plain_stop("pwrite");
}

uint64_t plain_load(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;
	while (bytes-- != 0)
		value = value << 8 | *at++;
	return value;
}

void plain_store(uint8_t *at, unsigned bytes, uint64_t value)
{
	while (bytes-- != 0) {
		at[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

static void find_extension(struct plain_image *image, const uint8_t *head, size_t bytes)
{
	uint64_t at = plain_load(head + 100, 4);
	while (at + 32 <= bytes && plain_load(head + at, 4) != 0) {
		if (plain_load(head + at, 4) == EXTENSION_BITMAPS) {
			memcpy(image->extension, head + at + 8, sizeof(image->extension));
			return;
		}
		at += 8 + ((plain_load(head + at + 4, 4) + 7) & ~(uint64_t)7);
	}
}

static void parse_directory(struct plain_image *image)
{
	const uint8_t *at = image->directory;
	for (unsigned i = 0; i < image->count; i++) {
		struct plain_bitmap *bitmap = &image->bitmaps[i];
		uint64_t extra = plain_load(at + 20, 4);
		bitmap->table_off = plain_load(at, 8);
		bitmap->table_entries = (uint32_t)plain_load(at + 8, 4);
		bitmap->flags = (unsigned)plain_load(at + 12, 4);
		bitmap->granularity_bits = at[17];
		bitmap->name_bytes = (unsigned)plain_load(at + 18, 2);
		bitmap->name = at + 24 + extra;
		at += (24 + extra + bitmap->name_bytes + 7) & ~(uint64_t)7;
	}
}

void plain_open(struct plain_image *image, const char *path, int flags)
{
	uint8_t head[4096] = {0};
	memset(image, 0, sizeof(*image));
	image->fd = open(path, flags);
	if (image->fd < 0)
		plain_stop(path);
	image->file_bytes = (uint64_t)lseek(image->fd, 0, SEEK_END);
	ssize_t bytes = pread(image->fd, head, sizeof(head), 0);
	if (bytes < 512)
		plain_stop("pread");
	image->cluster_bits = (unsigned)plain_load(head + 20, 4);
	image->disk_bytes = plain_load(head + 24, 8);
	image->refcount_table_off = plain_load(head + 48, 8);
	find_extension(image, head, (size_t)bytes);
	image->count = (unsigned)plain_load(image->extension, 4);
	image->directory_bytes = plain_load(image->extension + 8, 8);
	image->directory = plain_allocate(image->directory_bytes);
	image->bitmaps = plain_allocate(image->count * sizeof(*image->bitmaps));
	plain_read(image, image->directory, image->directory_bytes,
		   plain_load(image->extension + 16, 8));
	parse_directory(image);
}

const struct plain_bitmap *plain_find(const struct plain_image *image, const char *name)
{
	for (unsigned i = 0; i < image->count; i++)
		if (image->bitmaps[i].name_bytes == strlen(name) &&
		    memcmp(image->bitmaps[i].name, name, strlen(name)) == 0)
			return &image->bitmaps[i];
	plain_stop(name);
}

uint64_t *plain_table(const struct plain_image *image, const struct plain_bitmap *bitmap)
{
	uint64_t *table = plain_allocate(bitmap->table_entries * sizeof(*table));
	plain_read(image, table, bitmap->table_entries * sizeof(*table),
		   bitmap->table_off);
	for (uint32_t i = 0; i < bitmap->table_entries; i++)
		table[i] = plain_load((const uint8_t *)&table[i], 8);
	return table;
}

void plain_read_data(const struct plain_image *image, const uint64_t *table, uint64_t idx,
		     uint64_t clusters, uint8_t *bytes)
{
	size_t cluster_bytes = (size_t)1 << image->cluster_bits;
	uint64_t run;
	for (uint64_t i = 0; i < clusters; i += run) {
		uint64_t entry = table[idx + i];
		run = 1;
		if (entry <= 1) {
			memset(bytes + i * cluster_bytes, entry == 1 ? 0xff : 0,
			       cluster_bytes);
			continue;
		}
		while (i + run < clusters &&
		       table[idx + i + run] == entry + run * cluster_bytes)
			run++;
		plain_read(image, bytes + i * cluster_bytes, run * cluster_bytes, entry);
	}
}
