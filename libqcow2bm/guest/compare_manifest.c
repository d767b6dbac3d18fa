/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Comparing a disk with a manifest: window by window, granule by granule, what is zeros on both sides unread. */
#include "compare_manifest.h"

#include "../base/error.h"
#include "../base/options.h"
#include "hash.h"
#include "parts.h"
#include "ranges.h"
#include "zeros.h"

#include <stdlib.h>

#define WINDOW_BYTES ((uint64_t)2 << 20)

enum { DISK, MANIFEST }; /* as the result counts them */

struct pass {
	struct q2_zeros disk;
	struct q2_manifest_file *manifest;
	uint64_t granule_bytes;
	uint64_t end;        /* of the longer one: the other one goes on as zeros */
	size_t window_bytes; /* whole granules */
	uint8_t *window;
	struct q2_ranges ranges;
	struct qcow2bm_comparison *result;
	struct q2_watch *watch;
};

static enum qcow2bm_code blame(struct pass *pass, enum qcow2bm_code code, size_t side,
			       uint64_t off, bool is_reading)
{
	if (code != QCOW2BM_OK) {
		pass->result->failed_disk = side;
		pass->result->failed_at = off;
		pass->result->failed_reading = is_reading;
	}
	return code;
}

/* Up to where there are zeros on both sides from `off` on, and whether the disk has nothing else up to
 * `stop`, whatever the manifest has. */
static enum qcow2bm_code find_zeros(struct pass *pass, uint64_t off, uint64_t stop,
				    uint64_t *end, bool *is_zeros,
				    struct qcow2bm_error *err)
{
	uint64_t other_end;
	enum qcow2bm_code code =
		q2_zeros_find_end(&pass->disk, off, end, pass->watch, err);
	*is_zeros = code == QCOW2BM_OK && *end >= stop;
	if (code != QCOW2BM_OK || !*is_zeros)
		return blame(pass, code, DISK, off, false);
	code = q2_manifest_file_find_zeros_end(pass->manifest, off, &other_end, err);
	if (code == QCOW2BM_OK)
		*end = q2_min_u64(*end, other_end);
	return blame(pass, code, MANIFEST, off, true);
}

/* Looks through the tables first: what is wrong with them is no failure of reading data. */
static enum qcow2bm_code read_window(struct pass *pass, uint64_t off, size_t bytes,
				     struct qcow2bm_error *err)
{
	uint64_t stop = q2_min_u64(off + bytes, q2_guest_disk_bytes(pass->disk.disk));
	struct q2_guest_extent piece;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (uint64_t at = off; at < stop; at = piece.off + piece.bytes) {
		code = q2_guest_disk_piece(pass->disk.disk, at, stop, &piece, pass->watch,
					   err);
		if (code != QCOW2BM_OK)
			return blame(pass, code, DISK, at, false);
		pass->result->is_past_end[DISK] |= piece.is_past_end;
	}
	code = q2_zeros_read(pass->disk.disk, off, bytes, pass->window, pass->watch, err);
	return blame(pass, code, DISK, off, true);
}

/* `now`: what the disk has there, NULL for zeros. */
static enum qcow2bm_code compare_granule(struct pass *pass, uint64_t off,
					 const uint8_t *now, struct qcow2bm_error *err)
{
	const struct q2_manifest_header *header = &pass->manifest->header;
	size_t bytes = (size_t)q2_min_u64(pass->granule_bytes, pass->end - off);
	uint64_t granule = off >> header->granularity_bits, granules_end;
	const uint8_t *hash = NULL;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (granule < q2_manifest_granules(header))
		code = q2_manifest_file_find(pass->manifest, granule, &hash,
					     &granules_end, err);
	if (code != QCOW2BM_OK)
		return blame(pass, code, MANIFEST, off, true);
	bool are_zeros = now == NULL || (hash == NULL && q2_hash_is_zeros(now, bytes));
	bool is_same = are_zeros ? hash == NULL
				 : hash != NULL && q2_hash_is_granule(header, off, now,
								      bytes, hash);
	code = q2_ranges_grow(&pass->ranges, off, false, err);
	return code == QCOW2BM_OK
		       ? q2_ranges_grow(&pass->ranges, off + bytes, !is_same, err)
		       : code;
}

