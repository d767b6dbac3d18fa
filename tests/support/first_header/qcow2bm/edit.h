/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Editing: operations are staged onto an edit, and committed once. Included by
 * qcow2bm.h. */
#ifndef QCOW2BM_EDIT_H
#define QCOW2BM_EDIT_H

#include "bitmap.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * An edit is staged in memory, bitmap by bitmap, and committed once: after
 * qcow2bm_edit_commit() the image has all of it or none. What is staged sees what was
 * staged before it; the bits that a merge reads are those that are in the images when the
 * edit is committed.
 */
struct qcow2bm_edit;

/*
 * Begins an edit of `image`. There may be several, but once one of them is committed the
 * others are of no use any more, nor are those of an image that is closed: EINVAL. An
 * image opened without QCOW2BM_OPEN_WRITE can be staged and planned, not committed.
 *
 * Errors: EUNSUPPORTED for a version 2 image; for a corrupt or dirty image; when the
 * bitmaps extension is there without its autoclear bit. ENOMEM; EINVAL when the last
 * commit left open what the image holds. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_edit_begin(struct qcow2bm_edit **edit,
							struct qcow2bm_image *image,
							struct qcow2bm_error *err);

/* Forgets the edit, committed or not. One that is prepared is rolled back, one that is
 * switched is finished, while its image is open. NULL is allowed. Crash: as those. */
void qcow2bm_edit_end(struct qcow2bm_edit *edit);

/*
 * The staging functions. `name` is name_bytes bytes as they stand in the image. None of
 * them changes the image (Crash: changes nothing). Errors of all: ENOTFOUND; EIMAGE for a
 * bitmap that is corrupt (qcow2bm_bitmap_judge()); EINVAL for an edit that was staged
 * before the last commit of its image; EINUSE for a bitmap in use; EUNSUPPORTED for extra
 * data that is not marked compatible; ENOMEM. After a failure the edit is as it was
 * before the call.
 */

/*
 * Adds an empty bitmap of 1 << granularity_bits bytes per bit (9 .. 31), recording (auto)
 * when `enabled`. Errors: also EEXIST; EINVAL for a name of 0 or more than 1023 bytes or
 * with a NUL, and for the granularity; ELIMIT for more than 65535 bitmaps or 512 MiB.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_add(struct qcow2bm_edit *edit, const char *name, size_t name_bytes,
		 unsigned granularity_bits, bool enabled, struct qcow2bm_error *err);

/* The granularity that QEMU takes when none is asked for: log2 of the cluster size in
 * bytes, between 4 KiB and 64 KiB. */
unsigned qcow2bm_image_default_granularity_bits(const struct qcow2bm_image *image);

/*
 * Deletes a bitmap. One in use or corrupt may be deleted; then what cannot be proven to
 * be its own is leaked. Errors: EINVAL when two entries have the name.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_edit_delete(struct qcow2bm_edit *edit,
							 const char *name,
							 size_t name_bytes,
							 struct qcow2bm_error *err);

/* Gives a bitmap a new name. Errors: also EEXIST and EINVAL as qcow2bm_edit_add(). */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_rename(struct qcow2bm_edit *edit, const char *name, size_t name_bytes,
		    const char *new_name, size_t new_name_bytes,
		    struct qcow2bm_error *err);

/* Makes every bit clean. */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_edit_clear(struct qcow2bm_edit *edit,
							const char *name,
							size_t name_bytes,
							struct qcow2bm_error *err);

/* Sets or clears the auto flag: whether QEMU records into the bitmap when it runs. */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_edit_enable(struct qcow2bm_edit *edit,
							 const char *name,
							 size_t name_bytes,
							 struct qcow2bm_error *err);
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_edit_disable(struct qcow2bm_edit *edit,
							  const char *name,
							  size_t name_bytes,
							  struct qcow2bm_error *err);

/*
 * ORs the bits of `source` into `name`, whatever their granularities: where bits of
 * different size meet, every byte that is dirty in the source is dirty in the result. As
 * in QEMU, bits that went through a coarser bitmap on their way come as coarse as that.
 * `source_image` NULL means the image of the edit, and then sees what is staged; another
 * image is read when the edit is planned or committed: is it edited or closed before,
 * that fails with EINVAL.
 * Errors: also EINVAL when the virtual sizes of the two images differ.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_merge(struct qcow2bm_edit *edit, const char *name, size_t name_bytes,
		   struct qcow2bm_image *source_image, const char *source,
		   size_t source_bytes, struct qcow2bm_error *err);

/*
 * The same for a bitmap of another image as it is staged there, in source_edit: with
 * qcow2bm_together_commit() both edits act in the order in which they were staged.
 * Errors: the same, of either edit.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_merge_staged(struct qcow2bm_edit *edit, const char *name, size_t name_bytes,
			  const struct qcow2bm_edit *source_edit, const char *source,
			  size_t source_bytes, struct qcow2bm_error *err);

/* What a bitmap that a crash left in-use gets for its bits. */
enum qcow2bm_recovery {
	QCOW2BM_RECOVER_STORED, /* its own, as they are stored */
	/* its own, and all that this layer holds data or zeros for */
	QCOW2BM_RECOVER_ALLOCATED,
	QCOW2BM_RECOVER_FULL, /* all dirty */
	/* qcow2bm_edit_recover_carved() alone: those of a deleted one */
	QCOW2BM_RECOVER_CARVED,
	/* the best of the first three whose conditions are all assumed */
	QCOW2BM_RECOVER_AUTO,
	/* qcow2bm_edit_recover_compared() alone: what differs from an older state of the
	 * disk */
	QCOW2BM_RECOVER_COMPARED
};

