/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the files of commands, and filling in what a recipe has. */
#define _GNU_SOURCE
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t commands_read(struct command *commands, size_t count, size_t most,
		     const char *name)
{
	char *line = NULL;
	size_t room = 0;
	FILE *file = fopen(name, "r");
	if (file == NULL)
		hostile_stop("open", name);
	while (getline(&line, &room, file) >= 0) {
		char *word = strtok(line, " \t\n");
		if (word == NULL || word[0] == '#')
			continue;
		if (count == most)
			hostile_stop("too many commands", name);
		struct command *command = &commands[count++];
		command->line = line;
		line = NULL;
		command->name = word;
		command->kind = strtok(NULL, " \t\n");
		command->statuses = strtok(NULL, " \t\n");
		command->words[0] = (char *)"qcow2bm";
		for (size_t i = 1; (word = strtok(NULL, " \t\n")) != NULL; i++)
			command->words[i] = word;
		if (command->words[1] == NULL)
			hostile_stop("not understood", name);
	}
	free(line);
	fclose(file);
	return count;
}

void commands_free(struct command *commands, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(commands[i].line);
}

bool command_allows(const struct command *command, int status)
{
	char wanted[16], all[64];
	snprintf(wanted, sizeof(wanted), ",%d,", status);
	snprintf(all, sizeof(all), ",%s,", command->statuses);
	return strstr(all, wanted) != NULL;
}

void command_fill(const struct command *command, char *words[HOSTILE_MAX_WORDS],
		  const char *image, char *const names[2])
{
	static char disk[4096]; /* until the next command is filled */
	snprintf(disk, sizeof(disk), "vda=%s", image);
	const struct {
		const char *word, *value;
	} known[] = {{"IMAGE", image},
		     {"DISK", disk},
		     {"GOOD", "good.qcow2"},
		     {"FIRST", names[0]},
		     {"LAST", names[1]}};
	for (size_t i = 0; command->words[i] != NULL; i++) {
		words[i] = command->words[i];
		for (size_t j = 0; j < sizeof(known) / sizeof(known[0]); j++)
			if (strcmp(words[i], known[j].word) == 0)
				words[i] = (char *)known[j].value;
	}
}

/* A bitmap's name as a recipe has it, with TEXT*N resolved; the program knows \xHH itself. */
static char *bitmap_name(const char *word)
{
	size_t bytes = strcspn(word, "*");
	size_t times = word[bytes] == '*' ? strtoul(word + bytes + 1, NULL, 0) : 1;
	char *name = calloc(bytes * times + 1, 1);
	if (name == NULL)
		abort();
	for (size_t i = 0; i < times; i++)
		memcpy(name + i * bytes, word, bytes);
	return name;
}

void recipe_free_names(char *names[2])
{
	if (names[1] != names[0])
		free(names[1]);
	free(names[0]);
	names[0] = names[1] = NULL;
}

void recipe_find_names(const char *recipe, char *names[2])
{
	char *line = NULL;
	size_t room = 0;
	FILE *file = fopen(recipe, "r");
	if (file == NULL)
		hostile_stop("open", recipe);
	names[0] = names[1] = NULL;
	while (getline(&line, &room, file) >= 0) {
		char first[2048], last[2048];
		if (sscanf(line, "# names %2047s %2047s", first, last) == 2) {
			recipe_free_names(names);
			names[0] = bitmap_name(first);
			names[1] = bitmap_name(last);
		} else if (sscanf(line, "bitmap %2047s", last) == 1) {
			if (names[1] != names[0])
				free(names[1]);
			names[1] = bitmap_name(last);
			names[0] = names[0] == NULL ? names[1] : names[0];
		}
	}
	if (names[0] == NULL)
		names[0] = names[1] = bitmap_name("chk");
	free(line);
	fclose(file);
}
