/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the program once, with one fault, on a fresh copy of an image. */
#define _POSIX_C_SOURCE 200809L

#include "inject.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DURABLE "durable"
#define REPORT "report"
#define OUTPUT "output"
#define MESSAGE "message"
#define SECONDS 20 /* then it hangs */

static const char *const mode_words[] = FAULT_MODE_WORDS;

static void store(const char *path, const void *bytes, size_t count)
{
	FILE *file = fopen(path, "wb");
	if (file == NULL || fwrite(bytes, 1, count, file) != count || fclose(file) != 0)
		abort();
}

static void load(const char *path, void *bytes, size_t room)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		abort();
	size_t count = fread(bytes, 1, room - 1, file);
	((char *)bytes)[count] = '\0';
	fclose(file);
}

static void set(const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0)
		abort();
}

static void set_number(const char *name, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	set(name, text);
}

static void redirect(const char *path, int to)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || dup2(fd, to) < 0)
		_exit(126);
	close(fd);
}

static void __attribute__((noreturn)) become(const struct injection *injection)
{
	char *argv[INJECT_MAX_WORDS + 2] = {"qcow2bm"};
	const char *program = getenv("QCOW2BM"), *preload = getenv("PRELOAD_FAULT");
	if (program == NULL || preload == NULL)
		_exit(126);
	for (size_t i = 0; i < INJECT_MAX_WORDS && injection->words[i] != NULL; i++)
		argv[i + 1] = (char *)(uintptr_t)injection->words[i];
	redirect(OUTPUT, STDOUT_FILENO);
	redirect(MESSAGE, STDERR_FILENO);
	set("FAULT_IMAGE", INJECT_IMAGE);
	if (injection->source != NULL)
		set("FAULT_SOURCE", INJECT_SOURCE);
	set("FAULT_DURABLE", DURABLE);
	set("FAULT_REPORT", REPORT);
	set("FAULT_MODE", mode_words[injection->mode]);
	set_number("FAULT_AT", injection->at);
	set_number("FAULT_UNTIL", injection->until);
	set("LD_PRELOAD", preload);
	alarm(SECONDS);
	execv(program, argv);
	_exit(126);
}

void inject(const struct injection *injection, struct outcome *outcome)
{
	struct fault_report report = {0};
	char report_text[sizeof(report) + 1];
	int status;
	inject_free(outcome);
	store(INJECT_IMAGE, injection->image->bytes, injection->image->length);
	store(DURABLE, injection->image->bytes, injection->image->length);
	store(REPORT, &report, sizeof(report));
	if (injection->source != NULL)
		store(INJECT_SOURCE, injection->source->bytes, injection->source->length);
	pid_t child = fork();
	if (child == 0)
		become(injection);
	if (child < 0 || waitpid(child, &status, 0) != child)
		abort();
	outcome->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	outcome->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (outcome->status == 126 || !memory_file_load(&outcome->image, INJECT_IMAGE) ||
	    !memory_file_load(&outcome->durable, DURABLE))
		abort();
	load(REPORT, report_text, sizeof(report_text));
	memcpy(&outcome->report, report_text, sizeof(outcome->report));
	load(OUTPUT, outcome->output, sizeof(outcome->output));
	load(MESSAGE, outcome->message, sizeof(outcome->message));
}

void inject_free(struct outcome *outcome)
{
	memory_file_free(&outcome->image);
	memory_file_free(&outcome->durable);
	memset(outcome, 0, sizeof(*outcome));
}
