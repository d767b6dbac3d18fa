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

/* The same for a failure, which is kept as data: code, errno and offset of *err, and this sentence. */
void tool_message_because(const char *filename, const struct qcow2bm_error *err,
			  const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A failure as it was told. */
struct tool_failure {
	enum qcow2bm_code code;
	int sys_errno;
	uint64_t offset;
	char *filename; /* or NULL */
	char *sentence; /* not escaped for a terminal */
};

/* The first failure that was told since the last one was forgotten, or NULL. */
const struct tool_failure *tool_message_failure(void);
void tool_message_forget(void);

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
