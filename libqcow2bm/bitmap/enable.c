/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auto flag: whether QEMU records into a bitmap. */
#include "../edit/edit.h"

static enum qcow2bm_code set_auto(struct qcow2bm_edit *edit, const char *name,
				  size_t name_bytes, bool enabled,
				  struct qcow2bm_error *err)
{
	struct q2_staged *staged;
	enum qcow2bm_code code =
		q2_edit_find_usable(edit, name, name_bytes, &staged, err);
	if (code != QCOW2BM_OK)
		return code;
	if (enabled)
		staged->flags |= Q2_DIRECTORY_FLAG_AUTO;
	else
		staged->flags &= ~Q2_DIRECTORY_FLAG_AUTO;
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_edit_enable(struct qcow2bm_edit *edit, const char *name,
				      size_t name_bytes, struct qcow2bm_error *err)
{
	return set_auto(edit, name, name_bytes, true, err);
}

enum qcow2bm_code qcow2bm_edit_disable(struct qcow2bm_edit *edit, const char *name,
				       size_t name_bytes, struct qcow2bm_error *err)
{
	return set_auto(edit, name, name_bytes, false, err);
}
