/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints over the layers of a disk. Included by qcow2bm.h. */
#ifndef QCOW2BM_CHAIN_H
#define QCOW2BM_CHAIN_H

#include "edit.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A disk is named by its top layer, below which its backing files stand. A checkpoint is a point in
 * time: bitmaps of the layers bear its name, or begin with it (`B^A`: checkpoint B, child of A).
 * What a backup must copy that has a copy of checkpoint X is told by the bitmaps of X and, in the
 * delta scheme, of all checkpoints that are newer. A chain holds until one of its images is committed:
 * from then on its calls give EINVAL, and it is closed and opened anew.
 */
struct qcow2bm_chain;

/* Which file a backing file's name means. */
struct qcow2bm_backing {
	/* Relative to the folder of the image that names it, or absolute. */
	char path[4096];
	char format[32]; /* "qcow2", "raw"; "": as the image has it stored */
};

/*
 * Finds out which local file the name of a backing file means that the library does not read
 * itself, as "json:{...}". Returns false when it means none, with the reason in `why`.
 */
typedef bool qcow2bm_resolve_fn(void *opaque, const char *name,
				struct qcow2bm_backing *backing, char why[256]);

/*
 * Chooses what stands below layer `layer_idx`, for who knows better than its header, as libvirt does from a
 * domain's XML. Returns false for what the header names, true for *backing; an empty path there is nothing.
 */
typedef bool qcow2bm_choose_fn(void *opaque, size_t layer_idx,
			       struct qcow2bm_backing *backing);

struct qcow2bm_chain_options {
	size_t size;                 /* of this struct */
	unsigned flags;              /* QCOW2BM_OPEN_..., for all layers */
	unsigned wait_seconds;       /* as for qcow2bm_image_open() */
	bool top_only;               /* open no backing file */
	qcow2bm_resolve_fn *resolve; /* may be NULL */
	void *opaque;
	/* Of the top layer: "qcow2" (NULL, too), "raw"; "": as it begins. */
	const char *format;
	qcow2bm_choose_fn *choose; /* may be NULL: as the headers say */
	/* That share large reads of the data of its disks; 0: as many as there are processors. */
	unsigned threads;
};

#define QCOW2BM_CHAIN_OPTIONS_INIT                                                   \
	{                                                                            \
		sizeof(struct qcow2bm_chain_options), 0, 0, false, NULL, NULL, NULL, \
			NULL, 0                                                      \
	}

/*
 * Opens `filename`, a qcow2 image unless the options say otherwise, and the layers below it as QEMU finds them: a name is relative to
 * the folder of the image that holds it, and may begin with "file:". A layer without a stored
 * format is what its first bytes say, as for QEMU. Nothing else is opened. Layers are opened for
 * reading only: qcow2bm_chain_open_for_editing() opens those anew that are to be edited.
 *
 * Errors: as qcow2bm_image_open(), the sentence names the layer; EIMAGE for a loop and for more than
 * 1000 layers; EUNSUPPORTED for a name that is no local file and for a format that is neither qcow2
 * nor raw. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_open(struct qcow2bm_chain **chain, const char *filename,
		   const struct qcow2bm_chain_options *options,
		   struct qcow2bm_error *err);

/* Closes all layers. NULL is allowed. Crash: changes nothing. */
void qcow2bm_chain_close(struct qcow2bm_chain *chain);

/* One layer; 0 is the top. */
struct qcow2bm_layer {
	const char *filename;
	struct qcow2bm_image *image; /* NULL for a raw layer, which can hold no bitmaps */
	uint64_t virtual_bytes;
};

size_t qcow2bm_chain_layer_count(const struct qcow2bm_chain *chain);
/* An index out of range gives a layer without a name, a size or an image. Lives until the chain is
 * closed, the image until that layer is opened anew. */
const struct qcow2bm_layer *qcow2bm_chain_layer(const struct qcow2bm_chain *chain,
						size_t layer_idx);

