/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of an undo file, bytes <-> structs. */
#include "record.h"

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"

#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#define MAGIC \
	"qcow2bm undo\n\r\n" /* with its NUL 16 bytes; a text transfer would break it */
#define MAGIC_BYTES 16u
#define UNDO_VERSION 2u
#define RECORD_MAGIC 0x71326475u

#define STAMP_OFF 72u /* in a head */
#define FLAG_HAS_OLD 1u
#define FLAG_HAS_STAMP 2u

/* Where the sum of a header or head stands: at its end. */
#define SUM_OFF(bytes) ((bytes)-4u)

uint32_t q2_undo_crc(uint32_t before, const void *bytes, size_t count)
{
	return (uint32_t)crc32_z(before, bytes, count);
}

void q2_undo_header_encode(const struct q2_undo_header *header,
			   uint8_t sector[Q2_UNDO_SECTOR_BYTES])
{
	memset(sector, 0, Q2_UNDO_SECTOR_BYTES);
	memcpy(sector, MAGIC, MAGIC_BYTES);
	q2_be32_store(sector + 16, UNDO_VERSION);
	q2_be32_store(sector + 20, Q2_UNDO_SECTOR_BYTES);
	q2_be64_store(sector + 24, header->id);
	q2_be64_store(sector + 32, header->length_bytes);
	q2_be32_store(sector + 40, header->start_bytes);
	q2_be32_store(sector + 44, header->start_crc);
	q2_be32_store(sector + SUM_OFF(Q2_UNDO_SECTOR_BYTES),
		      q2_undo_crc(0, sector, SUM_OFF(Q2_UNDO_SECTOR_BYTES)));
}

enum qcow2bm_code q2_undo_header_decode(struct q2_undo_header *header,
					const uint8_t sector[Q2_UNDO_SECTOR_BYTES],
					struct qcow2bm_error *err)
{
	if (memcmp(sector, MAGIC, MAGIC_BYTES) != 0)
		return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
			       "the undo file is none: it does not start as one");
	uint32_t version = q2_be32_load(sector + 16);
	if (version != UNDO_VERSION)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			       "the undo file has version %" PRIu32 ", known is %u",
			       version, UNDO_VERSION);
	header->id = q2_be64_load(sector + 24);
	header->length_bytes = q2_be64_load(sector + 32);
	header->start_bytes = q2_be32_load(sector + 40);
	header->start_crc = q2_be32_load(sector + 44);
	uint32_t sum = q2_be32_load(sector + SUM_OFF(Q2_UNDO_SECTOR_BYTES));
	if (sum != q2_undo_crc(0, sector, SUM_OFF(Q2_UNDO_SECTOR_BYTES)) ||
	    q2_be32_load(sector + 20) != Q2_UNDO_SECTOR_BYTES ||
	    header->length_bytes > INT64_MAX || header->start_bytes > Q2_UNDO_MAX_START ||
	    header->start_bytes > header->length_bytes)
		return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
			       "the undo file is damaged: its header is wrong");
	return QCOW2BM_OK;
}

static void encode_stamp(const struct q2_stamp *stamp, uint8_t *buf)
{
	q2_be64_store(buf, stamp->boot);
	q2_be64_store(buf + 8, stamp->device);
	q2_be64_store(buf + 16, stamp->inode);
	q2_be64_store(buf + 24, (uint64_t)stamp->mtime_s);
	q2_be64_store(buf + 32, (uint64_t)stamp->ctime_s);
	q2_be32_store(buf + 40, stamp->mtime_ns);
	q2_be32_store(buf + 44, stamp->ctime_ns);
}

static void decode_stamp(struct q2_stamp *stamp, const uint8_t *buf)
{
	stamp->boot = q2_be64_load(buf);
	stamp->device = q2_be64_load(buf + 8);
	stamp->inode = q2_be64_load(buf + 16);
	stamp->mtime_s = (int64_t)q2_be64_load(buf + 24);
	stamp->ctime_s = (int64_t)q2_be64_load(buf + 32);
	stamp->mtime_ns = q2_be32_load(buf + 40);
	stamp->ctime_ns = q2_be32_load(buf + 44);
}

