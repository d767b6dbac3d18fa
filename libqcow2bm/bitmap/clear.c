/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making every bit of a bitmap clean. */
#include <stdlib.h>

#include "../edit/edit.h"
#include "../format/table.h"
#include "../image/tables.h"

/* Whether the committed bitmap is known to be clean from its table alone. */
static bool is_clean(struct qcow2bm_image *image, size_t idx)
{
	const struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	uint64_t *table;
	if (q2_tables_load(image, bitmap, &table, NULL) != QCOW2BM_OK)
		return false;
	uint32_t i = 0;
	while (i < bitmap->entry.table_entries && table[i] == Q2_TABLE_ZEROS)
		i++;
	free(table);
	return i == bitmap->entry.table_entries;
}

enum qcow2bm_code qcow2bm_edit_clear(struct qcow2bm_edit *edit, const char *name,
				     size_t name_bytes, struct qcow2bm_error *err)
{
	struct q2_staged *staged;
	enum qcow2bm_code code =
		q2_edit_find_usable(edit, name, name_bytes, &staged, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_edit_clear_sources(staged);
	/* What is clean already keeps its table: nothing needs to be written. */
	if (staged->committed_idx != Q2_EDIT_NOT_COMMITTED)
		staged->keeps_bits = !staged->is_recovered &&
				     is_clean(edit->image, staged->committed_idx);
	return QCOW2BM_OK;
}