/*
 * Opens a layer anew for writing, unless it is. Bitmaps of it are described anew; checkpoints stay as
 * they are. Errors: as qcow2bm_image_open(); EBUSY when its bitmaps are no longer those that were
 * read before; EINVAL for a raw layer. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_open_for_editing(struct qcow2bm_chain *chain, size_t layer_idx,
			       struct qcow2bm_error *err);

/* How checkpoints are kept. May grow. */
enum qcow2bm_scheme {
	QCOW2BM_SCHEME_NONE,   /* there are no checkpoints */
	QCOW2BM_SCHEME_ANY,    /* there is one checkpoint: both schemes are the same */
	QCOW2BM_SCHEME_NESTED, /* each goes on recording: since X is bitmap X */
	QCOW2BM_SCHEME_DELTA, /* only the newest records: since X is X and all newer ones */
	QCOW2BM_SCHEME_UNKNOWN /* none records */
};

/* What tells in which order checkpoints were made. May grow. */
enum qcow2bm_witness {
	QCOW2BM_WITNESS_NONE,  /* nothing does */
	QCOW2BM_WITNESS_GIVEN, /* the caller said it */
	QCOW2BM_WITNESS_NAMES, /* `B^A` */
	QCOW2BM_WITNESS_FLAGS, /* one records, the other one does not */
	QCOW2BM_WITNESS_BITS, /* what changed since the older one has all of the newer one */
	QCOW2BM_WITNESS_ONE /* there is one checkpoint, or none */
};

/* One checkpoint of a disk. */
struct qcow2bm_checkpoint {
	const char *name; /* name_bytes bytes of any value */
	size_t name_bytes;
	const char *parent; /* of `B^A`; NULL when the name tells none */
	size_t parent_bytes;
	bool is_tie; /* the bits do not tell it from the one before it */
};

struct qcow2bm_order {
	enum qcow2bm_scheme scheme;
	bool scheme_is_given;
	enum qcow2bm_witness witness;
	const char *gap; /* why there is no order, or NULL */
};

/* What the caller knows better than the images. */
struct qcow2bm_order_options {
	size_t size;                /* of this struct */
	enum qcow2bm_scheme scheme; /* NESTED or DELTA; anything else: found out */
	const char *const *names; /* of checkpoints, the oldest first; NULL: found out */
	size_t name_count;
	const struct qcow2bm_watch *watch; /* may be NULL */
};

#define QCOW2BM_ORDER_OPTIONS_INIT                                                       \
	{                                                                                \
		sizeof(struct qcow2bm_order_options), QCOW2BM_SCHEME_NONE, NULL, 0, NULL \
	}

/*
 * Finds out the scheme and the order of the checkpoints, which are numbered from then on by it, the
 * oldest first. Where the order rests on bits, reads those of all checkpoints. `options` may be
 * NULL. Without an order the checkpoints are numbered as they are found, and since() answers with
 * what is a superset in any order.
 * Errors: EINVAL for names that are not those of the checkpoints; EIMAGE, ESYSTEM, ENOMEM,
 * EINTERRUPTED. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_find_order(struct qcow2bm_chain *chain,
			 const struct qcow2bm_order_options *options,
			 const struct qcow2bm_order **order, struct qcow2bm_error *err);

size_t qcow2bm_chain_count(const struct qcow2bm_chain *chain);
/* An index out of range gives a checkpoint with an empty name. Lives, names included, until
 * checkpoints are numbered anew, something of them is staged, or the chain is closed. */
const struct qcow2bm_checkpoint *
qcow2bm_chain_checkpoint(const struct qcow2bm_chain *chain, size_t idx);

/* The checkpoint of this name, its own or with its parent's, or QCOW2BM_NOT_FOUND. */
size_t qcow2bm_chain_find(const struct qcow2bm_chain *chain, const char *name,
			  size_t name_bytes);
/* The bitmap of a checkpoint in a layer, as for qcow2bm_bitmap_describe(), or QCOW2BM_NOT_FOUND. */
size_t qcow2bm_chain_bitmap(const struct qcow2bm_chain *chain, size_t idx,
			    size_t layer_idx);

/* What a scheduler of backups can do with a checkpoint. May grow. */
enum qcow2bm_verdict {
	QCOW2BM_VERDICT_INCREMENTAL, /* copy what changed since */
	QCOW2BM_VERDICT_REPAIR, /* a repair makes it whole, with more dirty at most */
	QCOW2BM_VERDICT_FULL    /* changes are lost: copy everything */
};

