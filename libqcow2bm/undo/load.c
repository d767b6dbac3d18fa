/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading an undo file: every sum is checked before a byte of the image is looked at. */
#include "undo.h"

#include "../base/checked.h"
#include "../base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STRETCHES 65536u
#define MAX_ENTRIES ((size_t)1 << 20)

struct load {
	struct q2_undo *undo;
	uint64_t length; /* of the undo file */
	uint64_t at;
	uint64_t last_number;
	bool has_standing;
	uint8_t buf[Q2_UNDO_MAX_RECORD];
};

static enum qcow2bm_code fail_damaged(uint64_t at, const char *what,
				      struct qcow2bm_error *err)
{
	return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
		       "the undo file is damaged at its byte %" PRIu64 ": %s", at, what);
}

/* Whether a record of this file begins with these bytes, behind the last one that was read. */
static bool is_head(const struct load *load, const uint8_t *head,
		    struct q2_undo_record *record)
{
	if (!q2_undo_record_decode(record, head) || record->id != load->undo->header.id)
		return false;
	return load->undo->count == 0 || record->number > load->last_number;
}

/* Reads the record at load->at. *is_whole says whether there is one. */
static enum qcow2bm_code read_record(struct load *load, struct q2_undo_record *record,
				     bool *is_whole, struct qcow2bm_error *err)
{
	*is_whole = false;
	if (!q2_checked_within(load->at, Q2_UNDO_SECTOR_BYTES, load->length))
		return QCOW2BM_OK;
	struct q2_storage *file = load->undo->storage;
	enum qcow2bm_code code =
		q2_storage_read(file, load->buf, Q2_UNDO_SECTOR_BYTES, load->at, err);
	if (code != QCOW2BM_OK || !is_head(load, load->buf, record))
		return code;
	uint32_t bytes = q2_undo_record_bytes(record);
	if (!q2_checked_within(load->at, bytes, load->length))
		return QCOW2BM_OK;
	code = q2_storage_read(file, load->buf, bytes, load->at, err);
	*is_whole = code == QCOW2BM_OK &&
		    q2_undo_crc(0, load->buf + Q2_UNDO_HEAD_BYTES,
				q2_undo_record_payload(record)) == record->payload_crc;
	return code;
}

/* A power cut leaves a broken record only among the last ones, which were to be synced together:
 * the next ones were not begun before these were on the disk. */
