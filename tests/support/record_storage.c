/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage that notes what was done to the one below it, and can tell what a crash
 * leaves. */
#include "record_storage.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

struct record {
	struct q2_storage storage;
	struct q2_storage *below;
	struct record_log *log;
};

static struct record *record_of(struct q2_storage *storage)
{
	return (struct record *)(void *)storage;
}

static void *must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static void note(struct q2_storage *storage, enum record_kind kind, uint64_t off,
		 uint64_t bytes, const void *data)
{
	struct record_log *log = record_of(storage)->log;
	if (log->count == log->room) {
		log->room = log->room * 2 + 64;
		log->ops = must(realloc(log->ops, log->room * sizeof(*log->ops)));
	}
	struct record_op *op = &log->ops[log->count++];
	*op = (struct record_op){.kind = kind, .off = off, .bytes = bytes};
	if (log->clock != NULL)
		op->at = (*log->clock)++;
	if (kind == RECORD_WRITE) {
		op->data = must(malloc(bytes + 1));
		memcpy(op->data, data, bytes);
	}
}

static enum qcow2bm_code record_read(struct q2_storage *storage, void *buf, size_t bytes,
				     uint64_t off, struct qcow2bm_error *err)
{
	return q2_storage_read(record_of(storage)->below, buf, bytes, off, err);
}

static enum qcow2bm_code record_write(struct q2_storage *storage, const void *buf,
				      size_t bytes, uint64_t off,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_storage_write(record_of(storage)->below, buf, bytes, off, err);
	if (code == QCOW2BM_OK && bytes > 0)
		note(storage, RECORD_WRITE, off, bytes, buf);
	return code;
}

static enum qcow2bm_code record_sync(struct q2_storage *storage,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_storage_sync(record_of(storage)->below, err);
	if (code == QCOW2BM_OK)
		note(storage, RECORD_SYNC, 0, 0, NULL);
	return code;
}

static enum qcow2bm_code record_resize(struct q2_storage *storage, uint64_t bytes,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_storage_resize(record_of(storage)->below, bytes, err);
	if (code == QCOW2BM_OK)
		note(storage, RECORD_RESIZE, 0, bytes, NULL);
	return code;
}

static enum qcow2bm_code record_discard(struct q2_storage *storage, uint64_t off,
					uint64_t bytes, struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_storage_discard(record_of(storage)->below, off, bytes, err);
	if (code == QCOW2BM_OK && bytes > 0)
		note(storage, RECORD_DISCARD, off, bytes, NULL);
	return code;
}

static enum qcow2bm_code record_length(struct q2_storage *storage, uint64_t *bytes,
				       struct qcow2bm_error *err)
{
	return q2_storage_length(record_of(storage)->below, bytes, err);
}

static void record_close(struct q2_storage *storage)
{
	q2_storage_close(record_of(storage)->below);
	free(storage);
}

static void record_stamp(struct q2_storage *storage, bool settle, struct q2_stamp *stamp)
{
	q2_storage_stamp(record_of(storage)->below, settle, stamp);
}

static const struct q2_storage_ops record_ops = {
	.read = record_read,
	.write = record_write,
	.sync = record_sync,
	.resize = record_resize,
	.discard = record_discard,
	.length = record_length,
	.stamp = record_stamp,
	.close = record_close,
};

struct q2_storage *record_storage_open(struct q2_storage *below, struct record_log *log)
{
	struct record *record = must(calloc(1, sizeof(*record)));
	uint64_t length;
	record->storage = *below;
	record->storage.ops = &record_ops;
	record->below = below;
	record->log = log;
	if (q2_storage_length(below, &length, NULL) != QCOW2BM_OK)
		abort();
	memory_file_resize(&log->before, length);
	if (q2_storage_read(below, log->before.bytes, length, 0, NULL) != QCOW2BM_OK)
		abort();
	return &record->storage;
}

/* ---- The log ------------------------------------------------------------------------
 */

void record_log_free(struct record_log *log)
{
	for (size_t i = 0; i < log->count; i++)
		free(log->ops[i].data);
	free(log->ops);
	memory_file_free(&log->before);
	memset(log, 0, sizeof(*log));
}

size_t record_log_find(const struct record_log *log, size_t from, enum record_kind kind)
{
	while (from < log->count && log->ops[from].kind != kind)
		from++;
	return from;
}

