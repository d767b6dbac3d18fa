/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A running QEMU without a machine, told by QMP what a guest and a backup program would do. It
 * serves one session after the other until it is killed. */
#ifndef PROPERTY_QEMU_H
#define PROPERTY_QEMU_H

#include <stdbool.h>
#include <stdint.h>

/* Opens the image with all layers below it. False where QEMU refuses it. */
bool qemu_open(const char *path);

/* Goes on in this overlay, which is there already: an external snapshot. */
bool qemu_snapshot(const char *path);

/* The name of the node that the guest writes to. */
const char *qemu_node(void);

/* Closes it as the end of a machine does: bitmaps are stored. */
void qemu_close(void);

/* kill -9. The next qemu_open() starts another one. */
void qemu_kill(void);

/* A command of QMP with its arguments, a format of json_pack(); false where QEMU refuses. */
bool qemu_command(const char *name, const char *arguments, ...);

/* A command of qemu-io for that node. */
void qemu_io(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What QEMU said last when it refused. */
const char *qemu_refusal(void);

#endif
