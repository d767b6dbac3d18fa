/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Characters that we draw with: what the user's locale can show, or ASCII. */
#define _POSIX_C_SOURCE 200809L

#include "glyph.h"

#include <langinfo.h>
#include <locale.h>
#include <stdbool.h>
#include <string.h>

static bool is_unicode;

void tool_glyph_setup(void)
{
	is_unicode = setlocale(LC_CTYPE, "") != NULL &&
		     strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	/* Names are UTF-8, whatever the user's locale is. */
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		setlocale(LC_CTYPE, "");
}

const char *tool_glyph_ellipsis(void)
{
	return is_unicode ? "\xe2\x80\xa6" : "...";
}

const char *tool_glyph_shade(uint64_t dirty_bytes, uint64_t bytes)
{
	static const char *const blocks[] = {
		"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84",
		"\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87"};
	static const char *const ascii[] = {"-", "-", "-", "-", "+", "+", "+"};
	if (dirty_bytes == 0)
		return is_unicode ? "\xc2\xb7" : ".";
	if (dirty_bytes >= bytes)
		return is_unicode ? "\xe2\x96\x88" : "#";
	double level = (double)dirty_bytes / (double)bytes * 7;
	unsigned i = level < 6 ? (unsigned)level : 6;
	return is_unicode ? blocks[i] : ascii[i];
}
