/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit must not take away what shows that bitmaps which it leaves are corrupt. */
#include "doubt.h"

#include "../base/error.h"
#include "../clusters/soundness.h"

/* That all bitmaps are in doubt shows in some of them, or in the directory, which every edit writes
 * anew. Without these the others would look sound. */
static enum qcow2bm_code check_evidence(const struct qcow2bm_edit *edit,
					struct qcow2bm_error *err)
{
	const struct q2_directory *directory = &edit->image->directory;
	size_t shown = 0, doubtful = 0;
	if (directory->evidence == NULL)
		return QCOW2BM_OK;
	for (size_t i = 0; i < directory->count; i++) {
		const struct q2_staged *staged = &edit->staged[i];
		if (staged->is_deleted)
			continue;
		shown += directory->bitmaps[i].is_evidence;
		doubtful += !(staged->flags & Q2_DIRECTORY_FLAG_IN_USE);
	}
	if (doubtful == 0 || shown != 0)
		return QCOW2BM_OK;
	return q2_fail(
		err, QCOW2BM_EIMAGE, directory->off,
		"what is left would look sound, but all bitmaps of the image are corrupt (%s)" QCOW2BM_SEE_CHECK,
		directory->evidence);
}

/* What shows a bitmap's damage may be gone with an edit of others. That its clusters hold something
 * else of the bitmaps', too, shows as long as both are there: the directory moves, and what is
 * deleted or gets new bits lets go. Padding is written anew. */
static enum qcow2bm_code check_traces(const struct qcow2bm_edit *edit,
				      struct qcow2bm_error *err)
{
	const struct q2_directory *directory = &edit->image->directory;
	bool lets_go = directory->is_contested;
	const struct q2_bitmap *contested = NULL, *padded = NULL;
	for (size_t i = 0; i < directory->count; i++) {
		const struct q2_staged *staged = &edit->staged[i];
		const struct q2_bitmap *bitmap = &directory->bitmaps[i];
		bool is_kept = !staged->is_deleted && !q2_edit_changes_content(staged);
		lets_go |= bitmap->is_contested && !is_kept;
		if (!is_kept || (staged->flags & Q2_DIRECTORY_FLAG_IN_USE))
			continue;
		if (bitmap->is_contested)
			contested = bitmap;
		if (bitmap->is_padded)
			padded = bitmap;
	}
	const struct q2_bitmap *left = lets_go && contested != NULL ? contested : padded;
	if (left == NULL)
		return QCOW2BM_OK;
	return q2_fail(
		err, QCOW2BM_EIMAGE, left->off,
		"bitmap '%.*s' would look sound afterwards, but is corrupt (%s)" QCOW2BM_SEE_CHECK,
		left->entry.name_bytes > 100 ? 100 : left->entry.name_bytes,
		(const char *)left->entry.name, left->problem);
}

/* What the header does not speak for it would speak for afterwards. */
static enum qcow2bm_code check_believed(const struct qcow2bm_edit *edit,
					struct qcow2bm_error *err)
{
	if (q2_edit_is_believed(edit->image))
		return QCOW2BM_OK;
	for (size_t i = 0; i < edit->image->directory.count; i++)
		if (!edit->staged[i].is_deleted)
			return q2_fail(
				err, QCOW2BM_EIMAGE, Q2_HEADER_AUTOCLEAR_OFF,
				"a bitmap would look sound afterwards, but autoclear bit 0 is unset" QCOW2BM_SEE_CHECK);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_doubt_check(const struct qcow2bm_edit *edit,
				 struct qcow2bm_error *err)
{
	/* A repair has been told what to believe. */
	if (edit->repair.is_wanted)
		return QCOW2BM_OK;
	enum qcow2bm_code code = check_believed(edit, err);
	if (code == QCOW2BM_OK)
		code = q2_soundness_judge(edit->image, err);
	if (code == QCOW2BM_OK)
		code = check_evidence(edit, err);
	return code == QCOW2BM_OK ? check_traces(edit, err) : code;
}
