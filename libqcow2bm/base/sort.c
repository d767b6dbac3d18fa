/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A heap sort. */
#include "sort.h"

#include <assert.h>
#include <string.h>

struct heap {
	char *items;
	size_t bytes; /* of one */
	q2_sort_fn *compare;
	const void *context;
};

static int order_of(const struct heap *heap, size_t a, size_t b)
{
	return heap->compare(heap->context, heap->items + a * heap->bytes,
			     heap->items + b * heap->bytes);
}

static void swap(const struct heap *heap, size_t a, size_t b)
{
	char held[Q2_SORT_MAX_BYTES];
	memcpy(held, heap->items + a * heap->bytes, heap->bytes);
	memcpy(heap->items + a * heap->bytes, heap->items + b * heap->bytes, heap->bytes);
	memcpy(heap->items + b * heap->bytes, held, heap->bytes);
}

static void sift_down(const struct heap *heap, size_t root, size_t count)
{
	for (;;) {
		size_t child = 2 * root + 1;
		if (child >= count)
			return;
		if (child + 1 < count && order_of(heap, child, child + 1) < 0)
			child++;
		if (order_of(heap, root, child) >= 0)
			return;
		swap(heap, root, child);
		root = child;
	}
}

void q2_sort(void *items, size_t count, size_t item_bytes, q2_sort_fn *compare,
	     const void *context)
{
	const struct heap heap = {items, item_bytes, compare, context};
	assert(item_bytes <= Q2_SORT_MAX_BYTES);
	for (size_t i = count / 2; i-- > 0;)
		sift_down(&heap, i, count);
	for (size_t end = count; end > 1; end--) {
		swap(&heap, 0, end - 1);
		sift_down(&heap, 0, end - 1);
	}
}
