/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options whose argument is one of some words, or a list of them with commas between. */
#include "choice.h"

#include "message.h"
#include "nearest.h"

#include <string.h>

static int refuse(const struct tool_choice *choice, const struct tool_command *command,
		  const char *word, size_t bytes)
{
	struct tool_nearest nearest;
	tool_nearest_begin(&nearest, word, bytes);
	for (unsigned i = 0; choice->word(i) != NULL; i++)
		tool_nearest_try(&nearest, choice->word(i), strlen(choice->word(i)));
	if (nearest.best[0] != '\0')
		return tool_message_usage(
			command, "option %s: '%.*s' is not a %s; is it '%s'?",
			choice->option, (int)bytes, word, choice->what, nearest.best);
	return tool_message_usage(command, "option %s: '%.*s' is not a %s",
				  choice->option, (int)bytes, word, choice->what);
}

static int find(const struct tool_choice *choice, const struct tool_command *command,
		const char *word, size_t bytes, unsigned *number)
{
	for (unsigned i = 0; choice->word(i) != NULL; i++)
		if (strlen(choice->word(i)) == bytes &&
		    strncmp(choice->word(i), word, bytes) == 0) {
			*number = i;
			return TOOL_OPTIONS_GO_ON;
		}
	return refuse(choice, command, word, bytes);
}

int tool_choice_next(const struct tool_choice *choice, const struct tool_command *command,
		     const char **list, unsigned *number)
{
	const char *word = *list;
	size_t bytes = strcspn(word, ",");
	*list = word[bytes] == ',' ? word + bytes + 1 : NULL;
	return find(choice, command, word, bytes, number);
}

int tool_choice_take(const struct tool_choice *choice, const struct tool_command *command,
		     const char *word, unsigned *number)
{
	return find(choice, command, word, strlen(word), number);
}
