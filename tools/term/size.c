/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes as qemu-img takes and prints them. */
#include "size.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The factor that the suffix stands for; 0 when it is none. */
static uint64_t suffix_factor(const char *suffix)
{
	static const char suffixes[] = "bkmgtpe";
	if (*suffix == '\0')
		return 1;
	if (suffix[1] != '\0')
		return 0;
	const char *found = strchr(suffixes, tolower((unsigned char)*suffix));
	return found != NULL ? (uint64_t)1 << (10 * (found - suffixes)) : 0;
}

/* The fraction whose digits start at `digits`; *end is what follows them. Fifteen digits and
 * their power of ten are exact in a double, so that one division rounds once. */
static double parse_fraction(const char *digits, const char **end)
{
	double value = 0, scale = 1;
	for (unsigned i = 0; isdigit((unsigned char)*digits); digits++, i++) {
		if (i >= 15)
			continue;
		value = value * 10 + (*digits - '0');
		scale *= 10;
	}
	*end = digits;
	return value / scale;
}

/* Where the digits begin: behind what strtoull(), and so QEMU, passes over. */
static const char *skip_to_digits(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text + (*text == '+');
}

bool tool_size_parse(const char *text, uint64_t *bytes)
{
	text = skip_to_digits(text);
	if (!isdigit((unsigned char)*text))
		return false;
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	if (hex && !isxdigit((unsigned char)text[2]))
		return false;
	char *number_end;
	errno = 0;
	unsigned long long whole = strtoull(text, &number_end, hex ? 16 : 10);
	if (errno != 0)
		return false;
	const char *suffix = number_end;
	double fraction = 0;
	if (*suffix == '.' && !hex)
		fraction = parse_fraction(suffix + 1, &suffix);
	uint64_t factor = suffix_factor(suffix);
	if (factor == 0 || (factor == 1 && fraction > 0) || whole > INT64_MAX / factor)
		return false;
	uint64_t value = whole * factor + (uint64_t)(fraction * (double)factor);
	if (value > INT64_MAX)
		return false;
	*bytes = value;
	return true;
}

void tool_size_format(uint64_t bytes, char text[TOOL_SIZE_TEXT])
{
	static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
					    "TiB", "PiB", "EiB"};
	unsigned unit = 0;
	double value = (double)bytes;
	/* 999.5 and more would be rounded to four digits */
	while (value >= 999.5 && unit < 6) {
		value /= 1024;
		unit++;
	}
	snprintf(text, TOOL_SIZE_TEXT, "%.3g %s", value, units[unit]);
}

bool tool_size_parse_seconds(const char *text, unsigned *seconds)
{
	if (!isdigit((unsigned char)*text))
		return false;
	char *end;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || value > UINT_MAX)
		return false;
	*seconds = (unsigned)value;
	return true;
}

unsigned tool_size_log2(uint64_t bytes)
{
	unsigned bits = 0;
	while (bytes >>= 1)
		bits++;
	return bits;
}
