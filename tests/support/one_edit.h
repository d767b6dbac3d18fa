/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One edit of an image in memory, with all that was seen of it. */
#ifndef TESTS_ONE_EDIT_H
#define TESTS_ONE_EDIT_H

#include "build_image.h"
#include "inspect_image.h"
#include "qcow2bm.h"
#include "record_storage.h"

struct one_edit {
	struct memory_file file;   /* the image: built by the test, then edited */
	struct memory_file before; /* what it was */
	bool is_device;            /* the image cannot grow */
	struct record_log log;
	struct inspect inspect; /* of the image after the edit */
	struct qcow2bm_plan plan;
	struct qcow2bm_result result;
	struct qcow2bm_error err;
	bool is_sound; /* the inspection found no problem */
};

/* Stages the operations; returns the first code that is not QCOW2BM_OK. */
typedef enum qcow2bm_code stage_fn(struct qcow2bm_edit *edit, struct qcow2bm_error *err);

/* Opens edit->file, stages, plans and commits, and inspects the image after it. Whatever fails
 * first is returned. It may be run again on the same file. */
enum qcow2bm_code one_edit_run(struct one_edit *edit, stage_fn *stage, unsigned flags);
void one_edit_free(struct one_edit *edit);

/* Whether the file is still what it was before the last run. */
bool one_edit_is_untouched(const struct one_edit *edit);

/* Whether the last run changed no byte and brought the header, written again, to the disk. */
bool one_edit_is_settled(const struct one_edit *edit);

/* A word of `bytes` bytes in the image file, big-endian. */
void one_edit_store(struct one_edit *edit, uint64_t off, unsigned bytes, uint64_t value);

/* The first cluster of a kind in the file as it is now; the test fails without one. */
uint64_t one_edit_find(const struct one_edit *edit, enum inspect_kind kind);

/* A word of `bytes` bytes, big-endian. */
uint64_t one_edit_load(const struct one_edit *edit, uint64_t off, unsigned bytes);

/* Where the table of a bitmap has entry idx. */
uint64_t one_edit_entry_off(const struct one_edit *edit, size_t bitmap, uint64_t idx);

/* Where the refcount of a cluster stands, which some block counts: of 8 bits at least. */
uint64_t one_edit_refcount_off(const struct one_edit *edit, uint64_t cluster);
uint64_t one_edit_refcount(const struct one_edit *edit, uint64_t cluster);
void one_edit_count(struct one_edit *edit, uint64_t cluster, uint64_t refcount);

/* Whether the last run wrote to a cluster, or punched a hole there. */
bool one_edit_is_written(const struct one_edit *edit, uint64_t cluster);

#endif
