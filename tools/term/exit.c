/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The exit status of a command on several images. */
#include "command.h"

#include <stddef.h>

/* How much a status matters; one that is not in the table, as that of a signal, most. */
static size_t rank(int status)
{
	static const int order[] = {
		TOOL_EXIT_DONE, TOOL_EXIT_LEAKED, TOOL_EXIT_LEAKS,    TOOL_EXIT_NOT_QCOW2,
		TOOL_EXIT_BUSY, TOOL_EXIT_FAILED, TOOL_EXIT_PROBLEMS, TOOL_EXIT_UNKNOWN};
	size_t at = 0;
	while (at < sizeof(order) / sizeof(order[0]) && order[at] != status)
		at++;
	return at;
}

int tool_exit_worse(int a, int b)
{
	return rank(a) >= rank(b) ? a : b;
}
