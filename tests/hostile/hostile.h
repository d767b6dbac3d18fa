/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of verdicts share: a run of a command, and how it is judged. */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define HOSTILE_MAX_WORDS 24

/* How a command ended. */
struct outcome {
	int status;     /* of exit(), or 128 + the signal */
	double seconds; /* of the processor */
	long peak_kib;  /* of memory */
	char *message;  /* what it wrote to standard error, without "qcow2bm: FILE: " */
	char *printed;  /* to standard output */
	size_t printed_bytes;
};

/* Runs a program that has 60 seconds, its output in the files "out" and "err". */
void outcome_run(struct outcome *outcome, char **words);
void outcome_free(struct outcome *outcome);

/*
 * Which files a program opens, told by strace. opened_learn() notes those of a command that
 * may open what it wants; opened_check() runs another and returns the first file that is
 * neither among them nor a word of the command, or NULL.
 */
void opened_learn(const char *strace, char *const *words);
const char *opened_check(const char *strace, char *const *words);

/* A file in memory, for as long as it is looked at. */
struct mapped {
	uint8_t *bytes;
	uint64_t size;
};

void mapped_open(struct mapped *mapped, const char *name);
void mapped_close(struct mapped *mapped);

/* Copies a file, holes as holes. */
void mapped_copy(const char *from, const char *to);
bool mapped_is_same(const char *one, const char *other);

/*
 * Says why the file `after` is worse than the file `before` that a command with these words
 * made it from, and returns false: more that is broken, more leaks without saying so, anything
 * of the guest's or, with words, a bitmap that none of them names changed.
 */
bool judge_edit(const char *before, const char *after, char *const *words, int status);

/* Says what is wrong with the test itself and ends it. */
_Noreturn void hostile_stop(const char *what, const char *name);

#endif
