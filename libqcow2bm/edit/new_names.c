/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the new names of an edit are found: a table that is open to the next free slot. */
#include "new_names.h"

#include "../base/error.h"

#include <stdlib.h>

/* FNV-1a: names of a hostile image that all have one hash only make it slow. */
static uint32_t hash_of(const void *name, size_t name_bytes)
{
	const uint8_t *bytes = name;
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < name_bytes; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

static void put(struct q2_new_names *names, struct q2_new_name slot)
{
	size_t at = slot.hash & (names->room - 1);
	while (names->slots[at].number != 0)
		at = (at + 1) & (names->room - 1);
	names->slots[at] = slot;
}

static enum qcow2bm_code grow(struct q2_new_names *names, struct qcow2bm_error *err)
{
	struct q2_new_names grown = {.room = names->room == 0 ? 16 : names->room * 2,
				     .used = names->used};
	grown.slots = calloc(grown.room, sizeof(*grown.slots));
	if (grown.slots == NULL)
		return q2_fail_memory(err, "the names of an edit");
	for (size_t i = 0; i < names->room; i++)
		if (names->slots[i].number != 0)
			put(&grown, names->slots[i]);
	free(names->slots);
	*names = grown;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_new_names_note(struct q2_new_names *names, const void *name,
				    size_t name_bytes, size_t number,
				    struct qcow2bm_error *err)
{
	if (2 * names->used >= names->room) {
		enum qcow2bm_code code = grow(names, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	put(names, (struct q2_new_name){hash_of(name, name_bytes), (uint32_t)number + 1});
	names->used++;
	return QCOW2BM_OK;
}

bool q2_new_names_find(const struct q2_new_names *names, const void *name,
		       size_t name_bytes, bool (*fn)(void *opaque, size_t number),
		       void *opaque)
{
	uint32_t hash = hash_of(name, name_bytes);
	if (names->room == 0)
		return false;
	for (size_t at = hash & (names->room - 1); names->slots[at].number != 0;
	     at = (at + 1) & (names->room - 1))
		if (names->slots[at].hash == hash &&
		    fn(opaque, names->slots[at].number - 1))
			return true;
	return false;
}

void q2_new_names_free(struct q2_new_names *names)
{
	free(names->slots);
	*names = (struct q2_new_names){0};
}
