/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What differs from an older state of a disk: bitmaps proven by it, and recovered. Included by
 * qcow2bm.h. */
#ifndef QCOW2BM_DIFFER_H
#define QCOW2BM_DIFFER_H

#include "chain.h"
#include "edit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an older state of a disk is kept as. May grow. */
enum qcow2bm_old_kind {
	QCOW2BM_OLD_ANY, /* as qcow2bm_old_probe() tells; a raw disk's guest may begin it as qcow2 */
	QCOW2BM_OLD_QCOW2,
	QCOW2BM_OLD_RAW,
	QCOW2BM_OLD_MANIFEST /* qcow2bm_old_digest() made it */
};

/* "qcow2", "raw", "manifest"; "any". NULL for none. */
const char *qcow2bm_old_kind_name(enum qcow2bm_old_kind kind);

/*
 * What a file begins as: QCOW2, MANIFEST, else RAW. It is not opened as that, nor locked. Errors: ESYSTEM;
 * EUNSUPPORTED for one that begins as a manifest and is as long as a raw disk: whole sectors of 512 bytes, as
 * no manifest is. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_old_probe(const char *filename,
						       enum qcow2bm_old_kind *kind,
						       struct qcow2bm_error *err);

/* An older state of a disk: a backup of it, or the manifest of one. */
struct qcow2bm_old;

struct qcow2bm_old_options {
	size_t size; /* of this struct */
	enum qcow2bm_old_kind kind;
	unsigned flags;                    /* QCOW2BM_OPEN_..., for reading */
	unsigned wait_seconds;             /* as for qcow2bm_image_open() */
	qcow2bm_resolve_fn *resolve;       /* as for qcow2bm_chain_open(); may be NULL */
	void *opaque;                      /* of resolve */
	const struct qcow2bm_watch *watch; /* a manifest is read whole; may be NULL */
	unsigned threads; /* as for qcow2bm_chain_open(), of a raw file, too */
};

#define QCOW2BM_OLD_OPTIONS_INIT                                                       \
	{                                                                              \
		sizeof(struct qcow2bm_old_options), QCOW2BM_OLD_ANY, 0, 0, NULL, NULL, \
			NULL, 0                                                        \
	}

/*
 * Opens an older state for reading: a manifest, which is checked whole, or a disk with the layers
 * below it. `options` may be NULL. Errors: as qcow2bm_chain_open(); EIMAGE for a manifest that is
 * damaged or cut short, EUNSUPPORTED for one of a later version and as of qcow2bm_old_probe(); EINTERRUPTED.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_old_open(struct qcow2bm_old **old, const char *filename,
		 const struct qcow2bm_old_options *options, struct qcow2bm_error *err);

/* NULL is allowed. Crash: changes nothing. */
void qcow2bm_old_close(struct qcow2bm_old *old);

struct qcow2bm_old_info {
	enum qcow2bm_old_kind kind;
	uint64_t virtual_bytes;
	uint64_t
		written_seconds; /* when the image's file was last written; 0: not known */
	size_t checkpoints;      /* whose names it has */
	/* Of a manifest alone; else 0 or NULL: */
	unsigned granularity_bits;
	uint64_t made_seconds;
	const char *hash;     /* "xxh3-128", "sha-256" */
	const char *filename; /* of the image, filename_bytes bytes of any value */
	size_t filename_bytes;
	const uint8_t *total; /* 32 bytes, the SHA-256 of the disk, or NULL */
};

/* Lives until it is closed. */
const struct qcow2bm_old_info *qcow2bm_old_describe(const struct qcow2bm_old *old);

/* A checkpoint that is told of in an older state. */
struct qcow2bm_old_checkpoint {
	const char *name; /* name_bytes bytes of any value */
	size_t name_bytes;
	bool is_known;        /* how much had changed since it */
	uint64_t dirty_bytes; /* of the disk */
};

/* Number `idx` (0 .. checkpoints-1); out of range: an empty name. Lives until the next call. */
const struct qcow2bm_old_checkpoint *qcow2bm_old_checkpoint(struct qcow2bm_old *old,
							    size_t idx);

/* Whether an older state is the disk as it was when a checkpoint began. May grow. */
enum qcow2bm_base {
	QCOW2BM_BASE_UNTOLD, /* it tells of no checkpoints: nothing speaks for it or against */
	QCOW2BM_BASE_SAME,  /* it has the checkpoint, and nothing had changed since */
	QCOW2BM_BASE_LATER, /* it has the checkpoint, and something had changed since */
	QCOW2BM_BASE_OTHER  /* it has checkpoints, and not this one: it is older */
};

/* "untold", "same", "later", "other". NULL for none. */
const char *qcow2bm_base_name(enum qcow2bm_base base);

/* What an older state tells of a checkpoint, by its own name. It is not asked what the disk holds. */
enum qcow2bm_base qcow2bm_old_judge(struct qcow2bm_old *old, const char *name,
				    size_t name_bytes);

/* What differs between a disk and older states of it. */
struct qcow2bm_differ;

