/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SHA-256, by nettle. */
#include "sum.h"

#include <nettle/version.h>

void tool_sum_begin(struct tool_sum *sum)
{
	sha256_init(&sum->sha);
}

void tool_sum_add(struct tool_sum *sum, const void *bytes, size_t count)
{
	sha256_update(&sum->sha, count, bytes);
}

void tool_sum_end(struct tool_sum *sum, uint8_t bytes[TOOL_SUM_BYTES])
{
#if NETTLE_VERSION_MAJOR >= 4
	sha256_digest(&sum->sha, bytes);
#else
	sha256_digest(&sum->sha, TOOL_SUM_BYTES, bytes);
#endif
}
