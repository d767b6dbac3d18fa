/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the preloaded library notes of a program's calls on one file, in the order in which the
 * file saw them: writes, changes of length, holes, syncs. It lets one call at a time through, so
 * that threads have an order too.
 *
 * Environment: RECORD_IMAGE, the file; RECORD_LOG, an empty file for the notes.
 */
#ifndef TESTS_PRELOAD_RECORD_H
#define TESTS_PRELOAD_RECORD_H

#include <stdint.h>

/* The kinds are those of enum record_kind, which needs the library's headers. */
enum noted_kind { NOTED_WRITE, NOTED_RESIZE, NOTED_DISCARD, NOTED_SYNC };

/* `bytes` bytes of data follow that of a write. */
struct noted_call {
	uint64_t kind;
	uint64_t off;
	uint64_t bytes; /* the new length of a resize */
};

#endif
