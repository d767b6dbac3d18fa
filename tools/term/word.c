/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words of a command line that a shell takes as they stand. */
#include "word.h"

#include "utf8.h"

#include <qcow2bm.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Whether every byte may reach a terminal. */
static bool is_visible(const char *word)
{
	for (size_t left = strlen(word); left != 0;) {
		uint32_t character;
		size_t length = qcow2bm_utf8_decode(word, left, &character);
		if (length == 0 || !tool_utf8_is_visible(character))
			return false;
		word += length;
		left -= length;
	}
	return true;
}

/* What cannot be shown stands as three octal digits, which bash, zsh and ksh read back. */
static void add_escaped(struct tool_text *text, const char *word)
{
	tool_text_print(text, " $'");
	for (; *word != '\0'; word++) {
		unsigned char byte = (unsigned char)*word;
		bool is_plain =
			byte >= ' ' && byte < 0x7f && byte != '\'' && byte != '\\';
		tool_text_print(text, is_plain ? "%c" : "\\%03o", byte);
	}
	tool_text_print(text, "'");
}

void tool_word_add(struct tool_text *text, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./+:@%=,-";
	if (!is_visible(word)) {
		add_escaped(text, word);
		return;
	}
	if (*word != '\0' && word[strspn(word, plain)] == '\0') {
		tool_text_print(text, " %s", word);
		return;
	}
	tool_text_print(text, " '");
	for (; *word != '\0'; word++)
		tool_text_print(text, *word == '\'' ? "'\\''" : "%c", *word);
	tool_text_print(text, "'");
}

/* qemu-img takes what stands before a colon for the name of a protocol. */
static bool needs_folder(const char *filename)
{
	return filename[0] == '-' || filename[strcspn(filename, ":/")] == ':';
}

void tool_word_add_file(struct tool_text *text, const char *filename)
{
	struct tool_text word = {0};
	tool_text_print(&word, "%s%s", needs_folder(filename) ? "./" : "", filename);
	tool_word_add(text, word.bytes);
	tool_text_free(&word);
}

void tool_word_add_options(struct tool_text *text, const char *options,
			   const char *filename)
{
	struct tool_text word = {0};
	tool_text_print(&word, "%s,file.filename=", options);
	for (; *filename != '\0'; filename++)
		tool_text_print(&word, *filename == ',' ? ",," : "%c", *filename);
	tool_word_add(text, word.bytes);
	tool_text_free(&word);
}