/* "stored", "allocated", "full", "carved", "auto", "compared". NULL for none. */
const char *qcow2bm_recovery_name(enum qcow2bm_recovery method);

enum qcow2bm_guarantee {
	QCOW2BM_GUARANTEE_EXACT, /* the bits are right */
	/* no change is missing; more than changed may be dirty */
	QCOW2BM_GUARANTEE_SUPERSET,
	QCOW2BM_GUARANTEE_UNSAFE /* changes may be missing */
};

/* "exact", "superset", "unsafe". NULL for none. */
const char *qcow2bm_guarantee_name(enum qcow2bm_guarantee guarantee);

/* What no image can prove, and a guarantee may rest on. Sets of them are made of the bits
 * 1u << condition. */
enum qcow2bm_condition {
	/* No bitmap was enabled, merged into, cleared or deleted through QMP in the
	 * session that crashed: QEMU stores that only when it closes the image. */
	QCOW2BM_CONDITION_NOT_CHANGED_BY_QMP,
	QCOW2BM_CONDITION_NOT_RESIZED, /* the disk was not resized in that session */
	/* The layer was not emptied into its backing file in that session, or since. */
	QCOW2BM_CONDITION_NOT_COMMITTED,
	/* No program but QEMU, which keeps a cluster that the guest discards as one of
	 * zeros, has written to the image since that session began. */
	QCOW2BM_CONDITION_NOT_WRITTEN_BY_OTHERS,
	/* The older state that the disk was compared with is the disk as it was when the
	 * checkpoint began. */
	QCOW2BM_CONDITION_OLD_IS_BASE,
	QCOW2BM_CONDITION_COUNT
};

/* The stable code of a condition, of small letters and dashes: "not-resized". NULL for
 * none. */
const char *qcow2bm_condition_name(enum qcow2bm_condition condition);

enum qcow2bm_recording {
	QCOW2BM_RECORDING_KEEP,
	QCOW2BM_RECORDING_ON,
	QCOW2BM_RECORDING_OFF
};

struct qcow2bm_recover_options {
	size_t size; /* of this struct */
	enum qcow2bm_recovery method;
	enum qcow2bm_recording recording; /* the auto flag afterwards */
	bool accept_unsafe;
	unsigned assumed; /* set of the conditions that the user vouches for */
};

#define QCOW2BM_RECOVER_OPTIONS_INIT                                          \
	{                                                                     \
		sizeof(struct qcow2bm_recover_options), QCOW2BM_RECOVER_AUTO, \
			QCOW2BM_RECORDING_KEEP, false, 0                      \
	}

/* What the bits of a recovered bitmap promise. */
struct qcow2bm_promise {
	enum qcow2bm_recovery method; /* for AUTO the one that was chosen */
	enum qcow2bm_guarantee guarantee;
	unsigned conditions; /* under which it holds; 0 for UNSAFE, and for FULL */
	unsigned assumed;    /* those of them that the user vouches for */
	bool all_dirty;      /* the whole disk is, whatever the method */
	/* Unless better_conditions is 0: if these were assumed, too, this method would
	 * promise more or mark less. */
	enum qcow2bm_recovery better;
	unsigned better_conditions;
};

