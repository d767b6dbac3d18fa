/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of bitmaps that stand for something. */
#include "name.h"

#include <string.h>

bool q2_name_begins(const uint8_t *name, size_t bytes, const char *prefix,
		    const uint8_t **rest, size_t *rest_bytes)
{
	size_t length = strlen(prefix);
	if (bytes < length || memcmp(name, prefix, length) != 0)
		return false;
	*rest = name + length;
	*rest_bytes = bytes - length;
	return true;
}

/* Whether what is left of a name begins so; then it is what stands behind. */
static bool skip(const uint8_t **name, size_t *bytes, const char *prefix)
{
	return q2_name_begins(*name, *bytes, prefix, name, bytes);
}

/* A bus that libvirt names disks by, then letters. */
static bool is_target(const uint8_t *name, size_t bytes)
{
	static const char *const buses[] = {"hd", "sd", "vd", "xvd", "fd", "ubd"};
	size_t bus = 0;
	while (bus < sizeof(buses) / sizeof(buses[0]) && !skip(&name, &bytes, buses[bus]))
		bus++;
	if (bus == sizeof(buses) / sizeof(buses[0]) || bytes == 0)
		return false;
	for (size_t i = 0; i < bytes; i++)
		if (name[i] < 'a' || name[i] > 'z')
			return false;
	return true;
}

bool q2_name_is_own(const uint8_t *name, size_t bytes)
{
	return skip(&name, &bytes, Q2_NAME_REBASE) || skip(&name, &bytes, Q2_NAME_COMMIT);
}

bool q2_name_is_of_job(const uint8_t *name, size_t bytes)
{
	return q2_name_is_own(name, bytes) || q2_name_is_temporary(name, bytes);
}

bool q2_name_is_temporary(const uint8_t *name, size_t bytes)
{
	return skip(&name, &bytes, "libvirt-tmp-") ||
	       (skip(&name, &bytes, "backup-") && is_target(name, bytes));
}
