/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SHA-256, by nettle. */
#ifndef TOOLS_TERM_SUM_H
#define TOOLS_TERM_SUM_H

#include <nettle/sha2.h>
#include <stddef.h>
#include <stdint.h>

#define TOOL_SUM_BYTES SHA256_DIGEST_SIZE

struct tool_sum {
	struct sha256_ctx sha;
};

void tool_sum_begin(struct tool_sum *sum);
void tool_sum_add(struct tool_sum *sum, const void *bytes, size_t count);

/* The sum of what was added; it is to be begun again then. */
void tool_sum_end(struct tool_sum *sum, uint8_t bytes[TOOL_SUM_BYTES]);

#endif
