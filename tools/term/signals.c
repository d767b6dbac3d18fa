/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals that may end the program are put off while an image is edited, and lose no report that
 * is finished. */
#define _POSIX_C_SOURCE 200809L

#include "signals.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "message.h"

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

/* Changed while the signals are blocked. */
static const char *last_bytes;
static size_t last_count;

/* What was blocked when the program was started. */
static sigset_t started;
static bool is_started_known;

static void find_watched(sigset_t *watched)
{
	sigemptyset(watched);
	for (size_t i = 0; i < NUMBERS; i++) {
		struct sigaction action;
		/* Linux keeps a blocked signal pending even where it is ignored: under nohup a
		 * hangup must not interrupt anything. */
		if (sigaction(numbers[i], NULL, &action) == 0 &&
		    action.sa_handler != SIG_IGN)
			sigaddset(watched, numbers[i]);
	}
}

void tool_signals_block(struct tool_signals *signals)
{
	find_watched(&signals->watched);
	sigset_t before;
	sigprocmask(SIG_BLOCK, &signals->watched, &before);
	if (!is_started_known)
		started = before;
	is_started_known = true;
}

void tool_signals_restore(void)
{
	if (is_started_known)
		sigprocmask(SIG_SETMASK, &started, NULL);
}

/* Takes those away that came, and are told of. Returns the first, or 0. */
static int take_pending(const struct tool_signals *signals)
{
	static const struct timespec at_once = {0};
	int first = 0, number;
	while ((number = sigtimedwait(&signals->watched, NULL, &at_once)) > 0)
		if (first == 0)
			first = number;
	return first;
}

/* What came with others, or with the child's end, is told, too. */
pid_t tool_signals_wait(const struct tool_signals *signals, pid_t child, int *status,
			int *number)
{
	sigset_t awaited = signals->watched, before;
	pid_t ended;
	*number = 0;
	sigaddset(&awaited, SIGCHLD);
	sigprocmask(SIG_BLOCK, &awaited, &before);
	while ((ended = waitpid(child, status, WNOHANG)) == 0) {
		int came = sigwaitinfo(&awaited, NULL);
		if (came <= 0 || came == SIGCHLD)
			continue;
		*number = came;
		kill(child, SIGTERM);
	}
	int last = take_pending(signals);
	if (*number == 0)
		*number = last;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ended;
}

/* Calls nothing but what is safe in a handler. */
static void leave(int number)
{
	while (last_count != 0) {
		ssize_t written = write(STDOUT_FILENO, last_bytes, last_count);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			break;
		last_bytes += written;
		last_count -= (size_t)written;
	}
	static const char sentence[] =
		"qcow2bm: interrupted; what was finished is printed\n";
	if (write(STDERR_FILENO, sentence, sizeof(sentence) - 1) < 0)
		last_count = 0; /* nobody is there to read it */
	_exit(TOOL_EXIT_SIGNAL + number);
}

void tool_signals_leave(const char *bytes, size_t count)
{
	sigset_t watched, before;
	struct sigaction action = {.sa_handler = leave};
	find_watched(&watched);
	sigprocmask(SIG_BLOCK, &watched, &before);
	last_bytes = bytes;
	last_count = count;
	action.sa_mask = watched;
	for (size_t i = 0; i < NUMBERS; i++)
		if (sigismember(&watched, numbers[i]) == 1)
			sigaction(numbers[i], &action, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

void tool_signals_unblock(const struct tool_signals *signals)
{
	sigprocmask(SIG_UNBLOCK, &signals->watched, NULL);
}

int tool_signals_pending(const struct tool_signals *signals)
{
	sigset_t pending;
	if (sigpending(&pending) != 0)
		return 0;
	for (size_t i = 0; i < NUMBERS; i++)
		if (sigismember(&signals->watched, numbers[i]) == 1 &&
		    sigismember(&pending, numbers[i]) == 1)
			return numbers[i];
	return 0;
}
