/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage whose file is a vector of bytes in memory. */
#ifndef TESTS_MEMORY_STORAGE_H
#define TESTS_MEMORY_STORAGE_H

#include "storage/storage.h"

#define MEMORY_LIMIT_BYTES ((uint64_t)1 << 30) /* when .limit is 0 */

/* The file: it belongs to the test and outlives the storage, as a file outlives a
 * descriptor. Zeroed it is an empty file. Growing it over `limit` bytes fails with
 * ENOSPC. */
struct memory_file {
	uint8_t *bytes;
	uint64_t length;
	uint64_t limit;
	uint64_t writes; /* so many changes were made through a storage: its time */
	uint64_t room;   /* bytes that are allocated already; see memory_file_reserve() */
};

/* Makes the file hold a copy of `bytes`. Functions of this folder abort when out of
 * memory. */
void memory_file_fill(struct memory_file *file, const void *bytes, uint64_t length);
/* Reads a real file whole; false when it cannot be read. */
bool memory_file_load(struct memory_file *file, const char *path);
/* Cuts it, or grows it with zeros, whatever the limit. */
void memory_file_resize(struct memory_file *file, uint64_t length);
/* Up to that length the file, which is empty, allocates no more, and cannot fail. */
void memory_file_reserve(struct memory_file *file, uint64_t length);
/* Empties it. */
void memory_file_free(struct memory_file *file);

/* A writable storage over the file, with no writer elsewhere; change its members to test
 * other cases: without can_grow it is a device. */
struct q2_storage *memory_storage_open(struct memory_file *file);

#endif
