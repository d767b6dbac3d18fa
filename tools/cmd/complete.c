/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a shell may complete a word of the command line to: asked of the same tables and texts that the
 * commands and --help are made of. */
#define _POSIX_C_SOURCE 200809L

#include "complete.h"

#include "../report/columns.h"
#include "../term/help.h"
#include "../term/memory.h"
#include "../term/name.h"
#include "../term/output.h"
#include "layers.h"

#include <stdlib.h>
#include <string.h>

struct line {
	const struct tool_command *command;
	char **words; /* behind the command's name, unquoted */
	int count;    /* the last one is to be completed */
	struct tool_text out;
};

/* ---- Words as they are typed ---- */

/* What a shell makes of a word, a home directory included; an open quote ends with it. */
static char *unquote(const char *word)
{
	struct tool_text text = {0};
	char quote = '\0';
	if (word[0] == '~' && word[1] == '/' && getenv("HOME") != NULL) {
		tool_text_print(&text, "%s", getenv("HOME"));
		word++;
	}
	for (; *word != '\0'; word++) {
		if (quote == '\0' && (*word == '\'' || *word == '"'))
			quote = *word;
		else if (*word == quote)
			quote = '\0';
		else if (*word == '\\' && quote != '\'' && word[1] != '\0')
			tool_text_add(&text, ++word, 1);
		else
			tool_text_add(&text, word, 1);
	}
	return text.bytes != NULL ? text.bytes : tool_memory_copy("", 0);
}

static void offer(struct line *line, const char *before, const char *word, size_t bytes)
{
	const char *current = line->words[line->count - 1];
	struct tool_text text = {0};
	tool_text_print(&text, "%s%.*s", before, (int)bytes, word);
	if (strncmp(text.bytes, current, strlen(current)) == 0)
		tool_text_print(&line->out, "%s\n", text.bytes);
	tool_text_free(&text);
}

static void offer_files(struct line *line)
{
	tool_text_print(&line->out, "files\n");
}

/* ---- Options ---- */

static bool is_long(const struct tool_help_option *option, const char *word)
{
	size_t bytes = strcspn(word, "=");
	return bytes == option->name_bytes && strncmp(word, option->name, bytes) == 0;
}

/* The option that a word is; false when it is none. */
static bool find_option(const struct line *line, const char *word,
			struct tool_help_option *option)
{
	const char *place = line->command->help;
	bool is_letter = word[0] == '-' && word[1] != '-' && word[1] != '\0';
	if (!is_letter && strncmp(word, "--", 2) != 0)
		return false;
	while (tool_help_next(&place, option))
		if (is_letter ? option->letter == word[1] : is_long(option, word + 2))
			return true;
	return false;
}

/* Whether the word behind this one is the option's argument. */
static bool wants_next(const struct line *line, const char *word,
		       struct tool_help_option *option)
{
	if (!find_option(line, word, option) || option->argument == NULL)
		return false;
	return word[1] == '-' ? strchr(word, '=') == NULL : word[2] == '\0';
}

static void offer_options(struct line *line)
{
	struct tool_help_option option;
	for (const char *place = line->command->help; tool_help_next(&place, &option);)
		offer(line, "--", option.name, option.name_bytes);
}

/* ---- Operands ---- */

/* The operand of this number, of those before the word that is completed; NULL: there is none. */
static const char *find_operand(const struct line *line, int number)
{
	struct tool_help_option option;
	bool only_operands = false;
	for (int i = 0; i < line->count - 1; i++) {
		const char *word = line->words[i];
		if (!only_operands && strcmp(word, "--") == 0)
			only_operands = true;
		else if (!only_operands && wants_next(line, word, &option))
			i++;
		else if ((only_operands || word[0] != '-') && number-- == 0)
			return word;
	}
	return NULL;
}

