/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Output of any length in bounded memory. */
#include "stream.h"

#include "command.h"
#include "memory.h"
#include "output.h"

#include <stdlib.h>

#define ROOM ((size_t)256 * 1024)

static void empty(struct tool_stream *stream)
{
	if (stream->printing && stream->status == TOOL_EXIT_DONE)
		stream->status = tool_output_bytes(stream->bytes, stream->used);
	stream->overflowed = !stream->printing;
	stream->used = 0;
}

char *tool_stream_reserve(struct tool_stream *stream)
{
	if (stream->bytes == NULL)
		stream->bytes = tool_memory_alloc(ROOM);
	if (ROOM - stream->used < TOOL_STREAM_PIECE)
		empty(stream);
	return stream->bytes + stream->used;
}

void tool_stream_advance(struct tool_stream *stream, const char *end)
{
	stream->used = (size_t)(end - stream->bytes);
}

void tool_stream_start_printing(struct tool_stream *stream)
{
	stream->used = 0;
	stream->overflowed = false;
	stream->printing = true;
}

int tool_stream_finish(struct tool_stream *stream)
{
	stream->printing = true;
	empty(stream);
	free(stream->bytes);
	stream->bytes = NULL;
	return stream->status;
}
