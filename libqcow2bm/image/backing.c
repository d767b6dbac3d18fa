/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the backing file's name is moved to. QEMU finds it anywhere in the first cluster; others
 * look only near the beginning, or make room before it by moving it a little further.
 */
#include "backing.h"

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"

/* Where the name must end, with the room that is left behind it. */
static uint64_t find_limit(const struct qcow2bm_image *image)
{
	return q2_min_u64(q2_header_cluster_bytes(&image->header),
			  Q2_BACKING_REACH_BYTES);
}

/* Where the extensions end now, for all who read them: the end marker may claim data. */
static uint64_t find_end(const struct qcow2bm_image *image)
{
	return image->end_marker_off + Q2_EXTENSION_HEAD_BYTES +
	       q2_be32_load(image->head + image->end_marker_off +
			    Q2_EXTENSION_LENGTH_OFF);
}

/* The nearest place behind `end` that a copy of the name can have while the old one is whole. */
static uint64_t find_place(const struct qcow2bm_image *image, uint64_t end)
{
	uint64_t off = image->header.backing_file_off;
	uint64_t behind = off + image->header.backing_file_bytes;
	if (end >= behind || end + image->header.backing_file_bytes <= off)
		return end;
	return q2_round_up(behind, 8);
}

static bool has_room(const struct qcow2bm_image *image, uint64_t off, uint64_t room)
{
	return q2_checked_within(off, image->header.backing_file_bytes + room,
				 find_limit(image));
}

enum q2_backing_place q2_backing_find(const struct qcow2bm_image *image, uint64_t *better)
{
	const struct q2_header *header = &image->header;
	*better = 0;
	if (header->backing_file_off == 0 || header->backing_file_bytes == 0 ||
	    has_room(image, header->backing_file_off, Q2_BACKING_SHIFT_BYTES))
		return Q2_BACKING_GOOD;
	/* Without an end marker the name ends the extensions, and must stay. */
	if (image->has_end_marker) {
		uint64_t place = find_place(image, find_end(image));
		if (has_room(image, place, Q2_BACKING_SHIFT_BYTES))
			*better = place;
	}
	return header->backing_file_off + header->backing_file_bytes >
			       Q2_BACKING_REACH_BYTES
		       ? Q2_BACKING_FAR
		       : Q2_BACKING_TIGHT;
}

enum qcow2bm_code q2_backing_plan(const struct qcow2bm_image *image, uint64_t end,
				  uint64_t *off, struct qcow2bm_error *err)
{
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	uint64_t name_off = image->header.backing_file_off;
	*off = 0;
	if (end <= (name_off == 0 ? cluster_bytes : name_off)) {
		q2_backing_find(image, off);
		if (*off != 0)
			*off = find_place(image, q2_max_u64(end, find_end(image)));
		if (!has_room(image, *off, Q2_BACKING_SHIFT_BYTES))
			*off = 0;
		return QCOW2BM_OK;
	}
	if (name_off == 0)
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, image->end_marker_off,
			"no room for the bitmaps extension in the header cluster (%llu bytes)",
			(unsigned long long)cluster_bytes);
	uint64_t place = find_place(image, q2_max_u64(end, find_end(image)));
	if (!has_room(image, place, Q2_BACKING_ROOM_BYTES))
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, image->end_marker_off,
			"no room for the bitmaps extension: the backing file's name (%lu bytes) would have to move to byte %llu, but it must end, with %u bytes behind it for others, in the first %llu bytes%s",
			(unsigned long)image->header.backing_file_bytes,
			(unsigned long long)place, Q2_BACKING_ROOM_BYTES,
			(unsigned long long)find_limit(image),
			cluster_bytes > Q2_BACKING_REACH_BYTES
				? ", where libvirt looks for it"
				: ", the header cluster");
	*off = place;
	return QCOW2BM_OK;
}
