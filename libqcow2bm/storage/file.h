/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage that is a descriptor: what file.c reads and writes, and file_open.c makes. */
#ifndef LIBQCOW2BM_STORAGE_FILE_H
#define LIBQCOW2BM_STORAGE_FILE_H

#include "storage.h"

struct q2_file {
	struct q2_storage storage; /* first: a storage pointer is a file pointer */
	int fd;
	bool is_lent;    /* the caller's still: it is not closed */
	bool gives_back; /* its locks, which a duplicate of the descriptor would keep */
};

static inline struct q2_file *q2_file_of(struct q2_storage *storage)
{
	return (struct q2_file *)(void *)storage;
}

extern const struct q2_storage_ops q2_file_ops;

#endif
