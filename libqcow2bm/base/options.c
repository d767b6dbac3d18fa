/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Structs that a caller fills, who may have been built with an older or a newer header. */
#include "options.h"

#include <string.h>

#include "error.h"

static bool is_zero(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

enum qcow2bm_code q2_options_take(void *ours, size_t ours_bytes, const void *theirs,
				  const char *what, struct qcow2bm_error *err)
{
	size_t size;
	if (theirs == NULL)
		return QCOW2BM_OK;
	memcpy(&size, theirs, sizeof(size));
	if (size < sizeof(size))
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "%s of %zu bytes are none: they begin with their size",
			       what, size);
	if (size > ours_bytes &&
	    !is_zero((const uint8_t *)theirs + ours_bytes, size - ours_bytes))
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"%s ask for what this version of the library does not know",
			what);
	memcpy(ours, theirs, size < ours_bytes ? size : ours_bytes);
	memcpy(ours, &ours_bytes, sizeof(ours_bytes));
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_options_check(unsigned flags, unsigned known, const char *what,
				   struct qcow2bm_error *err)
{
	if ((flags & ~known) == 0)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		       "%s has no flags 0x%x in this version of the library", what,
		       flags & ~known);
}
