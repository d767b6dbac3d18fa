/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One pass over a disk, window by window, with each older state beside it. */
#include "differ.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "hash.h"
#include "zeros.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES ((size_t)2 << 20)

struct pass {
	struct q2_zeros disk;
	uint64_t disk_bytes;
	struct q2_differ_old *olds;
	size_t count;
	size_t window_bytes; /* a multiple of the granularity of each manifest */
	uint8_t *now, *then;
	struct q2_watch *watch;
};

/* A part of the disk that is in pass->now, unless it is zeros. */
struct window {
	uint64_t off;
	size_t bytes;
	bool is_zeros;
};

/* Up to where the old state is zeros from `off` on, for sure. */
static enum qcow2bm_code find_old_zeros(const struct pass *pass,
					struct q2_differ_old *old, uint64_t off,
					uint64_t *end, struct qcow2bm_error *err)
{
	if (old->disk.disk != NULL)
		return q2_zeros_find_end(&old->disk, off, end, pass->watch, err);
	return q2_manifest_file_find_zeros_end(old->manifest, off, end, err);
}

/* Marks the granules of guest bytes [off, end). */
static enum qcow2bm_code mark(struct q2_differ_old *old, uint64_t off, uint64_t end,
			      struct qcow2bm_error *err)
{
	unsigned shift = old->differences.granularity_bits;
	return q2_differences_set(&old->differences, off >> shift,
				  q2_shift_up(end, shift), err);
}

/* Marks the granules of guest bytes [off, end), of which it is not known whether they differ. */
static enum qcow2bm_code mark_unknown(struct q2_differ_old *old, uint64_t off,
				      uint64_t end, const struct pass *pass,
				      struct qcow2bm_error *err)
{
	unsigned shift = old->differences.granularity_bits;
	enum qcow2bm_code code = mark(old, off, end, err);
	if (code == QCOW2BM_OK && old->unknown.pages == NULL)
		code = q2_differences_open(&old->unknown, pass->disk_bytes, shift, err);
	return code == QCOW2BM_OK ? q2_differences_set(&old->unknown, off >> shift,
						       q2_shift_up(end, shift), err)
				  : code;
}

/* Marks what the old state had in [off, end) past the end of its file. */
static enum qcow2bm_code mark_cut(const struct pass *pass, struct q2_differ_old *old,
				  uint64_t off, uint64_t end, struct qcow2bm_error *err)
{
	struct q2_guest_extent cut = {.bytes = 0};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (; code == QCOW2BM_OK && off < end; off = cut.off + cut.bytes) {
		code = q2_zeros_find_cut(old->disk.disk, off, end, &cut, pass->watch,
					 err);
		if (code == QCOW2BM_OK && cut.bytes != 0)
			code = mark_unknown(old, cut.off, cut.off + cut.bytes, pass, err);
	}
	return code;
}

static bool is_same(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	if (a == NULL || b == NULL) {
		const uint8_t *data = a == NULL ? b : a;
		return data == NULL || q2_hash_is_zeros(data, bytes);
	}
	return memcmp(a, b, bytes) == 0;
}

/* Compares bytes of both disks granule by granule; NULL: zeros. */
static enum qcow2bm_code compare_bytes(struct q2_differ_old *old,
				       const struct window *window, const uint8_t *now,
				       const uint8_t *then, struct qcow2bm_error *err)
{
	uint64_t granule = (uint64_t)1 << old->differences.granularity_bits;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t at = 0; code == QCOW2BM_OK && at < window->bytes;) {
		uint64_t off = window->off + at;
		size_t bytes = (size_t)q2_min_u64(granule - (off & (granule - 1)),
						  window->bytes - at);
		const uint8_t *data = now == NULL ? NULL : now + at;
		if (!is_same(data, then == NULL ? NULL : then + at, bytes))
			code = mark(old, off, off + 1, err);
		else if (data != NULL && !q2_hash_is_zeros(data, bytes))
			old->same_bytes += bytes;
		at += bytes;
	}
	return code;
}

static enum qcow2bm_code compare_disk(struct pass *pass, struct q2_differ_old *old,
				      const struct window *window,
				      struct qcow2bm_error *err)
{
	const uint8_t *now = window->is_zeros ? NULL : pass->now;
	uint64_t end;
	enum qcow2bm_code code =
		q2_zeros_find_end(&old->disk, window->off, &end, pass->watch, err);
	if (code != QCOW2BM_OK)
		return code;
	if (end >= window->off + window->bytes)
		return compare_bytes(old, window, now, NULL, err);
	code = mark_cut(pass, old, window->off, window->off + window->bytes, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_zeros_read(old->disk.disk, window->off, window->bytes, pass->then,
			     pass->watch, err);
	return code == QCOW2BM_OK ? compare_bytes(old, window, now, pass->then, err)
				  : code;
}

/* Whether the disk has become smaller in the middle of a granule: what its hash is of is not there. */
static bool is_shrunk(const struct pass *pass, const struct q2_manifest_header *header,
		      uint64_t off)
{
	uint64_t granule = (uint64_t)1 << header->granularity_bits;
	return pass->disk_bytes - off < q2_min_u64(granule, header->disk_bytes - off);
}

/* Compares one granule with what the manifest has for it. */
static enum qcow2bm_code compare_granule(struct pass *pass, struct q2_differ_old *old,
					 const struct window *window, uint64_t off,
					 size_t bytes, struct qcow2bm_error *err)
{
	const struct q2_manifest_header *header = &old->manifest->header;
	const uint8_t *hash = NULL;
	uint64_t granule = off >> header->granularity_bits, end;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (granule < q2_manifest_granules(header))
		code = q2_manifest_file_find(old->manifest, granule, &hash, &end, err);
	if (code != QCOW2BM_OK)
		return code;
	if (hash != NULL && is_shrunk(pass, header, off))
		return mark_unknown(old, off, off + 1, pass, err);
	const uint8_t *now = window->is_zeros ? NULL : pass->now + (off - window->off);
	bool same = hash == NULL ? is_same(now, NULL, bytes)
				 : now != NULL && q2_hash_is_granule(header, off, now,
								     bytes, hash);
	if (same && hash != NULL)
		old->same_bytes += bytes;
	return same ? QCOW2BM_OK : mark(old, off, off + 1, err);
}

static enum qcow2bm_code compare_manifest(struct pass *pass, struct q2_differ_old *old,
					  const struct window *window,
					  struct qcow2bm_error *err)
{
	uint64_t granule = (uint64_t)1 << old->manifest->header.granularity_bits;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t at = 0; code == QCOW2BM_OK && at < window->bytes; at += granule) {
		size_t bytes = (size_t)q2_min_u64(granule, window->bytes - at);
		code = compare_granule(pass, old, window, window->off + at, bytes, err);
	}
	return code;
}

