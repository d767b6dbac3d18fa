/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which of two directories an image holds.
 *
 * An edit of several images prepares all of them, and syncs an intent file with what was asked for
 * and, for each image, digests of the state before and after; then it switches them one by one, and
 * finishes them when all are switched; then the file goes. After a crash each image holds the one or
 * the other: q2_states_of_image() of the image as it opens tells which.
 *   Forward: where the old state is, the same operations are staged once more and committed. It is
 * whole, and so is all that the edit read of other images: as long as one image is not switched,
 * none has released anything. An edit reads the committed bits of another image by their place in its
 * directory, so an image that others read from is switched after them. Where the new state is, an
 * edit with nothing staged is committed: it brings the switch to stable storage.
 *   Back: only while all hold the old state. There is nothing to do.
 *   Clusters that were prepared for nothing, or not released, are counted and nobody refers to them:
 * the next repair frees them. No switch is ever replayed from the file: another program may have
 * freed such clusters, and given them to the guest.
 *   Neither state: somebody else has written since, QEMU's in-use flags included. It is left alone.
 *   The first bitmap, where its extension is not in the header's sector: prepared, the extension is
 * there without autoclear bit 0. That is the old state, no bitmaps, but an edit is refused; a repair
 * takes it away before.
 */
#ifndef Q2_EDIT_STATES_H
#define Q2_EDIT_STATES_H

#include "edit.h"
#include "../format/extension.h"

struct q2_state {
	/* The data of the bitmaps extension; all 0 when the image has no bitmaps. */
	uint8_t extension[Q2_EXTENSION_BITMAPS_BYTES];
	const uint8_t *bytes; /* of the directory */
	size_t size;
};

/* The state that an open image holds, until it is edited or closed. */
void q2_states_of_image(const struct qcow2bm_image *image, struct q2_state *state);

/* Those of a prepared edit, until it is finished or rolled back: what the image holds now, which after a directory
 * is rearranged in its place is not what it held before, and what it is to hold. */
void q2_states_of_edit(const struct qcow2bm_edit *edit, struct q2_state *old,
		       struct q2_state *new);

bool q2_states_are_same(const struct q2_state *a, const struct q2_state *b);

#endif