/* What the ranges that changed since a checkpoint rest on. */
struct qcow2bm_since {
	size_t first, count; /* the checkpoints whose bitmaps are ORed */
	bool is_superset;    /* the order is not known: these are all that may be meant */
	enum qcow2bm_verdict verdict;
	const char *reason; /* why it is not INCREMENTAL, or NULL */
};

/*
 * Calls `fn` for each extent of the disk inside [start, start+length), clean and dirty in turn: dirty
 * is what may have changed since checkpoint `idx`, over all layers. Layers may differ in size and
 * granularity: the disk ends where the top does, and what lies behind the end of a layer that a
 * bitmap is from counts as changed. Reads each bitmap once; memory is bounded.
 *
 * Errors: EINVAL for an index out of range; EINUSE or EIMAGE for a bitmap that cannot be
 * trusted; ESTOPPED when fn returned non-zero; ESYSTEM, ENOMEM, EINTERRUPTED.
 * Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_since(struct qcow2bm_chain *chain, size_t idx, uint64_t start,
		    uint64_t length, qcow2bm_extent_fn *fn, void *opaque,
		    const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

/* A bitmap of a layer. */
struct qcow2bm_layer_bitmap {
	size_t layer_idx;
	size_t idx; /* as for qcow2bm_bitmap_describe() of that layer's image */
};

