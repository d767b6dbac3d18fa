/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The intent file of an edit of several images: what each holds, and what it is to hold. Bytes <->
 * structs; all numbers are big-endian.
 *
 *   head     one sector, on stable storage before the rest is written: the magic, the version, how
 *            many images, how many bytes in all, how many other files, how many bytes the note has; from
 *            byte 256 on the caller's note; zeros
 *   image    its path, how it is switched over, the two states, the clusters of each
 *   ...
 *   file     its path, its temporary name, mode and owner, the bytes of both states
 *   ...
 *   sum      the CRC-32 of all before it. It is on stable storage before the first image is switched
 *            over: a file with a wrong one is of an edit that has switched none.
 */
#ifndef Q2_EDIT_INTENT_H
#define Q2_EDIT_INTENT_H

#include "../clusters/clusters.h"
#include "../format/extension.h"
#include "../storage/storage.h"
#include "switch.h"

#define Q2_INTENT_HEAD_BYTES 512u
#define Q2_INTENT_MAX_BYTES (64u << 20)
#define Q2_INTENT_MAX_IMAGES 4096u
#define Q2_INTENT_MAX_FILES 16384u
#define Q2_INTENT_MAX_FILE_BYTES (2u << 20)
#define Q2_INTENT_MAX_PATH 4096u /* with its NUL */
#define Q2_INTENT_MAX_NOTE QCOW2BM_MAX_NOTE_BYTES

/* What one of the two states is known by. */
struct q2_intent_state {
	uint8_t extension[Q2_EXTENSION_BITMAPS_BYTES]; /* all 0: no bitmaps */
	uint64_t directory_bytes;
	uint32_t directory_sum;
	uint32_t head_sum;                  /* of the image's first head_bytes */
	uint8_t bytes[Q2_SWITCH_MAX_BYTES]; /* of the switch */
};

/* Clusters, sorted, and the sum of their bytes as they are when all is prepared. */
struct q2_intent_clusters {
	struct q2_clusters set;
	bool is_known; /* all of them could be read */
	uint32_t sum;
};

/* Eight bytes that may be written in one of the states without changing it. */
struct q2_intent_tidy {
	bool is_due;
	uint64_t off;
	uint8_t from[8], to[8];
};

struct q2_intent_image {
	char *path;            /* absolute */
	struct q2_stamp stamp; /* when all was prepared */
	uint32_t cluster_bits;
	uint32_t head_bytes;
	uint64_t switch_off;
	uint32_t switch_bytes;
	struct q2_intent_state old_state, new_state;
	/* Whatever the guest writes from now on, as long as the bits that `used` and `given_up` (for
	 * back: `written`) hold are the same, the other state is right, too. */
	bool lasts_forward, lasts_back;
	struct q2_intent_tidy old_tidy, new_tidy;
	struct q2_intent_clusters written;  /* that only the new state uses */
	struct q2_intent_clusters given_up; /* that only the old state uses */
	struct q2_intent_clusters used;     /* where other bits came from */
};

/* What one of the other files holds in one of the two states. */
struct q2_intent_bytes {
	bool is_there;
	uint8_t *bytes;
	size_t count;
};

struct q2_intent_file {
	char *path, *temporary; /* absolute */
	uint32_t mode, user, group;
	struct q2_intent_bytes old_bytes, new_bytes;
};

struct q2_intent {
	struct q2_intent_image *images;
	size_t count;
	struct q2_intent_file *files; /* others, that change with the images */
	size_t file_count;
	uint8_t note[Q2_INTENT_MAX_NOTE];
	uint32_t note_bytes;
};

void q2_intent_free(struct q2_intent *intent);

/* All of the file; to be freed. Errors: ELIMIT, ENOMEM. */
enum qcow2bm_code q2_intent_encode(const struct q2_intent *intent, uint8_t **bytes,
				   size_t *size, struct qcow2bm_error *err);

/*
 * Decodes the bytes of a file. *is_whole is false, and the intent empty, when it is one that was
 * never completed. Errors: EIMAGE for what is no intent file, or breaks its rules though its sum is
 * right; EUNSUPPORTED for another version; ENOMEM.
 */
enum qcow2bm_code q2_intent_decode(struct q2_intent *intent, const uint8_t *bytes,
				   size_t size, bool *is_whole,
				   struct qcow2bm_error *err);

#endif
