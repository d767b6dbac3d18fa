/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wrong with QMP input, in QMP's own terms. */
#ifndef TOOLS_QMP_FAULT_H
#define TOOLS_QMP_FAULT_H

#include "../term/text.h"

#include <stdbool.h>

/* Zeroed: nothing is wrong. The first fault wins. */
struct tool_qmp_fault {
	struct tool_text text;
	bool is_unknown_command; /* QMP has a class of its own for it */
	size_t command;          /* which one it is in, from 1 on; 0: in none */
};

/* Always false: what fails returns it. */
bool tool_qmp_fail(struct tool_qmp_fault *fault, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* QMP's name of the class. */
const char *tool_qmp_class(const struct tool_qmp_fault *fault);

#endif
