/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every fuzz target is made of. With libFuzzer (make fuzz) it brings main() and
 * LLVMFuzzerMutate(); without, replay_main.c does.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "qcow2bm.h"

#include <stdnoreturn.h>

/* One input. Reports a finding by ending the program. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Changes the input in place, to at most max_size bytes; returns its new size. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned seed);

/* The fuzzer's own changes, which know nothing of the format. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Says what is wrong and aborts, so that the input is kept. */
noreturn void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define fuzz_require(condition, ...)            \
	do {                                    \
		if (!(condition))               \
			fuzz_fail(__VA_ARGS__); \
	} while (0)

/* A code other than QCOW2BM_OK comes with a description that fits it, and OK with none. */
void fuzz_check_error(enum qcow2bm_code code, const struct qcow2bm_error *err);

/* A copy in memory of exactly its size, so that ASan sees one byte too many. */
void *fuzz_copy(const void *bytes, size_t size);

/* Takes numbers and bytes from the front of an input; behind its end all is zero. */
struct fuzz_input {
	const uint8_t *bytes;
	size_t left;
};

uint8_t fuzz_byte(struct fuzz_input *input);
/* Big-endian. */
uint64_t fuzz_number(struct fuzz_input *input, unsigned bytes);
/* At most `bytes` bytes; how many there were in *taken. */
const uint8_t *fuzz_bytes(struct fuzz_input *input, size_t bytes, size_t *taken);

#endif
