/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The layers of a disk, and the checkpoints whose bitmaps stand in them. */
#ifndef Q2_CHAIN_LAYERS_H
#define Q2_CHAIN_LAYERS_H

#include "../image/generation.h"
#include "../image/image.h"

struct q2_layer {
	char *filename;
	struct q2_storage *raw;       /* of a raw layer, else NULL */
	struct qcow2bm_image *image;  /* of a qcow2 layer, else NULL */
	struct q2_storage *data_file; /* its external one, once it was opened, or NULL */
	uint64_t virtual_bytes;
	struct qcow2bm_layer shown; /* what is given out of it */
	uint64_t device, inode;     /* to see a loop; 0: not known */
	bool is_lifted;             /* a layer above has its bits: lifted.c */
	bool is_writable;
	struct qcow2bm_edit *edit;        /* NULL: nothing is staged */
	struct q2_generation *generation; /* of the image, when it was opened */
};

/* A bitmap of a checkpoint in a layer as it is staged. */
struct q2_staged_name {
	uint8_t *bytes; /* NULL: there is none */
	size_t count;
	bool is_recording;
};

/* A checkpoint is all bitmaps of one name, its own: `B` in `B^A`. */
struct q2_checkpoint {
	uint8_t *name;
	size_t name_bytes;
	uint8_t *parent; /* NULL when no layer's name tells one */
	size_t parent_bytes;
	size_t *bitmaps;                 /* by layer: indexes, or QCOW2BM_NOT_FOUND */
	struct qcow2bm_checkpoint shown; /* what is given out of it */
	bool is_tie;
	bool is_double;                /* a layer has two bitmaps of it */
	size_t double_layer;           /* which; the uppermost */
	struct q2_staged_name *staged; /* by layer; NULL until something is staged */
	/* By the order that was found, once it was asked for: what a newer layer holds and is clean since. */
	bool is_held_known;
	uint64_t lost_bytes;
	size_t lost_layer;
};

/* Without an order all checkpoints but the newest have one answer. */
struct q2_superset {
	bool is_judged, is_counted;
	enum qcow2bm_verdict verdict; /* by its bitmaps */
	char reason[512];
	uint64_t dirty_bytes; /* of the whole disk */
};

struct qcow2bm_chain {
	struct qcow2bm_chain_options options;
	struct q2_layer *layers; /* the top first */
	size_t layer_count;
	struct q2_checkpoint *checkpoints; /* in their order, once it was looked for */
	size_t checkpoint_count;
	struct qcow2bm_order order;
	struct qcow2bm_since since; /* of the last verdict */
	bool is_staging;            /* each checkpoint has its staged names */
	/* Delta, without an order: the first checkpoint whose name tells a parent that is not there, though
	 * others may be older; else QCOW2BM_NOT_FOUND. */
	size_t orphan;
	struct q2_superset superset;
	char gap[256];
	char reason[512];       /* of the last verdict */
	unsigned coarsest_bits; /* granularity of all checkpoints; 0: nobody asked yet */
	struct q2_watch *watch; /* of the call that reads now; else NULL */
};

/*
 * For a call that reads and writes nothing: from now on each read of a layer looks at the watch, and so
 * does what goes through bits, until q2_layers_unwatch(). Errors: EINVAL, as q2_watch_begin().
 */
enum qcow2bm_code q2_layers_watch(struct qcow2bm_chain *chain, struct q2_watch *watch,
				  const struct qcow2bm_watch *caller,
				  struct qcow2bm_error *err);
/* The same with a watch that has begun; NULL: no longer. */
void q2_layers_set_watch(struct qcow2bm_chain *chain, struct q2_watch *watch);

static inline void q2_layers_unwatch(struct qcow2bm_chain *chain)
{
	q2_layers_set_watch(chain, NULL);
}

