/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checking an image, and the repair that follows. Included by qcow2bm.h. */
#ifndef QCOW2BM_CHECK_H
#define QCOW2BM_CHECK_H

#include "edit.h"

#ifdef __cplusplus
extern "C" {
#endif

enum qcow2bm_severity {
	QCOW2BM_SEVERITY_NOTE,    /* worth knowing; nothing is wrong */
	QCOW2BM_SEVERITY_LEAK,    /* room is lost, nothing else */
	QCOW2BM_SEVERITY_WARNING, /* well-formed, but somebody must decide */
	QCOW2BM_SEVERITY_ERROR    /* breaks the format, or QEMU refuses the image */
};

/* "note", "leak", "warning", "error". NULL for none. */
const char *qcow2bm_severity_name(enum qcow2bm_severity severity);

/* What helps against a problem. May grow. */
enum qcow2bm_cure {
	QCOW2BM_CURE_NONE,    /* nothing to do */
	QCOW2BM_CURE_MEND,    /* qcow2bm_edit_repair() mends it, the bits stay */
	QCOW2BM_CURE_DROP,    /* qcow2bm_edit_repair() drops the bitmap */
	QCOW2BM_CURE_CHOOSE,  /* it must be told: trust the bitmaps, or drop them */
	QCOW2BM_CURE_RECOVER, /* recover or delete the bitmap */
	QCOW2BM_CURE_DELETE,  /* delete the bitmap, if nobody needs it */
	QCOW2BM_CURE_RENAME,  /* rename the bitmap */
	QCOW2BM_CURE_QEMU,    /* not the bitmaps' matter: QEMU mends it */
	/* nothing mends it, but QEMU can copy the disk to a new image */
	QCOW2BM_CURE_COPY,
	/* nothing mends it: what is lost can only come from a backup */
	QCOW2BM_CURE_NOBODY,
	/* type the command that was cut off again: it needs what it has left */
	QCOW2BM_CURE_AGAIN
};

/* "mend", "drop": as the JSON of qcow2bm check has it. NULL for none. */
const char *qcow2bm_cure_name(enum qcow2bm_cure cure);

/* What a problem is in. More may come. */
enum qcow2bm_area {
	QCOW2BM_AREA_HEADER, /* the image's header and its extensions */
	/* the bitmap directory, and what the extension tells of it */
	QCOW2BM_AREA_DIRECTORY,
	QCOW2BM_AREA_BITMAP, /* one bitmap: its entry, its table, its data */
	QCOW2BM_AREA_IMAGE,  /* the image as a whole: who wrote to it, leaked clusters */
	QCOW2BM_AREA_GUEST   /* the guest's structures: not the bitmaps' */
};

/* "header", "directory", "bitmap", "image", "guest". NULL for none. */
const char *qcow2bm_area_name(enum qcow2bm_area area);

/* What else is known of a problem; bits of qcow2bm_problem.traits. More may come. */
enum qcow2bm_trait {
	/* QEMU refuses to open the image, but for a few that it reads as something
	 * else */
	QCOW2BM_PROBLEM_KEEPS_QEMU_OUT = 1u << 0,
	/* the guest's data may be lost already, or be written over by the next writer */
	QCOW2BM_PROBLEM_RISKS_DATA = 1u << 1,
	/* a count of all references makes it right, as QEMU's when it opens a dirty
	 * image */
	QCOW2BM_PROBLEM_RECOUNTED = 1u << 2,
	/* QEMU cannot store bitmaps as long as it is there */
	QCOW2BM_PROBLEM_STOPS_STORING = 1u << 3,
	/* libvirt does not see that the image has a backing file */
	QCOW2BM_PROBLEM_HIDES_BACKING = 1u << 4
};

/* One finding. */
struct qcow2bm_problem {
	const char *code; /* stable, of small letters and dashes: "table-past-end" */
	enum qcow2bm_severity severity;
	enum qcow2bm_area area;
	enum qcow2bm_cure cure;
	unsigned traits; /* of enum qcow2bm_trait */
	uint64_t offset; /* byte in the image file, or QCOW2BM_NO_OFFSET */
	/* of the bitmap, as for qcow2bm_bitmap_describe(), or QCOW2BM_NOT_FOUND */
	size_t idx;
	const char *sentence;
};

struct qcow2bm_totals {
	uint64_t errors, warnings, notes; /* findings of these severities */
	uint64_t
		corruptions; /* errors, the guest's structures included: as qemu-img check */
	uint64_t leaked_clusters;     /* counted, but nothing refers to them */
	uint64_t clusters;            /* in the file */
	uint64_t allocated_clusters;  /* that the guest's active disk refers to */
	uint64_t compressed_clusters; /* the part of them that is compressed */
	uint64_t
		fragmented_clusters; /* the part that does not follow the one before it */
	uint64_t image_end_bytes;    /* behind the last cluster that is in use */
	bool walked;                 /* references of the whole image were counted */
};

struct qcow2bm_report;

enum { QCOW2BM_CHECK_QUICK = 1u << 0 /* bitmap structures alone: no reference walk */ };

struct qcow2bm_check_options {
	size_t size; /* of this struct */
	unsigned flags;
};

#define QCOW2BM_CHECK_OPTIONS_INIT                      \
	{                                               \
		sizeof(struct qcow2bm_check_options), 0 \
	}

/*
 * Checks the bitmaps of an image, which may be open with QCOW2BM_OPEN_DAMAGED, and what
 * refers to which of its clusters. Reads only; memory is bounded. Every entry of the
 * directory gets its verdict: one that is bad never hides another. `options` may be NULL.
 *
 * Errors: ESYSTEM, ENOMEM, EINTERRUPTED. What is wrong with the image is in the report.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_image_check(struct qcow2bm_image *image,
		    const struct qcow2bm_check_options *options,
		    struct qcow2bm_report **report, const struct qcow2bm_watch *watch,
		    struct qcow2bm_error *err);
void qcow2bm_report_free(struct qcow2bm_report *report);

/* Findings in the order of severity, the worst first, then of offsets. They and the
 * totals live as long as the report; an index out of range has NULL. */
size_t qcow2bm_report_count(const struct qcow2bm_report *report);
const struct qcow2bm_problem *qcow2bm_report_problem(const struct qcow2bm_report *report,
						     size_t number);
const struct qcow2bm_totals *qcow2bm_report_totals(const struct qcow2bm_report *report);

enum {
	QCOW2BM_REPAIR_TRUST_BITMAPS = 1u << 0, /* set a lost autoclear bit again */
	QCOW2BM_REPAIR_DROP_IN_USE = 1u << 1,
	QCOW2BM_REPAIR_DROP_ALL = 1u << 2
};

struct qcow2bm_repair_options {
	size_t size; /* of this struct */
	unsigned flags;
	const size_t *drop; /* indexes of bitmaps to drop */
	size_t drop_count;
};

#define QCOW2BM_REPAIR_OPTIONS_INIT                               \
	{                                                         \
		sizeof(struct qcow2bm_repair_options), 0, NULL, 0 \
	}

/*
 * Stages, onto a fresh edit of the image that `report` is about, all that mends it: sound
 * bitmaps stay bit for bit, damaged ones are dropped or mended as their cures say, sizes
 * and counts are made right, refcounts of bitmap clusters are corrected. Leaked clusters
 * are given back when the report comes of a whole reference walk. The report must be of
 * the image as it is now; it is not needed afterwards.
 *
 * In an image that is marked dirty or corrupt the header alone can be changed, which
 * drops all bitmaps.
 *
 * Errors: EINVAL when a choice is needed that was not made, or an index is wrong;
 * EUNSUPPORTED for what it cannot mend; ENOMEM. Crash: changes nothing
 * (qcow2bm_edit_commit() does).
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_repair(struct qcow2bm_edit *edit, const struct qcow2bm_report *report,
		    const struct qcow2bm_repair_options *options,
		    struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
