/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The judgement of qemu-img check on an image in memory. */
#ifndef TESTS_QEMU_CHECK_H
#define TESTS_QEMU_CHECK_H

#include "memory_storage.h"

#define QEMU_CHECK_LEAKS 3
#define QEMU_CHECK_ABSENT 127 /* qemu-img is not installed */

/* Its exit status: 0 when the image is sound. */
int qemu_check(const struct memory_file *file);

#endif
