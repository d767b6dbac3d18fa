/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libqcow2bm: persistent dirty bitmaps in qcow2 images that no QEMU has open.
 *
 * Fallible functions return QCOW2BM_OK (0) or another enum qcow2bm_code, and describe the
 * failure in *err, which the caller owns and which may be NULL. The library never prints,
 * never exits, keeps no global state and reads no environment. One image, with its edits,
 * belongs to one thread at a time; different images are independent.
 *
 * Pointers that the library gives out are its own, and no longer good than is said beside them.
 * What an edit, a merge's source or a report knows of an image holds until the next commit that
 * changes it, or until it is closed; used later, they are refused with EINVAL ("the edit was
 * staged before the last commit of the image"), and are still to be given back
 * (qcow2bm_edit_end(), qcow2bm_report_free()).
 */
#ifndef QCOW2BM_H
#define QCOW2BM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors ------------------------------------------------------------------------- */

enum qcow2bm_code {
	QCOW2BM_OK = 0,
	QCOW2BM_ESYSTEM,   /* a system call failed; sys_errno says how */
	QCOW2BM_ENOMEM,    /* memory could not be allocated */
	QCOW2BM_ENOTQCOW2, /* the file does not start as a qcow2 image */
	QCOW2BM_EIMAGE,    /* the image breaks the rules of the format */
	QCOW2BM_EUNSUPPORTED, /* well-formed, but must not be read or edited by this library */
	QCOW2BM_EBUSY,        /* another process has the image open */
	QCOW2BM_ENOTFOUND, /* no bitmap of that name */
	QCOW2BM_EEXIST,    /* a bitmap of that name is there already */
	QCOW2BM_EINUSE,    /* the bitmap is marked in-use: its bits cannot be trusted */
	QCOW2BM_EINVAL,    /* an argument is outside its limits */
	QCOW2BM_ELIMIT,    /* the result would be over one of QEMU's limits */
	QCOW2BM_EINTERRUPTED, /* the caller's interrupted() said so, before the switch */
	QCOW2BM_ESTOPPED,     /* the caller's extent function returned non-zero */
	QCOW2BM_EUNKNOWN /* I/O error at the switch: the image is whole, old or new */
};

#define QCOW2BM_NO_OFFSET UINT64_MAX

/* Zero it before the first use; the first failure wins until it is zeroed again. */
struct qcow2bm_error {
	enum qcow2bm_code code;
	int sys_errno;      /* 0 where no system call is to blame */
	uint64_t offset;    /* byte in the image file, or QCOW2BM_NO_OFFSET */
	char sentence[512]; /* lower case, no final dot, no path */
};

/* Stands in a sentence where the cure depends on what else is wrong with the image: a caller who
 * shows it to people may put its own way to qcow2bm_check() there. */
#define QCOW2BM_SEE_CHECK "; check tells what to do"

/* The library's version, "1.2.3". */
const char *qcow2bm_version(void);

/* ---- An open image ------------------------------------------------------------------ */

struct qcow2bm_image;

enum {
	QCOW2BM_OPEN_WRITE = 1u << 0,       /* needed by qcow2bm_commit() */
	QCOW2BM_OPEN_FORCE_SHARE = 1u << 1, /* read although another process may write */
	QCOW2BM_OPEN_NO_LOCK = 1u << 2,     /* take no locks: the caller vouches for it */
	/* Open also when the bitmaps extension or directory is damaged: for qcow2bm_check(). What
	 * can be located of the directory is there; an edit can only hold a repair. */
	QCOW2BM_OPEN_DAMAGED = 1u << 3
};

/*
 * Opens the regular file or block device `filename` as a qcow2 image: takes QEMU's file locks,
 * reads the header, its extensions and the bitmap directory. Reads O_RDONLY unless
 * QCOW2BM_OPEN_WRITE is given; never opens another file. `wait_seconds` is how long to retry
 * while another process holds a lock that conflicts; 0 fails at once.
 *
 * Errors: ESYSTEM, ENOMEM; ENOTQCOW2; EBUSY, the sentence names the process where it is known;
 * EIMAGE when the header, an extension or the lengths inside the directory break the format (a
 * single bad entry is not an error: its bitmap's state is QCOW2BM_STATE_CORRUPT);
 * EUNSUPPORTED for unknown incompatible feature bits.
 * Crash: changes nothing.
 */
enum qcow2bm_code qcow2bm_open(struct qcow2bm_image **image, const char *filename,
			       unsigned flags, unsigned wait_seconds,
			       struct qcow2bm_error *err);

/* Releases the locks and all memory. NULL is allowed. Crash: changes nothing. */
void qcow2bm_close(struct qcow2bm_image *image);

enum qcow2bm_encryption {
	QCOW2BM_ENCRYPTION_NONE = 0,
	QCOW2BM_ENCRYPTION_AES = 1,
	QCOW2BM_ENCRYPTION_LUKS = 2
};

enum qcow2bm_compression { QCOW2BM_COMPRESSION_ZLIB = 0, QCOW2BM_COMPRESSION_ZSTD = 1 };

/* What the header says. Strings end in a NUL, and live until the image is changed by a commit or
 * closed. */
struct qcow2bm_image_info {
	unsigned version;         /* 2 or 3 */
	uint64_t virtual_bytes;   /* size of the guest's disk */
	uint64_t cluster_bytes;   /* 512 .. 2 MiB */
	uint64_t file_bytes;      /* length of the image file or device */
	uint64_t allocated_bytes; /* what the file occupies (st_blocks); 0 for a device */
	unsigned refcount_bits;   /* 1 .. 64 */
	bool lazy_refcounts;      /* compatible feature bit 0 */
	bool dirty;               /* incompatible bit 0: refcounts are not up to date */
	bool corrupt;             /* incompatible bit 1 */
	bool extended_l2;         /* incompatible bit 4 */
	bool data_file_raw;       /* autoclear bit 1 */
	bool bitmaps_consistent;  /* autoclear bit 0 */
	bool bitmaps_extension;   /* the bitmaps extension is present */
	bool external_data;       /* incompatible bit 2 */
	enum qcow2bm_encryption encryption;
	enum qcow2bm_compression compression;
	const char *backing_filename; /* as stored; NULL when there is none */
	const char *backing_format;   /* NULL when not stored */
	const char
		*data_filename; /* external data file as stored; NULL when not stored */
	unsigned snapshots;     /* internal snapshots */
};

/* Errors: none. Crash: changes nothing. */
void qcow2bm_describe_image(const struct qcow2bm_image *image,
			    struct qcow2bm_image_info *info);

/* One internal snapshot. Strings live until the next call for the same image. */
struct qcow2bm_snapshot {
	const char *id;
	const char *name;
	uint64_t vm_state_bytes;
	uint32_t date_seconds; /* since 1970-01-01 */
	uint32_t date_nanoseconds;
	uint64_t vm_clock_nanoseconds;
	uint64_t disk_bytes; /* virtual size at the time of the snapshot */
	uint64_t icount;     /* UINT64_MAX when not stored */
};

/*
 * Reads the snapshot at index `idx` (0 .. snapshots-1) of the image.
 * Errors: EINVAL for an index out of range; ESYSTEM, ENOMEM, EIMAGE. Crash: changes nothing.
 */
enum qcow2bm_code qcow2bm_read_snapshot(struct qcow2bm_image *image, unsigned idx,
					struct qcow2bm_snapshot *snapshot,
					struct qcow2bm_error *err);

/* ---- Bitmaps of an image ------------------------------------------------------------ */

enum qcow2bm_state {
	QCOW2BM_STATE_VALID,        /* enabled: QEMU records into it */
	QCOW2BM_STATE_DISABLED,     /* whole, not recording */
	QCOW2BM_STATE_IN_USE_LIVE,  /* a running program has the image open for writing */
	QCOW2BM_STATE_IN_USE_STALE, /* left in-use by a crash: bits cannot be trusted */
	QCOW2BM_STATE_IN_USE_UNKNOWN, /* in-use, and locks could not tell by whom */
	QCOW2BM_STATE_CORRUPT         /* breaks the format, or was lost by autoclear */
};

/* One entry of the bitmap directory. Pointers live until the image is changed by a commit, of
 * whichever edit, or closed. */
struct qcow2bm_bitmap {
	const char *name; /* name_bytes bytes of any value; not NUL-terminated */
	size_t name_bytes;
	unsigned
		granularity_bits; /* log2 of the granularity in bytes, 0 .. 63 when valid */
	bool in_use;              /* directory flag bit 0 */
	bool autoload;            /* directory flag bit 1, "auto": QEMU records into it */
	bool temporary; /* its name is one that libvirt gives for the time of a job */
	enum qcow2bm_state state;
	const char *problem;    /* why state is CORRUPT, else NULL */
	uint64_t table_offset;  /* byte in the image file */
	uint32_t table_entries; /* 8-byte entries */
	uint32_t extra_bytes;   /* extra data of the entry */
};

/* How many entries the directory has; 0 without a bitmaps extension. */
size_t qcow2bm_count(const struct qcow2bm_image *image);

/*
 * Describes entry `idx` (0 .. qcow2bm_count()-1): from the directory alone, until the bitmaps have
 * been judged (qcow2bm_judge()). An index out of range describes a CORRUPT bitmap with an empty
 * name, whose problem says so.
 */
void qcow2bm_describe(const struct qcow2bm_image *image, size_t idx,
		      struct qcow2bm_bitmap *bitmap);

#define QCOW2BM_NOT_FOUND SIZE_MAX

/* The index of the first entry whose name is exactly these bytes, or QCOW2BM_NOT_FOUND. */
size_t qcow2bm_find(const struct qcow2bm_image *image, const char *name,
		    size_t name_bytes);

/*
 * Judges the bitmaps of an image as qcow2bm_check() does, but for what only L2 tables and the L1
 * tables of snapshots tell: entries, places, refcounts, overlaps, traces of programs that know no
 * bitmaps; of bitmap `idx`, unless that is QCOW2BM_NOT_FOUND, also its bits behind the end of the
 * disk. qcow2bm_describe() tells of it from then on. Reads each table and the refcounts of what
 * they name, once; whoever reads, measures or stages a bitmap has that done first.
 *
 * Errors: EINVAL for an index out of range; ESYSTEM, ENOMEM. Crash: changes nothing.
 */
enum qcow2bm_code qcow2bm_judge(struct qcow2bm_image *image, size_t idx,
				struct qcow2bm_error *err);

struct qcow2bm_measure {
	uint64_t dirty_bytes;  /* guest bytes whose bit is set; 0 when not counted */
	uint64_t stored_bytes; /* clusters of table and data in the image file */
};

enum {
	QCOW2BM_READ_COUNT =
		1u << 0, /* qcow2bm_measure(): read the data, and count the bits */
	/* Of a corrupt bitmap, too, as far as it can be read: its bits are as they are stored, and
	 * no source for anything. */
	QCOW2BM_READ_UNTRUSTED = 1u << 1
};

/*
 * Measures bitmap `idx`: reads its table and, with QCOW2BM_READ_COUNT, its data. The bits are
 * counted as they are stored; bits past the end of the disk do not count.
 *
 * Errors: EIMAGE for a corrupt bitmap, as qcow2bm_judge() finds it: the sentence says why; EINVAL for an index out of range;
 * ESYSTEM, ENOMEM. Crash: changes nothing.
 */
enum qcow2bm_code qcow2bm_measure(struct qcow2bm_image *image, size_t idx, unsigned flags,
				  struct qcow2bm_measure *measure,
				  struct qcow2bm_error *err);

struct qcow2bm_extent {
	uint64_t start;  /* guest byte */
	uint64_t length; /* bytes, never 0 */
	bool dirty;
};

/* Returns 0 to go on, anything else to stop. */
typedef int qcow2bm_extent_fn(void *opaque, const struct qcow2bm_extent *extent);

/*
 * Calls `fn` for each extent of bitmap `idx` inside the guest bytes [start, start+length), in
 * order, clean and dirty in turn, without gaps; `length` is cut at the end of the disk. Memory
 * is bounded whatever the size of the disk. The bits are those that are stored: unless the state
 * is VALID or DISABLED, what is clean here may be dirty in truth, and a backup that leaves it out
 * may not restore. Of a corrupt one they are told with QCOW2BM_READ_UNTRUSTED in `flags` alone; of
 * one in use, ask qcow2bm_describe() first.
 *
 * Errors: EINVAL when start lies past the end of the disk; EINVAL, EIMAGE, ESYSTEM, ENOMEM as
 * qcow2bm_measure(); ESTOPPED when fn returned non-zero. Crash: changes nothing.
 */
enum qcow2bm_code qcow2bm_extents(struct qcow2bm_image *image, size_t idx, uint64_t start,
				  uint64_t length, unsigned flags, qcow2bm_extent_fn *fn,
				  void *opaque, struct qcow2bm_error *err);

/* ---- Editing ------------------------------------------------------------------------ */

/*
 * An edit is staged in memory, bitmap by bitmap, and committed once: after qcow2bm_commit() the
 * image has all of it or none. What is staged sees what was staged before it; the bits that a
 * merge reads are those that are in the images when the edit is committed.
 */
struct qcow2bm_edit;

/*
 * Begins an edit of `image`. There may be several, but once one of them is committed the others
 * are of no use any more, nor are those of an image that is closed: EINVAL. An image opened
 * without QCOW2BM_OPEN_WRITE can be staged and planned, not committed.
 *
 * Errors: EUNSUPPORTED for a version 2 image; for a corrupt or dirty image; when the bitmaps
 * extension is there without its autoclear bit. ENOMEM; EINVAL when the last commit left open what
 * the image holds. Crash: changes nothing.
 */
enum qcow2bm_code qcow2bm_edit_begin(struct qcow2bm_edit **edit,
				     struct qcow2bm_image *image,
				     struct qcow2bm_error *err);

/* Forgets the edit, committed or not. NULL is allowed. Crash: changes nothing. */
void qcow2bm_edit_end(struct qcow2bm_edit *edit);

/*
 * The staging functions. `name` is name_bytes bytes as they stand in the image. None of them
 * changes the image (Crash: changes nothing). Errors of all: ENOTFOUND; EIMAGE for a bitmap
 * that is corrupt (qcow2bm_judge()); EINVAL for an edit that was staged before the last commit of
 * its image; EINUSE for a bitmap in use; EUNSUPPORTED for extra data that is not
 * marked compatible; ENOMEM. After a failure the edit is as it was before the call.
 */

/*
 * Adds an empty bitmap of 1 << granularity_bits bytes per bit (9 .. 31), recording (auto) when
 * `enabled`. Errors: also EEXIST; EINVAL for a name of 0 or more than 1023 bytes or with a NUL,
 * and for the granularity; ELIMIT for more than 65535 bitmaps or 512 MiB.
 */
enum qcow2bm_code qcow2bm_add(struct qcow2bm_edit *edit, const char *name,
			      size_t name_bytes, unsigned granularity_bits, bool enabled,
			      struct qcow2bm_error *err);

/* The granularity that QEMU takes when none is asked for: log2 of the cluster size in bytes,
 * between 4 KiB and 64 KiB. */
unsigned qcow2bm_default_granularity_bits(const struct qcow2bm_image *image);

/*
 * Deletes a bitmap. One in use or corrupt may be deleted; then what cannot be proven to be its
 * own is leaked. Errors: EINVAL when two entries have the name.
 */
enum qcow2bm_code qcow2bm_delete(struct qcow2bm_edit *edit, const char *name,
				 size_t name_bytes, struct qcow2bm_error *err);

/* Gives a bitmap a new name. Errors: also EEXIST and EINVAL as qcow2bm_add(). */
enum qcow2bm_code qcow2bm_rename(struct qcow2bm_edit *edit, const char *name,
				 size_t name_bytes, const char *new_name,
				 size_t new_name_bytes, struct qcow2bm_error *err);

/* Makes every bit clean. */
enum qcow2bm_code qcow2bm_clear(struct qcow2bm_edit *edit, const char *name,
				size_t name_bytes, struct qcow2bm_error *err);

/* Sets or clears the auto flag: whether QEMU records into the bitmap when it runs. */
enum qcow2bm_code qcow2bm_enable(struct qcow2bm_edit *edit, const char *name,
				 size_t name_bytes, struct qcow2bm_error *err);
enum qcow2bm_code qcow2bm_disable(struct qcow2bm_edit *edit, const char *name,
				  size_t name_bytes, struct qcow2bm_error *err);

/*
 * ORs the bits of `source` into `name`, whatever their granularities: where bits of different
 * size meet, every byte that is dirty in the source is dirty in the result. `source_image` NULL
 * means the image of the edit, and then sees what is staged; another image is read when the
 * edit is planned or committed: is it edited or closed before, that fails with EINVAL.
 * Errors: also EINVAL when the virtual sizes of the two images differ.
 */
enum qcow2bm_code qcow2bm_merge(struct qcow2bm_edit *edit, const char *name,
				size_t name_bytes, struct qcow2bm_image *source_image,
				const char *source, size_t source_bytes,
				struct qcow2bm_error *err);

/* What a bitmap that a crash left in-use gets for its bits. */
enum qcow2bm_recovery {
	QCOW2BM_RECOVER_STORED, /* its own, as they are stored */
	QCOW2BM_RECOVER_ALLOCATED, /* its own, and all that this layer holds data or zeros for */
	QCOW2BM_RECOVER_FULL,   /* all dirty */
	QCOW2BM_RECOVER_CARVED, /* qcow2bm_recover_carved() alone: those of a deleted one */
	QCOW2BM_RECOVER_AUTO /* the best of the first three whose conditions are all assumed */
};

enum qcow2bm_guarantee {
	QCOW2BM_GUARANTEE_EXACT, /* the bits are right */
	QCOW2BM_GUARANTEE_SUPERSET, /* no change is missing; more than changed may be dirty */
	QCOW2BM_GUARANTEE_UNSAFE /* changes may be missing */
};

/* What no image can prove, and a guarantee may rest on. Sets of them are made of the bits
 * 1u << condition. */
enum qcow2bm_condition {
	/* No bitmap was enabled, merged into, cleared or deleted through QMP in the session that
	 * crashed: QEMU stores that only when it closes the image. */
	QCOW2BM_CONDITION_NOT_CHANGED_BY_QMP,
	QCOW2BM_CONDITION_NOT_RESIZED, /* the disk was not resized in that session */
	/* The layer was not emptied into its backing file in that session, or since. */
	QCOW2BM_CONDITION_NOT_COMMITTED,
	/* No program but QEMU, which keeps a cluster that the guest discards as one of zeros, has
	 * written to the image since that session began. */
	QCOW2BM_CONDITION_NOT_WRITTEN_BY_OTHERS,
	QCOW2BM_CONDITION_COUNT
};

/* The stable code of a condition, of small letters and dashes: "not-resized". NULL for none. */
const char *qcow2bm_condition_name(enum qcow2bm_condition condition);

enum qcow2bm_recording {
	QCOW2BM_RECORDING_KEEP,
	QCOW2BM_RECORDING_ON,
	QCOW2BM_RECORDING_OFF
};

struct qcow2bm_recover_options {
	enum qcow2bm_recovery method;
	enum qcow2bm_recording recording; /* the auto flag afterwards */
	bool accept_unsafe;
	unsigned assumed; /* set of the conditions that the user vouches for */
};

/* What the bits of a recovered bitmap promise. */
struct qcow2bm_promise {
	enum qcow2bm_recovery method; /* for AUTO the one that was chosen */
	enum qcow2bm_guarantee guarantee;
	unsigned conditions; /* under which it holds; 0 for UNSAFE, and for FULL */
	unsigned assumed;    /* those of them that the user vouches for */
	bool all_dirty;      /* the whole disk is, whatever the method */
	/* Unless better_conditions is 0: if these were assumed, too, this method would promise more
	 * or mark less. */
	enum qcow2bm_recovery better;
	unsigned better_conditions;
};

/*
 * Recovers a bitmap that is marked in-use: it gets bits by the method, of the size that the disk
 * has now, and the mark is taken off. What the bits promise goes to *promise (NULL allowed), also
 * when it is refused for being unsafe.
 *
 * STORED is exact for a bitmap that was not recording and has no temporary name, if
 * NOT_CHANGED_BY_QMP and NOT_RESIZED hold. ALLOCATED is a superset in an overlay if all conditions
 * hold. FULL is always a superset, and reads nothing of the old table and bits. AUTO is never
 * UNSAFE, and rests on nothing that is not assumed; with nothing assumed it is FULL.
 *
 * What the image disproves is UNSAFE whatever is assumed: ALLOCATED with internal snapshots, with a
 * bitmap whose table is that of a disk of another size, or in a layer that holds nothing although
 * bits of in-use bitmaps are set. What only looks like it is UNSAFE unless all conditions of the
 * method are assumed: ALLOCATED where the layer holds nothing for a bit that is set; STORED where a
 * bitmap CHILD^PARENT is there without its PARENT, or no bitmap is recording.
 *
 * Errors: EINUSE when the result is unsafe and that is not accepted; EINVAL for a bitmap that is
 * not in-use, and for ALLOCATED without a backing file; EBUSY for one in use by a live program;
 * EIMAGE when the stored bits cannot be read, or, for STORED, are those of a disk of another
 * size; ELIMIT when the disk has outgrown the bitmap's granularity; ESYSTEM.
 */
enum qcow2bm_code qcow2bm_recover(struct qcow2bm_edit *edit, const char *name,
				  size_t name_bytes,
				  const struct qcow2bm_recover_options *options,
				  struct qcow2bm_promise *promise,
				  struct qcow2bm_error *err);

enum qcow2bm_change_kind {
	QCOW2BM_CHANGE_ADD,
	QCOW2BM_CHANGE_DELETE,
	QCOW2BM_CHANGE_UPDATE,
	QCOW2BM_CHANGE_NONE /* there is no such change */
};

/* How one bitmap differs between the image and the edit. Pointers live until the edit is staged
 * further or ends, or its image is changed by a commit or closed. */
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
	bool recovered; /* was in-use or deleted; the next says how it is recovered */
	struct qcow2bm_promise promise;
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
 * Decides what qcow2bm_commit() with these flags would do. Errors: as qcow2bm_commit() before
 * its first write. Crash: changes nothing.
 */
enum qcow2bm_code qcow2bm_plan_edit(struct qcow2bm_edit *edit, unsigned flags,
				    struct qcow2bm_plan *plan, struct qcow2bm_error *err);

/* Change `idx` (0 .. plan.changes-1) of the edit as it was last planned, against the image. The
 * kind is NONE, and all else 0, for an index out of range and for an edit that was staged before
 * the last commit of its image. */
void qcow2bm_describe_change(const struct qcow2bm_edit *edit, size_t idx,
			     struct qcow2bm_change *change);

struct qcow2bm_commit_options {
	unsigned flags; /* QCOW2BM_COMMIT_... */
	/* Called ten times a second, proofs included, and before the switch, by the thread that
	 * commits; true: roll back. May be NULL. */
	bool (*interrupted)(void *opaque);
	/* Called now and then with bytes done and in all. May be NULL. */
	void (*progress)(void *opaque, uint64_t done_bytes, uint64_t total_bytes);
	void *opaque;
};

struct qcow2bm_result {
	bool switched; /* the image has the new state, on stable storage */
	uint64_t written_clusters;
	uint64_t released_clusters;
	uint64_t leaked_clusters; /* not released: leaked, or in use by something else */
	uint64_t data_bytes_read; /* bitmap data, and L2 tables as a source of bits */
	unsigned syncs;
	/* Why clusters were leaked; "" when none were. With leaked_clusters 0: the table of a
	 * deleted or recovered bitmap could not be read: what it occupied cannot be counted. */
	char leak_reason[256];
};

/*
 * Commits what is staged: reserves and writes new clusters, SYNC, switches the image over with
 * the write of one sector, SYNC, releases what nothing refers to any more, SYNC, punches holes.
 * An edit that changes nothing writes nothing. `options` may be NULL. Afterwards the image
 * object describes the new state, and the edit is empty.
 *
 * Errors: before the first write, EUNSUPPORTED, ELIMIT, EIMAGE (refcounts are wrong), ESYSTEM
 * (ENOSPC and others), ENOMEM, and EINVAL for an image that is not open for writing, and when the
 * edit or a source of it was staged before the last commit of its image; while new
 * clusters are written, ESYSTEM and EINTERRUPTED: the old state, the reserve taken back (what
 * could not be taken back is in leaked_clusters); at the switch, EUNKNOWN: both states are whole
 * on disk and nothing is freed. After the switch nothing is an error: what could not be
 * released is in leaked_clusters.
 * Crash: the old state or the new, at most with leaked clusters.
 */
enum qcow2bm_code qcow2bm_commit(struct qcow2bm_edit *edit,
				 const struct qcow2bm_commit_options *options,
				 struct qcow2bm_result *result,
				 struct qcow2bm_error *err);

/* ---- Check and repair --------------------------------------------------------------- */

enum qcow2bm_severity {
	QCOW2BM_SEVERITY_NOTE,    /* worth knowing; nothing is wrong */
	QCOW2BM_SEVERITY_LEAK,    /* room is lost, nothing else */
	QCOW2BM_SEVERITY_WARNING, /* well-formed, but somebody must decide */
	QCOW2BM_SEVERITY_ERROR    /* breaks the format, or QEMU refuses the image */
};

enum qcow2bm_cure {
	QCOW2BM_CURE_NONE, /* nothing to do */
	QCOW2BM_CURE_MEND, /* qcow2bm_repair() mends it, the bits stay */
	QCOW2BM_CURE_DROP, /* qcow2bm_repair() drops the bitmap */
	QCOW2BM_CURE_CHOOSE, /* qcow2bm_repair() must be told: trust the bitmaps, or drop them */
	QCOW2BM_CURE_RECOVER, /* recover or delete the bitmap */
	QCOW2BM_CURE_DELETE,  /* delete the bitmap, if nobody needs it */
	QCOW2BM_CURE_RENAME,  /* rename the bitmap */
	QCOW2BM_CURE_QEMU,    /* not the bitmaps' matter: QEMU mends it */
	QCOW2BM_CURE_COPY, /* nothing mends it, but QEMU can copy the disk to a new image */
	QCOW2BM_CURE_NOBODY /* nothing mends it: what is lost can only come from a backup */
};

/* One finding. Pointers live as long as the report. */
struct qcow2bm_problem {
	const char *code; /* stable, of small letters and dashes: "table-past-end" */
	enum qcow2bm_severity severity;
	enum qcow2bm_cure cure;
	uint64_t offset; /* byte in the image file, or QCOW2BM_NO_OFFSET */
	size_t idx; /* of the bitmap, as for qcow2bm_describe(), or QCOW2BM_NOT_FOUND */
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
	unsigned flags;
	bool (*interrupted)(void *opaque); /* may be NULL */
	void (*progress)(void *opaque, uint64_t done_bytes,
			 uint64_t total_bytes); /* may be NULL */
	void *opaque;
};

/*
 * Checks the bitmaps of an image, which may be open with QCOW2BM_OPEN_DAMAGED, and what refers to
 * which of its clusters. Reads only; memory is bounded. Every entry of the directory gets its
 * verdict: one that is bad never hides another. `options` may be NULL.
 *
 * Errors: ESYSTEM, ENOMEM, EINTERRUPTED. What is wrong with the image is in the report.
 * Crash: changes nothing.
 */
enum qcow2bm_code qcow2bm_check(struct qcow2bm_image *image,
				const struct qcow2bm_check_options *options,
				struct qcow2bm_report **report,
				struct qcow2bm_error *err);
void qcow2bm_report_free(struct qcow2bm_report *report);

/* Findings in the order of severity, the worst first, then of offsets. */
size_t qcow2bm_report_count(const struct qcow2bm_report *report);
const struct qcow2bm_problem *qcow2bm_report_problem(const struct qcow2bm_report *report,
						     size_t number);
void qcow2bm_report_totals(const struct qcow2bm_report *report,
			   struct qcow2bm_totals *totals);

enum {
	QCOW2BM_REPAIR_TRUST_BITMAPS = 1u << 0, /* set a lost autoclear bit again */
	QCOW2BM_REPAIR_DROP_IN_USE = 1u << 1,
	QCOW2BM_REPAIR_DROP_ALL = 1u << 2
};

struct qcow2bm_repair_options {
	unsigned flags;
	const size_t *drop; /* indexes of bitmaps to drop */
	size_t drop_count;
};

/*
 * Stages, onto a fresh edit of the image that `report` is about, all that mends it: sound
 * bitmaps stay bit for bit, damaged ones are dropped or mended as their cures say, sizes and
 * counts are made right, refcounts of bitmap clusters are corrected. Leaked clusters are given
 * back when the report comes of a whole reference walk. The report must be of the image as it is
 * now; it is not needed afterwards.
 *
 * In an image that is marked dirty or corrupt the header alone can be changed, which drops all
 * bitmaps.
 *
 * Errors: EINVAL when a choice is needed that was not made, or an index is wrong; EUNSUPPORTED
 * for what it cannot mend; ENOMEM. Crash: changes nothing (qcow2bm_commit() does).
 */
enum qcow2bm_code qcow2bm_repair(struct qcow2bm_edit *edit,
				 const struct qcow2bm_report *report,
				 const struct qcow2bm_repair_options *options,
				 struct qcow2bm_error *err);

/* ---- Undo --------------------------------------------------------------------------- */

/*
 * From now on, whatever a commit changes in `image`, which is open for writing, is noted in the
 * new file `path` before it is changed; qcow2bm_undo() puts it back. Nothing is written over: the
 * file must not be there yet. Called before qcow2bm_commit(), it ends with
 * qcow2bm_journal_end(). Holes are not punched meanwhile.
 *
 * Errors: EINVAL for an image that is not open for writing or has an undo file; ESYSTEM (EEXIST,
 * ENOSPC and others), ENOMEM: no file is left behind. When the undo file cannot be written later,
 * the commit fails before it changes what was not noted.
 * Crash: the image is as it was; the new file may be there.
 */
enum qcow2bm_code qcow2bm_journal(struct qcow2bm_image *image, const char *path,
				  struct qcow2bm_error *err);

/*
 * Completes the undo file with what the image holds now; an undo file without a change is
 * removed. qcow2bm_close() without it leaves the undo file of an edit that was interrupted.
 *
 * Errors: EINVAL when the image has no undo file; ESYSTEM, ENOMEM: the undo file is one of an
 * edit that was interrupted.
 * Crash: the image is not changed.
 */
enum qcow2bm_code qcow2bm_journal_end(struct qcow2bm_image *image,
				      struct qcow2bm_error *err);

enum {
	QCOW2BM_UNDO_DRY_RUN = 1u << 0, /* look, write nothing */
	QCOW2BM_UNDO_NO_LOCK = 1u << 1, /* take no locks: the caller vouches for it */
	/* After an interrupted edit, and only then: also when a sector is neither as it was nor as
	 * it was to become. */
	QCOW2BM_UNDO_FORCE = 1u << 2,
	/* Put the bitmaps back marked as in use: nobody trusts them. For an image that the guest may
	 * have written to since. */
	QCOW2BM_UNDO_IN_USE = 1u << 3
};

struct qcow2bm_undo_result {
	bool nothing;            /* the image was as before the edit already */
	bool was_interrupted;    /* the edit never ended */
	bool forced;             /* only QCOW2BM_UNDO_FORCE made it go on */
	uint64_t restored_bytes; /* written */
	uint64_t file_bytes;     /* length of the image before the edit */
	unsigned syncs;
	bool proven; /* nothing has written to the file since the edit ended */
	uint64_t marked_bitmaps; /* put back marked as in use */
};

/*
 * Puts back, byte for byte, what the image file held before the edit that `undo_filename` was
 * written for, its length included. It is looked at first: nothing but the edit, or an undoing
 * that was interrupted, must have changed what the edit changed. A guest that wrote elsewhere
 * leaves no trace there: unless the file's times prove that nothing has written since the edit
 * ended, bitmaps that the image does not have now come back only with QCOW2BM_UNDO_IN_USE, and only
 * where what they occupied is still theirs or nobody's. Doing it twice does nothing the second time
 * but a sync. `result` may be NULL.
 *
 * Errors: EINVAL when something else has written since, or may have and QCOW2BM_UNDO_IN_USE is not
 * given, or for an undo file of another image;
 * EIMAGE, ELIMIT, EUNSUPPORTED for an undo file that is damaged or none; ENOMEM, ESYSTEM, EBUSY:
 * nothing was changed. EUNKNOWN: a write failed on the way back; do it again.
 * Crash: a state that a power cut could have left of the edit itself; do it again.
 */
enum qcow2bm_code qcow2bm_undo(const char *filename, const char *undo_filename,
			       unsigned flags, unsigned wait_seconds,
			       struct qcow2bm_undo_result *result,
			       struct qcow2bm_error *err);

/* ---- Metadata ----------------------------------------------------------------------- */

/* Bytes of the image file from `offset` on. Returns 0 to go on, anything else to stop. */
typedef int qcow2bm_metadata_fn(void *opaque, uint64_t offset, const void *bytes,
				size_t count);

/*
 * Reads the metadata of an image, which may be open with QCOW2BM_OPEN_DAMAGED, and calls `fn` for
 * pieces of at most 1 MiB, in the order of the file: the whole clusters of the header, of the
 * refcount table and blocks, of the L1 and L2 tables of the disk and of internal snapshots, of the
 * snapshot table, the encryption header, the bitmap directory and the bitmap tables, each cluster
 * once, as far as the file goes. The guest's data and the bitmaps' bits are none of it, nor is
 * what cannot be located in a damaged image. Clusters in a hole of the file are left out, too: who
 * writes there fills it. Memory is bounded but for the place of each L2 table.
 *
 * Errors: ESYSTEM, ENOMEM; ESTOPPED when fn returned non-zero. Crash: changes nothing.
 */
enum qcow2bm_code qcow2bm_read_metadata(struct qcow2bm_image *image,
					qcow2bm_metadata_fn *fn, void *opaque,
					struct qcow2bm_error *err);

/* ---- Carving ------------------------------------------------------------------------ */

enum qcow2bm_carved_state {
	QCOW2BM_CARVED_INTACT, /* table and data look whole, and nothing uses them */
	QCOW2BM_CARVED_BLANK, /* the table reads as zeros: clean, or its room was given back */
	QCOW2BM_CARVED_TABLE_PAST_END, /* of the file */
	QCOW2BM_CARVED_TABLE_REUSED, /* something else has the clusters of the table now */
	QCOW2BM_CARVED_TABLE_DAMAGED, /* its entries are none */
	QCOW2BM_CARVED_DATA_PAST_END,
	QCOW2BM_CARVED_DATA_REUSED,
	QCOW2BM_CARVED_DATA_DAMAGED, /* some of it was written over, that is seen */
	QCOW2BM_CARVED_DATA_BLANK,   /* some of it reads as zeros, so it was given back */
	QCOW2BM_CARVED_NOT_JUDGED    /* too many entries were found to look at each */
};

/* An entry of an old bitmap directory. Pointers live until the function returns. */
struct qcow2bm_carved {
	uint64_t directory_offset; /* of the first of the entries that stand together */
	uint32_t idx;              /* among these, from 0 */
	uint64_t entry_offset;
	const char *name;
	size_t name_bytes;
	unsigned granularity_bits;
	bool in_use, autoload;
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
 * Looks for old bitmap directories in the clusters that are free or leaked, as `report`, of a
 * whole qcow2bm_check() of this image, knows them, and calls `fn` for each entry. Bytes in use
 * are never looked at. What is found promises nothing: free clusters may hold anything.
 *
 * Errors: EINVAL for a report without the reference walk; EUNSUPPORTED when refcounts outside
 * the bitmaps are wrong; ESYSTEM, ENOMEM, EIMAGE; ESTOPPED when fn returned non-zero.
 * Crash: changes nothing.
 */
enum qcow2bm_code qcow2bm_carve(struct qcow2bm_image *image,
				const struct qcow2bm_report *report, qcow2bm_carve_fn *fn,
				void *opaque, struct qcow2bm_error *err);

struct qcow2bm_carved_options {
	uint64_t directory_offset; /* as in struct qcow2bm_carved */
	uint32_t idx;
	enum qcow2bm_recording recording; /* the auto flag; KEEP: as the entry has it */
	bool accept_unsafe;
};

/*
 * Brings back, as the new bitmap `name`, one that qcow2bm_carve() finds: stages a bitmap with its
 * granularity and bits, which the commit reads and writes anew to other clusters. This is always
 * unsafe: while its clusters were nobody's, they may have been written and freed again, which
 * nobody can see, and what the guest wrote since it was deleted is not in its bits. `report` comes
 * of a whole qcow2bm_check() of the edit's image that found no error, and is not needed
 * afterwards; of an image that was edited since it is refused. Whether anything has these clusters is
 * looked at once more when the edit is planned and committed. What one edit brings back is all read
 * before any of it is written over; what is left of others may be written over by it.
 *
 * Errors: EINVAL for a report of another image or without the reference walk, and for a name as
 * qcow2bm_add(); EEXIST; EBUSY for an image that a live program writes; EUNSUPPORTED when the
 * check found errors, and for an entry with extra data; ENOTFOUND when there is no such entry;
 * EIMAGE when its table or data is no longer whole, or is of a disk of another size; EINUSE when
 * unsafe is not accepted; ELIMIT for more than 65535 bitmaps; ESYSTEM, ENOMEM.
 * Crash: changes nothing (qcow2bm_commit() does).
 */
enum qcow2bm_code qcow2bm_recover_carved(struct qcow2bm_edit *edit,
					 const struct qcow2bm_report *report,
					 const struct qcow2bm_carved_options *options,
					 const char *name, size_t name_bytes,
					 struct qcow2bm_error *err);

#ifdef __cplusplus
}
#endif

#endif
