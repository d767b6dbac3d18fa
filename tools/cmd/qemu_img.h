/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running qemu-img, where a command says so. */
#ifndef TOOLS_CMD_QEMU_IMG_H
#define TOOLS_CMD_QEMU_IMG_H

#include <stdbool.h>

/* Says so when qemu-img cannot be run, and runs nothing else. Returns an exit status. */
int tool_qemu_img_check(void);

/* Runs it with these arguments, the last of which is NULL, and waits for its end. Says so when it cannot be
 * run; what it says itself goes to standard error. It ends with this program, and at a signal that would
 * end this program, which is told by `interrupted` then, and blocked from here on. Returns an exit status. */
int tool_qemu_img_run(const char *const *arguments, bool *interrupted);

#endif
