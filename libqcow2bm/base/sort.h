/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sorting by more than the items alone tell: qsort() has no context argument in C11. */
#ifndef Q2_BASE_SORT_H
#define Q2_BASE_SORT_H

#include <stddef.h>

#define Q2_SORT_MAX_BYTES 16

/* Less than, equal to or greater than 0, as for qsort(). */
typedef int q2_sort_fn(const void *context, const void *a, const void *b);

/* Sorts `count` items of at most Q2_SORT_MAX_BYTES in place: a heap sort, so that no order of theirs
 * makes it slow. Those that are equal come in any order. */
void q2_sort(void *items, size_t count, size_t item_bytes, q2_sort_fn *compare,
	     const void *context);

#endif
