/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For build_image.c: clusters and their refcounts, in an image that grows in memory. */
#ifndef TESTS_BUILD_PLACE_H
#define TESTS_BUILD_PLACE_H

#include "memory_storage.h"
#include "random.h"

#define PLACE_POOL_BLOCKS 6

struct place {
	struct random random;
	unsigned cluster_bits;
	unsigned gap_percent;
	uint8_t *bytes;
	uint64_t *refs;    /* of each cluster */
	uint64_t clusters; /* that bytes and refs have */
	uint64_t next;
	uint64_t saved; /* where to go on after place_jump() */
	bool has_jumped;
	uint64_t pool; /* clusters near the start, for refcount blocks */
	unsigned pool_left;
};

void place_begin(struct place *place, uint64_t seed, unsigned cluster_bits,
		 unsigned gap_percent);

/* Takes `count` adjacent clusters and counts them once. What is free holds old bytes. */
uint64_t place_take(struct place *place, uint64_t count);

/* Takes clusters for `bytes` bytes, filled with `fill`; returns the byte offset. */
uint64_t place_bytes(struct place *place, uint64_t bytes, uint8_t fill);

/* The next cluster is taken shortly before the last that the refcount table can count. */
void place_jump(struct place *place, unsigned refcount_order, unsigned table_clusters);

void place_reserve_blocks(struct place *place);
void place_write_refcounts(struct place *place, unsigned order, uint64_t table_off,
			   uint64_t table_clusters);

/* Big-endian numbers; place_load() of 8 bytes. */
void place_store(struct place *place, uint64_t off, unsigned bytes, uint64_t value);
uint64_t place_load(const struct place *place, uint64_t off);

/* Gives the bytes, and `free_clusters` more behind the last one used, to the file. */
void place_end(struct place *place, uint64_t free_clusters, struct memory_file *file);

#endif
