/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running qemu-img, where a command says so. */
#define _XOPEN_SOURCE 700
#include "qemu_img.h"

#include "../term/message.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static void become(const char *const *arguments)
{
	/* Standard output is the command's own. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execvp(arguments[0], (char *const *)arguments);
	tool_message(NULL, "%s: %s", arguments[0], strerror(errno));
	_exit(127);
}

int tool_qemu_img_run(const char *const *arguments)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		become(arguments);
	pid_t ended = child;
	while (child > 0 && (ended = waitpid(child, &status, 0)) < 0 && errno == EINTR)
		;
	if (child < 0 || ended < 0) {
		tool_message(NULL, "%s: %s", arguments[0], strerror(errno));
		return TOOL_EXIT_FAILED;
	}
	if (WIFSIGNALED(status))
		return TOOL_EXIT_SIGNAL + WTERMSIG(status);
	return WEXITSTATUS(status) == 0 ? TOOL_EXIT_DONE : TOOL_EXIT_FAILED;
}
