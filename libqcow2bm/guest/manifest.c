/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of a manifest: header and records, each with a check of its own. */
#include "manifest.h"

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#define FORMAT_VERSION 1u
#define SECTOR_BYTES 512u /* disks of guests are whole ones */
#define NAME_BYTES 12u    /* before the name itself */
#define NAME_FLAGS ((unsigned)Q2_MANIFEST_IS_KNOWN)
#define KIND_SHIFT 56u
#define COUNT_MASK (((uint64_t)1 << KIND_SHIFT) - 1)

static const uint8_t magic[Q2_MANIFEST_MAGIC_BYTES] = {'q', 'c', 'o',  'w',   '2', 'b',
						       'm', ' ', 'd',  'i',   'g', 'e',
						       's', 't', '\n', '\032'};

bool q2_manifest_has_magic(const uint8_t *bytes)
{
	return memcmp(bytes, magic, sizeof(magic)) == 0;
}

bool q2_manifest_is_length(uint64_t bytes)
{
	return bytes % SECTOR_BYTES != 0;
}

size_t q2_manifest_hash_bytes(enum q2_manifest_hash hash)
{
	return hash == Q2_MANIFEST_SHA256 ? 32 : 16;
}

uint64_t q2_manifest_granules(const struct q2_manifest_header *header)
{
	return q2_shift_up(header->disk_bytes, header->granularity_bits);
}

/* ---- The header ---- */

uint32_t q2_manifest_header_bytes(const struct q2_manifest_name *names, uint32_t count)
{
	uint64_t bytes = Q2_MANIFEST_FIXED_BYTES;
	for (uint32_t i = 0; i < count; i++)
		bytes += NAME_BYTES + names[i].count;
	bytes = q2_round_up(bytes, 8) + Q2_MANIFEST_CHECK_BYTES;
	return bytes > Q2_MANIFEST_MAX_HEADER_BYTES ? 0 : (uint32_t)bytes;
}

static void encode_names(const struct q2_manifest_name *names, uint32_t count,
			 uint8_t *bytes)
{
	for (uint32_t i = 0; i < count; i++) {
		assert(names[i].count <= UINT16_MAX);
		q2_be64_store(bytes, names[i].dirty_bytes);
		q2_be16_store(bytes + 8, (uint16_t)names[i].flags);
		q2_be16_store(bytes + 10, (uint16_t)names[i].count);
		if (names[i].count != 0)
			memcpy(bytes + NAME_BYTES, names[i].bytes, names[i].count);
		bytes += NAME_BYTES + names[i].count;
	}
}

void q2_manifest_encode_header(struct q2_manifest_header *header,
			       const struct q2_manifest_name *names, uint8_t *bytes)
{
	header->header_bytes = q2_manifest_header_bytes(names, header->name_count + 1);
	memset(bytes, 0, header->header_bytes);
	memcpy(bytes, magic, sizeof(magic));
	q2_be32_store(bytes + 16, FORMAT_VERSION);
	q2_be32_store(bytes + 20, header->header_bytes);
	q2_be32_store(bytes + 24, header->hash);
	q2_be32_store(bytes + 28, header->granularity_bits);
	q2_be64_store(bytes + 32, header->disk_bytes);
	q2_be64_store(bytes + 40, header->made_seconds);
	q2_be64_store(bytes + 48, header->written_seconds);
	q2_be32_store(bytes + 56, header->flags);
	q2_be32_store(bytes + 60, header->name_count);
	encode_names(names, header->name_count + 1, bytes + Q2_MANIFEST_FIXED_BYTES);
	uint32_t checked = header->header_bytes - Q2_MANIFEST_CHECK_BYTES;
	header->check = XXH3_64bits(bytes, checked);
	q2_be64_store(bytes + checked, header->check);
}

