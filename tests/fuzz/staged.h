/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an image's bitmaps are and, after edits, should be: lists of dirty ranges. */
#ifndef TESTS_STAGED_H
#define TESTS_STAGED_H

#include "fuzz.h"

#define STAGED_MAX_BITMAPS 48
#define STAGED_MAX_RANGES 5000

struct staged_range {
	uint64_t start, end; /* guest bytes */
};

struct staged_ranges {
	struct staged_range *ranges;
	size_t count;
};

struct staged_bitmap {
	struct qcow2bm_bitmap entry; /* its name is a copy; the problem is not kept */
	bool has_problem;
	enum qcow2bm_code code; /* of reading the bits */
	struct staged_ranges dirty;
	uint64_t sources; /* bits of those committed bitmaps whose bits it has */
	bool has_new_content, is_deleted;
	bool may_be_lost; /* its bits, if an edit that deletes it fails */
};

struct staged {
	uint64_t virtual_bytes;
	struct staged_bitmap bitmaps[STAGED_MAX_BITMAPS];
	size_t count;
};

/* Reads all bitmaps through the library; false when there are too many bitmaps or ranges to
 * go on with. staged_free() is due in any case. */
bool staged_read(struct staged *staged, struct qcow2bm_image *image);
void staged_free(struct staged *staged);

/* The first one with this name that is not deleted, or NULL. */
struct staged_bitmap *staged_find(struct staged *staged, const char *name, size_t bytes);

/* The changes that the library has accepted. */
void staged_add(struct staged *staged, const char *name, size_t bytes,
		unsigned granularity_bits, bool enabled);
void staged_rename(struct staged_bitmap *bitmap, const char *name, size_t bytes);

/* Carries out what is staged: the bits of the sources become the bitmaps' own, those that are
 * deleted go. */
void staged_carry_out(struct staged *staged);

/* Fails unless `found` is what was wanted. `what` is for the message. */
void staged_compare(const struct staged *wanted, const struct staged *found,
		    const char *what);
bool staged_is_same(const struct staged *a, const struct staged *b);

#endif
