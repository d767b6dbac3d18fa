/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals that may end the program are put off while an image is edited. */
#define _POSIX_C_SOURCE 200809L

#include "signals.h"

#include <stddef.h>

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

void tool_signals_block(struct tool_signals *signals)
{
	sigemptyset(&signals->watched);
	for (size_t i = 0; i < NUMBERS; i++) {
		struct sigaction action;
		/* Linux keeps a blocked signal pending even where it is ignored: under nohup a
		 * hangup must not interrupt anything. */
		if (sigaction(numbers[i], NULL, &action) == 0 &&
		    action.sa_handler != SIG_IGN)
			sigaddset(&signals->watched, numbers[i]);
	}
	sigprocmask(SIG_BLOCK, &signals->watched, NULL);
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