static enum qcow2bm_code compare_window(struct pass *pass, uint64_t off, uint64_t stop,
					bool is_zeros, struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		is_zeros ? QCOW2BM_OK : read_window(pass, off, (size_t)(stop - off), err);
	for (uint64_t at = off;
	     code == QCOW2BM_OK && at < stop && !q2_ranges_have_enough(&pass->ranges);
	     at += pass->granule_bytes)
		code = compare_granule(
			pass, at, is_zeros ? NULL : pass->window + (size_t)(at - off),
			err);
	return code;
}

static enum qcow2bm_code compare_all(struct pass *pass, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	uint64_t off = 0;
	while (off < pass->end && !q2_ranges_have_enough(&pass->ranges)) {
		uint64_t stop = q2_min_u64(off + pass->window_bytes, pass->end);
		uint64_t zeros_end;
		bool is_zeros;
		q2_watch_note(pass->watch, off, pass->end);
		code = q2_watch_look(pass->watch, err);
		if (code == QCOW2BM_OK)
			code = find_zeros(pass, off, stop, &zeros_end, &is_zeros, err);
		if (code == QCOW2BM_OK && zeros_end < stop)
			code = compare_window(pass, off, stop, is_zeros, err);
		if (code != QCOW2BM_OK)
			return code;
		/* From one window's beginning to another's. */
		off = q2_max_u64(stop,
				 zeros_end >= pass->end
					 ? pass->end
					 : zeros_end - zeros_end % pass->window_bytes);
	}
	return q2_ranges_have_enough(&pass->ranges)
		       ? code
		       : q2_ranges_end(&pass->ranges, pass->end, err);
}

static enum qcow2bm_code take_options(struct qcow2bm_compare_options *ours,
				      const struct qcow2bm_compare_options *theirs,
				      struct qcow2bm_error *err)
{
	*ours = (struct qcow2bm_compare_options)QCOW2BM_COMPARE_OPTIONS_INIT;
	enum qcow2bm_code code =
		q2_options_take(ours, sizeof(*ours), theirs, "compare options", err);
	if (code == QCOW2BM_OK && (ours->flags & QCOW2BM_COMPARE_STRICT))
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "a manifest does not tell what is allocated, which the "
			       "strict mode compares");
	return code == QCOW2BM_OK ? q2_options_check(ours->flags, QCOW2BM_COMPARE_FIRST,
						     "comparing", err)
				  : code;
}

enum qcow2bm_code
q2_compare_manifest(struct qcow2bm_disk *disk, struct q2_manifest_file *manifest,
		    const struct qcow2bm_compare_options *given, qcow2bm_extent_fn *fn,
		    void *opaque, const struct qcow2bm_comparison **result,
		    const struct qcow2bm_watch *caller, struct qcow2bm_error *err)
{
	struct q2_watch watch;
	struct qcow2bm_compare_options options;
	struct pass pass = {
		.disk = {.disk = disk},
		.manifest = manifest,
		.granule_bytes = (uint64_t)1 << manifest->header.granularity_bits,
		.end = q2_max_u64(disk->bytes, manifest->header.disk_bytes),
		.result = &disk->comparison,
		.watch = &watch,
	};
	enum qcow2bm_code code = take_options(&options, given, err);
	q2_ranges_begin(&pass.ranges, &disk->comparison, options.flags, fn, opaque);
	*result = &disk->comparison;
	if (code == QCOW2BM_OK)
		code = q2_watch_begin(&watch, caller, "nothing was changed", err);
	if (code != QCOW2BM_OK)
		return code;
	pass.window_bytes = (size_t)q2_max_u64(WINDOW_BYTES, pass.granule_bytes);
	pass.window = malloc(pass.window_bytes);
	if (pass.window == NULL)
		return q2_fail_memory(err, "the data of a disk");
	q2_guest_disk_use_threads(disk, options.threads);
	code = compare_all(&pass, err);
	if (code == QCOW2BM_OK)
		q2_watch_end(&watch);
	free(pass.window);
	return code;
}
