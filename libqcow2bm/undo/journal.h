/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A storage that notes in an undo file what it is about to change in the storage below.
 *
 * Before a write, a new length or a hole reaches the image, the undo file has, on stable
 * storage, the bytes that will change. It has them once per stretch between two syncs of the
 * image: putting them back stretch by stretch, the last one first, passes only through states
 * that a power cut could have left of the edit itself. Nothing is discarded.
 */
#ifndef Q2_UNDO_JOURNAL_H
#define Q2_UNDO_JOURNAL_H

#include "../storage/storage.h"

/*
 * Makes the undo file `path`, which must not be there yet, for a storage that is open for
 * writing. On success *storage owns `inner`; after a failure `inner` is as it was and the new
 * file is gone. Errors: ESYSTEM (EEXIST, ENOSPC and others), ENOMEM.
 */
enum qcow2bm_code q2_journal_open(struct q2_storage **storage, struct q2_storage *inner,
				  const char *path, struct qcow2bm_error *err);

/* The same with any empty storage as the undo file, which *storage then owns, too. */
enum qcow2bm_code q2_journal_open_over(struct q2_storage **storage,
				       struct q2_storage *inner, struct q2_storage *undo,
				       struct qcow2bm_error *err);

bool q2_journal_is(const struct q2_storage *storage);

/*
 * Notes how each range that was changed stands now, and that the edit has ended; closes the undo
 * file, or removes it when nothing was changed, and gives back the storage below in *inner, also
 * after a failure: then the undo file is one of an edit that was interrupted.
 */
enum qcow2bm_code q2_journal_end(struct q2_storage *storage, struct q2_storage **inner,
				 struct qcow2bm_error *err);

#endif