void q2_undo_record_encode(const struct q2_undo_record *record,
			   uint8_t head[Q2_UNDO_HEAD_BYTES])
{
	memset(head, 0, Q2_UNDO_HEAD_BYTES);
	q2_be32_store(head, RECORD_MAGIC);
	q2_be32_store(head + 4, (uint32_t)record->kind);
	q2_be64_store(head + 8, record->id);
	q2_be64_store(head + 16, record->number);
	q2_be32_store(head + 24, record->stretch);
	q2_be32_store(head + 28, (record->has_old ? FLAG_HAS_OLD : 0u) |
					 (record->stamp.is_known ? FLAG_HAS_STAMP : 0u));
	q2_be64_store(head + 32, record->off);
	q2_be32_store(head + 40, record->bytes);
	q2_be32_store(head + 44, record->old_bytes);
	q2_be64_store(head + 48, record->length_bytes);
	q2_be32_store(head + 56, record->payload_crc);
	q2_be64_store(head + 64, record->batch_off);
	if (record->stamp.is_known)
		encode_stamp(&record->stamp, head + STAMP_OFF);
	q2_be32_store(head + SUM_OFF(Q2_UNDO_HEAD_BYTES),
		      q2_undo_crc(0, head, SUM_OFF(Q2_UNDO_HEAD_BYTES)));
}

static bool has_sane_range(const struct q2_undo_record *record)
{
	if (!q2_is_aligned(record->off, Q2_UNDO_SECTOR_BYTES) ||
	    !q2_is_aligned(record->bytes, Q2_UNDO_SECTOR_BYTES) ||
	    record->bytes > Q2_UNDO_MAX_RANGE || record->old_bytes > record->bytes ||
	    (record->old_bytes != 0 && !record->has_old))
		return false;
	if (record->kind != Q2_UNDO_CHANGE && record->kind != Q2_UNDO_KEPT &&
	    record->has_old)
		return false;
	return q2_checked_within(record->off, record->bytes, INT64_MAX) &&
	       record->length_bytes <= INT64_MAX;
}

bool q2_undo_record_decode(struct q2_undo_record *record,
			   const uint8_t head[Q2_UNDO_HEAD_BYTES])
{
	uint32_t kind = q2_be32_load(head + 4), flags = q2_be32_load(head + 28);
	uint32_t sum = q2_be32_load(head + SUM_OFF(Q2_UNDO_HEAD_BYTES));
	if (q2_be32_load(head) != RECORD_MAGIC ||
	    sum != q2_undo_crc(0, head, SUM_OFF(Q2_UNDO_HEAD_BYTES)) ||
	    kind < Q2_UNDO_CHANGE || kind > Q2_UNDO_KEPT ||
	    (flags & ~(FLAG_HAS_OLD | FLAG_HAS_STAMP)) != 0)
		return false;
	record->kind = (enum q2_undo_kind)kind;
	record->has_old = (flags & FLAG_HAS_OLD) != 0;
	record->stamp = (struct q2_stamp){.is_known = (flags & FLAG_HAS_STAMP) != 0};
	if (record->stamp.is_known)
		decode_stamp(&record->stamp, head + STAMP_OFF);
	record->id = q2_be64_load(head + 8);
	record->number = q2_be64_load(head + 16);
	record->stretch = q2_be32_load(head + 24);
	record->off = q2_be64_load(head + 32);
	record->bytes = q2_be32_load(head + 40);
	record->old_bytes = q2_be32_load(head + 44);
	record->length_bytes = q2_be64_load(head + 48);
	record->payload_crc = q2_be32_load(head + 56);
	record->batch_off = q2_be64_load(head + 64);
	return has_sane_range(record);
}

uint32_t q2_undo_record_payload(const struct q2_undo_record *record)
{
	return record->bytes / Q2_UNDO_SECTOR_BYTES * 4 + record->old_bytes;
}

uint32_t q2_undo_record_bytes(const struct q2_undo_record *record)
{
	return (uint32_t)q2_round_up(Q2_UNDO_HEAD_BYTES + q2_undo_record_payload(record),
				     Q2_UNDO_SECTOR_BYTES);
}
