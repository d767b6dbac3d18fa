/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a string of words is all zeros or all ones; and the tail that must be zero. */
#ifndef Q2_BITS_UNIFORM_H
#define Q2_BITS_UNIFORM_H

#include <stddef.h>
#include <stdint.h>

/* What is known of bits: all are alike, or they have to be looked at. */
enum q2_uniform { Q2_UNIFORM_MIXED, Q2_UNIFORM_ZEROS, Q2_UNIFORM_ONES };

/* Stops at the first word that decides. count is at least 1. */
enum q2_uniform q2_uniform_check(const uint64_t *words, size_t count);

/* Clears every bit from number `bits` to the end of the `count` words. */
void q2_uniform_clear_tail(uint64_t *words, size_t count, uint64_t bits);

#endif
