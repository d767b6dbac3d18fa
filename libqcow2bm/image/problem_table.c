/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of problems, the one source of what is known about each kind. */
#include "problem_table.h"

#include <assert.h>

#define KEEPS_OUT QCOW2BM_PROBLEM_KEEPS_QEMU_OUT
#define RISKS QCOW2BM_PROBLEM_RISKS_DATA
#define RECOUNTED QCOW2BM_PROBLEM_RECOUNTED
#define STOPS_STORING QCOW2BM_PROBLEM_STOPS_STORING
#define HIDES_BACKING QCOW2BM_PROBLEM_HIDES_BACKING

#define ROW(id, code, severity, area, cure, choice, corruption, traits) \
	[Q2_PROBLEM_##id] = {code,                                      \
			     QCOW2BM_SEVERITY_##severity,               \
			     QCOW2BM_AREA_##area,                       \
			     QCOW2BM_CURE_##cure,                       \
			     Q2_CHOICE_##choice,                        \
			     Q2_CORRUPTION_##corruption,                \
			     traits}

/* One row, one line: id, code, severity, area, cure, choice, corruption, traits. */
/* clang-format off */
static const struct q2_problem_kind kinds[Q2_PROBLEMS] = {
	/* The header and its extensions. */
	ROW(EXTENSION_LENGTH, "extension-length", ERROR, HEADER, MEND, NONE, ONE, KEEPS_OUT),
	ROW(EXTENSION_SHORT, "extension-length", ERROR, HEADER, CHOOSE, LOST, ONE, KEEPS_OUT),
	ROW(EXTENSION_TYPE, "extension-type", ERROR, HEADER, CHOOSE, TRUST, ONE, 0),
	ROW(EXTENSION_SECOND, "second-extension", ERROR, HEADER, COPY, NONE, NONE, 0),
	ROW(AUTOCLEAR_LOST, "autoclear-lost", ERROR, HEADER, CHOOSE, TRUST, ONE, 0),
	ROW(AUTOCLEAR_ALONE, "autoclear-without-extension", ERROR, HEADER, MEND, NONE, ONE, 0),
	ROW(AUTOCLEAR_ALONE_LEAKS, "autoclear-without-extension", ERROR, HEADER, CHOOSE, LOST, ONE, 0),
	ROW(CORRUPT_BIT, "image-corrupt", ERROR, HEADER, QEMU, NONE, NONE, 0),
	ROW(DIRTY_BIT, "image-dirty", WARNING, HEADER, QEMU, NONE, NONE, RECOUNTED),
	ROW(BACKING_FAR, "backing-name-far", WARNING, HEADER, MEND, NONE, NONE, HIDES_BACKING),
	ROW(BACKING_FAR_FULL, "backing-name-far", WARNING, HEADER, NOBODY, NONE, NONE, HIDES_BACKING),
	ROW(BACKING_TIGHT, "backing-name-tight", WARNING, HEADER, MEND, NONE, NONE, 0),
	/* The directory, and what the extension tells of it. */
	ROW(EXTENSION_RESERVED, "extension-reserved", ERROR, DIRECTORY, MEND, NONE, ONE, KEEPS_OUT),
	ROW(DIRECTORY_COUNT, "bitmap-count", ERROR, DIRECTORY, MEND, NONE, ONE, KEEPS_OUT),
	ROW(DIRECTORY_SIZE, "directory-size", ERROR, DIRECTORY, MEND, NONE, ONE, KEEPS_OUT),
	ROW(DIRECTORY_PLACE, "directory-place", ERROR, DIRECTORY, CHOOSE, LOST, ONE, KEEPS_OUT),
	ROW(DIRECTORY_RESYNC, "directory-resync", ERROR, DIRECTORY, MEND, NONE, ONE, KEEPS_OUT),
	ROW(DIRECTORY_OVERLAP, "directory-overlap", ERROR, DIRECTORY, CHOOSE, TRUST, OVERLAP, RISKS),
	ROW(DIRECTORY_OVERLAP_BITMAP, "directory-overlap-bitmap", ERROR, DIRECTORY, MEND, NONE, OVERLAP, 0),
	ROW(DIRECTORY_REFCOUNT_ZERO, "directory-refcount-zero", ERROR, DIRECTORY, CHOOSE, TRUST, NONE, RECOUNTED),
	ROW(DIRECTORY_REFCOUNT_HIGH, "directory-refcount-high", LEAK, DIRECTORY, MEND, NONE, NONE, RECOUNTED),

	/* An entry of the directory. */
	ROW(ENTRY_LENGTH, "entry-length", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(TYPE, "type-unknown", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(FLAGS, "flags-reserved", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(GRANULARITY, "granularity-invalid", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(GRANULARITY_QEMU, "granularity-unsupported", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(NAME_EMPTY, "name-empty", ERROR, BITMAP, DROP, NONE, ONE, 0),
	ROW(NAME_LONG, "name-too-long", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(NAME_TWICE, "name-duplicate", ERROR, BITMAP, CHOOSE, NAME, ONE, KEEPS_OUT),
	ROW(NAME_NUL, "name-nul", WARNING, BITMAP, RENAME, NONE, NONE, 0),
	ROW(NAME_UTF8, "name-not-utf8", WARNING, BITMAP, RENAME, NONE, NONE, 0),
	ROW(EXTRA, "extra-data", WARNING, BITMAP, DELETE, NONE, NONE, KEEPS_OUT),
	ROW(EXTRA_INCOMPATIBLE, "extra-data-incompatible", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(EXTRA_NONE, "extra-data-none", ERROR, BITMAP, MEND, NONE, ONE, KEEPS_OUT),
	ROW(PADDING, "padding-nonzero", ERROR, BITMAP, CHOOSE, TRUST, ONE, 0),
	ROW(IN_USE_LIVE, "in-use-live", NOTE, BITMAP, NONE, NONE, NONE, 0),
	ROW(IN_USE_STALE, "in-use-stale", WARNING, BITMAP, RECOVER, NONE, NONE, 0),
	ROW(IN_USE_IDLE, "in-use-unknown", NOTE, BITMAP, NONE, NONE, NONE, 0),
	ROW(IN_USE_UNKNOWN, "in-use-unknown", WARNING, BITMAP, RECOVER, NONE, NONE, 0),
	ROW(TEMPORARY, "temporary", WARNING, BITMAP, DELETE, NONE, NONE, 0),
	ROW(CHAIN_CUT_OFF, "chain-cut-off", WARNING, BITMAP, AGAIN, NONE, NONE, 0),
	ROW(TABLE_SIZE, "table-size", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(TABLE_MISALIGNED, "table-misaligned", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(TABLE_PAST_END, "table-past-end", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(TABLE_SHARED, "table-shared", ERROR, BITMAP, DROP, NONE, ONE, 0),
	ROW(TABLE_RESERVED, "table-reserved", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(DATA_MISALIGNED, "data-misaligned", ERROR, BITMAP, DROP, NONE, ONE, KEEPS_OUT),
	ROW(DATA_PAST_END, "data-past-end", ERROR, BITMAP, DROP, NONE, ONE, 0),
	ROW(TAIL_BITS, "tail-bits", ERROR, BITMAP, DROP, NONE, ONE, 0),
	ROW(OVERLAP_METADATA, "overlap-metadata", ERROR, BITMAP, DROP, NONE, OVERLAP, RISKS),
	ROW(OVERLAP_GUEST, "overlap-guest", ERROR, BITMAP, DROP, NONE, OVERLAP, RISKS),
	ROW(OVERLAP_BITMAP, "overlap-bitmap", ERROR, BITMAP, DROP, NONE, OVERLAP, 0),
	ROW(OVERLAP_ITSELF, "overlap-itself", ERROR, BITMAP, DROP, NONE, OVERLAP, 0),
	ROW(REFCOUNT_ZERO, "refcount-zero", ERROR, BITMAP, CHOOSE, TRUST, NONE, RECOUNTED),
	ROW(REFCOUNT_ZERO_SURPLUS, "refcount-zero", ERROR, BITMAP, DROP, NONE, NONE, RECOUNTED),
	ROW(REFCOUNT_HIGH, "refcount-high", LEAK, BITMAP, MEND, NONE, NONE, RECOUNTED),
	ROW(REFCOUNT_HIGH_UNOWNED, "refcount-high", LEAK, BITMAP, NOBODY, NONE, NONE, RECOUNTED),

	/* The image as a whole. */
	ROW(FOREIGN_WRITER, "foreign-writer", ERROR, IMAGE, CHOOSE, TRUST, NONE, 0),
	ROW(LEAKED, "leaked-clusters", LEAK, IMAGE, MEND, NONE, NONE, RECOUNTED),
	ROW(LEAKED_UNSURE, "leaked-clusters", LEAK, IMAGE, QEMU, NONE, NONE, RECOUNTED),
	ROW(LEAKED_SUSPECT, "leaked-clusters", LEAK, IMAGE, CHOOSE, TRUST, NONE, RECOUNTED),
	ROW(LEAKED_UNOWNED, "leaked-unowned", LEAK, IMAGE, NOBODY, NONE, NONE, 0),
	ROW(LEAKED_UNOWNED_SUSPECT, "leaked-unowned", LEAK, IMAGE, CHOOSE, TRUST, NONE, 0),

	/* The guest's structures. */
	ROW(GUEST_L1_PLACE, "guest-l1-table", ERROR, GUEST, NOBODY, NONE, NONE, RISKS),
	ROW(GUEST_L1_ENTRY, "guest-l1-entry", ERROR, GUEST, NOBODY, NONE, NONE, RISKS),
	ROW(GUEST_L2_PLACE, "guest-l2-table", ERROR, GUEST, NOBODY, NONE, OVERLAP, RISKS),
	ROW(GUEST_L2_ENTRY, "guest-l2-entry", ERROR, GUEST, NOBODY, NONE, NONE, RISKS),
	ROW(GUEST_DATA_PAST_END, "guest-data-past-end", ERROR, GUEST, NOBODY, NONE, NONE, RISKS),
	ROW(GUEST_COPIED, "guest-copied-flag", ERROR, GUEST, QEMU, NONE, NONE, RISKS | RECOUNTED),
	ROW(GUEST_SNAPSHOTS, "guest-snapshots", ERROR, GUEST, QEMU, NONE, NONE, KEEPS_OUT | RISKS),
	ROW(GUEST_ENCRYPTION, "guest-encryption", ERROR, GUEST, NOBODY, NONE, NONE, KEEPS_OUT | RISKS),
	ROW(GUEST_REFCOUNT_TABLE, "guest-refcount-table", ERROR, GUEST, QEMU, NONE, NONE, RISKS | STOPS_STORING),
	ROW(GUEST_REFCOUNT_LOW, "guest-refcount-low", ERROR, GUEST, QEMU, NONE, NONE, RISKS | RECOUNTED),
	ROW(GUEST_REFCOUNT_HIGH, "guest-refcount-high", LEAK, GUEST, QEMU, NONE, NONE, RECOUNTED),
};
/* clang-format on */

const struct q2_problem_kind *q2_problem_table_find(enum q2_problem_id id)
{
	assert(id < Q2_PROBLEMS);
	return &kinds[id];
}