/*
 * Recovers a bitmap that is marked in-use: it gets bits by the method, of the size that
 * the disk has now, and the mark is taken off. *promise (NULL allowed) is what the bits
 * promise, also when that is refused for being unsafe; it lives until the edit is staged
 * further, is committed or ends.
 *
 * STORED is exact for a bitmap that was not recording and has no temporary name, if
 * NOT_CHANGED_BY_QMP and NOT_RESIZED hold. ALLOCATED is a superset in an overlay if all
 * conditions hold. FULL is always a superset, and reads nothing of the old table and
 * bits. AUTO is never UNSAFE, and rests on nothing that is not assumed; with nothing
 * assumed it is FULL.
 *
 * What the image disproves is UNSAFE whatever is assumed: ALLOCATED with internal
 * snapshots, with a bitmap whose table is that of a disk of another size, or in a layer
 * that holds nothing although bits of in-use bitmaps are set. What only looks like it is
 * UNSAFE unless all conditions of the method are assumed: ALLOCATED where the layer holds
 * nothing for a bit that is set; STORED where a bitmap CHILD^PARENT is there without its
 * PARENT, or no bitmap is recording.
 *
 * Errors: EINUSE when the result is unsafe and that is not accepted; EINVAL for a bitmap
 * that is not in-use, and for ALLOCATED without a backing file; EBUSY for one in use by a
 * live program; EIMAGE when the stored bits cannot be read, or, for STORED, are those of
 * a disk of another size; ELIMIT when the disk has outgrown the bitmap's granularity;
 * ESYSTEM.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_recover(struct qcow2bm_edit *edit, const char *name, size_t name_bytes,
		     const struct qcow2bm_recover_options *options,
		     const struct qcow2bm_promise **promise,
		     const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

enum qcow2bm_change_kind {
	QCOW2BM_CHANGE_ADD,
	QCOW2BM_CHANGE_DELETE,
	QCOW2BM_CHANGE_UPDATE,
	QCOW2BM_CHANGE_NONE /* there is no such change */
};

/* "add", "delete", "update", "none". NULL for none. */
const char *qcow2bm_change_name(enum qcow2bm_change_kind kind);

/* How one bitmap differs between the image and the edit. */
struct qcow2bm_change {
	enum qcow2bm_change_kind kind;
	const char *old_name; /* NULL for ADD */
	size_t old_name_bytes;
	const char *new_name; /* NULL for DELETE */
	size_t new_name_bytes;
	unsigned granularity_bits;
	bool flag_changed;    /* the auto flag */
	bool enabled;         /* the auto flag afterwards */
	bool content_changed; /* cleared, merged into or recovered with more bits */
	size_t sources;       /* bitmaps whose bits are read for the new content */
	/* Of one that was in-use or deleted, and is recovered; else NULL. */
	const struct qcow2bm_promise *promise;
	size_t old_idx; /* of the bitmap in the image; QCOW2BM_NOT_FOUND for ADD */
};

/* What a commit would do. Nothing has been written. */
struct qcow2bm_plan {
	size_t changes;            /* 0: the image has the staged state already */
	uint64_t write_clusters;   /* at most so many new clusters are written */
	uint64_t release_clusters; /* proven to be free afterwards, at least */
	uint64_t
		leak_clusters; /* no longer used, but not proven to be the bitmaps' own */
	bool leaks_more;       /* and more, which cannot be counted */
	uint64_t refcount_clusters; /* refcount blocks and tables that must be added */
	uint64_t read_bytes; /* bitmap data (and L2 tables) that must be read, at most */
};

enum {
	QCOW2BM_COMMIT_TRUST_REFCOUNTS = 1u
					 << 0, /* do not read the L2 tables for a proof */
	QCOW2BM_COMMIT_NO_DISCARD = 1u << 1 /* punch no holes where clusters are freed */
};

/*
 * Decides what qcow2bm_edit_commit() with these flags would do. *plan lives until the
 * edit is planned or committed again, or ends. Errors: as qcow2bm_edit_commit() before
 * its first write. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code qcow2bm_edit_plan(struct qcow2bm_edit *edit,
						       unsigned flags,
						       const struct qcow2bm_plan **plan,
						       const struct qcow2bm_watch *watch,
						       struct qcow2bm_error *err);

/* Change `idx` (0 .. plan.changes-1) of the edit as it was last planned, against the
 * image. The kind is NONE, and all else 0, for an index out of range and for an edit that
 * was staged before the last commit of its image. Lives, names included, until the edit
 * is staged further, is planned or committed, or ends. */
const struct qcow2bm_change *qcow2bm_edit_change(const struct qcow2bm_edit *edit,
						 size_t idx);

/*
 * How many bytes of the disk the bitmap of change `idx`, of the edit as it was last planned,
 * will have dirty when the edit is committed; 0 for DELETE. Reads what the commit would
 * read of the bits, and those that stay. Errors: EINVAL for an index out of range, and as
 * qcow2bm_edit_plan() for an edit or a source of it that was staged before a commit; EIMAGE
 * when the bits cannot be read; ESYSTEM, ENOMEM, EINTERRUPTED. Crash: changes nothing.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_dirty_bytes(struct qcow2bm_edit *edit, size_t idx, uint64_t *dirty_bytes,
			 const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

struct qcow2bm_together_file;

struct qcow2bm_commit_options {
	size_t size;    /* of this struct */
	unsigned flags; /* QCOW2BM_COMMIT_... */
	/* For qcow2bm_together_commit() alone: files that change with the images. */
	const struct qcow2bm_together_file *files;
	size_t file_count;
	/* The same: what the intent file keeps of the caller's, to know the edit by when it was cut off. Up to
	 * QCOW2BM_MAX_NOTE_BYTES. */
	const void *note;
	size_t note_bytes;
};

