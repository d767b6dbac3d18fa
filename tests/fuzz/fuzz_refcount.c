/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A refcount block: order (1 byte), from and to (2 each), an index and a value, the block. */
#include "format/refcount.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

/* The first refcount in [from, to) that is zero, or is not: one by one. */
static uint64_t find_slowly(const uint8_t *block, unsigned order, uint64_t from,
			    uint64_t to, bool zero)
{
	while (from < to && (q2_refcount_decode(block, order, from) == 0) != zero)
		from++;
	return from;
}

static void check_encode(uint8_t *block, unsigned order, uint64_t count,
			 struct fuzz_input *input)
{
	uint64_t idx = fuzz_number(input, 2) % count;
	uint64_t value = fuzz_number(input, 8) & q2_refcount_max(order);
	uint64_t before = idx > 0 ? q2_refcount_decode(block, order, idx - 1) : 0;
	uint64_t behind = idx + 1 < count ? q2_refcount_decode(block, order, idx + 1) : 0;
	q2_refcount_encode(block, order, idx, value);
	fuzz_require(q2_refcount_decode(block, order, idx) == value,
		     "a refcount is lost");
	fuzz_require((idx == 0 || q2_refcount_decode(block, order, idx - 1) == before) &&
			     (idx + 1 == count ||
			      q2_refcount_decode(block, order, idx + 1) == behind),
		     "its neighbour changed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	unsigned order = fuzz_byte(&input) % 7;
	uint64_t from = fuzz_number(&input, 2), to = fuzz_number(&input, 2);
	struct fuzz_input change = input;
	(void)fuzz_number(&input, 2);
	(void)fuzz_number(&input, 8);
	/* Blocks are clusters: whole words. */
	size_t bytes = input.left / 8 * 8;
	uint64_t count = ((uint64_t)bytes * 8) >> order;
	if (count == 0)
		return 0;
	uint8_t *block = fuzz_copy(input.bytes, bytes);
	from %= count + 1;
	to = from + to % (count - from + 1);
	fuzz_require(q2_refcount_find_zero(block, order, from, to) ==
			     find_slowly(block, order, from, to, true),
		     "find_zero of order %u", order);
	fuzz_require(q2_refcount_find_nonzero(block, order, from, to) ==
			     find_slowly(block, order, from, to, false),
		     "find_nonzero of order %u", order);
	check_encode(block, order, count, &change);
	free(block);
	return 0;
}
