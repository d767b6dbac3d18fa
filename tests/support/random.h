/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random numbers that one seed decides, on every machine. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

/* The splitmix64 generator. */
static inline uint64_t random_word(struct random *random)
{
	uint64_t word = random->state += 0x9e3779b97f4a7c15u;
	word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
	word = (word ^ word >> 27) * 0x94d049bb133111ebu;
	return word ^ word >> 31;
}

/* The seed's own word is where its sequence begins. All sequences are parts of one, which steps by a
 * constant: seeds that began a step apart would give the same words, one place further. */
static inline void random_seed(struct random *random, uint64_t seed)
{
	random->state = seed;
	random->state = random_word(random);
}

/* 0 .. below-1; below is at least 1. */
static inline uint64_t random_below(struct random *random, uint64_t below)
{
	return random_word(random) % below;
}

/* low .. high, both included. */
static inline uint64_t random_between(struct random *random, uint64_t low, uint64_t high)
{
	return low + random_below(random, high - low + 1);
}

static inline bool random_percent(struct random *random, unsigned percent)
{
	return random_below(random, 100) < percent;
}

#endif