static enum qcow2bm_code check_fixed(const struct q2_manifest_header *header,
				     struct qcow2bm_error *err)
{
	if (header->header_bytes > Q2_MANIFEST_MAX_HEADER_BYTES ||
	    header->header_bytes % 8 != 0 ||
	    header->header_bytes < Q2_MANIFEST_FIXED_BYTES + Q2_MANIFEST_CHECK_BYTES)
		return q2_fail(err, QCOW2BM_EIMAGE, 20,
			       "a manifest's header of %u bytes cannot be",
			       header->header_bytes);
	if (header->hash != Q2_MANIFEST_XXH3 && header->hash != Q2_MANIFEST_SHA256)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, 24,
			       "hash %u of a manifest is not known here",
			       (unsigned)header->hash);
	if (header->granularity_bits < Q2_MANIFEST_MIN_GRANULARITY_BITS ||
	    header->granularity_bits > Q2_MANIFEST_MAX_GRANULARITY_BITS)
		return q2_fail(err, QCOW2BM_EIMAGE, 28,
			       "a granularity of 2^%u bytes in a manifest cannot be",
			       header->granularity_bits);
	if (header->disk_bytes > INT64_MAX)
		return q2_fail(err, QCOW2BM_EIMAGE, 32,
			       "a disk of %llu bytes in a manifest cannot be",
			       (unsigned long long)header->disk_bytes);
	if (header->flags & ~(uint32_t)Q2_MANIFEST_HAS_TOTAL)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, 56,
			       "flags %#x of a manifest are not known here",
			       header->flags);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_manifest_decode_fixed(struct q2_manifest_header *header,
					   const uint8_t *bytes,
					   struct qcow2bm_error *err)
{
	if (!q2_manifest_has_magic(bytes))
		return q2_fail(err, QCOW2BM_EIMAGE, 0, "it is no manifest");
	uint32_t version = q2_be32_load(bytes + 16);
	if (version != FORMAT_VERSION)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, 16,
			       "version %u of a manifest is not known here", version);
	*header = (struct q2_manifest_header){
		.header_bytes = q2_be32_load(bytes + 20),
		.hash = (enum q2_manifest_hash)q2_be32_load(bytes + 24),
		.granularity_bits = q2_be32_load(bytes + 28),
		.disk_bytes = q2_be64_load(bytes + 32),
		.made_seconds = q2_be64_load(bytes + 40),
		.written_seconds = q2_be64_load(bytes + 48),
		.flags = q2_be32_load(bytes + 56),
		.name_count = q2_be32_load(bytes + 60),
	};
	return check_fixed(header, err);
}

static enum qcow2bm_code refuse_names(struct qcow2bm_error *err)
{
	return q2_fail(err, QCOW2BM_EIMAGE, Q2_MANIFEST_FIXED_BYTES,
		       "the names of a manifest do not fill its header");
}

static bool is_sound_name(const uint8_t *bytes, uint32_t left)
{
	unsigned flags = q2_be16_load(bytes + 8);
	bool is_known = (flags & Q2_MANIFEST_IS_KNOWN) != 0;
	return left - NAME_BYTES >= q2_be16_load(bytes + 10) &&
	       (flags & ~NAME_FLAGS) == 0 && (is_known || q2_be64_load(bytes) == 0);
}

