/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One pass over a disk: hashes of its granules, and the SHA-256 of all of it. */
#include "digest.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "hash.h"
#include "zeros.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES ((size_t)2 << 20)

struct pass {
	struct q2_zeros disk;
	const struct q2_manifest_header *header;
	q2_digest_fn *fn;
	void *opaque;
	struct q2_hash_total *total; /* NULL: not wanted */
	struct q2_watch *watch;
	size_t window_bytes;
	uint8_t *window, *zeros, *record;
	/* What is not given out yet: granules of one kind. */
	enum q2_manifest_kind kind;
	uint64_t first, granules;
};

/* Gives out the record that has grown. */
static enum qcow2bm_code flush(struct pass *pass, struct qcow2bm_error *err)
{
	if (pass->granules == 0)
		return QCOW2BM_OK;
	size_t bytes = q2_manifest_encode_record(pass->header, pass->kind, pass->first,
						 pass->granules, pass->record);
	pass->first += pass->granules;
	pass->granules = 0;
	return pass->fn(pass->opaque, pass->record, bytes, err);
}

static enum qcow2bm_code begin(struct pass *pass, enum q2_manifest_kind kind,
			       struct qcow2bm_error *err)
{
	bool is_full =
		kind == Q2_MANIFEST_HASHES && pass->granules == Q2_MANIFEST_MAX_HASHES;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (kind != pass->kind || is_full)
		code = flush(pass, err);
	pass->kind = kind;
	return code;
}

static enum qcow2bm_code add_zeros(struct pass *pass, uint64_t granules,
				   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = begin(pass, Q2_MANIFEST_ZEROS, err);
	pass->granules += granules;
	return code;
}

static enum qcow2bm_code add_granule(struct pass *pass, const uint8_t *bytes,
				     size_t count, struct qcow2bm_error *err)
{
	if (q2_hash_is_zeros(bytes, count))
		return add_zeros(pass, 1, err);
	enum qcow2bm_code code = begin(pass, Q2_MANIFEST_HASHES, err);
	size_t hash_bytes = q2_manifest_hash_bytes(pass->header->hash);
	q2_hash_granule(pass->header->hash, bytes, count,
			pass->record + Q2_MANIFEST_RECORD_HEAD_BYTES +
				(size_t)pass->granules * hash_bytes);
	pass->granules++;
	return code;
}

/* Zeros have a share in the total, too. */
static enum qcow2bm_code add_zeros_to_total(struct pass *pass, uint64_t off,
					    uint64_t bytes, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK && pass->total != NULL && bytes != 0) {
		size_t part = (size_t)q2_min_u64(bytes, pass->window_bytes);
		q2_hash_total_add(pass->total, pass->zeros, part);
		bytes -= part;
		off += part;
		q2_watch_note(pass->watch, off, pass->header->disk_bytes);
		code = q2_watch_look(pass->watch, err);
	}
	return code;
}

/* Whole granules that need not be read, from `off` on; *end is `off` when there are none. */
static enum qcow2bm_code skip_zeros(struct pass *pass, uint64_t off, uint64_t *end,
				    struct qcow2bm_error *err)
{
	unsigned shift = pass->header->granularity_bits;
	uint64_t disk_bytes = pass->header->disk_bytes;
	enum qcow2bm_code code =
		q2_zeros_find_end(&pass->disk, off, end, pass->watch, err);
	if (code != QCOW2BM_OK)
		return code;
	*end = *end >= disk_bytes ? disk_bytes : *end >> shift << shift;
	if (*end <= off) {
		*end = off;
		return QCOW2BM_OK;
	}
	code = add_zeros(pass, q2_shift_up(*end - off, shift), err);
	return code == QCOW2BM_OK ? add_zeros_to_total(pass, off, *end - off, err) : code;
}

/* A manifest of a disk of which some is missing would prove what is wrong. */
static enum qcow2bm_code check_there(struct pass *pass, uint64_t off, uint64_t end,
				     struct qcow2bm_error *err)
{
	struct q2_guest_extent cut;
	enum qcow2bm_code code =
		q2_zeros_find_cut(pass->disk.disk, off, end, &cut, pass->watch, err);
	if (code != QCOW2BM_OK || cut.bytes == 0)
		return code;
	return q2_fail(
		err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
		"what the disk has at %llu lies past the end of the file, which was "
		"probably cut: there is no manifest of what is missing",
		(unsigned long long)cut.off);
}

