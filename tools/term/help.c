/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The help texts of the commands: printed, and asked for the options that they tell of. */
#include "help.h"

#include "fold.h"
#include "output.h"

#include <string.h>

/* ---- The options of a text ---- */

/* Where the meaning stands in an option's line: behind two spaces. */
static size_t find_meaning(const char *line, size_t bytes)
{
	size_t i = strspn(line, " ");
	while (i + 1 < bytes && (line[i] != ' ' || line[i + 1] != ' '))
		i++;
	while (i < bytes && line[i] == ' ')
		i++;
	return i + 1 < bytes ? i : bytes;
}

static bool is_option(const char *line)
{
	return strncmp(line, "  -", 3) == 0 || strncmp(line, "      --", 8) == 0;
}

/* "  -g, --granularity SIZE  what" or "      --all  what". */
static bool read_option(const char *line, size_t bytes, struct tool_help_option *option)
{
	const char *end = line + bytes, *name = line + 6;
	if (bytes < 8 || !is_option(line) || strncmp(name, "--", 2) != 0)
		return false;
	*option = (struct tool_help_option){.name = name + 2};
	option->letter = line[2] == '-' ? line[3] : '\0';
	option->name_bytes = strcspn(option->name, " \n");
	const char *next = option->name + option->name_bytes;
	if (end - next > 1 && next[0] == ' ' && next[1] != ' ') {
		option->argument = next + 1;
		option->argument_bytes = strcspn(option->argument, " \n");
	}
	size_t meaning = find_meaning(line, bytes);
	option->meaning = line + meaning;
	option->meaning_bytes = bytes - meaning;
	return true;
}

bool tool_help_next(const char **place, struct tool_help_option *option)
{
	while (**place != '\0') {
		const char *line = *place;
		size_t bytes = strcspn(line, "\n");
		*place += bytes + (line[bytes] == '\n');
		if (read_option(line, bytes, option))
			return true;
	}
	return false;
}

bool tool_help_find(const char *help, const char *name, struct tool_help_option *option)
{
	while (tool_help_next(&help, option))
		if (strlen(name) == option->name_bytes &&
		    strncmp(name, option->name, option->name_bytes) == 0)
			return true;
	return false;
}

/* ---- Printing ---- */

/* Words that are collected until it is known that no more follow. */
struct paragraph {
	struct tool_text *out;
	struct tool_text words;
	size_t indent;  /* of all lines but the first, which begins with a head */
	bool is_option; /* its meaning, behind the head */
};

static void flush(struct paragraph *paragraph)
{
	if (paragraph->words.used != 0)
		tool_fold_add(paragraph->out, paragraph->words.bytes, paragraph->indent,
			      TOOL_FOLD_COLUMNS);
	tool_text_free(&paragraph->words);
	paragraph->is_option = false;
	paragraph->indent = 0;
}

static void add_words(struct paragraph *paragraph, const char *words, size_t bytes)
{
	if (paragraph->words.used != 0)
		tool_text_add(&paragraph->words, " ", 1);
	tool_text_add(&paragraph->words, words, bytes);
}

/* An option, or one of the words that its argument may be. */
static void begin_option(struct paragraph *paragraph, const char *line, size_t bytes)
{
	size_t meaning = find_meaning(line, bytes);
	flush(paragraph);
	tool_text_add(paragraph->out, line, meaning);
	paragraph->is_option = true;
	paragraph->indent = meaning;
	if (meaning == bytes)
		tool_text_add(paragraph->out, "\n", 1);
	else
		add_words(paragraph, line + meaning, bytes - meaning);
}

/* What an option means may begin in the line behind it. */
static void go_on(struct paragraph *paragraph, const char *line, size_t bytes)
{
	size_t indent = strspn(line, " ");
	if (paragraph->words.used == 0) {
		paragraph->indent = indent;
		tool_text_fill(paragraph->out, ' ', indent);
	}
	add_words(paragraph, line + indent, bytes - indent);
}

static void add_line(struct paragraph *paragraph, const char *line, size_t bytes)
{
	size_t indent = strspn(line, " ");
	bool goes_on = indent >= 10 && paragraph->is_option;
	if (is_option(line) || (goes_on && find_meaning(line, bytes) < bytes)) {
		begin_option(paragraph, line, bytes);
	} else if (goes_on) {
		go_on(paragraph, line, bytes);
	} else if (bytes != 0 && indent == 0) {
		if (paragraph->is_option)
			flush(paragraph);
		add_words(paragraph, line, bytes);
		if (line[bytes - 1] == ':')
			flush(paragraph);
	} else {
		flush(paragraph);
		tool_text_add(paragraph->out, line, bytes);
		tool_text_add(paragraph->out, "\n", 1);
	}
}

void tool_help_add(struct tool_text *text, const char *help)
{
	struct paragraph paragraph = {.out = text};
	while (*help != '\0') {
		size_t bytes = strcspn(help, "\n");
		add_line(&paragraph, help, bytes);
		help += bytes + (help[bytes] == '\n');
	}
	flush(&paragraph);
}

int tool_help_print(const struct tool_command *command)
{
	struct tool_text text = {0};
	tool_text_print(&text, "Usage: qcow2bm %s %s\n%s.\n\n", command->name,
			command->synopsis, command->summary);
	tool_help_add(&text, command->help);
	return tool_output_text(&text);
}
