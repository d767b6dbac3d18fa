/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making every bit of a bitmap clean. */
#include <stdlib.h>

#include "../edit/edit.h"
#include "../format/table.h"
#include "../image/tables.h"

static enum qcow2bm_code note_entry(void *opaque, uint32_t idx, uint64_t entry,
				    struct qcow2bm_error *err)
{
	bool *is_clean = opaque;
	(void)idx;
	(void)entry;
	(void)err;
	*is_clean = false;
	return QCOW2BM_OK;
}

/* Whether the committed bitmap is known to be clean from its table alone. */
static bool is_clean(const struct qcow2bm_image *image, size_t idx)
{
	bool clean = true;
	return q2_tables_scan(image, &image->directory.bitmaps[idx], note_entry, &clean,
			      NULL) == QCOW2BM_OK &&
	       clean;
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