static enum qcow2bm_code check_tail(struct load *load, struct qcow2bm_error *err)
{
	uint64_t broken = load->at;
	struct q2_undo_record record;
	for (uint64_t at = broken; at < load->length;) {
		size_t bytes = (size_t)q2_min_u64(sizeof(load->buf), load->length - at);
		enum qcow2bm_code code =
			q2_storage_read(load->undo->storage, load->buf, bytes, at, err);
		if (code != QCOW2BM_OK)
			return code;
		for (size_t i = 0; i + Q2_UNDO_SECTOR_BYTES <= bytes;
		     i += Q2_UNDO_SECTOR_BYTES)
			if (at + i > broken && is_head(load, load->buf + i, &record) &&
			    record.batch_off > broken)
				return fail_damaged(broken, "records follow", err);
		at += bytes;
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code add(struct load *load, const struct q2_undo_record *record,
			     struct qcow2bm_error *err)
{
	struct q2_undo *undo = load->undo;
	if (undo->count == undo->room) {
		size_t room = undo->room * 2 + 64;
		struct q2_undo_entry *grown =
			realloc(undo->entries, room * sizeof(*grown));
		if (grown == NULL)
			return q2_fail_memory(err, "the records of an undo file");
		undo->entries = grown;
		undo->room = room;
	}
	undo->entries[undo->count++] =
		(struct q2_undo_entry){*record, load->at + Q2_UNDO_HEAD_BYTES};
	return QCOW2BM_OK;
}

static enum qcow2bm_code note_range(struct q2_undo *undo,
				    const struct q2_undo_record *record,
				    struct qcow2bm_error *err)
{
	uint64_t first = record->off / Q2_UNDO_SECTOR_BYTES;
	uint64_t end = first + record->bytes / Q2_UNDO_SECTOR_BYTES;
	if (record->bytes == 0 || record->kind == Q2_UNDO_STANDS)
		return QCOW2BM_OK;
	return q2_spans_add(record->kind == Q2_UNDO_KEPT ? &undo->kept : &undo->changed,
			    first, end, err);
}

/* Takes a record into the list; an order in which no journal writes them is damage. */
static enum qcow2bm_code take(struct load *load, const struct q2_undo_record *record,
			      struct qcow2bm_error *err)
{
	struct q2_undo *undo = load->undo;
	if (undo->count == MAX_ENTRIES)
		return q2_fail(err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
			       "the undo file has more than %zu records", MAX_ENTRIES);
	if (record->stretch >= MAX_STRETCHES ||
	    (undo->count != 0 &&
	     record->stretch < undo->entries[undo->count - 1].record.stretch))
		return fail_damaged(load->at, "its records are not in order", err);
	bool is_end = record->kind == Q2_UNDO_STANDS || record->kind == Q2_UNDO_END;
	if (load->has_standing && !is_end)
		return fail_damaged(load->at, "a change stands behind the end", err);
	load->has_standing |= is_end;
	if (record->kind == Q2_UNDO_CHANGE) {
		undo->stretches = record->stretch + 1;
		undo->least_bytes = q2_min_u64(undo->least_bytes, record->length_bytes);
		undo->most_bytes = q2_max_u64(undo->most_bytes, record->length_bytes);
	}
	undo->has_end = record->kind == Q2_UNDO_END;
	undo->end_bytes = record->length_bytes;
	undo->end_stamp = record->stamp;
	enum qcow2bm_code code = note_range(undo, record, err);
	return code == QCOW2BM_OK ? add(load, record, err) : code;
}

static enum qcow2bm_code read_records(struct load *load, struct qcow2bm_error *err)
{
	while (!load->undo->has_end) {
		struct q2_undo_record record;
		bool is_whole;
		enum qcow2bm_code code = read_record(load, &record, &is_whole, err);
		if (code == QCOW2BM_OK && !is_whole)
			return check_tail(load, err);
		if (code == QCOW2BM_OK)
			code = take(load, &record, err);
		if (code != QCOW2BM_OK)
			return code;
		load->last_number = record.number;
		load->at += q2_undo_record_bytes(&record);
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code read_header(struct load *load, struct qcow2bm_error *err)
{
	struct q2_undo *undo = load->undo;
	enum qcow2bm_code code = q2_storage_length(undo->storage, &load->length, err);
	if (code != QCOW2BM_OK)
		return code;
	if (load->length < Q2_UNDO_SECTOR_BYTES)
		return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
			       "the undo file is none: it has %" PRIu64 " bytes",
			       load->length);
	code = q2_storage_read(undo->storage, load->buf, Q2_UNDO_SECTOR_BYTES, 0, err);
	if (code == QCOW2BM_OK)
		code = q2_undo_header_decode(&undo->header, load->buf, err);
	undo->least_bytes = undo->most_bytes = undo->header.length_bytes;
	load->at = Q2_UNDO_SECTOR_BYTES;
	return code;
}

enum qcow2bm_code q2_undo_load(struct q2_undo *undo, struct q2_storage *storage,
			       struct qcow2bm_error *err)
{
	memset(undo, 0, sizeof(*undo));
	undo->storage = storage;
	struct load *load = calloc(1, sizeof(*load));
	if (load == NULL)
		return q2_fail_memory(err, "an undo file");
	load->undo = undo;
	enum qcow2bm_code code = read_header(load, err);
	if (code == QCOW2BM_OK)
		code = read_records(load, err);
	free(load);
	if (code != QCOW2BM_OK)
		q2_undo_free(undo);
	return code;
}

void q2_undo_free(struct q2_undo *undo)
{
	free(undo->entries);
	q2_spans_free(&undo->changed);
	q2_spans_free(&undo->kept);
	memset(undo, 0, sizeof(*undo));
}
