/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the new names of an edit are found: an image may have 65535 bitmaps, all of them renamed. */
#ifndef Q2_EDIT_NEW_NAMES_H
#define Q2_EDIT_NEW_NAMES_H

#include "../qcow2bm.h"

/* All zero is empty. */
struct q2_new_names {
	struct q2_new_name {
		uint32_t hash;
		uint32_t number; /* what was noted, and 1; 0: nothing was */
	} * slots;
	size_t room; /* a power of two */
	size_t used;
};

/* Notes that `number` got this name. What it was called before stays noted: who finds it there
 * compares. Errors: ENOMEM. */
enum qcow2bm_code q2_new_names_note(struct q2_new_names *names, const void *name,
				    size_t name_bytes, size_t number,
				    struct qcow2bm_error *err);

/* Calls fn for each number that may have got this name, until it returns true; whether it did. */
bool q2_new_names_find(const struct q2_new_names *names, const void *name,
		       size_t name_bytes, bool (*fn)(void *opaque, size_t number),
		       void *opaque);

void q2_new_names_free(struct q2_new_names *names);

#endif
