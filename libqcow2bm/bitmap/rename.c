/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Renaming a bitmap. */
#include <string.h>

#include "../base/error.h"
#include "../edit/edit.h"

enum qcow2bm_code qcow2bm_edit_rename(struct qcow2bm_edit *edit, const char *name,
				      size_t name_bytes, const char *new_name,
				      size_t new_name_bytes, struct qcow2bm_error *err)
{
	struct q2_staged *staged;
	enum qcow2bm_code code =
		q2_edit_find_usable(edit, name, name_bytes, &staged, err);
	if (code != QCOW2BM_OK)
		return code;
	if (name_bytes == new_name_bytes && memcmp(name, new_name, name_bytes) == 0)
		return QCOW2BM_OK;
	code = q2_edit_check_new_name(edit, new_name, new_name_bytes, err);
	if (code != QCOW2BM_OK)
		return code;
	return q2_edit_set_name(edit, staged, new_name, new_name_bytes, err);
}
