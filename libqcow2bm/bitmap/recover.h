/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all ways to recover a bitmap have in common. */
#ifndef Q2_BITMAP_RECOVER_H
#define Q2_BITMAP_RECOVER_H

#include "../edit/edit.h"

/* Whether a new table makes good what is wrong with the bitmap, which is in-use. */
bool q2_recover_is_sound_without_table(const struct qcow2bm_image *image,
				       const struct q2_bitmap *bitmap);

/* The shape that the new bits have: the disk's, which may have been resized since. Errors: EUNSUPPORTED,
 * ELIMIT. */
enum qcow2bm_code q2_recover_check_shape(const struct qcow2bm_image *image,
					 const struct q2_bitmap *bitmap,
					 struct q2_table_shape *shape,
					 struct qcow2bm_error *err);

/* The flags afterwards. */
uint32_t q2_recover_new_flags(uint32_t flags, enum qcow2bm_recording recording);

#endif
