/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Output of any length in bounded memory. */
#include "stream.h"

#include "command.h"
#include "memory.h"
#include "output.h"

#include <stdlib.h>
#include <string.h>

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

char *tool_stream_put_text(char *p, const char *text, size_t count)
{
	memcpy(p, text, count);
	return p + count;
}

/* Writes the digits so that they end before `end`; returns the first. */
static char *put_digits(char *end, uint64_t number)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	while (number >= 100) {
		end -= 2;
		memcpy(end, pairs + number % 100 * 2, 2);
		number /= 100;
	}
	if (number >= 10) {
		end -= 2;
		memcpy(end, pairs + number * 2, 2);
	} else {
		*--end = (char)('0' + number);
	}
	return end;
}

char *tool_stream_put_number(char *p, uint64_t number)
{
	char digits[20];
	char *first = put_digits(digits + sizeof(digits), number);
	return tool_stream_put_text(p, first, (size_t)(digits + sizeof(digits) - first));
}

char *tool_stream_put_padded(char *p, uint64_t number, unsigned width)
{
	char digits[20];
	char *first = put_digits(digits + sizeof(digits), number);
	size_t count = (size_t)(digits + sizeof(digits) - first);
	for (; count < width; width--)
		*p++ = ' ';
	return tool_stream_put_text(p, first, count);
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