/*
 * Reads the disk of a chain once, older states beside it, and notes which granules differ: with a disk as
 * fine as the finest bitmap of the layers is, with a manifest as fine as that. Where one of them is
 * longer, the others were zeros, but for a raw file: that, and what an image has past the end of its file, is
 * not known, differs, and is QCOW2BM_PROOF_OPEN. Zeros on both sides are known from tables. Memory is bounded, but
 * for a bit of each granule that differs. The older states are not needed afterwards.
 *
 * Errors: EINVAL when an older state, or a layer of it, is the file that the chain's guest writes to, its
 * top layer or the data file of that: the disk would be compared with itself; EUNSUPPORTED for data that is
 * encrypted; EIMAGE for tables or data that QEMU would not read either; ESYSTEM, ENOMEM, EINTERRUPTED; the
 * sentence says which of them it is about.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_differ(struct qcow2bm_chain *chain, struct qcow2bm_old *const *olds,
		     size_t count, struct qcow2bm_differ **differ,
		     const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

/* NULL is allowed. Edits that were staged with it are of no use any more. */
void qcow2bm_differ_free(struct qcow2bm_differ *differ);

/* How much of the disk differs from older state `old_idx`, in whole granules. */
uint64_t qcow2bm_differ_bytes(const struct qcow2bm_differ *differ, size_t old_idx);

/* What a bitmap says of a part of the disk, and what is so. */
enum qcow2bm_proof {
	QCOW2BM_PROOF_UNCHANGED, /* the same, and clean */
	QCOW2BM_PROOF_LOST,      /* differs, and is clean: the next backup lacks it */
	QCOW2BM_PROOF_CHANGED,   /* differs, and is dirty */
	QCOW2BM_PROOF_SURPLUS,   /* the same, and dirty: it only costs */
	QCOW2BM_PROOF_OPEN /* not known: the manifest is too coarse to tell, or the older state was cut */
};

/* "unchanged", "lost", "changed", "surplus", "open". NULL for none. */
const char *qcow2bm_proof_name(enum qcow2bm_proof proof);

struct qcow2bm_proof_extent {
	uint64_t start, length; /* bytes of the disk */
	enum qcow2bm_proof proof;
};

/* Returns 0 to go on, anything else to stop. */
typedef int qcow2bm_proof_fn(void *opaque, const struct qcow2bm_proof_extent *extent);

enum qcow2bm_outcome {
	QCOW2BM_OUTCOME_NOT_COMPARED, /* nothing is known */
	QCOW2BM_OUTCOME_RIGHT,        /* all that differs is dirty */
	QCOW2BM_OUTCOME_WRONG         /* something differs and is clean */
};

/* "not-compared", "right", "wrong". NULL for none. */
const char *qcow2bm_outcome_name(enum qcow2bm_outcome outcome);

/* What probably made a bitmap wrong. May grow. */
enum qcow2bm_cause {
	QCOW2BM_CAUSE_NONE,
	QCOW2BM_CAUSE_WRONG_BASE, /* nearly all data differs: the older state is another one's */
	QCOW2BM_CAUSE_RESIZE, /* it is the end of the disk, then or now */
	QCOW2BM_CAUSE_BITMAP_CLUSTER, /* each is what one cluster of bits stands for: those were lost */
	QCOW2BM_CAUSE_FOREIGN_WRITER, /* whole clusters: a program wrote that knows no bitmaps */
	QCOW2BM_CAUSE_LOST_BITS /* single granules: bits were lost, or the disk was written past QEMU */
};

/* "none", "wrong-base", "resize", "bitmap-cluster", "foreign-writer", "lost-bits". NULL for none. */
const char *qcow2bm_cause_name(enum qcow2bm_cause cause);

/* A checkpoint, proven by an older state. */
struct qcow2bm_judgement {
	enum qcow2bm_outcome outcome;
	const char *reason; /* of NOT_COMPARED, else NULL */
	enum qcow2bm_cause cause;
	unsigned granularity_bits; /* of what was compared */
	uint64_t bytes[5];         /* of the disk, for each qcow2bm_proof */
	uint64_t lost_extents;
};

/*
 * Compares what changed since checkpoint `idx`, over all layers, with what differs from older state
 * `old_idx` of the chain, and calls fn (which may be NULL) for the extents of the disk, in order.
 * A checkpoint of which not all is known is not compared. It is a proof where the older state is the
 * disk as it was when the checkpoint began, or later, while it was recording. *judgement lives until
 * the next call or the differ is freed. Errors: EINVAL for an index out of range; ESTOPPED when fn
 * returned non-zero; ESYSTEM, ENOMEM, EINTERRUPTED. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_differ_judge(struct qcow2bm_differ *differ, size_t old_idx,
		     struct qcow2bm_chain *chain, size_t idx, qcow2bm_proof_fn *fn,
		     void *opaque, const struct qcow2bm_judgement **judgement,
		     const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

/*
 * Recovers a bitmap of the chain's top layer, which the edit is of, by an older state: one that is
 * in-use gets just what differs from it, rounded to the granularity; to one that can be trusted that
 * is added. Of `options` method and assumed do not count. What is promised rests on
 * QCOW2BM_CONDITION_OLD_IS_BASE; where `base` (qcow2bm_old_judge()) says that it is another state it is
 * UNSAFE. `differ` must live until the edit is committed or ends.
 * Errors: as qcow2bm_edit_recover(); EINVAL for a differ of another image. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_edit_recover_compared(
	struct qcow2bm_edit *edit, const char *name, size_t name_bytes,
	const struct qcow2bm_differ *differ, size_t old_idx, enum qcow2bm_base base,
	const struct qcow2bm_recover_options *options,
	const struct qcow2bm_promise **promise, struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
