/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a session did, to be printed when a claim turns out false. */
#ifndef PROPERTY_STEPS_H
#define PROPERTY_STEPS_H

#include <stdnoreturn.h>

void steps_begin(unsigned long long seed);
void steps_add(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the steps so far and how it ended. */
void steps_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The test itself cannot go on. */
noreturn void steps_stop(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
