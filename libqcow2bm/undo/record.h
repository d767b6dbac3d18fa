/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words of an undo file, bytes <-> structs. All numbers are big-endian.
 *
 *   header   one sector: what the image was before the first change
 *   record   a head of 128 bytes; the CRC-32 of each sector of its range as it is after the
 *            change; the range's old bytes as far as they lay inside the file; zeros up to the
 *            next sector
 *   ...      (the old bytes of a range that is kept lack the zeros at their end)
 *   end      a record of kind Q2_UNDO_END: nothing is changed any more, and when that was
 *   zeros    room that was never used
 */
#ifndef Q2_UNDO_RECORD_H
#define Q2_UNDO_RECORD_H

#include "../storage/storage.h"

#define Q2_UNDO_SECTOR_BYTES 512u      /* what a disk writes whole */
#define Q2_UNDO_HEAD_BYTES 128u        /* of a record */
#define Q2_UNDO_MAX_RANGE (128u << 10) /* that one record is about */
#define Q2_UNDO_MAX_START \
	512u /* of the image that its identity is made of: the header; more may
				* be the guest's */

/* The longest record: all sums and all old bytes. */
#define Q2_UNDO_MAX_RECORD                                                     \
	(Q2_UNDO_SECTOR_BYTES + Q2_UNDO_MAX_RANGE / Q2_UNDO_SECTOR_BYTES * 4 + \
	 Q2_UNDO_MAX_RANGE)

struct q2_undo_header {
	uint64_t id;           /* in every record, too */
	uint64_t length_bytes; /* of the image, before */
	uint32_t start_bytes;  /* so many first bytes of the image, before, ... */
	uint32_t start_crc;    /* ... and their CRC-32 */
};

enum q2_undo_kind {
	Q2_UNDO_CHANGE = 1, /* the range, the length or both are about to change */
	Q2_UNDO_STANDS = 2, /* the sums are those of the range as the edit left it */
	Q2_UNDO_END = 3,
	/* The range is not written to, but let go: its sums, and old bytes if has_old is set. */
	Q2_UNDO_KEPT = 4
};

struct q2_undo_record {
	enum q2_undo_kind kind;
	uint64_t id;
	uint64_t number;  /* grows through the file, not always by one */
	uint32_t stretch; /* syncs of the image before it, those without changes aside */
	uint64_t off;     /* byte in the image file; whole sectors */
	uint32_t bytes;   /* of the range; 0 when only the length changes */
	bool has_old;     /* the first change of the range in this stretch */
	uint32_t old_bytes; /* stored: the part of the range that was inside the file */
	uint64_t length_bytes; /* of the image, after */
	uint64_t
		batch_off; /* where the records begin that were synced together with it */
	uint32_t payload_crc;
	struct q2_stamp stamp; /* of the end: of the image then */
};

void q2_undo_header_encode(const struct q2_undo_header *header,
			   uint8_t sector[Q2_UNDO_SECTOR_BYTES]);
/* Errors: EIMAGE for what is no undo file, is of another version or damaged. */
enum qcow2bm_code q2_undo_header_decode(struct q2_undo_header *header,
					const uint8_t sector[Q2_UNDO_SECTOR_BYTES],
					struct qcow2bm_error *err);

void q2_undo_record_encode(const struct q2_undo_record *record,
			   uint8_t head[Q2_UNDO_HEAD_BYTES]);
/* False when these bytes are no record's head, or its values are outside their limits. */
bool q2_undo_record_decode(struct q2_undo_record *record,
			   const uint8_t head[Q2_UNDO_HEAD_BYTES]);

/* Bytes of sums and old bytes that follow the head. */
uint32_t q2_undo_record_payload(const struct q2_undo_record *record);
/* Bytes in the undo file, whole sectors. */
uint32_t q2_undo_record_bytes(const struct q2_undo_record *record);

uint32_t q2_undo_crc(uint32_t before, const void *bytes, size_t count);

#endif
