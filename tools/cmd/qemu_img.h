/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running qemu-img, where a command says so. */
#ifndef TOOLS_CMD_QEMU_IMG_H
#define TOOLS_CMD_QEMU_IMG_H

/* Runs it with these arguments, the last of which is NULL, and waits for its end. Says so when it cannot be
 * run; what it says itself goes to standard error. Returns an exit status. */
int tool_qemu_img_run(const char *const *arguments);

#endif
