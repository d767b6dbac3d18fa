/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory for the program: an allocation that fails ends it, since nothing is half done then. */
#ifndef TOOLS_TERM_MEMORY_H
#define TOOLS_TERM_MEMORY_H

#include <stddef.h>

/* These never return NULL. */
void *tool_memory_alloc(size_t bytes);
void *tool_memory_zeroed(size_t count, size_t bytes);
void *tool_memory_resize(void *old, size_t count, size_t bytes);
char *tool_memory_copy(const char *bytes, size_t count); /* and a NUL */

/* Ends the program for want of memory. */
_Noreturn void tool_memory_fail(void);

/* How it ends from now on. Want of memory must not hide how a commit went. */
void tool_memory_set_ending(int status, const char *sentence);

#endif
