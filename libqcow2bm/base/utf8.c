/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UTF-8: what is valid. */
#include "../qcow2bm.h"

/* How many bytes a character has by its first one; 0 when none starts with that byte. */
static size_t length_by_first(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	if (first >= 0xf0 && first <= 0xf4)
		return 4;
	return 0;
}

size_t qcow2bm_utf8_decode(const char *bytes, size_t left, uint32_t *character)
{
	static const unsigned char first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	if (left == 0)
		return 0;
	size_t length = length_by_first((unsigned char)bytes[0]);
	if (length == 0 || length > left)
		return 0;
	uint32_t value = (unsigned char)bytes[0] & first_mask[length];
	for (size_t i = 1; i < length; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		if ((byte & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (byte & 0x3f);
	}
	if (value < smallest[length] || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*character = value;
	return length;
}
