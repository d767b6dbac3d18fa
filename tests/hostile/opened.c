/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that a command opens, read from what strace writes into the file "trace". */
#define _GNU_SOURCE
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS \
	"trace=open,openat,openat2,creat,execve,fork,vfork,clone,clone3,socket,connect"
#define MAX_LEARNT 256

static char *learnt[MAX_LEARNT];
static size_t learnt_count;

static bool is_learnt(const char *name)
{
	for (size_t i = 0; i < learnt_count; i++)
		if (strcmp(learnt[i], name) == 0)
			return true;
	return false;
}

static bool is_word(char *const *words, const char *name)
{
	for (size_t i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], name) == 0)
			return true;
	return false;
}

/* The first string of a line of the trace, or the line itself when it has none. */
static void cut_name(char *line)
{
	char *quote = strchr(line, '"');
	line[strcspn(line, "\n")] = '\0';
	if (quote == NULL)
		return;
	size_t bytes = strcspn(quote + 1, "\"");
	memmove(line, quote + 1, bytes);
	line[bytes] = '\0';
}

static void trace(const char *strace, char *const *words)
{
	char *traced[HOSTILE_MAX_WORDS + 8] = {(char *)strace, "-s4096", "-o",
					       "trace",        "-e",     CALLS};
	struct outcome outcome;
	for (size_t i = 0; words[i] != NULL; i++)
		traced[6 + i] = words[i];
	outcome_run(&outcome, traced);
	outcome_free(&outcome);
}

void opened_learn(const char *strace, char *const *words)
{
	char *line = NULL;
	size_t room = 0;
	trace(strace, words);
	FILE *file = fopen("trace", "r");
	if (file == NULL)
		hostile_stop("open", "trace");
	while (getline(&line, &room, file) >= 0) {
		cut_name(line);
		if (!is_learnt(line) && !is_word(words + 1, line) &&
		    learnt_count < MAX_LEARNT)
			learnt[learnt_count++] = strdup(line);
	}
	free(line);
	fclose(file);
}

const char *opened_check(const char *strace, char *const *words)
{
	static char *line;
	static size_t room;
	const char *wrong = NULL;
	trace(strace, words);
	FILE *file = fopen("trace", "r");
	if (file == NULL)
		hostile_stop("open", "trace");
	while (wrong == NULL && getline(&line, &room, file) >= 0) {
		cut_name(line);
		if (!is_learnt(line) && !is_word(words + 1, line) &&
		    strncmp(line, "+++ ", 4) != 0)
			wrong = line;
	}
	fclose(file);
	return wrong;
}
