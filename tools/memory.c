/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory for the program: an allocation that fails ends it, since nothing is half done then. */
#include "memory.h"

#include "command.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void tool_memory_fail(void)
{
	fputs("qcow2bm: out of memory\n", stderr);
	exit(TOOL_EXIT_FAILED);
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