/* The value of the last option of this name. */
static const char *find_value(const struct line *line, const char *name)
{
	const char *value = NULL;
	struct tool_help_option option;
	for (int i = 0; i < line->count - 1; i++) {
		const char *word = line->words[i];
		if (!find_option(line, word, &option) || !is_long(&option, name))
			continue;
		if (wants_next(line, word, &option) && i + 1 < line->count - 1)
			value = line->words[i + 1];
		else if (strchr(word, '=') != NULL)
			value = strchr(word, '=') + 1;
	}
	return value;
}

/* The image that names are of. */
static const char *find_image(const struct line *line)
{
	const char *image = find_value(line, "image");
	return image != NULL ? image : find_operand(line, 0);
}

static bool is_given(const struct line *line, const char *name)
{
	for (int i = 0; i < line->count - 1; i++)
		if (strcmp(line->words[i], name) == 0)
			return true;
	return false;
}

static void offer_name(struct line *line, const char *before, const char *name,
		       size_t name_bytes)
{
	char *shown = tool_name_escape(name, name_bytes, TOOL_NAME_HUMAN);
	if (name_bytes != 0 && !is_given(line, shown))
		offer(line, before, shown, strlen(shown));
	free(shown);
}

static void offer_bitmaps(struct line *line, const char *before, const char *filename)
{
	struct qcow2bm_image *image;
	if (filename == NULL ||
	    qcow2bm_image_open(&image, filename, QCOW2BM_OPEN_FORCE_SHARE, 0, NULL,
			       NULL) != QCOW2BM_OK)
		return;
	for (size_t i = 0; i < qcow2bm_bitmap_count(image); i++) {
		const struct qcow2bm_bitmap *bitmap = qcow2bm_bitmap_describe(image, i);
		offer_name(line, before, bitmap->name, bitmap->name_bytes);
	}
	qcow2bm_image_close(image);
}

static void offer_checkpoints(struct line *line, const char *before, const char *filename)
{
	const struct tool_options options = {
		.command = line->command, .force_share = true, .quiet = true};
	struct qcow2bm_chain *chain;
	if (filename == NULL ||
	    tool_layers_open(&chain, &options, filename, 0) != TOOL_EXIT_DONE)
		return;
	for (size_t i = 0; i < qcow2bm_chain_count(chain); i++) {
		const struct qcow2bm_checkpoint *checkpoint =
			qcow2bm_chain_checkpoint(chain, i);
		offer_name(line, before, checkpoint->name, checkpoint->name_bytes);
	}
	qcow2bm_chain_close(chain);
}

/* ---- What may stand where ---- */

static bool is_word(const char *word, size_t bytes, const char *wanted)
{
	return strlen(wanted) == bytes && strncmp(word, wanted, bytes) == 0;
}

static const char *condition_word(unsigned number)
{
	return number < QCOW2BM_CONDITION_COUNT
		       ? qcow2bm_condition_name((enum qcow2bm_condition)number)
		       : NULL;
}

static const char *state_word(unsigned number)
{
	return number < TOOL_SELECTION_WORDS ? tool_selection_word(number) : NULL;
}

/* Words of a list: what stands before the last comma, and a dash behind it, stays. */
static void offer_listed(struct line *line, const char *before,
			 const struct tool_help_option *option)
{
	static const struct {
		const char *argument;
		const char *(*word)(unsigned number);
		bool has_dash; /* a word may have one in front */
	} known[] = {
		{"CODE[,CODE]...", condition_word, false},
		{"STATE[,STATE]...", state_word, false},
		{"COLUMN[,COLUMN]...", tool_columns_word, false},
		{"[-]COLUMN[,[-]COLUMN]...", tool_columns_word, true},
	};
	const char *current = line->words[line->count - 1], *word;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!is_word(option->argument, option->argument_bytes, known[i].argument))
			continue;
		const char *comma = strrchr(current, ',');
		const char *last = comma != NULL ? comma + 1 : current + strlen(before);
		last += known[i].has_dash && *last == '-';
		char *kept = tool_memory_copy(current, (size_t)(last - current));
		for (unsigned k = 0; (word = known[i].word(k)) != NULL; k++)
			offer(line, kept, word, strlen(word));
		free(kept);
	}
}