/* The qcow2 layers are 0 .. layer_count-1, and a raw one at the bottom. */
static inline const struct q2_bitmap *
q2_layers_bitmap(const struct qcow2bm_chain *chain,
		 const struct q2_checkpoint *checkpoint, size_t layer)
{
	size_t idx = checkpoint->bitmaps[layer];
	return idx == QCOW2BM_NOT_FOUND
		       ? NULL
		       : &chain->layers[layer].image->directory.bitmaps[idx];
}

/* One checkpoint alone is of both schemes: nothing needs to be merged for it. */
static inline bool q2_layers_is_delta(const struct qcow2bm_chain *chain)
{
	return chain->checkpoint_count > 1 &&
	       chain->order.scheme != QCOW2BM_SCHEME_NESTED;
}

static inline bool q2_layers_is_recording(const struct q2_bitmap *bitmap)
{
	return (bitmap->entry.flags & Q2_DIRECTORY_FLAG_AUTO) != 0;
}

/* Whether a checkpoint has a bitmap in the layer, and that records. */
static inline bool q2_layers_records(const struct qcow2bm_chain *chain, size_t idx,
				     size_t layer)
{
	const struct q2_bitmap *bitmap =
		q2_layers_bitmap(chain, &chain->checkpoints[idx], layer);
	return bitmap != NULL && q2_layers_is_recording(bitmap);
}

/* ---- layers.c ---- */

/* Flags of storages, Q2_STORAGE_..., for those of images. */
unsigned q2_layers_storage_flags(unsigned flags);
/* The local file that a name in a layer's image means: relative to the folder of that, or behind "file:";
 * others only by the caller's resolve(), which fills *backing. `what` it is the name of stands in the
 * sentence. The caller frees *path. Errors: EUNSUPPORTED, ENOMEM. */
enum qcow2bm_code q2_layers_find_path(const struct qcow2bm_chain *chain,
				      const struct q2_layer *layer, const char *what,
				      const char *name, struct qcow2bm_backing *backing,
				      char **path, struct qcow2bm_error *err);

/* Fails as `why` does, and says which layer it is about, unless that is the top, whose name is told anyway. */
enum qcow2bm_code q2_layers_blame(const struct qcow2bm_chain *chain, size_t layer,
				  struct qcow2bm_error *err,
				  const struct qcow2bm_error *why);

/* Whether a bitmap of a layer is sound: problem tells, as q2_soundness_judge_bits() has it. Errors: as that, the
 * sentence names the layer. */
enum qcow2bm_code q2_layers_judge(const struct qcow2bm_chain *chain, size_t layer,
				  size_t idx, struct qcow2bm_error *err);

/* Whether what the chain knows of its images still holds: the places of bitmaps are others after a
 * commit. Errors: EINVAL. */
enum qcow2bm_code q2_layers_check(const struct qcow2bm_chain *chain,
				  struct qcow2bm_error *err);

/* ---- checkpoints.c ---- */

/* What the name of a bitmap says: its own part and, behind a `^`, its parent's, or NULL. */
struct q2_checkpoint_name {
	const uint8_t *own;
	size_t own_bytes;
	const uint8_t *parent;
	size_t parent_bytes;
};
struct q2_checkpoint_name q2_checkpoints_split(const uint8_t *name, size_t name_bytes);

/* The checkpoint with this name of its own, or NULL. */
struct q2_checkpoint *q2_checkpoints_find(const struct qcow2bm_chain *chain,
					  const uint8_t *own, size_t own_bytes);

/* Makes the list of checkpoints from the bitmaps of all layers, temporary names aside. Errors:
 * ENOMEM. */
enum qcow2bm_code q2_checkpoints_collect(struct qcow2bm_chain *chain,
					 struct qcow2bm_error *err);
void q2_checkpoints_free(struct qcow2bm_chain *chain);
void q2_checkpoints_free_one(const struct qcow2bm_chain *chain,
			     struct q2_checkpoint *checkpoint);

#endif
