/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Putting back what an undo file has of an image. */
#ifndef Q2_UNDO_UNDO_H
#define Q2_UNDO_UNDO_H

#include "../storage/storage.h"
#include "record.h"
#include "spans.h"

/* A record, and where its payload is in the undo file. */
struct q2_undo_entry {
	struct q2_undo_record record;
	uint64_t payload_off;
};

struct q2_undo {
	struct q2_storage *storage; /* the undo file; not owned */
	struct q2_undo_header header;
	struct q2_undo_entry *entries;
	size_t count, room;
	uint32_t stretches;
	bool has_end;              /* the edit ended and said so */
	uint64_t end_bytes;        /* of the image then */
	uint64_t least_bytes;      /* the image was never shorter ... */
	uint64_t most_bytes;       /* ... nor longer */
	struct q2_stamp end_stamp; /* of the image when the edit had ended */
	struct q2_spans changed;   /* sectors that the edit wrote to */
	struct q2_spans kept;      /* sectors that it did not, and that are in the file */
	/* Bytes of the image, in its order, whose lowest bit may be set, and is to be set when
	 * they are put back: in-use flags. Not owned. */
	const uint64_t *marks;
	size_t mark_count;
};

/*
 * Reads all of the undo file and checks every sum. What a power cut left of its last record,
 * whose change was not made yet, does not count. Memory: at most a fifth of the file's length.
 * Errors: EIMAGE for damage, EUNSUPPORTED, ESYSTEM, ENOMEM.
 */
enum qcow2bm_code q2_undo_load(struct q2_undo *undo, struct q2_storage *storage,
			       struct qcow2bm_error *err);
void q2_undo_free(struct q2_undo *undo);

/* Where the image stands between the first change and the last. */
struct q2_undo_position {
	bool is_known;    /* it is a state that the edit, or its undoing, can have left */
	uint32_t stretch; /* of that state; undo->stretches when the edit was through */
	bool is_original; /* nothing is to be put back */
	uint64_t
		off; /* when not known: the first sector that something else has changed */
	bool forced; /* it is not known, and taken for the end of the edit */
};

/* Compares the image with all that the undo file knows of it. Errors: ESYSTEM, ENOMEM, EIMAGE. */
enum qcow2bm_code q2_undo_find_position(const struct q2_undo *undo,
					struct q2_storage *image,
					struct q2_undo_position *position,
					struct qcow2bm_error *err);

/* The same, and refuses another image, one of a wrong length, and a position that is not known,
 * unless `flags` forces it. Errors: EINVAL as well. */
enum qcow2bm_code q2_undo_look(const struct q2_undo *undo, struct q2_storage *image,
			       unsigned flags, struct q2_undo_position *position,
			       struct qcow2bm_error *err);

/* Puts everything back from that position on, with the marks. Adds to result->restored_bytes and
 * syncs. Where all is back already, it is written once more as it stands, in the same order: after
 * a sync that failed the kernel takes it for written. Errors: EUNKNOWN. */
enum qcow2bm_code q2_undo_restore(const struct q2_undo *undo, struct q2_storage *image,
				  const struct q2_undo_position *position,
				  struct qcow2bm_undo_result *result,
				  struct qcow2bm_error *err);

#endif
