/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of bitmaps are bytes; this is how they are shown and how that form is read back. */
#ifndef TOOLS_TERM_NAME_H
#define TOOLS_TERM_NAME_H

#include <stddef.h>

/*
 * TOOL_NAME_HUMAN shows as \xHH each byte that is not part of valid UTF-8, and each byte of a
 * control character or of one that is invisible or turns the direction of writing;
 * TOOL_NAME_JSON only bytes that are not part of valid UTF-8, and NUL.
 */
enum tool_name_form { TOOL_NAME_HUMAN, TOOL_NAME_JSON };

/* The name in that form, where a backslash before x and two hexadecimal digits is \x5c, so that
 * the form can be read back. The caller frees it. */
char *tool_name_escape(const char *name, size_t name_bytes, enum tool_name_form form);

/* The same for a text that is never read back, a file name or a sentence: backslashes stay. */
char *tool_name_escape_text(const char *text, enum tool_name_form form);

/* Turns each \xHH of `operand` into its byte. `name` has room for strlen(operand) bytes; returns
 * how many there are. */
size_t tool_name_unescape(const char *operand, char *name);

/* Columns that a terminal needs for `text`, less its colours; see setlocale(). */
size_t tool_name_columns(const char *text);

/* The text in so many columns: where it needs more, `mark` stands in its middle for what is left out. Names
 * that a backup program makes differ at their ends. The caller frees it. */
char *tool_name_shorten(const char *text, size_t columns, const char *mark);

#endif