/* Up to where all are zeros from `off` on, in whole windows; and whether the disk itself is for one
 * window at least. */
static enum qcow2bm_code find_zeros(struct pass *pass, uint64_t off, uint64_t *end,
				    bool *is_zeros, struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_zeros_find_end(&pass->disk, off, end, pass->watch, err);
	uint64_t stop = q2_min_u64(off + pass->window_bytes, pass->disk_bytes);
	*is_zeros = code == QCOW2BM_OK && *end >= stop;
	for (size_t i = 0; code == QCOW2BM_OK && *end >= stop && i < pass->count; i++) {
		uint64_t old_end;
		code = find_old_zeros(pass, &pass->olds[i], off, &old_end, err);
		if (code == QCOW2BM_OK)
			*end = q2_min_u64(*end, old_end);
	}
	return code;
}

static enum qcow2bm_code compare_window(struct pass *pass, const struct window *window,
					struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	if (!window->is_zeros)
		code = q2_guest_disk_read(pass->disk.disk, window->off, window->bytes,
					  pass->now, pass->watch, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < pass->count; i++) {
		struct q2_differ_old *old = &pass->olds[i];
		code = old->disk.disk != NULL ? compare_disk(pass, old, window, err)
					      : compare_manifest(pass, old, window, err);
	}
	return code;
}

static enum qcow2bm_code compare_all(struct pass *pass, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	uint64_t off = 0, end;
	while (code == QCOW2BM_OK && off < pass->disk_bytes) {
		struct window window = {.off = off};
		uint64_t stop = q2_min_u64(off + pass->window_bytes, pass->disk_bytes);
		q2_watch_note(pass->watch, off, pass->disk_bytes);
		code = q2_watch_look(pass->watch, err);
		if (code == QCOW2BM_OK)
			code = find_zeros(pass, off, &end, &window.is_zeros, err);
		if (code != QCOW2BM_OK)
			return code;
		if (end >= stop) {
			/* From one window's beginning to another's. */
			off = end >= pass->disk_bytes ? pass->disk_bytes
						      : end - end % pass->window_bytes;
			continue;
		}
		window.bytes = (size_t)(stop - off);
		code = compare_window(pass, &window, err);
		off = stop;
	}
	return code;
}

/* What lies behind the end of a file that may have been cut. */
static enum qcow2bm_code mark_behind(const struct pass *pass, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < pass->count; i++) {
		struct q2_differ_old *old = &pass->olds[i];
		if (old->is_size_unsure && old->virtual_bytes < pass->disk_bytes)
			code = mark_unknown(old, old->virtual_bytes, pass->disk_bytes,
					    pass, err);
	}
	return code;
}

static size_t choose_window(const struct pass *pass)
{
	size_t bytes = WINDOW_BYTES;
	for (size_t i = 0; i < pass->count; i++)
		if (pass->olds[i].manifest != NULL)
			bytes = (size_t)q2_max_u64(
				bytes,
				(uint64_t)1
					<< pass->olds[i]
						   .manifest->header.granularity_bits);
	return bytes;
}

enum qcow2bm_code q2_differ_find(struct qcow2bm_disk *disk, struct q2_differ_old *olds,
				 size_t count, struct q2_watch *watch,
				 struct qcow2bm_error *err)
{
	struct pass pass = {
		.disk = {.disk = disk},
		.disk_bytes = q2_guest_disk_bytes(disk),
		.olds = olds,
		.count = count,
		.watch = watch,
	};
	pass.window_bytes = choose_window(&pass);
	pass.now = malloc(pass.window_bytes);
	pass.then = malloc(pass.window_bytes);
	enum qcow2bm_code code = pass.now == NULL || pass.then == NULL
					 ? q2_fail_memory(err, "the data of a disk")
					 : mark_behind(&pass, err);
	if (code == QCOW2BM_OK)
		code = compare_all(&pass, err);
	if (code == QCOW2BM_OK && watch != NULL)
		q2_watch_end(watch);
	free(pass.now);
	free(pass.then);
	return code;
}
