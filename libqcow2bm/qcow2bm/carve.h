/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bitmaps that were deleted, in clusters that nothing uses. Included by qcow2bm.h. */
#ifndef QCOW2BM_CARVE_H
#define QCOW2BM_CARVE_H

#include "check.h"

#ifdef __cplusplus
extern "C" {
#endif

enum qcow2bm_carved_state {
	QCOW2BM_CARVED_INTACT, /* table and data look whole, and nothing uses them */
	/* the table reads as zeros: clean, or its room was given back */
	QCOW2BM_CARVED_BLANK,
	QCOW2BM_CARVED_TABLE_PAST_END, /* of the file */
	/* something else has the clusters of the table now */
	QCOW2BM_CARVED_TABLE_REUSED,
	QCOW2BM_CARVED_TABLE_DAMAGED, /* its entries are none */
	QCOW2BM_CARVED_DATA_PAST_END,
	QCOW2BM_CARVED_DATA_REUSED,
	QCOW2BM_CARVED_DATA_DAMAGED, /* some of it was written over, that is seen */
	QCOW2BM_CARVED_DATA_BLANK,   /* some of it reads as zeros, so it was given back */
	QCOW2BM_CARVED_NOT_JUDGED    /* too many entries were found to look at each */
};

/* "intact", "table-reused": as the JSON of qcow2bm check --carve has it. NULL for
 * none. */
const char *qcow2bm_carved_state_name(enum qcow2bm_carved_state state);

/* An entry of an old bitmap directory. Pointers live until the function returns. */
struct qcow2bm_carved {
	uint64_t directory_offset; /* of the first of the entries that stand together */
	uint32_t idx;              /* among these, from 0 */
	uint64_t entry_offset;
	const char *name;
	size_t name_bytes;
	unsigned granularity_bits;
	bool in_use, recording;
	bool fits_disk; /* its table is as long as this disk needs */
	uint32_t extra_bytes;
	uint64_t table_offset;
	uint32_t table_entries;
	uint64_t data_clusters; /* looked at before the first that is lost */
	enum qcow2bm_carved_state state;
};

/* Returns 0 to go on, anything else to stop. */
typedef int qcow2bm_carve_fn(void *opaque, const struct qcow2bm_carved *carved);

/*
 * Looks for old bitmap directories in the clusters that are free or leaked, as `report`,
 * of a whole qcow2bm_image_check() of this image, knows them, and calls `fn` for each
 * entry. Bytes in use are never looked at. What is found promises nothing: free clusters
 * may hold anything.
 *
 * Errors: EINVAL for a report without the reference walk; EUNSUPPORTED when refcounts
 * outside the bitmaps are wrong; ESYSTEM, ENOMEM, EIMAGE; ESTOPPED when fn returned
 * non-zero.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_image_carve(struct qcow2bm_image *image, const struct qcow2bm_report *report,
		    qcow2bm_carve_fn *fn, void *opaque, const struct qcow2bm_watch *watch,
		    struct qcow2bm_error *err);

struct qcow2bm_carved_options {
	size_t size;               /* of this struct */
	uint64_t directory_offset; /* as in struct qcow2bm_carved */
	uint32_t idx;
	enum qcow2bm_recording recording; /* the auto flag; KEEP: as the entry has it */
	bool accept_unsafe;
};

#define QCOW2BM_CARVED_OPTIONS_INIT                                                  \
	{                                                                            \
		sizeof(struct qcow2bm_carved_options), 0, 0, QCOW2BM_RECORDING_KEEP, \
			false                                                        \
	}

/*
 * Brings back, as the new bitmap `name`, one that qcow2bm_image_carve() finds: stages a
 * bitmap with its granularity and bits, which the commit reads and writes anew to other
 * clusters. This is always unsafe: while its clusters were nobody's, they may have been
 * written and freed again, which nobody can see, and what the guest wrote since it was
 * deleted is not in its bits. `report` comes of a whole qcow2bm_image_check() of the
 * edit's image that found no error, and is not needed afterwards; of an image that was
 * edited since it is refused. Whether anything has these clusters is looked at once more
 * when the edit is planned and committed. What one edit brings back is all read before
 * any of it is written over; what is left of others may be written over by it.
 *
 * Errors: EINVAL for a report of another image or without the reference walk, and for a
 * name as qcow2bm_edit_add(); EEXIST; EBUSY for an image that a live program writes;
 * EUNSUPPORTED when the check found errors, and for an entry with extra data; ENOTFOUND
 * when there is no such entry; EIMAGE when its table or data is no longer whole, or is of
 * a disk of another size; EINUSE when unsafe is not accepted; ELIMIT for more than 65535
 * bitmaps; ESYSTEM, ENOMEM.
 * Crash: changes nothing (qcow2bm_edit_commit() does).
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_edit_recover_carved(
	struct qcow2bm_edit *edit, const struct qcow2bm_report *report,
	const struct qcow2bm_carved_options *options, const char *name, size_t name_bytes,
	const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
