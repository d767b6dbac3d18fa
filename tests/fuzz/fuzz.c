/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Findings, and taking inputs apart. */
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *format, ...)
{
	va_list args;
	fputs("fuzz: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

void fuzz_check_error(enum qcow2bm_code code, const struct qcow2bm_error *err)
{
	fuzz_require(err->code == code, "returned code %d, described %d", code,
		     err->code);
	if (code == QCOW2BM_OK)
		return;
	const char *end = memchr(err->sentence, '\0', sizeof(err->sentence));
	fuzz_require(end != NULL && end != err->sentence, "code %d has no sentence",
		     code);
}

void *fuzz_copy(const void *bytes, size_t size)
{
	void *copy = malloc(size == 0 ? 1 : size);
	if (copy == NULL)
		abort();
	if (size != 0)
		memcpy(copy, bytes, size);
	return copy;
}

uint8_t fuzz_byte(struct fuzz_input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->bytes++;
}

uint64_t fuzz_number(struct fuzz_input *input, unsigned bytes)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < bytes; i++)
		number = number << 8 | fuzz_byte(input);
	return number;
}

const uint8_t *fuzz_bytes(struct fuzz_input *input, size_t bytes, size_t *taken)
{
	const uint8_t *start = input->bytes;
	*taken = bytes < input->left ? bytes : input->left;
	input->bytes += *taken;
	input->left -= *taken;
	return start;
}
