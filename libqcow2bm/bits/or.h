/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ORing one string of bitmap words into another. */
#ifndef Q2_BITS_OR_H
#define Q2_BITS_OR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* dst |= src; returns whether that changed dst. The two do not overlap. */
bool q2_or_into(uint64_t *dst, const uint64_t *src, size_t words);

#endif
