/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the records of a manifest one after the other, in bounded memory. */
#include "manifest_file.h"

#include "../base/checked.h"
#include "../base/error.h"

#include <stdlib.h>
#include <string.h>

#define PART_BYTES ((size_t)256 << 10) /* more than any record */

static enum qcow2bm_code refuse_end(const struct q2_manifest_file *file,
				    struct qcow2bm_error *err)
{
	return q2_fail(err, QCOW2BM_EIMAGE, file->file_bytes,
		       "the manifest is cut short: it ends at byte %llu",
		       (unsigned long long)file->file_bytes);
}

static enum qcow2bm_code load_header(struct q2_manifest_file *file,
				     struct qcow2bm_error *err)
{
	uint8_t fixed[Q2_MANIFEST_FIXED_BYTES];
	if (file->file_bytes < sizeof(fixed))
		return refuse_end(file, err);
	enum qcow2bm_code code =
		q2_storage_read(file->storage, fixed, sizeof(fixed), 0, err);
	if (code == QCOW2BM_OK)
		code = q2_manifest_decode_fixed(&file->header, fixed, err);
	if (code != QCOW2BM_OK)
		return code;
	if (file->header.header_bytes > file->file_bytes)
		return refuse_end(file, err);
	file->header_bytes = malloc(file->header.header_bytes);
	if (file->header_bytes == NULL)
		return q2_fail_memory(err, "a manifest");
	code = q2_storage_read(file->storage, file->header_bytes,
			       file->header.header_bytes, 0, err);
	return code == QCOW2BM_OK
		       ? q2_manifest_decode_header(&file->header, file->header_bytes, err)
		       : code;
}

/* Has `bytes` bytes from `off` on in the part. */
static enum qcow2bm_code load_part(struct q2_manifest_file *file, uint64_t off,
				   size_t bytes, struct qcow2bm_error *err)
{
	if (off >= file->part_off && off - file->part_off <= file->part_bytes &&
	    bytes <= file->part_bytes - (size_t)(off - file->part_off))
		return QCOW2BM_OK;
	if (!q2_checked_within(off, bytes, file->file_bytes))
		return refuse_end(file, err);
	file->part_off = off;
	file->part_bytes = (size_t)q2_min_u64(PART_BYTES, file->file_bytes - off);
	enum qcow2bm_code code =
		q2_storage_read(file->storage, file->part, file->part_bytes, off, err);
	if (code != QCOW2BM_OK)
		file->part_bytes = 0;
	return code;
}

static void rewind_file(struct q2_manifest_file *file)
{
	file->has_record = file->has_before = false;
	file->at = (struct q2_manifest_position){.off = file->header.header_bytes};
}

/* Has the record there in the part, and sees that it is what was written. */
static enum qcow2bm_code load_record(struct q2_manifest_file *file,
				     const struct q2_manifest_position *position,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		load_part(file, position->off, position->record.bytes, err);
	if (code != QCOW2BM_OK)
		return code;
	file->at = *position;
	file->record_bytes = file->part + (position->off - file->part_off);
	file->has_record = true;
	return q2_manifest_check_record(&position->record, &file->header,
					file->record_bytes, position->first,
					position->off, err);
}

/* Goes on to the next record, or, after a rewind, to the first. */
static enum qcow2bm_code load_next(struct q2_manifest_file *file,
				   struct qcow2bm_error *err)
{
	const struct q2_manifest_position at = file->at;
	bool has_record = file->has_record;
	struct q2_manifest_position next = {
		.off = at.off + at.record.bytes,
		.first = at.first + at.record.granules,
	};
	enum qcow2bm_code code =
		load_part(file, next.off, Q2_MANIFEST_RECORD_HEAD_BYTES, err);
	if (code == QCOW2BM_OK)
		code = q2_manifest_decode_record(&next.record, &file->header,
						 has_record ? &at.record : NULL,
						 file->part + (next.off - file->part_off),
						 next.first, next.off, err);
	if (code == QCOW2BM_OK)
		code = load_record(file, &next, err);
	file->has_before = has_record;
	file->before = at;
	return code;
}

