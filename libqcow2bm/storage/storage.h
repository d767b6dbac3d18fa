/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes of an image: one table of functions, so that a test can put a recorder or a faulty
 * twin underneath. All that the library does to a file goes through here.
 */
#ifndef Q2_STORAGE_STORAGE_H
#define Q2_STORAGE_STORAGE_H

#include "../base/watch.h"

struct q2_storage;

/* Whether another program has the image open for writing (QEMU's lock byte 101 is held). */
/* IDLE: a program has the image open and does not write now, but may later. */
enum q2_writer { Q2_WRITER_NONE, Q2_WRITER_LIVE, Q2_WRITER_IDLE, Q2_WRITER_UNKNOWN };

/* When a file was last changed. A write that came after it was taken gives another one. */
struct q2_stamp {
	bool is_known;
	const char *why_unknown; /* else: a clause */
	uint64_t boot;           /* this run of the system */
	uint64_t device, inode;
	int64_t mtime_s, ctime_s;
	uint32_t mtime_ns, ctime_ns;
};

/* Which file it is, whatever name leads to it: of a block device its number. */
struct q2_identity {
	bool is_known, is_device;
	uint64_t device, inode;
};

struct q2_storage_ops {
	/* Reads exactly `bytes` at `off`. Bytes past the end of the file are an EIMAGE error. */
	enum qcow2bm_code (*read)(struct q2_storage *storage, void *buf, size_t bytes,
				  uint64_t off, struct qcow2bm_error *err);
	/* Writes exactly `bytes` at `off`, growing the file where needed. */
	enum qcow2bm_code (*write)(struct q2_storage *storage, const void *buf,
				   size_t bytes, uint64_t off, struct qcow2bm_error *err);
	/* All that was written, and the size, is on stable storage. */
	enum qcow2bm_code (*sync)(struct q2_storage *storage, struct qcow2bm_error *err);
	/* Cuts or grows the file to `bytes`; regular files only. */
	enum qcow2bm_code (*resize)(struct q2_storage *storage, uint64_t bytes,
				    struct qcow2bm_error *err);
	/* Punches a hole; the range reads as zeros or as before afterwards. */
	enum qcow2bm_code (*discard)(struct q2_storage *storage, uint64_t off,
				     uint64_t bytes, struct qcow2bm_error *err);
	/* The length now, of a file that may be changing. */
	enum qcow2bm_code (*length)(struct q2_storage *storage, uint64_t *bytes,
				    struct qcow2bm_error *err);
	/* Finds the first part [*data_off, *data_end) of [off, end) that may hold something: what
	 * is left out reads as zeros. *data_off is `end` when nothing does. Never fails: what is
	 * not known may hold something. NULL: all may. */
	void (*find_data)(struct q2_storage *storage, uint64_t off, uint64_t end,
			  uint64_t *data_off, uint64_t *data_end);
	/* Tells when the file was last changed; `settle`: waits until a later write will have another
	 * time. NULL: that is not known. */
	void (*stamp)(struct q2_storage *storage, bool settle, struct q2_stamp *stamp);
	/* The bytes are about to be nobody's: an undo file keeps them. NULL: nobody keeps any. */
	enum qcow2bm_code (*keep)(struct q2_storage *storage, uint64_t off,
				  uint64_t bytes, struct qcow2bm_error *err);
	void (*close)(struct q2_storage *storage);
};

/* The first member of every implementation. */
struct q2_storage {
	const struct q2_storage_ops *ops;
	bool writable;
	bool can_grow;            /* a regular file, not a device of fixed size */
	bool is_parallel;         /* several threads may read at once */
	enum q2_writer writer;    /* seen when the storage was opened */
	uint64_t allocated_bytes; /* st_blocks * 512 when it was opened; 0 for a device */
	struct q2_identity identity;
	/* Of the call that reads and writes nothing; it is looked at before each read. NULL: of
	 * none. Work of several threads has a watch of its own. */
	struct q2_watch *watch;
};

enum {
	Q2_STORAGE_WRITE = 1u << 0,
	Q2_STORAGE_FORCE_SHARE = 1u << 1,
	Q2_STORAGE_NO_LOCK = 1u << 2
};

/*
 * Opens a regular file or block device and takes QEMU's locks (lock.h), trying again for
 * `wait_seconds`, as long as the watch does not stop it. Refuses directories, FIFOs, sockets and character devices without blocking.
 * A block device is opened O_EXCL for writing.
 */
enum qcow2bm_code q2_file_open(struct q2_storage **storage, const char *path,
			       unsigned flags, unsigned wait_seconds,
			       struct q2_watch *watch, struct qcow2bm_error *err);

/* The same with a descriptor that is open already, and stays so when the storage is closed, unless
 * q2_file_own() was called. Errors: also EINVAL for a way in which it is open that will not do. */
