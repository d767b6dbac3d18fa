/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the program says on standard error, and the exit status that goes with it. */
#define _GNU_SOURCE /* vasprintf() */

#include "message.h"

#include "memory.h"
#include "name.h"
#include "word.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *format(const char *fmt, va_list args)
{
	char *raw;
	if (vasprintf(&raw, fmt, args) < 0)
		tool_memory_fail();
	return raw;
}

/* The file that a sentence is about: the layer that the library names in front of it, or `filename`. The
 * caller frees it; NULL: none is known. */
static char *find_blamed(const char *raw, const char *filename)
{
	static const char begin[] = "layer '";
	const char *name = raw + strlen(begin);
	if (filename == NULL)
		return NULL;
	return strncmp(raw, begin, strlen(begin)) == 0
		       ? tool_memory_copy(name, strcspn(name, "'"))
		       : tool_memory_copy(filename, strlen(filename));
}

/* The library cannot know by which command people ask for a check. Frees both. */
static char *name_check(char *sentence, char *blamed)
{
	struct tool_text text = {0};
	const char *place = strstr(sentence, QCOW2BM_SEE_CHECK);
	if (place == NULL || blamed == NULL) {
		free(blamed);
		return sentence;
	}
	tool_text_add(&text, sentence, (size_t)(place - sentence));
	tool_text_print(&text, "; what to do: qcow2bm check");
	tool_word_add_file(&text, blamed);
	tool_text_print(&text, "%s", place + strlen(QCOW2BM_SEE_CHECK));
	free(sentence);
	free(blamed);
	return text.bytes;
}

/* Prints the sentence, which the caller frees. */
static void tell(const char *filename, const char *raw)
{
	char *blamed = find_blamed(raw, filename);
	char *sentence = name_check(tool_name_escape_text(raw, TOOL_NAME_HUMAN), blamed);
	if (filename != NULL) {
		char *shown = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
		fprintf(stderr, "qcow2bm: %s: %s\n", shown, sentence);
		free(shown);
	} else {
		fprintf(stderr, "qcow2bm: %s\n", sentence);
	}
	free(sentence);
}

void tool_message(const char *filename, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *raw = format(fmt, args);
	va_end(args);
	tell(filename, raw);
	free(raw);
}

static struct tool_failure failure;

void tool_message_forget(void)
{
	free(failure.filename);
	free(failure.sentence);
	failure = (struct tool_failure){.code = QCOW2BM_OK};
}

const struct tool_failure *tool_message_failure(void)
{
	return failure.sentence == NULL ? NULL : &failure;
}

/* The first failure wins: what is told behind it follows from it. */
static void keep(const char *filename, const struct qcow2bm_error *err, const char *raw)
{
	if (failure.sentence != NULL)
		return;
	failure = (struct tool_failure){
		.code = err->code, .sys_errno = err->sys_errno, .offset = err->offset};
	if (filename != NULL)
		failure.filename = tool_memory_copy(filename, strlen(filename));
	failure.sentence = name_check(tool_memory_copy(raw, strlen(raw)),
				      find_blamed(raw, filename));
}

void tool_message_because(const char *filename, const struct qcow2bm_error *err,
			  const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *raw = format(fmt, args);
	va_end(args);
	tell(filename, raw);
	keep(filename, err, raw);
	free(raw);
}

char *tool_message_sentence(const struct qcow2bm_error *err)
{
	char text[sizeof(err->sentence) + 64];
	int used = snprintf(text, sizeof(text), "%s", err->sentence);
	if (err->offset != QCOW2BM_NO_OFFSET)
		used = snprintf(text, sizeof(text), "%s (byte %" PRIu64 " of the file)",
				err->sentence, err->offset);
	return tool_memory_copy(text, (size_t)used);
}

char *tool_message_explain(const char *filename, const struct qcow2bm_error *err)
{
	char *sentence = tool_message_sentence(err);
	return name_check(sentence, find_blamed(sentence, filename));
}

int tool_message_status(enum qcow2bm_code code)
{
	switch (code) {
	case QCOW2BM_OK:
		return TOOL_EXIT_DONE;
	case QCOW2BM_EBUSY:
		return TOOL_EXIT_BUSY;
	case QCOW2BM_EUNKNOWN:
		return TOOL_EXIT_UNKNOWN;
	default:
		return TOOL_EXIT_FAILED;
	}
}

int tool_message_fail(const char *filename, const struct qcow2bm_error *err)
{
	char *sentence = tool_message_sentence(err);
	tool_message_because(filename, err, "%s", sentence);
	free(sentence);
	return tool_message_status(err->code);
}

int tool_message_usage(const struct tool_command *command, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *raw = format(fmt, args);
	va_end(args);
	char *sentence = tool_name_escape_text(raw, TOOL_NAME_HUMAN);
	free(raw);
	if (command != NULL)
		fprintf(stderr, "qcow2bm %s: %s\ntry qcow2bm %s --help\n", command->name,
			sentence, command->name);
	else
		fprintf(stderr, "qcow2bm: %s\ntry qcow2bm --help\n", sentence);
	free(sentence);
	return TOOL_EXIT_USAGE;
}
