/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manifest of a disk: a hash of each of its granules. Bytes <-> structs, pure.
 *
 * All numbers are big-endian. A header, records, and an end record:
 *
 *   header    0  "qcow2bm digest\n\032"
 *            16  version (1), 20 bytes of the header, a multiple of 8
 *            24  hash: 1 XXH3-128, 2 SHA-256; 28 log2 of the granularity, 9 .. 24
 *            32  bytes of the disk
 *            40  when it was made, 48 when the image was last written; seconds since 1970
 *            56  flags: bit 0, the end record has the SHA-256 of the whole disk
 *            60  how many names of checkpoints there are
 *            64  names, that of the image's file first: 8 bytes, how much of the disk had changed
 *                since; 2, flags: bit 0, that is known; 2, the length of the
 *                name; the name
 *                zeros up to the last 8 bytes: XXH3-64 of all before
 *   record    0  kind << 56 | granules: 1 zeros, 2 hashes (at most 4096), 3 the end (0)
 *             8  the hashes, of a granule's bytes, the last one's as far as the disk goes;
 *                of the end the SHA-256 of the disk, or zeros, and 4 bytes of zeros
 *                the last 8 bytes: XXH3-64 of all before, its seed the header's XOR the
 *                number of the first granule
 *
 * There is one way only to write a disk: granules of zeros are in records of zeros, as long as
 * they can be, and no record of hashes but a full one has another one behind it.
 *
 * A guest may write on its disk what it likes, a manifest too, but whole sectors: by the 4 bytes a manifest is
 * never as long as those, and who finds one is sure that it is not a raw disk.
 */
#ifndef Q2_GUEST_MANIFEST_H
#define Q2_GUEST_MANIFEST_H

#include "../qcow2bm.h"

#define Q2_MANIFEST_MAGIC_BYTES 16u
#define Q2_MANIFEST_FIXED_BYTES 64u
#define Q2_MANIFEST_MAX_HEADER_BYTES ((uint32_t)128 << 20)
#define Q2_MANIFEST_MIN_GRANULARITY_BITS 9u
#define Q2_MANIFEST_MAX_GRANULARITY_BITS 24u
#define Q2_MANIFEST_MAX_HASH_BYTES 32u
#define Q2_MANIFEST_TOTAL_BYTES 32u
#define Q2_MANIFEST_FILL_BYTES 4u
#define Q2_MANIFEST_MAX_HASHES 4096u
#define Q2_MANIFEST_RECORD_HEAD_BYTES 8u
#define Q2_MANIFEST_CHECK_BYTES 8u
#define Q2_MANIFEST_MAX_RECORD_BYTES     \
	(Q2_MANIFEST_RECORD_HEAD_BYTES + \
	 Q2_MANIFEST_MAX_HASHES * Q2_MANIFEST_MAX_HASH_BYTES + Q2_MANIFEST_CHECK_BYTES)

enum q2_manifest_hash { Q2_MANIFEST_XXH3 = 1, Q2_MANIFEST_SHA256 = 2 };

enum { Q2_MANIFEST_HAS_TOTAL = 1u << 0 };

enum { Q2_MANIFEST_IS_KNOWN = 1u << 0 };

struct q2_manifest_name {
	const uint8_t *bytes;
	size_t count;
	unsigned flags;       /* 0 for the image's file */
	uint64_t dirty_bytes; /* of the disk, with Q2_MANIFEST_IS_KNOWN; else 0 */
};

struct q2_manifest_header {
	uint32_t header_bytes; /* when decoded */
	enum q2_manifest_hash hash;
	unsigned granularity_bits;
	uint64_t disk_bytes;
	uint64_t made_seconds, written_seconds;
	uint32_t flags;
	uint32_t name_count;
	uint64_t check; /* of the header, when decoded or encoded */
};

enum q2_manifest_kind {
	Q2_MANIFEST_ZEROS = 1,
	Q2_MANIFEST_HASHES = 2,
	Q2_MANIFEST_END = 3
};

struct q2_manifest_record {
	enum q2_manifest_kind kind;
	uint64_t granules;
	size_t bytes; /* of the record, its head and check included */
};

/* Whether a file of so many bytes may be a manifest, and no raw disk. */
bool q2_manifest_is_length(uint64_t bytes);

/* Whether a file begins so: `bytes` has Q2_MANIFEST_MAGIC_BYTES. */
bool q2_manifest_has_magic(const uint8_t *bytes);

size_t q2_manifest_hash_bytes(enum q2_manifest_hash hash);

/* How many granules the disk has. */
uint64_t q2_manifest_granules(const struct q2_manifest_header *header);

/* The bytes of a header with these names, that of the image's file first, or 0 where that are too
 * many. */
uint32_t q2_manifest_header_bytes(const struct q2_manifest_name *names, uint32_t count);

/* Writes header->name_count names of checkpoints behind that of the file; sets header->check. `bytes` has
 * room for q2_manifest_header_bytes(). */
void q2_manifest_encode_header(struct q2_manifest_header *header,
			       const struct q2_manifest_name *names, uint8_t *bytes);

/* Reads the first Q2_MANIFEST_FIXED_BYTES alone: how long the whole is. Errors: EIMAGE,
 * EUNSUPPORTED. */
enum qcow2bm_code q2_manifest_decode_fixed(struct q2_manifest_header *header,
					   const uint8_t *bytes,
					   struct qcow2bm_error *err);

/* Checks the whole header, of header->header_bytes. Errors: EIMAGE. */
enum qcow2bm_code q2_manifest_decode_header(struct q2_manifest_header *header,
					    const uint8_t *bytes,
					    struct qcow2bm_error *err);

/* The names of a header that was decoded, in turn: that of the image's file, and the one behind another,
 * of which there are header->name_count. */
struct q2_manifest_name q2_manifest_first_name(const uint8_t *bytes);
struct q2_manifest_name q2_manifest_next_name(const struct q2_manifest_name *name);

/* Writes head and check of a record whose hashes, if it has any, stand behind the head already.
 * Returns its bytes. */
size_t q2_manifest_encode_record(const struct q2_manifest_header *header,
				 enum q2_manifest_kind kind, uint64_t first,
				 uint64_t granules, uint8_t *bytes);

/* Reads the head of a record that begins with granule `first`, behind `before`, NULL for the first
 * one. Errors: EIMAGE. */
enum qcow2bm_code q2_manifest_decode_record(struct q2_manifest_record *record,
					    const struct q2_manifest_header *header,
					    const struct q2_manifest_record *before,
					    const uint8_t *head, uint64_t first,
					    uint64_t off, struct qcow2bm_error *err);

/* Whether the record, all of it, is what was written. Errors: EIMAGE. */
enum qcow2bm_code q2_manifest_check_record(const struct q2_manifest_record *record,
					   const struct q2_manifest_header *header,
					   const uint8_t *bytes, uint64_t first,
					   uint64_t off, struct qcow2bm_error *err);

#endif
