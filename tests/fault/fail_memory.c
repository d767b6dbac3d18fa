/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Allocations that fail: see fail_memory.h. */
#include "fail_memory.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* The linker's --wrap sends every malloc() here and makes the real one __real_malloc(). */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void __real_free(void *old);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void __wrap_free(void *old);
char *__wrap_strdup(const char *text);

struct memory_faults memory_faults;

static bool is_due(void)
{
	if (!memory_faults.is_on)
		return false;
	uint64_t call = ++memory_faults.calls;
	bool due = memory_faults.at != 0 && call >= memory_faults.at &&
		   call <= memory_faults.until;
	if (due)
		errno = ENOMEM;
	memory_faults.failures += due;
	return due;
}

static void *note(void *block)
{
	memory_faults.blocks += block != NULL;
	return block;
}

void *__wrap_malloc(size_t bytes)
{
	return is_due() ? NULL : note(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return is_due() ? NULL : note(__real_calloc(count, bytes));
}

void *__wrap_realloc(void *old, size_t bytes)
{
	if (is_due())
		return NULL;
	return old == NULL ? note(__real_malloc(bytes)) : __real_realloc(old, bytes);
}

void __wrap_free(void *old)
{
	memory_faults.blocks -= old != NULL;
	__real_free(old);
}

char *__wrap_strdup(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = __wrap_malloc(bytes);
	if (copy != NULL)
		memcpy(copy, text, bytes);
	return copy;
}
