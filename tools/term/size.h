/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes as qemu-img takes and prints them. */
#ifndef TOOLS_TERM_SIZE_H
#define TOOLS_TERM_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#define TOOL_SIZE_TEXT 24

/* Reads "64k", "1.5G", "512", "0x200": white space, a plus sign, digits, a fraction, then one of
 * b k M G T P E in either case; only the digits must be there. False when it is none of that or is more than 2^63-1; then *bytes is left alone. */
bool tool_size_parse(const char *text, uint64_t *bytes);

/* Writes "64 KiB": three digits and the unit that leaves less than 1000 of it. */
void tool_size_format(uint64_t bytes, char text[TOOL_SIZE_TEXT]);

/* The log2 of a power of two; rounded down for anything else but 0. */
unsigned tool_size_log2(uint64_t bytes);

/* Reads a decimal number of whole seconds. */
bool tool_size_parse_seconds(const char *text, unsigned *seconds);

#endif
