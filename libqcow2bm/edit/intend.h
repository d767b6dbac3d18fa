/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an intent file says of an image whose edit is prepared. */
#ifndef Q2_EDIT_INTEND_H
#define Q2_EDIT_INTEND_H

#include "commit.h"
#include "intent.h"

#define Q2_INTENT_MAX_HEAD_BYTES (64u << 10)

/*
 * Fills the zeroed *noted, but for its path, with the two states of a prepared edit, and with what
 * tells later that nothing has happened to either. Reads what the edit gives up once more. Errors:
 * ESYSTEM, ENOMEM, EIMAGE, EINTERRUPTED. Crash: changes nothing.
 */
enum qcow2bm_code q2_intend(struct q2_intent_image *noted, struct qcow2bm_edit *edit,
			    struct qcow2bm_error *err);

/* The sum of the clusters' bytes. Those that the file does not have make it unknown. Errors: ESYSTEM,
 * ENOMEM, EINTERRUPTED. */
enum qcow2bm_code q2_intend_sum(struct qcow2bm_image *image,
				const struct q2_clusters *set, struct q2_watch *watch,
				bool *is_known, uint32_t *sum, struct qcow2bm_error *err);

/* The sum of the image's first bytes as they are on disk, and, with a switch (NULL: none), as they
 * are when its bytes stand there. Errors: ESYSTEM, ENOMEM, EIMAGE. */
enum qcow2bm_code q2_intend_sum_head(struct qcow2bm_image *image, uint32_t head_bytes,
				     const struct q2_switch *plan, uint32_t *now,
				     uint32_t *switched, struct qcow2bm_error *err);

#endif
