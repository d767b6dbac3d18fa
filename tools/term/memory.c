/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory for the program: an allocation that fails ends it, since nothing is half done then. */
#include "memory.h"

#include "command.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *ending = "out of memory";
static int ending_status = TOOL_EXIT_FAILED;

void tool_memory_set_ending(int status, const char *sentence)
{
	ending_status = status;
	ending = sentence;
}

_Noreturn void tool_memory_fail(void)
{
	fprintf(stderr, "qcow2bm: %s\n", ending);
	exit(ending_status);
}

static void *require(void *memory)
{
	if (memory == NULL)
		tool_memory_fail();
	return memory;
}

void *tool_memory_alloc(size_t bytes)
{
	return require(malloc(bytes != 0 ? bytes : 1));
}

void *tool_memory_zeroed(size_t count, size_t bytes)
{
	return require(calloc(count != 0 ? count : 1, bytes));
}

void *tool_memory_resize(void *old, size_t count, size_t bytes)
{
	return require(count <= SIZE_MAX / bytes ? realloc(old, count * bytes) : NULL);
}

char *tool_memory_copy(const char *bytes, size_t count)
{
	char *copy = tool_memory_alloc(count + 1);
	if (count != 0)
		memcpy(copy, bytes, count);
	copy[count] = '\0';
	return copy;
}
