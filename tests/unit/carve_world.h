/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image with five bitmaps to be deleted, and what carving finds of them afterwards. */
#ifndef TESTS_UNIT_CARVE_WORLD_H
#define TESTS_UNIT_CARVE_WORLD_H

#include "../support/one_edit.h"
#include "carve/carve.h"

#define CARVE_BITMAPS 5
/* The last clusters of table and data are part used. */
#define CARVE_DISK_BYTES ((5u << 20) + 1536)

extern const uint8_t carve_world_granularity_bits[CARVE_BITMAPS];
extern const uint32_t carve_world_flags[CARVE_BITMAPS];

struct carve_world {
	struct one_edit edit;
	struct build build;
	struct build_bitmap bitmaps[CARVE_BITMAPS];
	char names[CARVE_BITMAPS]
		  [200]; /* so long that the directory has several clusters */
	uint8_t *bits[CARVE_BITMAPS];
	size_t staged_idx; /* what stage functions are about */
};

extern struct carve_world carve_world;

void carve_world_make(uint64_t seed, unsigned cluster_bits);
void carve_world_forget(void);

/* Runs an edit that punches no holes; fails unless it is done, and the image sound. */
void carve_world_run(stage_fn *stage);

/* Stage functions: the bitmap staged_idx is deleted, or all are. */
enum qcow2bm_code carve_world_delete_one(struct qcow2bm_edit *edit,
					 struct qcow2bm_error *err);
enum qcow2bm_code carve_world_delete_all(struct qcow2bm_edit *edit,
					 struct qcow2bm_error *err);

#define CARVE_SEEN_MOST 200

struct carve_seen {
	struct qcow2bm_carved all[CARVE_SEEN_MOST];
	char first[CARVE_SEEN_MOST]; /* letter of the name */
	size_t count;
};

/* All that carving with that window finds, in the order of the file. */
void carve_world_look(struct carve_seen *seen, unsigned window_shift);

/* The last one of that name in the file, in that state. */
struct qcow2bm_carved carve_world_find(size_t idx, enum qcow2bm_carved_state state);
bool carve_world_is_seen(size_t idx, enum qcow2bm_carved_state state);

#endif
