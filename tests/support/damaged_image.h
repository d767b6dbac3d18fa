/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images with three bitmaps, each damaged in one way, and the repair of them. */
#ifndef TESTS_DAMAGED_IMAGE_H
#define TESTS_DAMAGED_IMAGE_H

#include "memory_storage.h"
#include "strict_reader.h"

#define DAMAGED_BITMAPS 3

/* How the image is laid out that is damaged. */
struct damaged_layout {
	const char *name;
	unsigned cluster_bits;
	unsigned refcount_order;
	unsigned payload_off; /* of the bitmaps extension's data; 0: anywhere */
	unsigned snapshots;
};

struct damaged_image {
	struct memory_file sound, file; /* before and after the damage */
	uint64_t payload_off;
	uint64_t directory_off;
	uint64_t entry_off[DAMAGED_BITMAPS];
	uint64_t table_off[DAMAGED_BITMAPS];
	unsigned cluster_bits, refcount_order;
};

struct damaged_case {
	const char *name;
	const char *code; /* of the finding that names it */
	void (*damage)(struct damaged_image *image);
	unsigned kept;      /* bit i: bitmap i of the sound image stays */
	unsigned flags;     /* of the repair */
	unsigned min_order; /* refcounts of at least 1 << so many bits */
};

extern const struct damaged_layout damaged_layouts[];
extern const size_t damaged_layout_count;
extern const struct damaged_case damaged_cases[];
extern const size_t damaged_case_count;

void damaged_image_make(struct damaged_image *image, const struct damaged_layout *layout,
			const struct damaged_case *damaged);
void damaged_image_free(struct damaged_image *image);

/* A number of the image as it is now, and another in its place. */
uint64_t damaged_load(const struct damaged_image *image, uint64_t off, unsigned bytes);
void damaged_store(struct damaged_image *image, uint64_t off, unsigned bytes,
		   uint64_t value);

/* The refcount, 0 where no block has one, of the cluster that byte `off` is in; setting it. */
uint64_t damaged_image_refcount(const struct damaged_image *image, uint64_t off);
void damaged_image_count(struct damaged_image *image, uint64_t off, uint64_t refcount);

/* A block has a count for the cluster that byte `off` is in, and it is 0. */
bool damaged_is_free(const struct damaged_image *image, uint64_t off);

/* Where the table of a bitmap has the nth entry that names data. */
uint64_t damaged_image_entry(const struct damaged_image *image, size_t idx, unsigned nth);

/* The first data cluster of the guest that is not compressed. */
uint64_t damaged_image_guest(const struct damaged_image *image);

/* Opens what is in `storage`, which it closes, checks it, and repairs it. The whole check is of
 * what is there before the repair; *has_code, when not NULL, is whether it named `code`. */
enum qcow2bm_code damaged_image_repair(struct q2_storage *storage,
				       const struct damaged_case *damaged, bool *has_code,
				       struct qcow2bm_result *result,
				       struct qcow2bm_error *err);

/* Whether `after` has exactly those bitmaps of `sound` that are kept. */
bool damaged_image_is_kept(const struct strict_image *sound,
			   const struct strict_image *after, unsigned kept);

#endif