#define QCOW2BM_MAX_NOTE_BYTES 256u

#define QCOW2BM_COMMIT_OPTIONS_INIT                                        \
	{                                                                  \
		sizeof(struct qcow2bm_commit_options), 0, NULL, 0, NULL, 0 \
	}

struct qcow2bm_result {
	bool switched; /* the image has the new state, on stable storage */
	uint64_t written_clusters;
	uint64_t released_clusters;
	uint64_t leaked_clusters; /* not released: leaked, or in use by something else */
	uint64_t data_bytes_read; /* bitmap data, and L2 tables as a source of bits */
	unsigned syncs;
	/* Why clusters were leaked; "" when none were. With leaked_clusters 0: the
	 * table of a deleted or recovered bitmap could not be read: what it occupied
	 * cannot be counted. */
	char leak_reason[256];
	uint64_t refcount_clusters; /* refcount blocks and tables that were added */
};

/*
 * Commits what is staged: reserves and writes new clusters, SYNC, switches the image over
 * with the write of one sector, SYNC, releases what nothing refers to any more, SYNC,
 * punches holes. An edit that changes nothing writes nothing. `options` may be NULL.
 * Afterwards the image object describes the new state, and the edit is empty. *result
 * (NULL allowed) is set in any case, and lives until the edit is planned or committed
 * again, or ends.
 *
 * Errors: before the first write, EUNSUPPORTED, ELIMIT, EIMAGE (refcounts are wrong),
 * ESYSTEM (ENOSPC and others), ENOMEM, and EINVAL for an image that is not open for
 * writing, and when the edit or a source of it was staged before the last commit of its
 * image; while new clusters are written, ESYSTEM and EINTERRUPTED: the old state, the
 * reserve taken back (what could not be taken back is in leaked_clusters); at the switch,
 * EUNKNOWN: both states are whole on disk and nothing is freed. After the switch nothing
 * is an error: what could not be released is in leaked_clusters.
 * Crash: the old state or the new, at most with leaked clusters.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_commit(struct qcow2bm_edit *edit,
		    const struct qcow2bm_commit_options *options,
		    const struct qcow2bm_result **result,
		    const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

/*
 * The same in four phases, so that several images can be prepared before the first is
 * switched over: prepare, switch, finish; or prepare, roll back. From the first to the
 * last phase nothing else may be staged on the image, planned or committed, nor an undo
 * file begun or ended: EINVAL. The image object describes the old state until the edit is
 * finished. *result (NULL allowed) has all figures so far, and lives as that of
 * qcow2bm_edit_commit().
 */

/*
 * All of a commit that can fail: plans, reserves and writes new clusters, SYNC. What
 * fails is rolled back, and the edit is as it was. The watch is asked here, and told of
 * progress until the edit is finished or rolled back. A source in another image is read
 * here, once: that image may then be switched over, too. Errors: those of
 * qcow2bm_edit_commit() but EUNKNOWN; EINVAL also when another edit of the image is
 * prepared, or a source's image is switched over and not finished. Crash: the old state,
 * at most with leaked clusters.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_prepare(struct qcow2bm_edit *edit,
		     const struct qcow2bm_commit_options *options,
		     const struct qcow2bm_result **result,
		     const struct qcow2bm_watch *watch, struct qcow2bm_error *err);

/*
 * Switches the image over with the write of one sector, SYNC. Errors: EINVAL when the
 * edit is not prepared, or its image is closed; EUNKNOWN: both states are whole on disk,
 * the commit is over, and the image must be opened anew. Crash: the old state or the new,
 * at most with leaked clusters.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_switch(struct qcow2bm_edit *edit, const struct qcow2bm_result **result,
		    struct qcow2bm_error *err);

/*
 * Releases what nothing refers to any more, SYNC, punches holes; what could not be
 * released is in leaked_clusters. Afterwards the image object describes the new state,
 * and the edit is empty. Errors: EINVAL when the edit is not switched, or its image is
 * closed. Crash: the new state, at most with leaked clusters.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_finish(struct qcow2bm_edit *edit, const struct qcow2bm_result **result,
		    struct qcow2bm_error *err);

/*
 * Takes back what was prepared; what could not be taken back is in leaked_clusters. The
 * edit is as it was before, and can be prepared again. Errors: EINVAL when the edit is
 * not prepared, or is switched, or its image is closed. Crash: the old state, at most
 * with leaked clusters.
 */
QCOW2BM_MUST_CHECK enum qcow2bm_code
qcow2bm_edit_roll_back(struct qcow2bm_edit *edit, const struct qcow2bm_result **result,
		       struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
