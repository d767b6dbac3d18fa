/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a program and sends it a signal as it enters its Nth system call, counted from the
 * first one after execve that opens FILE; or tells how many there are.
 *
 * kill_at count FILE COMMAND...
 *	prints the number of system calls; exits with the program's status
 * kill_at SIGNAL N FILE COMMAND...
 *	SIGNAL is a number. 9 ends the program before the call is made. Exits with its status,
 *	128 + the signal that ended it, or 125 when it had fewer calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

enum { TOO_FEW = 125, TROUBLE = 126 };

struct run {
	pid_t child;
	const char *file;
	bool has_opened;
	unsigned long calls;
	unsigned long at; /* 0: only count */
	int signal;
};

static void fail(const char *what)
{
	fprintf(stderr, "kill_at: %s: %s\n", what, strerror(errno));
	exit(TROUBLE);
}

static pid_t start(char **command)
{
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (child > 0)
		return child;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		fail("PTRACE_TRACEME");
	raise(SIGSTOP);
	execvp(command[0], command);
	fail(command[0]);
	return 0;
}

/* Whether one of the child's descriptors is the file. */
static bool has_open(const struct run *run)
{
	char link[64], name[4096];
	for (int fd = 3; fd < 32; fd++) {
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)run->child, fd);
		ssize_t bytes = readlink(link, name, sizeof(name) - 1);
		if (bytes < 0)
			continue;
		name[bytes] = '\0';
		if (strcmp(name, run->file) == 0)
			return true;
	}
	return false;
}

/* The child stopped as it enters or leaves a system call. Returns the signal that it gets. */
static int at_call(struct run *run)
{
	struct ptrace_syscall_info info;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, run->child, sizeof(info), &info) < 0)
		fail("PTRACE_GET_SYSCALL_INFO");
	if (info.op == PTRACE_SYSCALL_INFO_EXIT && !run->has_opened)
		run->has_opened = has_open(run);
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !run->has_opened)
		return 0;
	if (++run->calls != run->at)
		return 0;
	if (run->signal == SIGKILL && kill(run->child, SIGKILL) != 0)
		fail("kill");
	return run->signal;
}

static int finish(const struct run *run, int status)
{
	if (run->at == 0)
		printf("%lu\n", run->calls);
	else if (run->calls < run->at)
		return TOO_FEW;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int follow(struct run *run)
{
	int status, deliver = 0;
	if (waitpid(run->child, &status, 0) < 0)
		fail("waitpid");
	if (ptrace(PTRACE_SETOPTIONS, run->child, NULL,
		   PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0)
		fail("PTRACE_SETOPTIONS");
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, run->child, NULL, deliver) != 0 &&
		    errno != ESRCH)
			fail("PTRACE_SYSCALL");
		if (waitpid(run->child, &status, 0) < 0)
			fail("waitpid");
		if (!WIFSTOPPED(status))
			return finish(run, status);
		deliver = WSTOPSIG(status);
		if (deliver == (SIGTRAP | 0x80)) {
			deliver = at_call(run);
			/* A signal given at a stop of a call is not delivered: it is sent. */
			if (deliver != 0 && deliver != SIGKILL)
				kill(run->child, deliver);
			deliver = 0;
		} else if (deliver == SIGTRAP) {
			deliver = 0; /* execve */
		}
	}
}

static unsigned long number(const char *word)
{
	char *end;
	unsigned long value = strtoul(word, &end, 10);
	if (*word == '\0' || *end != '\0') {
		errno = EINVAL;
		fail(word);
	}
	return value;
}

int main(int argc, char **argv)
{
	struct run run = {0};
	bool is_count = argc > 3 && strcmp(argv[1], "count") == 0;
	int first = is_count ? 2 : 3;
	if (argc < first + 2) {
		fprintf(stderr, "usage: kill_at count FILE COMMAND...\n"
				"       kill_at SIGNAL N FILE COMMAND...\n");
		return TROUBLE;
	}
	if (!is_count) {
		run.signal = (int)number(argv[1]);
		run.at = number(argv[2]);
	}
	char *path = realpath(argv[first], NULL);
	if (path == NULL)
		fail(argv[first]);
	run.file = path;
	run.child = start(argv + first + 1);
	int status = follow(&run);
	free(path);
	return status;
}
