/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where in the header cluster the backing file's name may stand. */
#ifndef Q2_IMAGE_BACKING_H
#define Q2_IMAGE_BACKING_H

#include "image.h"

/* libvirt reads so much of an image to find its backing file. One whose name ends further on has
 * none for libvirt: the guest is started without it. */
#define Q2_BACKING_REACH_BYTES 33280u
/* XCP-ng's storage manager inserts an extension of its own and moves the name by so much; behind
 * the end of the cluster QEMU refuses it. */
#define Q2_BACKING_SHIFT_BYTES 16u
/* What is left behind the name where it is put: that, and room for a bitmaps extension that has to
 * start in the next sector. */
#define Q2_BACKING_ROOM_BYTES 64u

enum q2_backing_place {
	Q2_BACKING_GOOD, /* or there is no name */
	Q2_BACKING_FAR,  /* beyond libvirt's reach */
	Q2_BACKING_TIGHT /* nobody can move it on */
};

/* How the name stands now. *better: the byte where it would stand well, 0 where none is: the next
 * edit moves it there. */
enum q2_backing_place q2_backing_find(const struct qcow2bm_image *image,
				      uint64_t *better);

/*
 * Plans where the name is moved to when the extensions are to reach to `end`, or 0 to where they
 * do now: as near behind them as it can be copied to without touching the old copy. *off is 0 when
 * it stays. Errors: EUNSUPPORTED when it is in the way and there is no such place.
 */
enum qcow2bm_code q2_backing_plan(const struct qcow2bm_image *image, uint64_t end,
				  uint64_t *off, struct qcow2bm_error *err);

#endif
