/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding where runs of equal bits end. */
#ifndef Q2_BITS_RUN_H
#define Q2_BITS_RUN_H

#include <stdbool.h>
#include <stdint.h>

/* The first bit in [from, to) whose value is not `value`, or `to`. Bit 0 is the lowest bit of
 * the first byte, as in bitmap data on disk. */
uint64_t q2_run_end(const uint64_t *words, uint64_t from, uint64_t to, bool value);

/* The value of one bit. */
bool q2_run_bit(const uint64_t *words, uint64_t bit);

#endif
