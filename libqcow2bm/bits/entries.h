/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking through table entries for those that matter, which are few. */
#ifndef Q2_BITS_ENTRIES_H
#define Q2_BITS_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether any of `count` big-endian words has a bit of `flags`, or, of its bits in `mask`, a
 * value in [first, first+span). */
bool q2_entries_any(const uint8_t *words, size_t count, uint64_t mask, uint64_t first,
		    uint64_t span, uint64_t flags);

#endif
