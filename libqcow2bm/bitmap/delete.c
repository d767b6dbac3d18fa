/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deleting a bitmap, one in use or corrupt included. */
#include "../base/error.h"
#include "../edit/edit.h"
#include "../image/directory.h"

enum qcow2bm_code qcow2bm_edit_delete(struct qcow2bm_edit *edit, const char *name,
				      size_t name_bytes, struct qcow2bm_error *err)
{
	struct qcow2bm_error why = {0};
	if (q2_edit_enter(edit, &why) != QCOW2BM_OK)
		return q2_pass(err, &why);
	struct q2_staged *staged = q2_edit_find(edit, name, name_bytes);
	size_t idx = QCOW2BM_NOT_FOUND, same = 0;
	if (staged != NULL && staged->committed_idx != Q2_EDIT_NOT_COMMITTED) {
		idx = staged->committed_idx;
		if (staged->new_name == NULL)
			q2_directory_find(&edit->image->directory, name, name_bytes,
					  &same);
	}
	if (same > 1)
		return q2_fail(err, QCOW2BM_EINVAL,
			       edit->image->directory.bitmaps[idx].off,
			       "%zu bitmaps have the name '%.*s'" QCOW2BM_SEE_CHECK, same,
			       name_bytes > 200 ? 200 : (int)name_bytes, name);
	if (staged == NULL || staged->committed_idx != Q2_EDIT_NOT_COMMITTED) {
		enum qcow2bm_code code =
			q2_edit_check_usable(edit->image, idx, name, name_bytes, &why);
		if (staged == NULL || (code != QCOW2BM_OK && code != QCOW2BM_EIMAGE &&
				       code != QCOW2BM_EINUSE))
			return q2_pass(err, &why);
	}
	q2_edit_delete(edit, staged);
	return QCOW2BM_OK;
}
