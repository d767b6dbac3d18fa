/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The floor: what a plain static program needs for the same bytes.
 *
 *   floor directory IMAGE             reads header and directory
 *   floor edit IMAGE [TABLES]         the same, writes a directory and so many tables behind
 *                                     the end of the file, and syncs three times, as an
 *                                     edit must
 *   floor merge IMAGE TARGET SOURCE   the same, and reads both bitmaps, ORs them and writes
 *                                     the result and a table to new clusters
 *
 * The image keeps its bitmaps: the first sector and refcounts are written back as they are. A
 * source of another granularity is read and ORed, but not converted.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plain.h"

#define BATCH_BYTES ((size_t)512 << 10)

static void sync_file(const struct plain_image *image)
{
	if (fdatasync(image->fd) != 0)
		plain_stop("fdatasync");
}

static uint64_t round_up(const struct plain_image *image, uint64_t bytes)
{
	uint64_t cluster_bytes = (uint64_t)1 << image->cluster_bits;
	return (bytes + cluster_bytes - 1) & ~(cluster_bytes - 1);
}

/* Writes whole clusters, with zeros behind the bytes; returns where they end. */
static uint64_t write_clusters(const struct plain_image *image, const void *bytes,
			       size_t count, uint64_t off)
{
	size_t whole = (size_t)round_up(image, count);
	uint8_t *clusters = plain_allocate(whole);
	memcpy(clusters, bytes, count);
	memset(clusters + count, 0, whole - count);
	plain_write(image, clusters, whole, off);
	free(clusters);
	return off + whole;
}

static void or_into(uint64_t *restrict to, const uint64_t *restrict from, size_t words)
{
	for (size_t i = 0; i < words; i++)
		to[i] |= from[i];
}

/* Where the source has more data than the target, it is read in as many parts. */
static uint64_t merge(const struct plain_image *image, const struct plain_bitmap *target,
		      const struct plain_bitmap *source, uint64_t off)
{
	uint64_t *old = plain_table(image, target), *other = plain_table(image, source);
	uint64_t *table = plain_allocate(target->table_entries * sizeof(*table));
	uint64_t ratio = source->table_entries / target->table_entries;
	uint64_t batch = BATCH_BYTES >> image->cluster_bits;
	uint64_t *words = plain_allocate(BATCH_BYTES),
		 *more = plain_allocate(BATCH_BYTES);
	for (uint64_t i = 0; i < target->table_entries; i += batch) {
		if (batch > target->table_entries - i)
			batch = target->table_entries - i;
		size_t bytes = (size_t)batch << image->cluster_bits;
		plain_read_data(image, old, i, batch, (uint8_t *)words);
		for (uint64_t part = 0; part < ratio; part++) {
			plain_read_data(image, other, i * ratio + part * batch, batch,
					(uint8_t *)more);
			or_into(words, more, bytes / sizeof(*words));
		}
		plain_write(image, words, bytes, off);
		for (uint64_t c = 0; c < batch;
		     c++, off += (uint64_t)1 << image->cluster_bits)
			plain_store((uint8_t *)&table[i + c], 8, off);
	}
	return write_clusters(image, table, target->table_entries * sizeof(*table), off);
}

static void commit(const struct plain_image *image, uint64_t off)
{
	uint8_t block_off[8], refcounts[512], head[512];
	write_clusters(image, image->directory, image->directory_bytes, off);
	sync_file(image);
	plain_read(image, head, sizeof(head), 0);
	plain_write(image, head, sizeof(head), 0);
	sync_file(image);
	plain_read(image, block_off, sizeof(block_off), image->refcount_table_off);
	plain_read(image, refcounts, sizeof(refcounts), plain_load(block_off, 8));
	plain_write(image, refcounts, sizeof(refcounts), plain_load(block_off, 8));
	sync_file(image);
}

/* Empty tables, as added bitmaps of 64 KiB granularity have them. */
static uint64_t add_tables(const struct plain_image *image, const char *count,
			   uint64_t off)
{
	uint64_t covered = (uint64_t)8 << image->cluster_bits
				       << 16; /* by a data cluster */
	uint64_t clusters = (image->disk_bytes + covered - 1) / covered;
	uint64_t *table = plain_allocate(clusters * sizeof(*table));
	memset(table, 0, clusters * sizeof(*table));
	for (int i = atoi(count); i > 0; i--)
		off = write_clusters(image, table, clusters * sizeof(*table), off);
	free(table);
	return off;
}

int main(int argc, char **argv)
{
	struct plain_image image;
	if (argc == 3 && strcmp(argv[1], "directory") == 0) {
		plain_open(&image, argv[2], O_RDONLY);
		return 0;
	}
	if ((argc == 3 || argc == 4) && strcmp(argv[1], "edit") == 0) {
		plain_open(&image, argv[2], O_RDWR);
		commit(&image, add_tables(&image, argc == 4 ? argv[3] : "0",
					  round_up(&image, image.file_bytes)));
		return 0;
	}
	if (argc == 5 && strcmp(argv[1], "merge") == 0) {
		plain_open(&image, argv[2], O_RDWR);
		commit(&image, merge(&image, plain_find(&image, argv[3]),
				     plain_find(&image, argv[4]),
				     round_up(&image, image.file_bytes)));
		return 0;
	}
	fputs("usage: floor directory IMAGE, edit IMAGE [TABLES], merge IMAGE TARGET SOURCE\n",
	      stderr);
	return 64;
}
