/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making every bit of a bitmap clean. */
#include "../image/edit.h"

enum qcow2bm_code qcow2bm_clear(struct qcow2bm_edit *edit, const char *name,
				size_t name_bytes, struct qcow2bm_error *err)
{
	struct q2_staged *staged;
	enum qcow2bm_code code =
		q2_edit_find_usable(edit, name, name_bytes, &staged, err);
	if (code == QCOW2BM_OK)
		q2_edit_clear_sources(staged);
	return code;
}
