/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of two directories an image holds. */
#include "states.h"

#include <assert.h>
#include <string.h>

#include "commit.h"

static void fill(struct q2_state *state, const struct q2_directory *directory)
{
	struct q2_bitmaps_extension extension = {
		.nb_bitmaps = (uint32_t)directory->count,
		.directory_bytes = directory->size,
		.directory_off = directory->off,
	};
	*state = (struct q2_state){.bytes = directory->bytes, .size = directory->size};
	if (directory->size != 0)
		q2_bitmaps_extension_encode(&extension, state->extension);
}

void q2_states_of_image(const struct qcow2bm_image *image, struct q2_state *state)
{
	static const struct q2_directory none;
	bool counts = image->header.autoclear_features & Q2_AUTOCLEAR_BITMAPS;
	fill(state, counts ? &image->directory : &none);
}

void q2_states_of_edit(const struct qcow2bm_edit *edit, struct q2_state *old,
		       struct q2_state *new)
{
	const struct q2_commit *commit = edit->commit;
	assert(commit != NULL && edit->image->pending == Q2_PENDING_PREPARED);
	const struct q2_in_place *in_place = &commit->plan.in_place;
	q2_states_of_image(edit->image, old);
	fill(new, &commit->directory);
	if (commit->is_nothing)
		*new = *old;
	if (in_place->bytes != NULL && !in_place->is_switch)
		old->bytes = in_place->bytes;
}

bool q2_states_are_same(const struct q2_state *a, const struct q2_state *b)
{
	return memcmp(a->extension, b->extension, sizeof(a->extension)) == 0 &&
	       a->size == b->size &&
	       (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}
