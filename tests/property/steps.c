/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the steps of the session that runs. */
#include "steps.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char text[1 << 16];
static size_t used;
static unsigned long long seed_now;

static void append(const char *format, va_list values)
{
	size_t room = sizeof(text) - used;
	int length = vsnprintf(text + used, room, format, values);
	if (length > 0)
		used += (size_t)length < room ? (size_t)length : room - 1;
}

void steps_begin(unsigned long long seed)
{
	seed_now = seed;
	used = 0;
	text[0] = '\0';
}

void steps_add(const char *format, ...)
{
	va_list values;
	va_start(values, format);
	append(format, values);
	va_end(values);
	if (used + 1 < sizeof(text)) {
		text[used++] = '\n';
		text[used] = '\0';
	}
}

static void print(const char *format, va_list values)
{
	printf("---- QCOW2BM_SEED=%llu QCOW2BM_SESSIONS=1\n%s", seed_now, text);
	vprintf(format, values);
	putchar('\n');
	fflush(stdout);
}

void steps_print(const char *format, ...)
{
	va_list values;
	va_start(values, format);
	print(format, values);
	va_end(values);
}

void steps_stop(const char *format, ...)
{
	va_list values;
	va_start(values, format);
	print(format, values);
	va_end(values);
	exit(99);
}
