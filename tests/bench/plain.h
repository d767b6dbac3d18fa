/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Header, directory and tables read in the plainest way, from images known to be sound. Shares
 * no code with the library; ends the program when something fails. */
#ifndef BENCH_PLAIN_H
#define BENCH_PLAIN_H

#include <stddef.h>
#include <stdint.h>

struct plain_bitmap {
	const uint8_t *name;
	unsigned name_bytes;
	unsigned flags;
	unsigned granularity_bits;
	uint64_t table_off;
	uint32_t table_entries;
};

struct plain_image {
	int fd;
	uint64_t file_bytes;
	uint64_t disk_bytes;
	unsigned cluster_bits;
	uint8_t extension[24]; /* the data of the bitmaps extension */
	uint64_t refcount_table_off;
	uint8_t *directory;
	uint64_t directory_bytes;
	struct plain_bitmap *bitmaps;
	unsigned count;
};

void plain_stop(const char *what) __attribute__((noreturn));
void *plain_allocate(size_t bytes);
void plain_read(const struct plain_image *image, void *bytes, size_t count, uint64_t off);
void plain_write(const struct plain_image *image, const void *bytes, size_t count,
		 uint64_t off);
uint64_t plain_load(const uint8_t *at, unsigned bytes);
void plain_store(uint8_t *at, unsigned bytes, uint64_t value);
void plain_open(struct plain_image *image, const char *path, int flags);

/* The bitmap of this name. */
const struct plain_bitmap *plain_find(const struct plain_image *image, const char *name);

/* The table of a bitmap, as numbers. */
uint64_t *plain_table(const struct plain_image *image, const struct plain_bitmap *bitmap);

/* Reads `clusters` clusters of data from table entry `idx` on, adjacent ones at once. */
void plain_read_data(const struct plain_image *image, const uint64_t *table, uint64_t idx,
		     uint64_t clusters, uint8_t *bytes);

#endif
