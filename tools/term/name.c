/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of bitmaps are bytes; this is how they are shown and how that form is read back. */
#define _XOPEN_SOURCE 700 /* wcwidth() */

#include "name.h"

#include "memory.h"
#include "utf8.h"

#include <qcow2bm.h>
#include <string.h>
#include <wchar.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Whether \xHH starts at `p`. */
static bool is_escape(const char *p, size_t left)
{
	return left >= 4 && p[0] == '\\' && p[1] == 'x' && hex_value(p[2]) >= 0 &&
	       hex_value(p[3]) >= 0;
}

static char *put_escaped(char *out, const char *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < count; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		*out++ = '\\';
		*out++ = 'x';
		*out++ = digits[byte >> 4];
		*out++ = digits[byte & 15];
	}
	return out;
}

static bool is_shown(uint32_t character, enum tool_name_form form)
{
	return form == TOOL_NAME_JSON ? character != 0 : tool_utf8_is_visible(character);
}

static char *escape(const char *name, size_t name_bytes, enum tool_name_form form,
		    bool readable_back)
{
	char *text = tool_memory_alloc(name_bytes * 4 + 1);
	char *out = text;
	for (size_t i = 0; i < name_bytes;) {
		uint32_t character;
		size_t length = qcow2bm_utf8_decode(name + i, name_bytes - i, &character);
		size_t taken = length != 0 ? length : 1;
		if (length == 0 || !is_shown(character, form) ||
		    (readable_back && is_escape(name + i, name_bytes - i))) {
			out = put_escaped(out, name + i, taken);
		} else {
			memcpy(out, name + i, taken);
			out += taken;
		}
		i += taken;
	}
	*out = '\0';
	return text;
}

char *tool_name_escape(const char *name, size_t name_bytes, enum tool_name_form form)
{
	return escape(name, name_bytes, form, true);
}

char *tool_name_escape_text(const char *text, enum tool_name_form form)
{
	return escape(text, strlen(text), form, false);
}

size_t tool_name_unescape(const char *operand, char *name)
{
	size_t count = 0;
	for (size_t left = strlen(operand); left != 0;) {
		size_t taken = 1;
		char byte = *operand;
		if (is_escape(operand, left)) {
			byte = (char)(hex_value(operand[2]) << 4 | hex_value(operand[3]));
			taken = 4;
		}
		name[count++] = byte;
		operand += taken;
		left -= taken;
	}
	return count;
}

/* A character, or a byte that is part of none, or a colour, which no name shows: how wide it is. */
static size_t measure(const char *text, size_t left, size_t *taken)
{
	uint32_t character;
	if (*text == '\033') {
		size_t end = strcspn(text, "m") + 1;
		*taken = end < left ? end : left;
		return 0;
	}
	size_t length = qcow2bm_utf8_decode(text, left, &character);
	*taken = length != 0 ? length : 1;
	int width = length != 0 ? wcwidth((wchar_t)character) : 1;
	return width >= 0 ? (size_t)width : 1;
}

size_t tool_name_columns(const char *text)
{
	size_t columns = 0, taken;
	for (size_t left = strlen(text); left != 0; left -= taken) {
		columns += measure(text, left, &taken);
		text += taken;
	}
	return columns;
}

/* How many bytes stand in the first `columns`, with what combines with the last of them. */
static size_t find_head(const char *text, size_t columns)
{
	size_t bytes = strlen(text), at = 0, used = 0, taken;
	for (; at < bytes; at += taken) {
		used += measure(text + at, bytes - at, &taken);
		if (used > columns)
			break;
	}
	return at;
}

/* Where the last `columns` begin, with a character that has a width. */
static size_t find_tail(const char *text, size_t columns)
{
	size_t bytes = strlen(text), at = 0, rest = tool_name_columns(text), taken;
	for (; at < bytes; at += taken) {
		size_t width = measure(text + at, bytes - at, &taken);
		if (rest <= columns && width != 0)
			break;
		rest -= width;
	}
	return at;
}

char *tool_name_shorten(const char *text, size_t columns, const char *mark)
{
	size_t mark_columns = tool_name_columns(mark);
	if (tool_name_columns(text) <= columns || columns <= mark_columns)
		return tool_memory_copy(text, strlen(text));
	size_t rest = columns - mark_columns;
	size_t head = find_head(text, rest - rest / 2);
	size_t tail = find_tail(text, rest / 2);
	size_t mark_bytes = strlen(mark), tail_bytes = strlen(text) - tail;
	char *out = tool_memory_alloc(head + mark_bytes + tail_bytes + 1);
	memcpy(out, text, head);
	memcpy(out + head, mark, mark_bytes);
	memcpy(out + head + mark_bytes, text + tail, tail_bytes + 1);
	return out;
}
