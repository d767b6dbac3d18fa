/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images that test_model works on, and what must hold after each edit. */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include "../support/fault_storage.h"
#include "../support/random_image.h"
#include "../support/record_storage.h"
#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define EDITS_PER_IMAGE 8

/* One image with the library at work on it, and another that it may read. */
struct world {
	struct random random;
	uint64_t seed;
	struct random_image disk;
	struct random_image other;
	struct record_log log;
	struct fault_plan faults;
	struct qcow2bm_image *image;
	struct qcow2bm_image *other_image;
	/* Of the edit on its way. */
	struct model staged;
	struct memory_file before;
	unsigned looks_left; /* calls of interrupted() until it says so; 0: never */
};

/* Everything is said about a failure here: the seed of its image replays it alone. */
#define CHECK(world, condition, ...)                                                 \
	do {                                                                         \
		if (!(condition)) {                                                  \
			fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);              \
			fprintf(stderr, __VA_ARGS__);                                \
			fprintf(stderr,                                              \
				"\nreplay: QCOW2BM_SEED=%llu "                       \
				"QCOW2BM_STEPS=%d\n",                                \
				(unsigned long long)(world)->seed, EDITS_PER_IMAGE); \
			fail();                                                      \
		}                                                                    \
	} while (0)

struct outcome {
	enum qcow2bm_code code;
	struct qcow2bm_error err;
	struct qcow2bm_plan plan;
	struct qcow2bm_result result;
	size_t first_op; /* what the log had before */
	bool has_fault;
};

void model_world_begin(struct world *world);
/* Opens the image again; its log is empty then, and no fault is planned. */
void model_world_open(struct world *world);
void model_world_end(struct world *world);

void model_world_check_success(struct world *world, const struct outcome *outcome);
/* Refused before the first byte is written, or rolled back. */
void model_world_check_failure(struct world *world, const struct outcome *outcome);
/* A power cut anywhere: the old state or the new, and nothing in use is counted as free. */
void model_world_check_power_cut(struct world *world, const struct outcome *outcome);
/* The file has the model's bitmaps. False when it cannot be edited before it is repaired. */
bool model_world_check_bitmaps(struct world *world, const struct model *model,
			       struct memory_file *file);

#endif
