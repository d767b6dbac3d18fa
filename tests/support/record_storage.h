/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage that notes what was done to the one below it, and can tell what a crash
 * leaves. */
#ifndef TESTS_RECORD_STORAGE_H
#define TESTS_RECORD_STORAGE_H

#include "memory_storage.h"

#define RECORD_SECTOR_BYTES 512

enum record_kind { RECORD_WRITE, RECORD_RESIZE, RECORD_DISCARD, RECORD_SYNC };

struct record_op {
	enum record_kind kind;
	uint64_t off;   /* of a write or discard */
	uint64_t bytes; /* of a write or discard; the new length of a resize */
	uint8_t *data;  /* of a write */
	uint64_t at;    /* of the log's clock */
};

/* The file as it was, and all that succeeded since, in order. It belongs to the test and
 * outlives the storage. Zeroed it is empty. */
struct record_log {
	struct memory_file before;
	struct record_op *ops;
	size_t count;
	size_t room; /* allocated */
	/* Counts the operations of several files: a log notes for each of its own how many came before.
	 * NULL: there is one file. */
	uint64_t *clock;
};

/* Opens a storage over `below`, which it closes with itself. To test failures too, put
 * the fault storage on top of this one: then half a write is noted as the half that it
 * is. */
struct q2_storage *record_storage_open(struct q2_storage *below, struct record_log *log);

void record_log_free(struct record_log *log);

/* The index of the next operation of that kind from `from` on, or log->count. */
size_t record_log_find(const struct record_log *log, size_t from, enum record_kind kind);

/* Makes `file` what a reader sees after the first `prefix` operations: the process was
 * killed, the machine lives on. */
void record_log_replay(const struct record_log *log, size_t prefix,
		       struct memory_file *file);

/*
 * A power cut after the first `prefix` operations: what came before the last sync among
 * them is on the disk; the rest falls into pieces that may be there or not, each by
 * itself: the part of a write or discard that lies in one aligned sector, or a change of
 * length. Counts these pieces, in order.
 */
size_t record_log_pieces(const struct record_log *log, size_t prefix,
			 size_t sector_bytes);

/*
 * Makes `file` what the power cut leaves when the pieces i with survives[i] reach the
 * disk. A sector reaches the disk with everything that was in it at that moment: a
 * surviving piece takes along the earlier ones of its sector. A surviving write past the
 * end makes the file longer.
 */
void record_log_cut(const struct record_log *log, size_t prefix, size_t sector_bytes,
		    const bool *survives, struct memory_file *file);

#endif
