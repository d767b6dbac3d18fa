/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of commands, and the words in them that a recipe fills in. */
#ifndef TESTS_HOSTILE_COMMANDS_H
#define TESTS_HOSTILE_COMMANDS_H

#include "hostile.h"

struct command {
	char *line; /* which the others are parts of */
	char *name, *kind, *statuses;
	char *words[HOSTILE_MAX_WORDS];
};

/* Adds the commands of a file to the `count` that are there, up to `most`; returns how many there are
 * then. */
size_t commands_read(struct command *commands, size_t count, size_t most,
		     const char *name);
void commands_free(struct command *commands, size_t count);

bool command_allows(const struct command *command, int status);

/* Its words, with IMAGE, GOOD, FIRST and LAST filled in. */
void command_fill(const struct command *command, char *words[HOSTILE_MAX_WORDS],
		  const char *image, char *const names[2]);

/* The first and the last bitmap of a recipe. */
void recipe_find_names(const char *recipe, char *names[2]);
void recipe_free_names(char *names[2]);

#endif