/*
 * The same for the union of any bitmaps of the layers, whatever they stand for: what lies behind the
 * end of a layer between the top and the lowest of them counts as dirty. Bitmaps that are in-use or
 * corrupt are taken with QCOW2BM_READ_UNTRUSTED in `flags` alone. Errors: as qcow2bm_chain_since().
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_extents(struct qcow2bm_chain *chain,
		      const struct qcow2bm_layer_bitmap *bitmaps, size_t count,
		      uint64_t start, uint64_t length, unsigned flags,
		      qcow2bm_extent_fn *fn, void *opaque,
		      const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

/* How many of these bytes are dirty: what adding up the extents of qcow2bm_chain_since() gives, many times as
 * fast where they are short. Errors: the same. */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_measure_since(struct qcow2bm_chain *chain, size_t idx, uint64_t start,
			    uint64_t length, uint64_t *dirty_bytes,
			    const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

/* The same of qcow2bm_chain_extents(). */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_measure(struct qcow2bm_chain *chain,
		      const struct qcow2bm_layer_bitmap *bitmaps, size_t count,
		      uint64_t start, uint64_t length, unsigned flags,
		      uint64_t *dirty_bytes, const struct qcow2bm_watch *watch,
		      struct qcow2bm_error *err);

/* Which checkpoints qcow2bm_chain_since() reads, and whether that is all that changed: each layer from
 * the top down to the lowest that has one of them must have one that can be trusted, one must record
 * in the top (nested: in each layer), in the delta scheme none between them may be missing, and a layer that is
 * newer must hold nothing that is clean: its tables are read for that. *since lives until the
 * next call for the same chain. Errors: EINVAL for an index out of range; ESYSTEM, ENOMEM. Crash:
 * changes nothing. */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_explain(struct qcow2bm_chain *chain, size_t idx,
		      const struct qcow2bm_since **since, struct qcow2bm_error *err);

/*
 * What follows stages onto one edit for each layer that it changes, and commits nothing: the edits
 * are planned and committed as any other, several of them with qcow2bm_together_commit(). Layers are
 * opened for writing when `flags` of the options had QCOW2BM_OPEN_WRITE; without it the edits can be
 * planned only. The order must have been found. After a failure what was staged is of no use.
 *
 * Errors of all: EINVAL for an index out of range, and where scheme or order are not known; those of
 * the edit's functions, the sentence names the layer; as qcow2bm_chain_open_for_editing().
 * Crash: changes nothing.
 */

/* Deletes a checkpoint in all layers. What changed since each other one stays what it was: in the delta
 * scheme its bits go to the one before, which records from then on if the deleted one did, and its
 * child gets a new parent. The others are numbered anew. Errors: also EINVAL where what changed since one that
 * stays is not known, and would look known afterwards: that one is deleted, too, with several at once, or
 * repaired. qcow2bm_chain_reset() and qcow2bm_chain_convert() refuse the same. */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_delete(struct qcow2bm_chain *chain, size_t idx, struct qcow2bm_error *err);

/* Deletes all of these, in the order that is right for the scheme; where that is delta, and all but the newest go,
 * no order needs to be known. What would look known is asked for before anything is staged: of the second of two
 * calls it is not. Errors: the same. */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_delete_several(struct qcow2bm_chain *chain, const size_t *idxs,
			     size_t count, struct qcow2bm_error *err);

/* Gives a checkpoint a new name in all layers, and in the name of its child. Errors: also EEXIST, for the name of
 * a missing parent, too. */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_chain_rename(struct qcow2bm_chain *chain,
							  size_t idx, const char *name,
							  size_t name_bytes,
							  struct qcow2bm_error *err);

/* The newest checkpoint begins now: nothing has changed since. In the delta scheme its bits go to the
 * one before. */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_chain_reset(struct qcow2bm_chain *chain, size_t idx, struct qcow2bm_error *err);

/* Keeps the checkpoints in another scheme from now on: NESTED or DELTA. */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_chain_convert(struct qcow2bm_chain *chain,
							   enum qcow2bm_scheme scheme,
							   struct qcow2bm_error *err);

enum {
	/* What the layer holds already counts as changed since all of them. */
	QCOW2BM_SNAPSHOT_ALLOCATED = 1u << 0
};

/*
 * The top layer, an overlay that is new, goes on recording what the layer below it does: each bitmap that
 * records there gets one of its name and granularity in the top. It is empty, which is true for a layer
 * that holds nothing; or it has, with QCOW2BM_SNAPSHOT_ALLOCATED, all that the layer holds, which is a
 * superset of what was written to it: for an overlay that a crash left without bitmaps. Bitmaps that
 * the top has are left as they are. The order need not have been found, and is to be found anew.
 * Errors: also EEXIST for an overlay that holds data; EINVAL for a chain of one layer, an overlay that
 * has another checkpoint, and where none records below; EINUSE for a bitmap that is in-use or corrupt.
 */
enum qcow2bm_code qcow2bm_chain_snapshot(struct qcow2bm_chain *chain, unsigned flags,
					 struct qcow2bm_error *err);

/*
 * Drops from a layer below the top, nested scheme alone, the bitmaps of all checkpoints that the top has
 * none of: they do not have what was written above them. Errors: also EINVAL for the delta scheme,
 * where older checkpoints need what is below, and when no bitmap records in the top.
 */
enum qcow2bm_code qcow2bm_chain_prune(struct qcow2bm_chain *chain, size_t layer_idx,
				      struct qcow2bm_error *err);

/*
 * A commit: what the layers above layer `layer_idx` hold is copied into it, after which it alone is the
 * disk. QEMU would record the copying in its bitmaps, cluster by cluster. So they are moved up first:
 * the top gets all bits that the layers down to this one have, and the layer none. Nested: a checkpoint
 * that the top has none of is not kept. Errors: also EINVAL for a top that is smaller, and where
 * none records in it. Crash (once committed): what changed since each checkpoint is what it was.
 */
enum qcow2bm_code qcow2bm_chain_lift(struct qcow2bm_chain *chain, size_t layer_idx,
				     struct qcow2bm_error *err);

/* The data is copied: the bitmaps of the top, with their flags, are moved down to the layer. Errors:
 * also EINVAL for a layer that has checkpoints, or is not as large as the top. */
enum qcow2bm_code qcow2bm_chain_lower(struct qcow2bm_chain *chain, size_t layer_idx,
				      struct qcow2bm_error *err);

enum {
	/* The data of the layers is not copied: it is there already, or equal. */
	QCOW2BM_ABSORB_NOTHING_WRITTEN = 1u << 0
};

/*
 * A rebase: layer `layer_idx` becomes the backing file of the top, and what the layers between hold is
 * copied up into the top first. All bits that these layers have go to the top's bitmaps; delta: those that
 * it lacks are made there, silent. QEMU records the copying in the bitmaps that record; so what each of
 * them has now is put by, in the same edit, in a silent one named qcow2bm-rebase-NAME. Errors: also
 * EEXIST when there are such already: a rebase was cut off; EINVAL where none records in the top. Crash
 * (once committed): what changed since each checkpoint is what it was, or, once data is copied, more;
 * bitmaps are in-use after a kill, as after any.
 */
enum qcow2bm_code qcow2bm_chain_absorb(struct qcow2bm_chain *chain, size_t layer_idx,
				       unsigned flags, struct qcow2bm_error *err);

enum {
	/* Nothing but QEMU, copying, has written to the top since the bits were put by: those of
	 * bitmaps that are in-use are taken as they are stored. */
	QCOW2BM_SETTLE_STORED = 1u << 0
};

/* The data is copied, or will not be: the bitmaps of the top get back what was put by, and go on
 * recording; what was recorded since is forgotten. Nothing else may have written to the top meanwhile.
 * Errors: also ENOTFOUND when nothing was put by, EINUSE without QCOW2BM_SETTLE_STORED. */
enum qcow2bm_code qcow2bm_chain_settle(struct qcow2bm_chain *chain, unsigned flags,
				       struct qcow2bm_error *err);

/*
 * After a restore the disk is not what its bitmaps say. Of these three, the first is right for every
 * content, the third, too, and the second for that of a checkpoint.
 */

/* Deletes all checkpoints in all layers, whatever their order. */
enum qcow2bm_code qcow2bm_chain_forget(struct qcow2bm_chain *chain,
				       struct qcow2bm_error *err);

/*
 * The disk is what it was at checkpoint `idx`: nothing has changed since that, which records; newer
 * ones are deleted; older ones stay: nested, with a superset of what changed up to it, delta, with
 * just that. Checkpoints that the bits do not tell from it stay, too, and have its bits. Errors: also EINVAL where,
 * nested, the bits disprove an order that was given.
 */
enum qcow2bm_code qcow2bm_chain_go_back(struct qcow2bm_chain *chain, size_t idx,
					struct qcow2bm_error *err);

/* All has changed since each checkpoint. In the top bitmaps record that are to, made where they are
 * missing, and none is in-use any more in any layer. */
enum qcow2bm_code qcow2bm_chain_fill(struct qcow2bm_chain *chain,
				     struct qcow2bm_error *err);

/*
 * Makes `overlay`, a new file that only its owner can read: an empty overlay of the disk's top layer,
 * which it names `backing_name`, with one bitmap, silent, that has what qcow2bm_chain_since()
 * tells, also over layers of different sizes. Stages nothing. `watch` may be NULL.
 * Errors: EEXIST, ESYSTEM; EINUSE where changes may be missing; those of qcow2bm_edit_add() and qcow2bm_edit_commit(). After a failure there is no file.
 * Crash: no file, one that is no image yet, or an overlay without the bitmap or with all of it.
 */
enum qcow2bm_code qcow2bm_chain_export(struct qcow2bm_chain *chain, size_t idx,
				       const char *overlay, const char *backing_name,
				       const char *name, size_t name_bytes,
				       const struct qcow2bm_watch *watch,
				       struct qcow2bm_error *err);

/*
 * Makes `overlay`, a new file that only its owner can read: an empty overlay of the disk's top layer, which it
 * names `backing_name`, without bitmaps; qcow2bm_chain_snapshot() of its chain gives it those. Stages nothing.
 * Errors: EEXIST; EINVAL for a raw disk or a name that is too long; ESYSTEM. After a failure there is no file.
 * Crash: no file, one that is no image yet, or the overlay.
 */
enum qcow2bm_code qcow2bm_chain_make_overlay(const struct qcow2bm_chain *chain,
					     const char *overlay,
					     const char *backing_name,
					     struct qcow2bm_error *err);

/* The edit of a layer, which belongs to the chain; NULL when nothing of it is changed. */
struct qcow2bm_edit *qcow2bm_chain_edit(const struct qcow2bm_chain *chain,
					size_t layer_idx);

/* Names of values, for reports: "nested", "bits", "incremental". NULL for none that this library
 * has. */
const char *qcow2bm_scheme_name(enum qcow2bm_scheme scheme);
const char *qcow2bm_witness_name(enum qcow2bm_witness witness);
const char *qcow2bm_verdict_name(enum qcow2bm_verdict verdict);

#ifdef __cplusplus
}
#endif

#endif
