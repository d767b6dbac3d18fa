/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts programs and reads what they print. */
#define _GNU_SOURCE /* pipe2(), SEEK_DATA */
#include "program.h"

#include "guest.h"
#include "steps.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_WORDS = 32 };

extern char **environ;

/* Starts it with its standard output at `out`, and messages nowhere. */
static pid_t start(char *const *words, int out)
{
	posix_spawn_file_actions_t actions;
	pid_t child;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&actions, out, 1);
	else
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	int failed = posix_spawnp(&child, words[0], &actions, NULL, words, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (failed != 0)
		steps_stop("%s: %s", words[0], strerror(failed));
	return child;
}

static int wait_for(pid_t child, const char *program)
{
	int status;
	if (waitpid(child, &status, 0) < 0)
		steps_stop("waitpid");
	if (WIFSIGNALED(status) || WEXITSTATUS(status) == 127 ||
	    WEXITSTATUS(status) == 99)
		steps_stop("%s ends with status %x", program, (unsigned)status);
	return WEXITSTATUS(status);
}

int guest_run(char *const *words)
{
	return wait_for(start(words, -1), words[0]);
}

static void complete(char *const *words, char *all[MAX_WORDS], bool json)
{
	size_t count = 0;
	all[count++] = (char *)"qcow2bm";
	for (size_t i = 0; words[i] != NULL; i++)
		if (words[i][0] != '\0' && count < MAX_WORDS - 2)
			all[count++] = words[i];
	if (json)
		all[count++] = (char *)"--output=json";
	all[count] = NULL;
}

int program_run(char *const *words)
{
	char *all[MAX_WORDS];
	complete(words, all, false);
	return guest_run(all);
}

json_t *program_json(int *status, char *const *words)
{
	char *all[MAX_WORDS];
	int ends[2];
	complete(words, all, true);
	if (pipe2(ends, O_CLOEXEC) != 0)
		steps_stop("pipe2");
	pid_t child = start(all, ends[1]);
	close(ends[1]);
	FILE *out = fdopen(ends[0], "r");
	json_t *json = json_loadf(out, 0, NULL);
	while (fgetc(out) != EOF)
		;
	fclose(out);
	*status = wait_for(child, words[0]);
	return json;
}

static bool is_zero(const char *bytes, size_t count)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

void program_copy(const char *from, const char *to)
{
	static char block[4096];
	struct stat file;
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (in < 0 || out < 0 || fstat(in, &file) != 0 ||
	    ftruncate(out, file.st_size) != 0)
		steps_stop("%s cannot be copied", from);
	for (off_t off = 0; off < file.st_size; off += (off_t)sizeof(block)) {
		off = lseek(in, off, SEEK_DATA);
		if (off < 0)
			break;
		off -= off % (off_t)sizeof(block);
		ssize_t count = pread(in, block, sizeof(block), off);
		if (count > 0 && !is_zero(block, (size_t)count) &&
		    pwrite(out, block, (size_t)count, off) != count)
			steps_stop("%s cannot be copied", from);
	}
	close(in);
	close(out);
}
