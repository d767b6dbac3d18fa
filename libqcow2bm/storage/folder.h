/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names in a folder. */
#ifndef LIBQCOW2BM_STORAGE_FOLDER_H
#define LIBQCOW2BM_STORAGE_FOLDER_H

#include <stdbool.h>

/* The folder that `path` is in, to be freed; NULL without memory. */
char *q2_folder_of(const char *path);

/* Brings the names in the folder of `path` to stable storage: a new name, or one that is gone, is so
 * for good only then. false: errno tells why. */
bool q2_folder_sync(const char *path);

#endif
