/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One layer of a disk: what it alone says of a part. */
#ifndef Q2_GUEST_LAYER_H
#define Q2_GUEST_LAYER_H

#include "../clusters/l2.h"
#include "disk.h"

#define Q2_GUEST_L1_ENTRIES 512              /* that are kept in memory */
#define Q2_GUEST_L2_BYTES ((size_t)16 << 10) /* of a table, too */

struct q2_guest_layer {
	const char *filename;        /* of a layer below the top; else NULL */
	struct qcow2bm_image *image; /* NULL: it is raw */
	struct q2_storage *data;     /* where its data is; NULL: that was not opened */
	uint64_t bytes;              /* of its disk */
	bool finds_holes;
	bool asks_for_holes;   /* finds_holes is not known before there is data */
	struct q2_holes holes; /* of `data` */
	/* Of an image: */
	struct q2_l2_form form;
	uint64_t l1_off;
	uint32_t l1_entries;
	uint64_t *l1; /* places of L2 tables: so many entries from l1_first on */
	uint64_t l1_first, l1_count;
	uint8_t *l2; /* a part of an L2 table */
	struct q2_l2_part part;
	struct q2_holes table_holes;
	/* What was last found, whole. bytes 0: nothing. */
	struct q2_guest_extent last;
};

/* Fails as `why` does, and says which layer it is about, unless that is the top. */
enum qcow2bm_code q2_guest_layer_blame(const struct q2_guest_layer *layer,
				       struct qcow2bm_error *err,
				       const struct qcow2bm_error *why);

/* What the layer alone says of the part of it that begins at `off`, which is inside it. UNALLOCATED: the
 * layer below may have it. Errors: EIMAGE, ESYSTEM, ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_guest_layer_find(struct q2_guest_layer *layer, uint64_t off,
				      struct q2_guest_extent *extent,
				      struct q2_watch *watch, struct qcow2bm_error *err);
/* How many bytes of the disk QEMU tells of at once: what a cache entry of L2 tables maps. 0: of a raw
 * layer, all. */
uint64_t q2_guest_layer_reach(const struct q2_guest_layer *layer);
void q2_guest_layer_free(struct q2_guest_layer *layer);

/* ---- holes.c ---- */

/* Cuts an extent that has a place in the layer's file to what is data, or a hole, of that. Returns
 * whether it is a hole. */
bool q2_guest_holes_cut(struct q2_guest_layer *layer, struct q2_guest_extent *extent);

/* Whether QEMU looks for holes under the data of an image: more clusters have a refcount than the file
 * can hold, as of one whose tables were made beforehand. Errors: EIMAGE, ESYSTEM, ENOMEM,
 * EINTERRUPTED. */
enum qcow2bm_code q2_guest_holes_expected(struct qcow2bm_image *image, bool *are_expected,
					  struct q2_watch *watch,
					  struct qcow2bm_error *err);

#endif
