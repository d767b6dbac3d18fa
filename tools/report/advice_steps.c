/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of an advice: their commands, and how they are printed. */
#define _POSIX_C_SOURCE 200809L
#include "advice.h"

#include "../term/memory.h"
#include "../term/word.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void append(struct tool_advice *advice, bool is_alternative, const char *why,
		   char *command)
{
	advice->steps = tool_memory_resize(advice->steps, advice->count + 1,
					   sizeof(*advice->steps));
	advice->steps[advice->count++] = (struct tool_step){
		.is_alternative = is_alternative,
		.why = tool_memory_copy(why, strlen(why)),
		.command = command,
	};
}

void tool_advice_add(struct tool_advice *advice, const char *why, char *command)
{
	append(advice, false, why, command);
}

void tool_advice_add_alternative(struct tool_advice *advice, const char *why,
				 char *command)
{
	append(advice, true, why, command);
}

void tool_advice_free(struct tool_advice *advice)
{
	for (size_t i = 0; i < advice->count; i++) {
		free(advice->steps[i].why);
		free(advice->steps[i].command);
	}
	free(advice->steps);
	*advice = (struct tool_advice){.count = 0};
}

bool tool_advice_is_regular(const char *filename)
{
	struct stat st;
	return stat(filename, &st) != 0 || S_ISREG(st.st_mode);
}

char *tool_advice_command(const char *command, const char *filename)
{
	struct tool_text text = {0};
	tool_text_print(&text, "%s", command);
	tool_word_add_file(&text, filename);
	return text.bytes;
}

char *tool_advice_qemu(const struct qcow2bm_image *image, const char *command,
		       const char *filename)
{
	struct qcow2bm_image_info info;
	struct tool_text text = {0};
	info = *qcow2bm_image_describe(image);
	tool_text_print(&text, "%s", command);
	if (info.encryption == QCOW2BM_ENCRYPTION_NONE) {
		tool_text_print(&text, " -f qcow2");
		tool_word_add_file(&text, filename);
	} else {
		tool_text_print(&text, " --object secret,id=key,file=KEYFILE "
				       "--image-opts");
		tool_word_add_options(&text, "driver=qcow2,encrypt.key-secret=key",
				      filename);
	}
	return text.bytes;
}

/* Lines of a comment, each about as long as a terminal is wide. */
static void print_comment(struct tool_text *text, const char *why)
{
	enum { COLUMNS = 76 };
	for (const char *mark = "#"; *why != '\0'; mark = "#  ") {
		size_t length = strlen(why);
		if (length > COLUMNS) {
			for (length = COLUMNS; length > 0 && why[length] != ' ';)
				length--;
			if (length == 0)
				length = strcspn(why, " ");
		}
		tool_text_print(text, "  %s %.*s\n", mark, (int)length, why);
		why += length;
		why += strspn(why, " ");
	}
}

void tool_advice_print(struct tool_text *text, const struct tool_advice *advice)
{
	for (size_t i = 0; i < advice->count; i++) {
		const struct tool_step *step = &advice->steps[i];
		struct tool_text why = {0};
		tool_text_print(&why, "%s%s", step->is_alternative ? "or: " : "",
				step->why);
		print_comment(text, why.bytes);
		tool_text_free(&why);
		if (step->command != NULL)
			tool_text_print(text, "  %s\n", step->command);
	}
}
