/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers as decimal digits, much faster than printf(). */
#include "decimal.h"

#include <stddef.h>
#include <string.h>

#define MOST_DIGITS 20

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

/* Writes the digits so that they end before `end`; returns the first. One 64-bit division for
 * eight digits: the rest is done in 32 bits, where it is fast. */
static char *put_digits(char *end, uint64_t number)
{
	while (number > UINT32_MAX) {
		uint32_t low = (uint32_t)(number % 100000000);
		number /= 100000000;
		for (int i = 0; i < 4; i++, low /= 100) {
			end -= 2;
			memcpy(end, pairs + (size_t)(low % 100) * 2, 2);
		}
	}
	uint32_t rest = (uint32_t)number;
	for (; rest >= 100; rest /= 100) {
		end -= 2;
		memcpy(end, pairs + (size_t)(rest % 100) * 2, 2);
	}
	if (rest >= 10) {
		end -= 2;
		memcpy(end, pairs + (size_t)rest * 2, 2);
	} else {
		*--end = (char)('0' + rest);
	}
	return end;
}

char *tool_decimal_put(char *p, uint64_t number)
{
	char digits[MOST_DIGITS];
	char *first = put_digits(digits + sizeof(digits), number);
	size_t count = (size_t)(digits + sizeof(digits) - first);
	memcpy(p, first, count);
	return p + count;
}

char *tool_decimal_put_padded(char *p, uint64_t number, unsigned width)
{
	char digits[MOST_DIGITS];
	char *first = put_digits(digits + sizeof(digits), number);
	size_t count = (size_t)(digits + sizeof(digits) - first);
	for (; count < width; width--)
		*p++ = ' ';
	memcpy(p, first, count);
	return p + count;
}
