/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The codes that a deflate stream begins with, judged as zlib judges them. */
#ifndef Q2_GUEST_CODES_H
#define Q2_GUEST_CODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether the stream is one block with codes of its own that every inflater reads alike: no more codes than
 * there are symbols, no length past the end of their list, an end of the block, and no bits that are
 * no code. Of such a stream zlib and libdeflate have one opinion; of others libdeflate lets some pass
 * that zlib, and so QEMU, refuses. What deflate() makes of a cluster of 64 KiB is nearly always such.
 */
bool q2_codes_are_sound(const uint8_t *in, size_t in_bytes);

#endif
