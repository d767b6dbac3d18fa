/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of verdicts: per recipe, the exit status, the commands, the sentence. */
#define _GNU_SOURCE
#include "verdict_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VERDICTS 64
#define MAX_LINES 6
#define MAX_COLUMNS 300

struct verdict {
	int status;
	char *commands; /* with a blank before each */
	char *text;
};

static struct verdict verdicts[MAX_VERDICTS];
static size_t verdict_count;

static void append(char **text, const char *before, const char *more, size_t bytes)
{
	char *longer;
	if (asprintf(&longer, "%s%s%.*s", *text == NULL ? "" : *text, before, (int)bytes,
		     more) < 0)
		abort();
	free(*text);
	*text = longer;
}

/* Adds lines without the program's and the file's name; long ones and many are cut. */
static void append_lines(char **text, const char *lines)
{
	static const char *const prefixes[] = {
		"qcow2bm: ", "built.qcow2: ", "image.qcow2: "};
	for (size_t i = 0; *lines != '\0'; i++) {
		for (size_t j = 0; j < sizeof(prefixes) / sizeof(prefixes[0]); j++)
			if (strncmp(lines, prefixes[j], strlen(prefixes[j])) == 0)
				lines += strlen(prefixes[j]);
		size_t bytes = strcspn(lines, "\n");
		if (i == MAX_LINES) {
			append(text, "\n       ", "...", 3);
			return;
		}
		append(text, "\n       ", lines,
		       bytes < MAX_COLUMNS ? bytes : MAX_COLUMNS);
		if (bytes > MAX_COLUMNS)
			append(text, "", "...", 3);
		lines += bytes + (lines[bytes] == '\n');
	}
}

void verdict_table_add(const char *command, const struct outcome *outcome, bool printed)
{
	char *text = NULL;
	size_t i = 0;
	append(&text, "", "", 0);
	append_lines(&text, outcome->message);
	if (printed)
		append_lines(&text, outcome->printed);
	while (i < verdict_count && (verdicts[i].status != outcome->status ||
				     strcmp(verdicts[i].text, text) != 0))
		i++;
	if (i == MAX_VERDICTS)
		abort();
	if (i == verdict_count)
		verdicts[verdict_count++] =
			(struct verdict){.status = outcome->status, .text = text};
	else
		free(text);
	append(&verdicts[i].commands, " ", command, strlen(command));
}

void verdict_table_print(const char *recipe)
{
	printf("%s\n", recipe);
	for (size_t i = 0; i < verdict_count; i++) {
		printf("  %d%s%s\n", verdicts[i].status, verdicts[i].commands,
		       verdicts[i].text);
		free(verdicts[i].commands);
		free(verdicts[i].text);
	}
	printf("\n");
	verdict_count = 0;
}