/* The documents there are; one for each image only where the command knows that. */
static void offer_formats(struct line *line, const char *before,
			  const struct tool_help_option *option)
{
	static const char *const words[] = {"human", "json", "jsonl"};
	char *meaning = tool_memory_copy(option->meaning, option->meaning_bytes);
	for (size_t i = 0; i < 3; i++)
		if (i < 2 || strstr(meaning, words[i]) != NULL)
			offer(line, before, words[i], strlen(words[i]));
	free(meaning);
}

/* Words of an argument of this name, and those of them that are files and bitmaps. */
static void offer_argument(struct line *line, const char *before,
			   const struct tool_help_option *option)
{
	static const struct {
		const char *argument, *words[4];
	} known[] = {
		{"FMT", {"qcow2", "raw", NULL}},
		{"KIND", {"qcow2", "raw", "manifest", NULL}},
		{"WHEN", {"auto", "always", "never", NULL}},
		{"SCHEME", {"nested", "delta", NULL}},
	};
	const char *argument = option->argument;
	size_t bytes = option->argument_bytes;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		for (const char *const *word = known[i].words;
		     is_word(argument, bytes, known[i].argument) &&
		     !is_long(option, "old-format") && *word != NULL;
		     word++)
			offer(line, before, *word, strlen(*word));
	if (is_long(option, "old-format")) {
		static const char *const kinds[] = {"qcow2", "raw", "manifest"};
		for (size_t i = 0; i < 3; i++)
			offer(line, before, kinds[i], strlen(kinds[i]));
	}
	if (is_word(argument, bytes, "FORMAT"))
		offer_formats(line, before, option);
	offer_listed(line, before, option);
	bool is_image = is_word(argument, bytes, "NODE=IMAGE") ||
			is_word(argument, bytes, "TARGET=PATH");
	if (is_word(argument, bytes, "FILE") || is_word(argument, bytes, "DIR") ||
	    is_word(argument, bytes, "SOCKET") || is_word(argument, bytes, "OLD") ||
	    is_word(argument, bytes, "IMAGE") || is_image)
		offer_files(line);
	if (is_long(option, "into") || is_long(option, "drop"))
		offer_bitmaps(line, before, find_image(line));
	if (is_long(option, "merge"))
		offer_bitmaps(line, before,
			      find_value(line, "source-file") != NULL
				      ? find_value(line, "source-file")
				      : find_operand(line, 0));
	if (is_long(option, "checkpoint") || is_long(option, "at") ||
	    is_long(option, "since"))
		offer_checkpoints(line, before, find_operand(line, 0));
}

/* What the command's synopsis calls its operand of this number: "IMAGE"; its last one if there are
 * more. */
static void name_operand(const struct line *line, int number, char name[16])
{
	struct tool_help_option option;
	const char *word = line->command->synopsis;
	for (size_t bytes; *word != '\0'; word += bytes) {
		word += strspn(word, " []{}|\n");
		bytes = strcspn(word, " []{}|.\n");
		char text[16] = "";
		memcpy(text, word, bytes < 15 ? bytes : 15);
		bytes += strspn(word + bytes, ".");
		if (strcmp(text, "qcow2bm") == 0) /* another form */
			break;
		if (wants_next(line, text, &option)) {
			word += bytes + strspn(word + bytes, " ");
			bytes = strcspn(word, " \n");
		} else if (text[0] >= 'A' && text[0] <= 'Z' &&
			   strcmp(text, "OPTION") != 0 && strcmp(text, "ACTION") != 0 &&
			   number-- >= 0) {
			strcpy(name, text);
		}
	}
}

