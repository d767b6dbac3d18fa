/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which of two directories an image holds.
 *
 * An edit of several images (together.c) prepares all of them, and syncs an intent file with the two
 * states of each; then it switches them one by one, and finishes them when all are switched; then the
 * file goes. After a crash each image holds the one or the other: q2_states_of_image() of the image as
 * it opens tells which, and resume.h what may be done then. As long as one image is not switched none
 * has released anything: both states of each are whole.
 *   Neither state: somebody else has written since, QEMU's in-use flags included. It is left alone.
 *   The same state is no proof that nobody has written: QEMU may have come back to the same places.
 *   The first bitmap, where its extension is not in the header's sector: prepared, the extension is
 * there without autoclear bit 0. That is the old state, no bitmaps, but an edit is refused until the
 * intent file is resumed, or a repair takes it away.
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
