/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Output of any length in bounded memory: what is short is kept until all of it is known to be
 * right; what is long is made twice, first to see that it can be made. */
#ifndef TOOLS_TERM_STREAM_H
#define TOOLS_TERM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Zeroed, it keeps what is put, and counts; nothing is printed. */
struct tool_stream {
	char *bytes;
	size_t used;
	bool printing;   /* the buffer is printed when it is full */
	bool overflowed; /* not printing: more was put than is kept */
	int status;      /* printing: of the first write that failed */
};

/* A piece of at most TOOL_STREAM_PIECE bytes is written at the place that this returns; the
 * next call, or tool_stream_advance(), says how far it went. */
#define TOOL_STREAM_PIECE 256
char *tool_stream_reserve(struct tool_stream *stream);
void tool_stream_advance(struct tool_stream *stream, const char *end);

/* Copies text to `p`; returns the end of it. Inline: literals become moves. */
static inline char *tool_stream_put_text(char *p, const char *text, size_t count)
{
	memcpy(p, text, count);
	return p + count;
}

#define tool_stream_put(p, literal) \
	tool_stream_put_text((p), (literal), sizeof(literal) - 1)

/* Forgets what was put, and prints from now on. */
void tool_stream_start_printing(struct tool_stream *stream);

/* Prints what is kept and frees it; returns an exit status. */
int tool_stream_finish(struct tool_stream *stream);

#endif