static void offer_operand(struct line *line)
{
	char name[16] = "IMAGE";
	int number = 0;
	const char *image = find_value(line, "image");
	while (find_operand(line, number) != NULL)
		number++;
	/* With that option the image is no operand. */
	name_operand(line, image != NULL ? number + 1 : number, name);
	bool names_new =
		strcmp(line->command->name, "add") == 0 && (number > 0 || image != NULL);
	if (image == NULL)
		image = find_operand(line, 0);
	if (strcmp(name, "SOURCE") == 0 && find_value(line, "source-file") != NULL)
		image = find_value(line, "source-file");
	if (strcmp(name, "NAME") == 0 || strcmp(name, "BITMAP") == 0 ||
	    strcmp(name, "SOURCE") == 0 || strcmp(name, "OLD") == 0) {
		if (!names_new)
			offer_bitmaps(line, "", image);
	} else if (strcmp(name, "NEW") != 0) {
		offer_files(line);
	}
}

static void complete(struct line *line)
{
	struct tool_help_option option;
	const char *current = line->words[line->count - 1];
	const char *value = strchr(current, '=');
	bool only_operands = false;
	for (int i = 0; i < line->count - 1; i++)
		only_operands |= strcmp(line->words[i], "--") == 0;
	if (!only_operands && line->count >= 2 &&
	    wants_next(line, line->words[line->count - 2], &option)) {
		offer_argument(line, "", &option);
	} else if (!only_operands && strncmp(current, "--", 2) == 0 && value != NULL &&
		   find_option(line, current, &option) && option.argument != NULL) {
		char *before = tool_memory_copy(current, (size_t)(value - current) + 1);
		offer_argument(line, before, &option);
		free(before);
	} else if (!only_operands && current[0] == '-') {
		offer_options(line);
	} else {
		offer_operand(line);
	}
}

/* The command that the first words name, from a table or a group's; *word is behind its name. */
static const struct tool_command *find_command(const struct tool_command *const *commands,
					       const struct line *line, int *word)
{
	for (; *commands != NULL && *word < line->count - 1; commands++) {
		const char *name = strrchr((*commands)->name, ' ');
		name = name == NULL ? (*commands)->name : name + 1;
		if (strcmp(name, line->words[*word]) != 0)
			continue;
		++*word;
		return (*commands)->commands == NULL
			       ? *commands
			       : find_command((*commands)->commands, line, word);
	}
	return NULL;
}

static void offer_commands(struct line *line, const struct tool_command *const *commands)
{
	for (; *commands != NULL; commands++) {
		const char *name = strrchr((*commands)->name, ' ');
		name = name == NULL ? (*commands)->name : name + 1;
		offer(line, "", name, strlen(name));
	}
}

/* A word that may be a command's name: of the first table, or of the group that stands before it. */
static bool offer_first_words(struct line *line,
			      const struct tool_command *const *commands)
{
	if (line->count == 1) {
		offer_commands(line, commands);
		offer(line, "", "help", 4);
		offer(line, "", "--help", 6);
		offer(line, "", "--version", 9);
		return true;
	}
	bool is_help = strcmp(line->words[0], "help") == 0;
	if (is_help && line->count == 2)
		offer_commands(line, commands);
	for (; line->count == 2 + is_help && *commands != NULL; commands++)
		if ((*commands)->commands != NULL &&
		    strcmp((*commands)->name, line->words[is_help]) == 0) {
			offer_commands(line, (*commands)->commands);
			return true;
		}
	return is_help;
}

int tool_complete_run(const struct tool_command *const *commands, int argc, char **argv)
{
	struct line line = {.count = argc - 1};
	int taken = 0;
	if (argc < 2)
		return TOOL_EXIT_DONE;
	line.words = tool_memory_zeroed((size_t)argc, sizeof(char *));
	for (int i = 0; i < line.count; i++)
		line.words[i] = unquote(argv[i + 1]);
	char **words = line.words;
	int count = line.count;
	if (!offer_first_words(&line, commands)) {
		line.command = find_command(commands, &line, &taken);
		line.words += taken;
		line.count -= taken;
		if (line.command != NULL)
			complete(&line);
	}
	for (int i = 0; i < count; i++)
		free(words[i]);
	free(words);
	return tool_output_text(&line.out);
}
