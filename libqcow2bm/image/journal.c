/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An undo file for what is about to be done to an open image. */
#include "../storage/journal.h"

#include "../base/error.h"
#include "image.h"

enum qcow2bm_code qcow2bm_journal(struct qcow2bm_image *image, const char *path,
				  struct qcow2bm_error *err)
{
	if (!image->storage->writable)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the image is not open for writing");
	if (q2_journal_is(image->storage))
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the image has an undo file already");
	return q2_journal_open(&image->storage, image->storage, path, err);
}

enum qcow2bm_code qcow2bm_journal_end(struct qcow2bm_image *image, struct qcow2bm_error *err)
{
	if (!q2_journal_is(image->storage))
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the image has no undo file");
	return q2_journal_end(image->storage, &image->storage, err);
}
