/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bits in pages: one of zeros or of ones takes no memory. */
#include "differences.h"

#include "../base/checked.h"
#include "../base/error.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_SHIFT 15u
#define PAGE_BITS ((uint64_t)1 << PAGE_SHIFT)
#define PAGE_BYTES ((size_t)PAGE_BITS / 8)

struct q2_differences_page {
	uint8_t *bytes; /* NULL: all are alike */
	uint32_t ones;
};

enum qcow2bm_code q2_differences_open(struct q2_differences *it, uint64_t virtual_bytes,
				      unsigned granularity_bits,
				      struct qcow2bm_error *err)
{
	*it = (struct q2_differences){
		.granularity_bits = granularity_bits,
		.bits = q2_shift_up(virtual_bytes, granularity_bits),
	};
	uint64_t pages = q2_shift_up(it->bits, PAGE_SHIFT) + 1;
	if (pages <= SIZE_MAX / sizeof(*it->pages))
		it->pages = calloc((size_t)pages, sizeof(*it->pages));
	return it->pages == NULL ? q2_fail_memory(err, "the differences of a disk")
				 : QCOW2BM_OK;
}

static enum qcow2bm_code set_in_page(struct q2_differences *it,
				     struct q2_differences_page *page, unsigned first,
				     unsigned end, struct qcow2bm_error *err)
{
	if (page->ones == PAGE_BITS)
		return QCOW2BM_OK;
	if (page->bytes == NULL && end - first < PAGE_BITS) {
		page->bytes = calloc(1, PAGE_BYTES);
		if (page->bytes == NULL)
			return q2_fail_memory(err, "the differences of a disk");
	}
	uint32_t before = page->ones;
	if (end - first == PAGE_BITS)
		page->ones = (uint32_t)PAGE_BITS;
	for (unsigned bit = first; page->ones < PAGE_BITS && bit < end; bit++) {
		page->ones += (page->bytes[bit / 8] >> (bit % 8) & 1) == 0;
		page->bytes[bit / 8] |= (uint8_t)(1u << (bit % 8));
	}
	it->ones += page->ones - before;
	if (page->ones == PAGE_BITS) {
		free(page->bytes);
		page->bytes = NULL;
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_differences_set(struct q2_differences *it, uint64_t first,
				     uint64_t end, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	end = q2_min_u64(end, it->bits);
	while (code == QCOW2BM_OK && first < end) {
		uint64_t base = first & ~(PAGE_BITS - 1);
		uint64_t stop = q2_min_u64(end, base + PAGE_BITS);
		code = set_in_page(it, &it->pages[first >> PAGE_SHIFT],
				   (unsigned)(first - base), (unsigned)(stop - base),
				   err);
		first = stop;
	}
	return code;
}

static enum q2_uniform classify_page(const struct q2_differences_page *page)
{
	if (page->ones == 0)
		return Q2_UNIFORM_ZEROS;
	return page->ones == PAGE_BITS ? Q2_UNIFORM_ONES : Q2_UNIFORM_MIXED;
}

enum q2_uniform q2_differences_classify(const struct q2_differences *it, uint64_t first,
					uint64_t end)
{
	uint64_t last = (end - 1) >> PAGE_SHIFT;
	enum q2_uniform kind = classify_page(&it->pages[first >> PAGE_SHIFT]);
	for (uint64_t i = (first >> PAGE_SHIFT) + 1; i <= last; i++)
		if (kind != classify_page(&it->pages[i]))
			return Q2_UNIFORM_MIXED;
	return kind;
}

void q2_differences_read(const struct q2_differences *it, uint64_t first, uint64_t end,
			 uint64_t *words)
{
	uint8_t *to = (uint8_t *)words;
	while (first < end) {
		const struct q2_differences_page *page = &it->pages[first >> PAGE_SHIFT];
		uint64_t at = first & (PAGE_BITS - 1);
		uint64_t bits = q2_min_u64(end - first, PAGE_BITS - at);
		size_t bytes = (size_t)q2_shift_up(bits, 3);
		if (page->bytes != NULL)
			memcpy(to, page->bytes + at / 8, bytes);
		else
			memset(to, page->ones == 0 ? 0 : 0xff, bytes);
		to += bytes;
		first += bits;
	}
}

void q2_differences_close(struct q2_differences *it)
{
	uint64_t pages = it->pages == NULL ? 0 : q2_shift_up(it->bits, PAGE_SHIFT);
	for (uint64_t i = 0; i < pages; i++)
		free(it->pages[i].bytes);
	free(it->pages);
	*it = (struct q2_differences){0};
}
