/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A command is run and measured; this process stays small, for a child's peak begins with it. */
#define _GNU_SOURCE
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_TO_LIVE 60
#define MAX_OUTPUT 65536

_Noreturn void hostile_stop(const char *what, const char *name)
{
	fprintf(stderr, "verdicts: %s: %s: %s\n", what, name, strerror(errno));
	exit(2);
}

static void redirect(const char *name, int to)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0 || dup2(fd, to) < 0)
		_exit(126);
	close(fd);
}

static void become(char **words)
{
	int null = open("/dev/null", O_RDONLY);
	if (null < 0 || dup2(null, 0) < 0)
		_exit(126);
	close(null);
	redirect("out", 1);
	redirect("err", 2);
	alarm(SECONDS_TO_LIVE);
	execvp(words[0], words);
	_exit(127);
}

/* The beginning of a file, as a string. */
static char *load(const char *name, size_t *bytes)
{
	char *text = malloc(MAX_OUTPUT);
	FILE *file = fopen(name, "rb");
	struct stat status;
	if (text == NULL || file == NULL || fstat(fileno(file), &status) != 0)
		hostile_stop("read", name);
	text[fread(text, 1, MAX_OUTPUT - 1, file)] = '\0';
	fclose(file);
	*bytes = (size_t)status.st_size;
	return text;
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void outcome_run(struct outcome *outcome, char **words)
{
	int status;
	size_t bytes;
	struct rusage usage;
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		hostile_stop("fork", words[0]);
	if (child == 0)
		become(words);
	if (wait4(child, &status, 0, &usage) < 0)
		hostile_stop("wait", words[0]);
	outcome->status =
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	outcome->seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
	outcome->peak_kib = usage.ru_maxrss;
	outcome->message = load("err", &bytes);
	outcome->printed = load("out", &outcome->printed_bytes);
}

void outcome_free(struct outcome *outcome)
{
	free(outcome->message);
	free(outcome->printed);
}

void mapped_open(struct mapped *mapped, const char *name)
{
	struct stat status;
	int fd = open(name, O_RDONLY);
	if (fd < 0 || fstat(fd, &status) != 0)
		hostile_stop("open", name);
	mapped->size = (uint64_t)status.st_size;
	mapped->bytes = NULL;
	if (mapped->size > 0)
		mapped->bytes = mmap(NULL, mapped->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapped->bytes == MAP_FAILED)
		hostile_stop("map", name);
	close(fd);
}

void mapped_close(struct mapped *mapped)
{
	if (mapped->bytes != NULL)
		munmap(mapped->bytes, mapped->size);
}

bool mapped_is_same(const char *one, const char *other)
{
	struct mapped a, b;
	mapped_open(&a, one);
	mapped_open(&b, other);
	bool same = a.size == b.size &&
		    (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
	mapped_close(&b);
	mapped_close(&a);
	return same;
}

void mapped_copy(const char *from, const char *to)
{
	struct mapped source;
	mapped_open(&source, from);
	if (unlink(to) != 0 && errno != ENOENT)
		hostile_stop("unlink", to);
	int in = open(from, O_RDONLY);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0666);
	if (in < 0 || out < 0 || ftruncate(out, (off_t)source.size) != 0)
		hostile_stop("create", to);
	for (off_t data = lseek(in, 0, SEEK_DATA); data >= 0;) {
		off_t hole = lseek(in, data, SEEK_HOLE);
		while (data < hole) {
			ssize_t written = pwrite(out, source.bytes + data,
						 (size_t)(hole - data), data);
			if (written <= 0)
				hostile_stop("write", to);
			data += written;
		}
		data = lseek(in, data, SEEK_DATA);
	}
	if (close(out) != 0)
		hostile_stop("close", to);
	close(in);
	mapped_close(&source);
}
