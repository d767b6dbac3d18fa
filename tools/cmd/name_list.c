/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of checkpoints from a file, one a line. */
#include "name_list.h"

#include "../term/memory.h"
#include "../term/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An image has 65535 at most; nobody knows many times as many. */
#define MAX_NAMES ((size_t)1 << 20)
#define MAX_NAME_BYTES 1023

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void append(struct tool_name_list *list, const char *line, size_t bytes)
{
	if ((list->count & (list->count - 1)) == 0)
		list->names = tool_memory_resize(list->names,
						 list->count == 0 ? 1 : 2 * list->count,
						 sizeof(char *));
	list->names[list->count++] = tool_memory_copy(line, bytes);
}

/* Takes line after line; why one is no name goes to *problem. */
static bool read_lines(struct tool_name_list *list, FILE *file, const char **problem)
{
	char line[MAX_NAME_BYTES + 2];
	while (fgets(line, sizeof(line), file) != NULL) {
		size_t bytes = strcspn(line, "\n");
		if (line[bytes] != '\n' && !feof(file)) {
			*problem = "is longer than a name can be, or has a NUL byte";
			return false;
		}
		if (list->count == MAX_NAMES) {
			*problem = "is one name too many";
			return false;
		}
		if (bytes != 0)
			append(list, line, bytes);
	}
	return true;
}

/* Sorts them, and leaves each once. */
static void sort(struct tool_name_list *list)
{
	size_t count = 0;
	if (list->count != 0)
		qsort(list->names, list->count, sizeof(char *), compare_names);
	for (size_t i = 0; i < list->count; i++)
		if (count != 0 && strcmp(list->names[count - 1], list->names[i]) == 0)
			free(list->names[i]);
		else
			list->names[count++] = list->names[i];
	list->count = count;
	list->was_used = tool_memory_zeroed(count + 1, sizeof(bool));
}

int tool_name_list_read(struct tool_name_list *list, const char *filename)
{
	bool is_stdin = strcmp(filename, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(filename, "r");
	const char *shown = is_stdin ? "standard input" : filename, *problem = NULL;
	*list = (struct tool_name_list){.count = 0};
	if (file == NULL) {
		tool_message(filename, "%s", strerror(errno));
		return TOOL_EXIT_FAILED;
	}
	bool is_read = read_lines(list, file, &problem);
	if (is_read && ferror(file))
		tool_message(shown, "%s", strerror(errno));
	else if (!is_read)
		tool_message(shown, "the name after %zu others %s", list->count, problem);
	is_read = is_read && !ferror(file);
	if (!is_stdin)
		fclose(file);
	sort(list);
	return is_read ? TOOL_EXIT_DONE : TOOL_EXIT_FAILED;
}

bool tool_name_list_use(struct tool_name_list *list, const char *name)
{
	char *const *found = list->count == 0 ? NULL
					      : bsearch(&name, list->names, list->count,
							sizeof(char *), compare_names);
	if (found != NULL)
		list->was_used[found - list->names] = true;
	return found != NULL;
}

void tool_name_list_free(struct tool_name_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i]);
	free(list->names);
	free(list->was_used);
	*list = (struct tool_name_list){.count = 0};
}
