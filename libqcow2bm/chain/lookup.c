/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checkpoints of a disk by name, where many are looked up. */
#include "lookup.h"

#include "../base/error.h"
#include "../base/sort.h"

#include <stdlib.h>
#include <string.h>

static int compare_bytes(const uint8_t *a, size_t a_bytes, const uint8_t *b,
			 size_t b_bytes)
{
	int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
	return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int by_name(const void *context, const void *a, const void *b)
{
	const struct qcow2bm_chain *chain = context;
	const struct q2_checkpoint *x = &chain->checkpoints[*(const size_t *)a];
	const struct q2_checkpoint *y = &chain->checkpoints[*(const size_t *)b];
	return compare_bytes(x->name, x->name_bytes, y->name, y->name_bytes);
}

enum qcow2bm_code q2_lookup_open(struct q2_lookup *lookup,
				 const struct qcow2bm_chain *chain,
				 struct qcow2bm_error *err)
{
	*lookup = (struct q2_lookup){
		chain, calloc(chain->checkpoint_count + 1, sizeof(*lookup->sorted))};
	if (lookup->sorted == NULL)
		return q2_fail_memory(err, "the names of checkpoints");
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		lookup->sorted[i] = i;
	q2_sort(lookup->sorted, chain->checkpoint_count, sizeof(*lookup->sorted), by_name,
		chain);
	return QCOW2BM_OK;
}

size_t q2_lookup_find(const struct q2_lookup *lookup, const uint8_t *name, size_t bytes)
{
	size_t low = 0, high = lookup->chain->checkpoint_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct q2_checkpoint *it =
			&lookup->chain->checkpoints[lookup->sorted[middle]];
		int order = compare_bytes(it->name, it->name_bytes, name, bytes);
		if (order == 0)
			return lookup->sorted[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return QCOW2BM_NOT_FOUND;
}

void q2_lookup_close(struct q2_lookup *lookup)
{
	free(lookup->sorted);
	lookup->sorted = NULL;
}
