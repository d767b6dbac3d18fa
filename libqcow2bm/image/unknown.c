/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a header carries that nobody here knows. */
#include "unknown.h"

bool q2_unknown_is_known(uint32_t type)
{
	static const uint32_t known[] = {
		Q2_EXTENSION_BACKING_FORMAT, Q2_EXTENSION_FEATURE_NAMES,
		Q2_EXTENSION_BITMAPS,        Q2_EXTENSION_ENCRYPTION,
		Q2_EXTENSION_DATA_FILE,      Q2_EXTENSION_PADDING};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (type == known[i])
			return true;
	return false;
}

bool q2_unknown_may_own(const struct qcow2bm_image *image)
{
	const struct q2_header *header = &image->header;
	if ((header->compatible_features & ~Q2_COMPATIBLE_LAZY_REFCOUNTS) != 0 ||
	    (header->autoclear_features & ~Q2_AUTOCLEAR_KNOWN) != 0)
		return true;
	for (size_t i = 0; i < image->extension_count; i++)
		if (!q2_unknown_is_known(image->extensions[i].type))
			return true;
	for (size_t at = Q2_HEADER_KNOWN_BYTES;
	     at < header->header_bytes && at < image->head_bytes; at++)
		if (image->head[at] != 0)
			return true;
	return false;
}
