/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where on the disk dirty bits lie: so many equal parts of it, and how much of each is dirty. */
#ifndef Q2_BITMAP_PARTS_H
#define Q2_BITMAP_PARTS_H

#include <stddef.h>
#include <stdint.h>

struct q2_parts {
	uint64_t *dirty_bytes; /* of each part, which bits are added to */
	size_t count;          /* of parts; the first begins at byte n * i / count */
	uint64_t virtual_bytes;
	unsigned granularity_bits;
};

/* Adds bits [first, end), all set. The last one may go past the end of the disk. */
void q2_parts_add_ones(struct q2_parts *parts, uint64_t first, uint64_t end);

/* Adds those of bits [first, end) that are set; bit 0 of the words is number `base`. */
void q2_parts_add_words(struct q2_parts *parts, const uint64_t *words, uint64_t base,
			uint64_t first, uint64_t end);

#endif