/* Does the bytes [from, to) of the operation, counted from its start. */
static void apply(const struct record_op *op, uint64_t from, uint64_t to,
		  struct memory_file *file)
{
	uint64_t start = op->off + from;
	uint64_t end = op->off + to;
	switch (op->kind) {
	case RECORD_WRITE:
		if (end > file->length)
			memory_file_resize(file, end);
		memcpy(file->bytes + start, op->data + from, to - from);
		break;
	case RECORD_DISCARD:
		end = q2_min_u64(end, file->length);
		if (start < end)
			memset(file->bytes + start, 0, end - start);
		break;
	case RECORD_RESIZE:
		memory_file_resize(file, op->bytes);
		break;
	case RECORD_SYNC:
		break;
	}
}

void record_log_replay(const struct record_log *log, size_t prefix,
		       struct memory_file *file)
{
	memory_file_fill(file, log->before.bytes, log->before.length);
	for (size_t i = 0; i < prefix; i++)
		apply(&log->ops[i], 0, log->ops[i].bytes, file);
}

static size_t first_unsynced(const struct record_log *log, size_t prefix)
{
	while (prefix > 0 && log->ops[prefix - 1].kind != RECORD_SYNC)
		prefix--;
	return prefix;
}

static bool has_range(const struct record_op *op)
{
	return op->kind == RECORD_WRITE || op->kind == RECORD_DISCARD;
}

static size_t pieces_of(const struct record_op *op, size_t sector_bytes)
{
	if (!has_range(op))
		return op->kind == RECORD_RESIZE ? 1 : 0;
	uint64_t first = op->off / sector_bytes;
	uint64_t last = (op->off + op->bytes - 1) / sector_bytes;
	return (size_t)(last - first + 1);
}

size_t record_log_pieces(const struct record_log *log, size_t prefix, size_t sector_bytes)
{
	size_t pieces = 0;
	for (size_t i = first_unsynced(log, prefix); i < prefix; i++)
		pieces += pieces_of(&log->ops[i], sector_bytes);
	return pieces;
}

static uint64_t sectors_touched(const struct record_log *log, size_t from, size_t to,
				size_t sector_bytes)
{
	uint64_t sectors = 0;
	for (size_t i = from; i < to; i++) {
		const struct record_op *op = &log->ops[i];
		uint64_t end = (op->off + op->bytes) / sector_bytes + 1;
		if (has_range(op) && end > sectors)
			sectors = end;
	}
	return sectors;
}

/* Copies survives[], adding earlier pieces of the sectors that reach the disk. */
static bool *take_along(const struct record_log *log, size_t from, size_t to,
			size_t sector_bytes, const bool *survives, size_t pieces)
{
	bool *lives = must(malloc(pieces + 1));
	bool *reached = must(calloc(sectors_touched(log, from, to, sector_bytes) + 1, 1));
	size_t next = pieces;
	for (size_t i = to; i-- > from;) {
		const struct record_op *op = &log->ops[i];
		for (size_t j = pieces_of(op, sector_bytes); j-- > 0;) {
			next--;
			lives[next] = survives[next];
			if (!has_range(op))
				continue;
			bool *sector = &reached[op->off / sector_bytes + j];
			*sector = lives[next] = lives[next] || *sector;
		}
	}
	free(reached);
	return lives;
}

static void apply_pieces(const struct record_op *op, size_t sector_bytes,
			 const bool *lives, struct memory_file *file)
{
	size_t pieces = pieces_of(op, sector_bytes);
	uint64_t from = 0;
	for (size_t j = 0; j < pieces; j++) {
		uint64_t to = op->bytes;
		if (has_range(op))
			to = q2_min_u64(to,
					(op->off / sector_bytes + j + 1) * sector_bytes -
						op->off);
		if (lives[j])
			apply(op, from, to, file);
		from = to;
	}
}

void record_log_cut(const struct record_log *log, size_t prefix, size_t sector_bytes,
		    const bool *survives, struct memory_file *file)
{
	size_t from = first_unsynced(log, prefix);
	size_t pieces = record_log_pieces(log, prefix, sector_bytes);
	bool *lives = take_along(log, from, prefix, sector_bytes, survives, pieces);
	record_log_replay(log, from, file);
	size_t next = 0;
	for (size_t i = from; i < prefix; i++) {
		apply_pieces(&log->ops[i], sector_bytes, lives + next, file);
		next += pieces_of(&log->ops[i], sector_bytes);
	}
	free(lives);
}
