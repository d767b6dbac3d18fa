/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Marking two layers, the upper of which has all bits of the lower, and taking the mark away. */
#include "marking.h"

#include "../edit/edit.h"
#include "../format/name.h"
#include "lifted.h"

#include <stdio.h>
#include <string.h>

/* FNV-1a over what the directories say, which no other two images do. */
static uint64_t add_directory(uint64_t hash, const struct qcow2bm_image *image)
{
	for (size_t i = 0; i < image->directory.count; i++) {
		const struct q2_directory_entry *entry =
			&image->directory.bitmaps[i].entry;
		for (size_t k = 0; k < entry->name_bytes; k++)
			hash = (hash ^ entry->name[k]) * 0x100000001b3u;
		for (unsigned shift = 0; shift < 64; shift += 8)
			hash = (hash ^ (entry->table_off >> shift & 0xff)) *
			       0x100000001b3u;
	}
	return hash;
}

static enum qcow2bm_code add(struct qcow2bm_chain *chain, size_t layer, const char *name,
			     struct qcow2bm_error *err)
{
	struct qcow2bm_error why = {0};
	return qcow2bm_edit_add(chain->layers[layer].edit, name, strlen(name),
				Q2_DIRECTORY_MAX_GRANULARITY_BITS, false,
				&why) == QCOW2BM_OK
		       ? QCOW2BM_OK
		       : q2_stage_blame(chain, layer, err, &why);
}

/* In its place, clean, not in-use, and with autoclear bit 0. */
static enum qcow2bm_code renew(struct qcow2bm_chain *chain, size_t layer, size_t idx,
			       struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = chain->layers[layer].image;
	const struct q2_directory_entry *entry = &image->directory.bitmaps[idx].entry;
	char name[sizeof(Q2_NAME_COMMIT) + 16];
	if (!(entry->flags & Q2_DIRECTORY_FLAG_IN_USE) && q2_edit_is_believed(image))
		return QCOW2BM_OK;
	snprintf(name, sizeof(name), "%.*s", (int)entry->name_bytes, entry->name);
	enum qcow2bm_code code = q2_stage_remove(chain, layer, idx, err);
	return code == QCOW2BM_OK ? add(chain, layer, name, err) : code;
}

enum qcow2bm_code q2_marking_add(struct qcow2bm_chain *chain, size_t layer,
				 struct qcow2bm_error *err)
{
	size_t above, shared = q2_lifted_shared(chain, layer, &above);
	char name[sizeof(Q2_NAME_COMMIT) + 16];
	if (shared != QCOW2BM_NOT_FOUND)
		return renew(chain, layer, shared, err);
	uint64_t hash = add_directory(0xcbf29ce484222325u, chain->layers[0].image);
	hash = add_directory(hash, chain->layers[layer].image);
	snprintf(name, sizeof(name), Q2_NAME_COMMIT "%016llx", (unsigned long long)hash);
	enum qcow2bm_code code = add(chain, 0, name, err);
	return code == QCOW2BM_OK ? add(chain, layer, name, err) : code;
}

enum qcow2bm_code q2_marking_remove(struct qcow2bm_chain *chain, size_t layer,
				    struct qcow2bm_error *err)
{
	size_t above, shared = q2_lifted_shared(chain, layer, &above);
	if (shared == QCOW2BM_NOT_FOUND)
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_stage_remove(chain, 0, above, err);
	return code == QCOW2BM_OK ? q2_stage_remove(chain, layer, shared, err) : code;
}
