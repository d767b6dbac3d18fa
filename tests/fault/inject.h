/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the program once, with one fault, on a fresh copy of an image. */
#ifndef TESTS_INJECT_H
#define TESTS_INJECT_H

#include "../support/memory_storage.h"
#include "../support/preload_fault.h"

#define INJECT_MAX_WORDS 12

/* What stands where; all of it in the working directory. */
#define INJECT_IMAGE "image"
#define INJECT_SOURCE "source"

struct injection {
	const char *const
		*words; /* of the command line, without the program; NULL ends them */
	const struct memory_file *image;  /* what INJECT_IMAGE holds before */
	const struct memory_file *source; /* and INJECT_SOURCE, or NULL */
	enum fault_mode mode;
	uint64_t at, until; /* the calls that it happens to; 0: none */
};

struct outcome {
	int status; /* of exit; -1 when a signal ended it */
	int signal; /* SIGALRM: it hung */
	struct fault_report report;
	struct memory_file image;   /* as readers see it */
	struct memory_file durable; /* as a power cut right behind would leave it */
	char output[1 << 16], message[4096]; /* what was printed, cut to this */
};

/* Aborts when it cannot be run. What `outcome` had before is freed. */
void inject(const struct injection *injection, struct outcome *outcome);
void inject_free(struct outcome *outcome);

#endif
