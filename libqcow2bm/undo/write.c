/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing an undo file: one record behind the other. */
#include "write.h"

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../storage/storage.h"

#include <string.h>

/* Room in the undo file that is allocated before it is needed. A full disk is met when the
 * room ahead is to be made: then what is left is enough to note the way back. */
#define ROOM_AHEAD (256u << 10)

/* An error of the undo file must not look like one of the image. */
enum qcow2bm_code q2_undo_write_blame(const struct qcow2bm_error *cause,
				      struct qcow2bm_error *err)
{
	bool was_free = err != NULL && err->code == QCOW2BM_OK;
	q2_fail(err, cause->code, QCOW2BM_NO_OFFSET, "the undo file: %.400s",
		cause->sentence);
	if (was_free)
		err->sys_errno = cause->sys_errno;
	return cause->code;
}

static enum qcow2bm_code make_room(struct q2_undo_writer *writer, uint32_t bytes,
				   struct qcow2bm_error *err)
{
	static const uint8_t zeros[ROOM_AHEAD];
	while (writer->room < writer->at + bytes + ROOM_AHEAD) {
		enum qcow2bm_code code = q2_storage_write(
			writer->file, zeros, sizeof(zeros), writer->room, err);
		if (code != QCOW2BM_OK)
			return code;
		writer->room += sizeof(zeros);
	}
	return QCOW2BM_OK;
}

void q2_undo_write_sums(struct q2_undo_writer *writer, const uint8_t *bytes,
			size_t sectors)
{
	uint8_t *sums = writer->record + Q2_UNDO_HEAD_BYTES;
	for (size_t i = 0; i < sectors; i++)
		q2_be32_store(sums + 4 * i,
			      q2_undo_crc(0, bytes + i * Q2_UNDO_SECTOR_BYTES,
					  Q2_UNDO_SECTOR_BYTES));
}

void q2_undo_write_old(struct q2_undo_writer *writer, const uint8_t *bytes,
		       uint32_t count, size_t sectors)
{
	memcpy(writer->record + Q2_UNDO_HEAD_BYTES + 4 * sectors, bytes, count);
}

enum qcow2bm_code q2_undo_write_append(struct q2_undo_writer *writer,
				       struct q2_undo_record *record,
				       struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {.code = QCOW2BM_OK};
	uint32_t payload = q2_undo_record_payload(record),
		 bytes = q2_undo_record_bytes(record);
	if (!writer->is_short && make_room(writer, bytes, &cause) != QCOW2BM_OK) {
		writer->is_short = true;
		return q2_undo_write_blame(&cause, err);
	}
	record->id = writer->id;
	record->number = writer->number;
	record->stretch = writer->stretch;
	record->batch_off = writer->batch_off;
	record->payload_crc =
		q2_undo_crc(0, writer->record + Q2_UNDO_HEAD_BYTES, payload);
	q2_undo_record_encode(record, writer->record);
	memset(writer->record + Q2_UNDO_HEAD_BYTES + payload, 0,
	       bytes - Q2_UNDO_HEAD_BYTES - payload);
	if (q2_storage_write(writer->file, writer->record, bytes, writer->at, &cause) !=
	    QCOW2BM_OK)
		return q2_undo_write_blame(&cause, err);
	writer->at += bytes;
	writer->room = q2_max_u64(writer->room, writer->at);
	writer->number++;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_undo_write_sync(struct q2_undo_writer *writer,
				     struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {.code = QCOW2BM_OK};
	if (q2_storage_sync(writer->file, &cause) != QCOW2BM_OK)
		return q2_undo_write_blame(&cause, err);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_undo_write_header(struct q2_undo_writer *writer,
				       struct q2_undo_header *header,
				       struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {.code = QCOW2BM_OK};
	uint8_t sector[Q2_UNDO_SECTOR_BYTES];
	header->id = writer->id;
	q2_undo_header_encode(header, sector);
	enum qcow2bm_code code =
		q2_storage_write(writer->file, sector, sizeof(sector), 0, &cause);
	writer->at = writer->room = sizeof(sector);
	if (code == QCOW2BM_OK)
		code = make_room(writer, 0, &cause);
	if (code == QCOW2BM_OK)
		code = q2_storage_sync(writer->file, &cause);
	return code == QCOW2BM_OK ? code : q2_undo_write_blame(&cause, err);
}
