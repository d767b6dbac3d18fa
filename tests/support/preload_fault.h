/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload_fault.so makes one call of a program fail, and says what a power cut would have left.
 * Its environment:
 *   FAULT_IMAGE    calls on this file count, and those on FAULT_SOURCE where that is set
 *   FAULT_DURABLE  a copy of the image; what a sync of the image has covered is copied to it.
 *                  A sync that is made to fail forgets what was written before, as Linux does
 *   FAULT_REPORT   a file of struct fault_report
 *   FAULT_MODE     what happens, one of the words of fault_modes[]
 *   FAULT_AT       the number of the first call, from 1, that it happens to; 0: none
 *   FAULT_UNTIL    the number of the last one
 */
#ifndef TESTS_PRELOAD_FAULT_H
#define TESTS_PRELOAD_FAULT_H

#include <stdint.h>

enum fault_mode {
	FAULT_EIO,
	FAULT_ENOSPC, /* not reads */
	FAULT_EINTR,
	FAULT_SHORT, /* half of a read or write is done */
	FAULT_EOF,   /* a read finds the end of the file */
	FAULT_KILL,  /* SIGKILL before; output counts too, as with the next three */
	FAULT_HALF,  /* SIGKILL half way through a write */
	FAULT_TERM,
	FAULT_INT,
	FAULT_MEMORY, /* an allocation fails; nothing else counts */
	FAULT_MODES
};

#define FAULT_MODE_WORDS                                                                \
	{                                                                               \
		"EIO", "ENOSPC", "EINTR", "short", "end", "SIGKILL", "half", "SIGTERM", \
			"SIGINT", "memory"                                              \
	}

struct fault_report {
	uint64_t calls;  /* that count in this mode */
	uint64_t faults; /* made */
	int64_t blocks;  /* of memory that were allocated and not freed when it ended */
};

#endif
