/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an undo file holds of an edit: the old bytes of each change, what is let go, what stands at the end. */
#ifndef Q2_UNDO_NOTES_H
#define Q2_UNDO_NOTES_H

#include "../storage/storage.h"
#include "spans.h"
#include "write.h"

struct q2_notes {
	struct q2_storage *inner; /* that is noted of */
	struct q2_undo_writer writer;
	bool has_changes;
	uint64_t kept_bytes;
	struct q2_spans noted; /* sectors that this stretch has the old bytes of */
	struct q2_spans ever;  /* sectors that any change is about */
	struct q2_spans kept;  /* sectors that were let go without one */
	uint8_t old[Q2_UNDO_MAX_RANGE];
	uint8_t new[Q2_UNDO_MAX_RANGE];
};

/* What is to become of the bytes [off, off+bytes): `buf`, or zeros when it is NULL. */
struct q2_notes_change {
	const uint8_t *buf;
	uint64_t off, bytes;
	uint64_t length_before, length_after;
	bool is_real; /* out: some byte or the length becomes another */
};

/* The change may be made when this has succeeded, and not before. */
enum qcow2bm_code q2_notes_change(struct q2_notes *notes, struct q2_notes_change *change,
				  struct qcow2bm_error *err);

/* Keeps what an edit frees, in whole sectors: it is synced before the room is given back. */
enum qcow2bm_code q2_notes_keep(struct q2_notes *notes, uint64_t off, uint64_t bytes,
				struct qcow2bm_error *err);

/* The image was synced: the old bytes of what changes from now on are noted again. */
void q2_notes_next_stretch(struct q2_notes *notes);

/* The end of an edit: what stands where it wrote, and the file's time stamps. */
enum qcow2bm_code q2_notes_end(struct q2_notes *notes, struct qcow2bm_error *err);

/* The storages stay open. */
void q2_notes_free(struct q2_notes *notes);

#endif