/* Reads a window of granules and adds each. */
static enum qcow2bm_code add_window(struct pass *pass, uint64_t off, size_t bytes,
				    struct qcow2bm_error *err)
{
	size_t granule_bytes = (size_t)1 << pass->header->granularity_bits;
	enum qcow2bm_code code = check_there(pass, off, off + bytes, err);
	if (code == QCOW2BM_OK)
		code = q2_guest_disk_read(pass->disk.disk, off, bytes, pass->window,
					  pass->watch, err);
	if (code == QCOW2BM_OK && pass->total != NULL)
		q2_hash_total_add(pass->total, pass->window, bytes);
	for (size_t at = 0; code == QCOW2BM_OK && at < bytes; at += granule_bytes) {
		size_t count = (size_t)q2_min_u64(granule_bytes, bytes - at);
		code = add_granule(pass, pass->window + at, count, err);
	}
	return code;
}

static enum qcow2bm_code add_disk(struct pass *pass, struct qcow2bm_error *err)
{
	uint64_t disk_bytes = pass->header->disk_bytes, off = 0;
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK && off < disk_bytes) {
		uint64_t end;
		q2_watch_note(pass->watch, off, disk_bytes);
		code = q2_watch_look(pass->watch, err);
		if (code == QCOW2BM_OK)
			code = skip_zeros(pass, off, &end, err);
		if (code == QCOW2BM_OK && end == off) {
			end = q2_min_u64(off + pass->window_bytes, disk_bytes);
			code = add_window(pass, off, (size_t)(end - off), err);
		}
		if (code == QCOW2BM_OK)
			off = end;
	}
	return code == QCOW2BM_OK ? flush(pass, err) : code;
}

static enum qcow2bm_code give_header(struct pass *pass, struct q2_manifest_header *header,
				     const struct q2_manifest_name *names,
				     struct qcow2bm_error *err)
{
	uint32_t bytes = q2_manifest_header_bytes(names, header->name_count + 1);
	if (bytes == 0)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the names of the bitmaps are too long for a manifest");
	uint8_t *encoded = malloc(bytes);
	if (encoded == NULL)
		return q2_fail_memory(err, "a manifest");
	q2_manifest_encode_header(header, names, encoded);
	enum qcow2bm_code code = pass->fn(pass->opaque, encoded, bytes, err);
	free(encoded);
	return code;
}

static enum qcow2bm_code give_end(struct pass *pass, struct qcow2bm_error *err)
{
	uint8_t *total = pass->record + Q2_MANIFEST_RECORD_HEAD_BYTES;
	memset(total, 0, Q2_MANIFEST_TOTAL_BYTES);
	if (pass->total != NULL)
		q2_hash_total_close(pass->total, total);
	pass->total = NULL;
	size_t bytes = q2_manifest_encode_record(pass->header, Q2_MANIFEST_END,
						 pass->first, 0, pass->record);
	return pass->fn(pass->opaque, pass->record, bytes, err);
}

static enum qcow2bm_code make_room(struct pass *pass, struct qcow2bm_error *err)
{
	pass->window_bytes = (size_t)q2_max_u64(
		WINDOW_BYTES, (uint64_t)1 << pass->header->granularity_bits);
	pass->window = malloc(pass->window_bytes);
	pass->record = malloc(Q2_MANIFEST_MAX_RECORD_BYTES);
	bool wants_total = (pass->header->flags & Q2_MANIFEST_HAS_TOTAL) != 0;
	if (wants_total) {
		pass->zeros = calloc(1, pass->window_bytes);
		pass->total = q2_hash_total_open();
	}
	bool has_all = pass->window != NULL && pass->record != NULL &&
		       (!wants_total || (pass->zeros != NULL && pass->total != NULL));
	return has_all ? QCOW2BM_OK : q2_fail_memory(err, "a manifest");
}

enum qcow2bm_code q2_digest_make(struct qcow2bm_disk *disk,
				 struct q2_manifest_header *header,
				 const struct q2_manifest_name *names, q2_digest_fn *fn,
				 void *opaque, struct q2_watch *watch,
				 struct qcow2bm_error *err)
{
	uint8_t unused[Q2_MANIFEST_TOTAL_BYTES];
	struct pass pass = {
		.disk = {.disk = disk},
		.header = header,
		.fn = fn,
		.opaque = opaque,
		.watch = watch,
	};
	header->disk_bytes = q2_guest_disk_bytes(disk);
	enum qcow2bm_code code = make_room(&pass, err);
	if (code == QCOW2BM_OK)
		code = give_header(&pass, header, names, err);
	if (code == QCOW2BM_OK)
		code = add_disk(&pass, err);
	if (code == QCOW2BM_OK)
		code = give_end(&pass, err);
	if (code == QCOW2BM_OK && watch != NULL)
		q2_watch_end(watch);
	if (pass.total != NULL)
		q2_hash_total_close(pass.total, unused);
	free(pass.window);
	free(pass.zeros);
	free(pass.record);
	return code;
}