/* The names must end in the last 8 bytes before the check, with zeros behind them. */
static enum qcow2bm_code check_names(const struct q2_manifest_header *header,
				     const uint8_t *bytes, struct qcow2bm_error *err)
{
	uint32_t at = Q2_MANIFEST_FIXED_BYTES;
	uint32_t end = header->header_bytes - Q2_MANIFEST_CHECK_BYTES;
	for (uint64_t left = (uint64_t)header->name_count + 1; left != 0; left--) {
		if (end - at < NAME_BYTES || !is_sound_name(bytes + at, end - at))
			return refuse_names(err);
		at += NAME_BYTES + q2_be16_load(bytes + at + 10);
	}
	if (end - at >= 8)
		return refuse_names(err);
	while (at < end)
		if (bytes[at++] != 0)
			return refuse_names(err);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_manifest_decode_header(struct q2_manifest_header *header,
					    const uint8_t *bytes,
					    struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_manifest_decode_fixed(header, bytes, err);
	if (code != QCOW2BM_OK)
		return code;
	uint32_t checked = header->header_bytes - Q2_MANIFEST_CHECK_BYTES;
	header->check = q2_be64_load(bytes + checked);
	if (XXH3_64bits(bytes, checked) != header->check)
		return q2_fail(err, QCOW2BM_EIMAGE, 0,
			       "the manifest is damaged: its header is not what was "
			       "written");
	return check_names(header, bytes, err);
}

static struct q2_manifest_name decode_name(const uint8_t *bytes)
{
	return (struct q2_manifest_name){
		.bytes = bytes + NAME_BYTES,
		.count = q2_be16_load(bytes + 10),
		.flags = q2_be16_load(bytes + 8),
		.dirty_bytes = q2_be64_load(bytes),
	};
}

struct q2_manifest_name q2_manifest_first_name(const uint8_t *bytes)
{
	return decode_name(bytes + Q2_MANIFEST_FIXED_BYTES);
}

struct q2_manifest_name q2_manifest_next_name(const struct q2_manifest_name *name)
{
	return decode_name(name->bytes + name->count);
}

/* ---- Records ---- */

static size_t record_bytes(const struct q2_manifest_header *header,
			   enum q2_manifest_kind kind, uint64_t granules)
{
	size_t bytes = Q2_MANIFEST_RECORD_HEAD_BYTES + Q2_MANIFEST_CHECK_BYTES;
	if (kind == Q2_MANIFEST_HASHES)
		bytes += (size_t)granules * q2_manifest_hash_bytes(header->hash);
	if (kind == Q2_MANIFEST_END)
		bytes += Q2_MANIFEST_TOTAL_BYTES + Q2_MANIFEST_FILL_BYTES;
	return bytes;
}

static uint64_t compute_check(const struct q2_manifest_header *header,
			      const uint8_t *bytes, size_t count, uint64_t first)
{
	return XXH3_64bits_withSeed(bytes, count, header->check ^ first);
}

size_t q2_manifest_encode_record(const struct q2_manifest_header *header,
				 enum q2_manifest_kind kind, uint64_t first,
				 uint64_t granules, uint8_t *bytes)
{
	size_t all = record_bytes(header, kind, granules);
	size_t checked = all - Q2_MANIFEST_CHECK_BYTES;
	q2_be64_store(bytes, (uint64_t)kind << KIND_SHIFT | granules);
	if (kind == Q2_MANIFEST_END)
		memset(bytes + checked - Q2_MANIFEST_FILL_BYTES, 0,
		       Q2_MANIFEST_FILL_BYTES);
	q2_be64_store(bytes + checked, compute_check(header, bytes, checked, first));
	return all;
}

/* Whether a record of this kind may stand behind the one before it. */
static bool may_follow(const struct q2_manifest_record *before,
		       enum q2_manifest_kind kind)
{
	if (before == NULL || before->kind != kind)
		return true;
	return kind == Q2_MANIFEST_HASHES && before->granules == Q2_MANIFEST_MAX_HASHES;
}

enum qcow2bm_code q2_manifest_decode_record(struct q2_manifest_record *record,
					    const struct q2_manifest_header *header,
					    const struct q2_manifest_record *before,
					    const uint8_t *head, uint64_t first,
					    uint64_t off, struct qcow2bm_error *err)
{
	uint64_t number = q2_be64_load(head), left = q2_manifest_granules(header) - first;
	struct q2_manifest_record it = {
		.kind = (enum q2_manifest_kind)(number >> KIND_SHIFT),
		.granules = number & COUNT_MASK,
	};
	bool is_right = false;
	if (it.kind == Q2_MANIFEST_ZEROS || it.kind == Q2_MANIFEST_HASHES)
		is_right = it.granules != 0 && it.granules <= left &&
			   may_follow(before, it.kind) &&
			   (it.kind == Q2_MANIFEST_ZEROS ||
			    it.granules <= Q2_MANIFEST_MAX_HASHES);
	else if (it.kind == Q2_MANIFEST_END)
		is_right = it.granules == 0 && left == 0;
	if (!is_right)
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "the manifest is damaged: a record of kind %u with %llu "
			       "granules cannot stand where %llu are left",
			       (unsigned)it.kind, (unsigned long long)it.granules,
			       (unsigned long long)left);
	it.bytes = record_bytes(header, it.kind, it.granules);
	*record = it;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_manifest_check_record(const struct q2_manifest_record *record,
					   const struct q2_manifest_header *header,
					   const uint8_t *bytes, uint64_t first,
					   uint64_t off, struct qcow2bm_error *err)
{
	size_t checked = record->bytes - Q2_MANIFEST_CHECK_BYTES;
	if (q2_be64_load(bytes + checked) == compute_check(header, bytes, checked, first))
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EIMAGE, off,
		       "the manifest is damaged: a record is not what was written");
}
