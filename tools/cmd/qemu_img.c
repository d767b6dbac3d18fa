/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running qemu-img, where a command says so. */
#define _DEFAULT_SOURCE
#include "qemu_img.h"

#include "../term/message.h"
#include "../term/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs it in the child: as a shell would, but for its end together with the parent's. */
static void become(const char *const *arguments, pid_t parent, int output)
{
	/* Standard output is the command's own. */
	dup2(output, STDOUT_FILENO);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	tool_signals_restore();
	if (getppid() != parent) /* it ended before the child asked to be told */
		_exit(TOOL_EXIT_FAILED);
	execvp(arguments[0], (char *const *)arguments);
	tool_message(NULL, "%s: %s", arguments[0], strerror(errno));
	_exit(127);
}

/* Waits for its end, with the signals blocked from here on. */
static int run(const char *const *arguments, int output, struct tool_signals *signals,
	       bool *interrupted)
{
	int status, number;
	tool_signals_block(signals);
	number = tool_signals_pending(signals);
	*interrupted = number != 0;
	if (number != 0)
		return TOOL_EXIT_SIGNAL + number;
	signal(SIGCHLD, SIG_DFL); /* else the child leaves no status */
	pid_t parent = getpid(), child = fork();
	if (child == 0)
		become(arguments, parent, output);
	if (child < 0 || tool_signals_wait(signals, child, &status, &number) < 0) {
		tool_message(NULL, "%s: %s", arguments[0], strerror(errno));
		return TOOL_EXIT_FAILED;
	}
	*interrupted = number != 0;
	if (number != 0)
		return TOOL_EXIT_SIGNAL + number;
	if (WIFSIGNALED(status))
		return TOOL_EXIT_SIGNAL + WTERMSIG(status);
	return WEXITSTATUS(status) == 0 ? TOOL_EXIT_DONE : TOOL_EXIT_FAILED;
}

int tool_qemu_img_check(void)
{
	static const char *const arguments[] = {"qemu-img", "--version", NULL};
	struct tool_signals signals;
	bool interrupted;
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int status = run(arguments, nowhere < 0 ? STDERR_FILENO : nowhere, &signals,
			 &interrupted);
	if (nowhere >= 0)
		close(nowhere);
	if (!interrupted)
		tool_signals_unblock(&signals);
	return status;
}

int tool_qemu_img_run(const char *const *arguments, bool *interrupted)
{
	struct tool_signals signals;
	return run(arguments, STDERR_FILENO, &signals, interrupted);
}
