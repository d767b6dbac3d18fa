/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Holes of the files under the data of a disk. */
#include "layer.h"

#include "../clusters/refcounts.h"

#define SECTOR_BYTES 512u

bool q2_guest_holes_cut(struct q2_guest_layer *layer, struct q2_guest_extent *extent)
{
	struct q2_holes *holes = &layer->holes;
	uint64_t stop;
	if (extent->place >= holes->length)
		return true;
	/* For what it finds out: it gives an answer in whole sectors itself. */
	q2_holes_skip(holes, extent->place, holes->length, &stop);
	/* In whole sectors, but for the end of the file: more of it is data then. */
	uint64_t data = holes->data_off - holes->data_off % SECTOR_BYTES;
	bool is_hole = extent->place < data;
	uint64_t end = is_hole ? data : holes->data_end;
	if (holes->data_off >= holes->length) {
		/* A hole up to the end, and behind it there is nothing, either. */
		is_hole = true;
		end = holes->length;
	} else if (!is_hole && end < holes->length) {
		end = q2_round_up(end, SECTOR_BYTES);
	}
	if (!is_hole || end < holes->length)
		extent->bytes = q2_min_u64(extent->bytes, end - extent->place);
	return is_hole;
}

/* QEMU's rule: nine tenths of the clusters that are counted, less two. */
static uint64_t threshold(const struct qcow2bm_image *image)
{
	uint64_t there = image->storage->allocated_bytes >> image->header.cluster_bits;
	return q2_max_u64(there * 10 / 9, there + 2);
}

enum qcow2bm_code q2_guest_holes_expected(struct qcow2bm_image *image, bool *are_expected,
					  struct q2_watch *watch,
					  struct qcow2bm_error *err)
{
	struct q2_refcounts refcounts;
	uint64_t clusters = q2_shift_up(image->file_bytes, image->header.cluster_bits);
	uint64_t most = threshold(image), used;
	*are_expected = false;
	if (clusters < most)
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_refcounts_open_damaged(&refcounts, image, NULL, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_refcounts_count_used(&refcounts, clusters, most, &used, watch, err);
	*are_expected = code == QCOW2BM_OK && used == most;
	q2_refcounts_close(&refcounts);
	return code;
}
