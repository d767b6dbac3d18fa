/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk as the guest sees it: which layer has what, and any range of its bytes. */
#include "parts.h"

#include <assert.h>
#include <stdlib.h>

#include "../base/error.h"

#define PIECES 64u
#define PART_BYTES (128u << 10)
#define CREW_BYTES (512u << 10) /* of one read: for less no threads are started */

uint64_t q2_guest_disk_bytes(const struct qcow2bm_disk *disk)
{
	return disk->bytes;
}

/* A layer that ends before the next one up does reads as zeros behind its end: what is below it is not
 * seen there. */
enum qcow2bm_code q2_guest_disk_piece(struct qcow2bm_disk *disk, uint64_t off,
				      uint64_t end, struct q2_guest_extent *extent,
				      struct q2_watch *watch, struct qcow2bm_error *err)
{
	assert(off < end && end <= disk->bytes);
	enum qcow2bm_code code = QCOW2BM_OK;
	*extent = (struct q2_guest_extent){.off = off, .place = Q2_GUEST_NO_PLACE};
	for (size_t i = 0; i < disk->count && off < disk->layers[i].bytes; i++) {
		struct q2_guest_extent own;
		struct qcow2bm_error why = {0};
		code = q2_guest_layer_find(&disk->layers[i], off, &own, watch, &why);
		if (code != QCOW2BM_OK)
			return q2_guest_layer_blame(&disk->layers[i], err, &why);
		own.bytes = q2_min_u64(own.bytes, end - off);
		own.layer = i;
		/* Where the table of a layer is cut, the one below says nothing for sure. */
		own.is_cut |= extent->is_cut;
		*extent = own;
		end = off + own.bytes;
		if (own.kind != Q2_GUEST_UNALLOCATED)
			break;
	}
	if (disk->lacks_backing && extent->kind == Q2_GUEST_UNALLOCATED &&
	    extent->layer == disk->count - 1)
		extent->kind = Q2_GUEST_BELOW;
	return code;
}

/* Whether `next`, which begins where the extent ends, says the same. */
static bool is_joined(const struct q2_guest_extent *extent,
		      const struct q2_guest_extent *next)
{
	if (next->kind != extent->kind || next->layer != extent->layer ||
	    next->is_hole != extent->is_hole)
		return false;
	if (extent->kind == Q2_GUEST_COMPRESSED)
		return true;
	if (extent->place == Q2_GUEST_NO_PLACE)
		return next->place == Q2_GUEST_NO_PLACE;
	return next->place == extent->place + extent->bytes;
}

enum qcow2bm_code q2_guest_disk_next(struct qcow2bm_disk *disk, uint64_t off,
				     uint64_t end, struct q2_guest_extent *extent,
				     struct q2_watch *watch, struct qcow2bm_error *err)
{
	struct q2_guest_extent next;
	enum qcow2bm_code code = q2_guest_disk_piece(disk, off, end, extent, watch, err);
	while (code == QCOW2BM_OK && extent->off + extent->bytes < end) {
		code = q2_watch_look(watch, err);
		if (code == QCOW2BM_OK)
			code = q2_guest_disk_piece(disk, extent->off + extent->bytes, end,
						   &next, watch, err);
		if (code != QCOW2BM_OK || !is_joined(extent, &next))
			break;
		extent->bytes += next.bytes;
		extent->is_past_end |= next.is_past_end;
	}
	return code;
}

/* The pieces of a read that were found and not fetched yet. */
struct pieces {
	struct q2_crew_piece list[PIECES];
	size_t count;
	uint64_t bytes; /* that are to be read or inflated */
};

static enum qcow2bm_code fetch_pieces(struct qcow2bm_disk *disk, struct pieces *pieces,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	if (disk->crew == NULL && disk->threads != 1 && pieces->count > 1 &&
	    pieces->bytes >= CREW_BYTES)
		code = q2_crew_open(&disk->crew, disk->layers, disk->count, disk->threads,
				    err);
	if (code == QCOW2BM_OK && disk->crew != NULL && pieces->count > 1)
		code = q2_crew_fetch(disk->crew, pieces->list, pieces->count, err);
	else
		for (size_t i = 0; code == QCOW2BM_OK && i < pieces->count; i++) {
			const struct q2_crew_piece *piece = &pieces->list[i];
			code = q2_guest_fetch(&disk->fetcher,
					      &disk->layers[piece->extent.layer],
					      &piece->extent, piece->buf, err);
		}
	pieces->count = 0;
	pieces->bytes = 0;
	return code;
}

/* Data is read in parts that several threads share; a compressed cluster is one. */
static void add_piece(struct pieces *pieces, struct q2_guest_extent *extent, uint8_t *buf)
{
	if (extent->kind == Q2_GUEST_DATA)
		extent->bytes = q2_min_u64(extent->bytes, PART_BYTES);
	if (!q2_guest_reads_zero(extent))
		pieces->bytes += extent->bytes;
	pieces->list[pieces->count++] = (struct q2_crew_piece){*extent, buf};
}

enum qcow2bm_code q2_guest_disk_read(struct qcow2bm_disk *disk, uint64_t off,
				     uint64_t bytes, uint8_t *buf, struct q2_watch *watch,
				     struct qcow2bm_error *err)
{
	struct pieces pieces = {.count = 0};
	struct qcow2bm_error why = {0};
	uint64_t end = off + bytes;
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK && off < end) {
		struct q2_guest_extent piece;
		code = q2_watch_look(watch, &why);
		if (code == QCOW2BM_OK)
			code = q2_guest_disk_piece(disk, off, end, &piece, watch, &why);
		if (code == QCOW2BM_OK) {
			add_piece(&pieces, &piece, buf);
			buf += piece.bytes;
			off += piece.bytes;
		}
		/* What comes before a failure fails first. */
		if (code != QCOW2BM_OK || pieces.count == PIECES || off == end) {
			enum qcow2bm_code fetched = fetch_pieces(disk, &pieces, err);
			if (fetched != QCOW2BM_OK)
				return fetched;
		}
	}
	return code == QCOW2BM_OK ? code : q2_pass(err, &why);
}
