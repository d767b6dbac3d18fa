/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting set bits. */
#ifndef Q2_BITS_COUNT_H
#define Q2_BITS_COUNT_H

#include <stddef.h>
#include <stdint.h>

uint64_t q2_count_ones(const uint64_t *words, size_t count);

#endif