enum qcow2bm_code q2_file_borrow(struct q2_storage **storage, int fd, unsigned flags,
				 unsigned wait_seconds, struct q2_watch *watch,
				 struct qcow2bm_error *err);

/* From now on the descriptor that was borrowed is the storage's, and closed with it. */
void q2_file_own(struct q2_storage *storage);

/*
 * Makes an empty regular file that only its owner can read, and brings its name to stable
 * storage. Takes no locks. Errors: ESYSTEM, EEXIST among them: nothing is written over.
 */
enum qcow2bm_code q2_file_create(struct q2_storage **storage, const char *path,
				 struct qcow2bm_error *err);

/*
 * The same without a name: nothing is left of it when it is closed before it has one. False where the file
 * system has no such files, or the folder of `path` takes none.
 */
bool q2_file_create_nameless(struct q2_storage **storage, const char *path);

/* Gives it its name, on stable storage. Errors: ESYSTEM, EEXIST among them: nothing is written over. */
enum qcow2bm_code q2_file_name(struct q2_storage *storage, const char *path,
			       struct qcow2bm_error *err);

/* Removes a file's name, on stable storage. Errors: ESYSTEM. */
enum qcow2bm_code q2_file_remove(const char *path, struct qcow2bm_error *err);

/* Shorthands, so that callers read as sentences. */
static inline enum qcow2bm_code q2_storage_read(struct q2_storage *s, void *buf,
						size_t bytes, uint64_t off,
						struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_watch_look(s->watch, err);
	return code == QCOW2BM_OK ? s->ops->read(s, buf, bytes, off, err) : code;
}

/*
 * For a call that reads and writes nothing: from now on each read looks at the watch, until
 * q2_storage_unwatch(). Errors: EINVAL, as q2_watch_begin().
 */
static inline enum qcow2bm_code q2_storage_watch(struct q2_storage *s,
						 struct q2_watch *watch,
						 const struct qcow2bm_watch *caller,
						 struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_watch_begin(watch, caller, "nothing was changed", err);
	if (code == QCOW2BM_OK)
		s->watch = watch;
	return code;
}

static inline void q2_storage_unwatch(struct q2_storage *s)
{
	s->watch = NULL;
}

/* Reads `bytes` of a structure that starts at `off`. The file may lack less than `unit` bytes of it, a
 * cluster: its last one may be cut short. They read as zeros, as QEMU reads them. */
enum qcow2bm_code q2_storage_read_padded(struct q2_storage *s, void *buf, size_t bytes,
					 uint64_t off, uint64_t unit,
					 struct qcow2bm_error *err);

/* These change the file. They are not inline, so that tests/circles sees who calls them. */
enum qcow2bm_code q2_storage_write(struct q2_storage *s, const void *buf, size_t bytes,
				   uint64_t off, struct qcow2bm_error *err);
enum qcow2bm_code q2_storage_sync(struct q2_storage *s, struct qcow2bm_error *err);
enum qcow2bm_code q2_storage_resize(struct q2_storage *s, uint64_t bytes,
				    struct qcow2bm_error *err);
enum qcow2bm_code q2_storage_discard(struct q2_storage *s, uint64_t off, uint64_t bytes,
				     struct qcow2bm_error *err);

static inline enum qcow2bm_code q2_storage_length(struct q2_storage *s, uint64_t *bytes,
						  struct qcow2bm_error *err)
{
	return s->ops->length(s, bytes, err);
}

static inline void q2_storage_find_data(struct q2_storage *s, uint64_t off, uint64_t end,
					uint64_t *data_off, uint64_t *data_end)
{
	*data_off = off;
	*data_end = end;
	if (s->ops->find_data != NULL)
		s->ops->find_data(s, off, end, data_off, data_end);
}

static inline void q2_storage_stamp(struct q2_storage *s, bool settle,
				    struct q2_stamp *stamp)
{
	*stamp = (struct q2_stamp){.why_unknown = "nothing tells when it was written"};
	if (s->ops->stamp != NULL)
		s->ops->stamp(s, settle, stamp);
}

/* Whether the two are known to be one file; neither need be there. */
static inline bool q2_storage_is_same(const struct q2_storage *a,
				      const struct q2_storage *b)
{
	if (a == NULL || b == NULL || !a->identity.is_known || !b->identity.is_known)
		return false;
	return a->identity.is_device == b->identity.is_device &&
	       a->identity.device == b->identity.device &&
	       a->identity.inode == b->identity.inode;
}

static inline enum qcow2bm_code q2_storage_keep(struct q2_storage *s, uint64_t off,
						uint64_t bytes, struct qcow2bm_error *err)
{
	return s->ops->keep == NULL ? QCOW2BM_OK : s->ops->keep(s, off, bytes, err);
}

static inline void q2_storage_close(struct q2_storage *s)
{
	if (s != NULL)
		s->ops->close(s);
}

#endif
