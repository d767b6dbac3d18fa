/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wrong with QMP input, in QMP's own terms. */
#define _GNU_SOURCE /* vasprintf() */
#include "fault.h"

#include "../term/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool tool_qmp_fail(struct tool_qmp_fault *fault, const char *fmt, ...)
{
	va_list args;
	char *sentence;
	if (fault->text.used != 0)
		return false;
	va_start(args, fmt);
	if (vasprintf(&sentence, fmt, args) < 0)
		tool_memory_fail();
	va_end(args);
	tool_text_print(&fault->text, "%s", sentence);
	free(sentence);
	return false;
}

const char *tool_qmp_class(const struct tool_qmp_fault *fault)
{
	return fault->is_unknown_command ? "CommandNotFound" : "GenericError";
}