/* Goes to the record before, where that has granules up to the one that is asked for; else to the
 * beginning. Who looks ahead for the end of zeros comes back by one. */
static enum qcow2bm_code step_back(struct q2_manifest_file *file, uint64_t granule,
				   struct qcow2bm_error *err)
{
	if (!file->has_before || granule < file->before.first) {
		rewind_file(file);
		return QCOW2BM_OK;
	}
	return load_record(file, &file->before, err);
}

/* Walks over all records: afterwards the whole file is known to be what was written. */
static enum qcow2bm_code check_all(struct q2_manifest_file *file, struct q2_watch *watch,
				   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	do {
		code = q2_watch_look(watch, err);
		if (code == QCOW2BM_OK)
			code = load_next(file, err);
	} while (code == QCOW2BM_OK && file->at.record.kind != Q2_MANIFEST_END);
	if (code != QCOW2BM_OK)
		return code;
	memcpy(file->total, file->record_bytes + Q2_MANIFEST_RECORD_HEAD_BYTES,
	       sizeof(file->total));
	uint64_t end = file->at.off + file->at.record.bytes;
	if (end != file->file_bytes)
		return q2_fail(err, QCOW2BM_EIMAGE, end,
			       "the manifest is damaged: %llu bytes stand behind its end",
			       (unsigned long long)(file->file_bytes - end));
	rewind_file(file);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_manifest_file_open(struct q2_manifest_file *file,
					struct q2_storage *storage,
					struct q2_watch *watch, struct qcow2bm_error *err)
{
	*file = (struct q2_manifest_file){.storage = storage};
	file->part = malloc(PART_BYTES);
	if (file->part == NULL)
		return q2_fail_memory(err, "a manifest");
	enum qcow2bm_code code = q2_storage_length(storage, &file->file_bytes, err);
	if (code == QCOW2BM_OK)
		code = load_header(file, err);
	if (code != QCOW2BM_OK)
		return code;
	rewind_file(file);
	return check_all(file, watch, err);
}

enum qcow2bm_code q2_manifest_file_find(struct q2_manifest_file *file, uint64_t granule,
					const uint8_t **hashes, uint64_t *end,
					struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	if (granule < file->at.first)
		code = step_back(file, granule, err);
	while (code == QCOW2BM_OK &&
	       (!file->has_record ||
		granule >= file->at.first + file->at.record.granules))
		code = load_next(file, err);
	if (code != QCOW2BM_OK)
		return code;
	*end = file->at.first + file->at.record.granules;
	*hashes = NULL;
	if (file->at.record.kind == Q2_MANIFEST_HASHES)
		*hashes = file->record_bytes + Q2_MANIFEST_RECORD_HEAD_BYTES +
			  (size_t)(granule - file->at.first) *
				  q2_manifest_hash_bytes(file->header.hash);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_manifest_file_find_zeros_end(struct q2_manifest_file *file,
						  uint64_t off, uint64_t *end,
						  struct qcow2bm_error *err)
{
	unsigned shift = file->header.granularity_bits;
	uint64_t all = q2_manifest_granules(&file->header);
	*end = off;
	while (*end >> shift < all) {
		const uint8_t *hashes;
		uint64_t granule;
		enum qcow2bm_code code = q2_manifest_file_find(file, *end >> shift,
							       &hashes, &granule, err);
		if (code != QCOW2BM_OK)
			return code;
		if (hashes != NULL)
			return QCOW2BM_OK;
		*end = granule << shift;
	}
	*end = UINT64_MAX;
	return QCOW2BM_OK;
}

void q2_manifest_file_close(struct q2_manifest_file *file)
{
	free(file->part);
	free(file->header_bytes);
	file->part = file->header_bytes = NULL;
}
