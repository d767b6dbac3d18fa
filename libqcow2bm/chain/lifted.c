/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mark in two layers, that the upper one has all bits of the lower: a commit copies data there. It is an
 * empty bitmap of one name, so that no other layer above is taken for that which has the bits. */
#include "lifted.h"

#include "../format/name.h"

#include <string.h>

#define NONE QCOW2BM_NOT_FOUND
#define MOST_MARKS 8

static const struct q2_directory_entry *entry_of(const struct qcow2bm_chain *chain,
						 size_t layer, size_t idx)
{
	return &chain->layers[layer].image->directory.bitmaps[idx].entry;
}

static size_t count_of(const struct qcow2bm_chain *chain, size_t layer)
{
	const struct qcow2bm_image *image = chain->layers[layer].image;
	return image == NULL ? 0 : image->directory.count;
}

static bool is_mark(const struct q2_directory_entry *entry)
{
	const uint8_t *rest;
	size_t bytes;
	return q2_name_begins(entry->name, entry->name_bytes, Q2_NAME_COMMIT, &rest,
			      &bytes);
}

/* The first few marks of a layer, by number; who names thousands so is after our time. */
static size_t list_marks(const struct qcow2bm_chain *chain, size_t layer, size_t *marks)
{
	size_t count = 0;
	for (size_t i = 0; i < count_of(chain, layer) && count < MOST_MARKS; i++)
		if (is_mark(entry_of(chain, layer, i)))
			marks[count++] = i;
	return count;
}

/* The mark of this name in a layer. */
static size_t find(const struct qcow2bm_chain *chain, size_t layer,
		   const struct q2_directory_entry *like)
{
	size_t marks[MOST_MARKS], count = list_marks(chain, layer, marks);
	for (size_t i = 0; i < count; i++) {
		const struct q2_directory_entry *entry = entry_of(chain, layer, marks[i]);
		if (entry->name_bytes == like->name_bytes &&
		    memcmp(entry->name, like->name, like->name_bytes) == 0)
			return marks[i];
	}
	return NONE;
}

bool q2_lifted_is_mark(const struct qcow2bm_chain *chain, size_t layer, size_t idx)
{
	const struct q2_directory_entry *entry = entry_of(chain, layer, idx);
	if (!is_mark(entry) || find(chain, layer, entry) != idx)
		return false;
	for (size_t other = 0; other < chain->layer_count; other++)
		if (other != layer && find(chain, other, entry) != NONE)
			return true;
	return false;
}

bool q2_lifted_has_only_mark(const struct qcow2bm_chain *chain, size_t layer)
{
	if (count_of(chain, layer) != 1)
		return false;
	const struct q2_directory_entry *entry = entry_of(chain, layer, 0);
	for (size_t above = 0; above < layer; above++)
		if (is_mark(entry) && find(chain, above, entry) != NONE)
			return true;
	return false;
}

void q2_lifted_find(struct qcow2bm_chain *chain)
{
	for (size_t layer = 1; layer < chain->layer_count; layer++) {
		size_t marks[MOST_MARKS], count = list_marks(chain, layer, marks);
		for (size_t i = 0; i < count; i++)
			for (size_t above = 0; above < layer; above++)
				if (find(chain, above,
					 entry_of(chain, layer, marks[i])) != NONE)
					chain->layers[layer].is_lifted = true;
	}
}

size_t q2_lifted_shared(const struct qcow2bm_chain *chain, size_t layer, size_t *above)
{
	size_t marks[MOST_MARKS], count = list_marks(chain, layer, marks);
	for (size_t i = 0; i < count; i++) {
		*above = find(chain, 0, entry_of(chain, layer, marks[i]));
		if (*above != NONE)
			return marks[i];
	}
	return NONE;
}
