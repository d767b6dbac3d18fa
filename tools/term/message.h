/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the program says on standard error, and the exit status that goes with it. */
#ifndef TOOLS_TERM_MESSAGE_H
#define TOOLS_TERM_MESSAGE_H

#include "command.h"

#include <qcow2bm.h>

/* Prints "qcow2bm: FILENAME: sentence"; without the file name when it is NULL. Bytes that a
 * terminal must not see are escaped, and QCOW2BM_SEE_CHECK becomes the command for that file, or for the
 * layer below it that the library says the sentence is about. */
void tool_message(const char *filename, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The sentence of *err, and the place in the image where it is known. The caller frees it. */
char *tool_message_sentence(const struct qcow2bm_error *err);

/* The same for who does not print it as a message: QCOW2BM_SEE_CHECK becomes the command for that
 * file, or the layer. */
char *tool_message_explain(const char *filename, const struct qcow2bm_error *err);

/* Prints *err for `filename` and returns the exit status. */
int tool_message_fail(const char *filename, const struct qcow2bm_error *err);

/* The exit status for a failure; EINTERRUPTED is for the caller, who knows the signal. */
int tool_message_status(enum qcow2bm_code code);

/* Prints the sentence and where to find help; returns TOOL_EXIT_USAGE. `command` may be NULL. */
int tool_message_usage(const struct tool_command *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
