/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loaded before the C library: see preload_fault.h. Needs glibc. */
#define _GNU_SOURCE

#include "preload_fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR_BYTES 512
#define MAX_PENDING 65536

enum call { CALL_READ, CALL_WRITE, CALL_SYNC, CALL_RESIZE, CALL_PUNCH };

static struct {
	struct stat image, source;
	int durable;
	enum fault_mode mode;
	uint64_t at, until;
	struct fault_report *report; /* NULL: nothing is to happen */
} fault;

/* What was written, or punched, since the last sync. */
static struct {
	off_t first, end;
} pending[MAX_PENDING];
static size_t pending_count;

static ssize_t (*next_write)(int, const void *, size_t);
static ssize_t (*next_pread)(int, void *, size_t, off_t);
static ssize_t (*next_pwrite)(int, const void *, size_t, off_t);
static int (*next_fsync)(int);
static int (*next_fdatasync)(int);
static int (*next_ftruncate)(int, off_t);
static int (*next_fallocate)(int, int, off_t, off_t);

/* ---- Set-up ------------------------------------------------------------------------- */

static void find(void *place, const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);
	if (function == NULL)
		abort();
	memcpy(place, &function, sizeof(function));
}

static const char *require(const char *name)
{
	const char *value = getenv(name);
	if (value == NULL)
		abort();
	return value;
}

static struct fault_report *map_report(void)
{
	int fd = open(require("FAULT_REPORT"), O_RDWR | O_CLOEXEC);
	void *report = mmap(NULL, sizeof(struct fault_report), PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);
	if (fd < 0 || report == MAP_FAILED)
		abort();
	close(fd);
	return report;
}

static enum fault_mode read_mode(void)
{
	static const char *const words[] = FAULT_MODE_WORDS;
	const char *word = require("FAULT_MODE");
	for (unsigned i = 0; i < FAULT_MODES; i++)
		if (strcmp(words[i], word) == 0)
			return (enum fault_mode)i;
	abort();
}

static void __attribute__((constructor)) set_up(void)
{
	find(&next_write, "write");
	find(&next_pread, "pread64");
	find(&next_pwrite, "pwrite64");
	find(&next_fsync, "fsync");
	find(&next_fdatasync, "fdatasync");
	find(&next_ftruncate, "ftruncate64");
	find(&next_fallocate, "fallocate64");
	const char *source = getenv("FAULT_SOURCE");
	fault.mode = read_mode();
	fault.at = strtoull(require("FAULT_AT"), NULL, 10);
	fault.until = strtoull(require("FAULT_UNTIL"), NULL, 10);
	if (stat(require("FAULT_IMAGE"), &fault.image) != 0 ||
	    (source != NULL && stat(source, &fault.source) != 0))
		abort();
	fault.durable =
		fcntl(open(require("FAULT_DURABLE"), O_RDWR), F_DUPFD_CLOEXEC, 100);
	if (fault.durable < 0)
		abort();
	unsetenv("LD_PRELOAD");
	fault.report = map_report();
}

/* ---- Whose turn it is --------------------------------------------------------------- */

/* How much of a write reaches the file that a kill interrupts: whole sectors. 0: all or
 * nothing. */
static size_t half_of_write(size_t bytes, off_t off)
{
	off_t end = (off + (off_t)(bytes / 2)) / SECTOR_BYTES * SECTOR_BYTES;
	if (end <= off)
		end = (off / SECTOR_BYTES + 1) * SECTOR_BYTES;
	return end < off + (off_t)bytes ? (size_t)(end - off) : 0;
}

static bool is_file(int fd, const struct stat *file)
{
	struct stat st;
	return file->st_ino != 0 && fstat(fd, &st) == 0 && st.st_dev == file->st_dev &&
	       st.st_ino == file->st_ino;
}

static bool is_counted(enum call call, int fd, size_t half)
{
	bool of_image = is_file(fd, &fault.image) || is_file(fd, &fault.source);
	bool of_output = fd == STDOUT_FILENO;
	switch (fault.mode) {
	case FAULT_EIO:
	case FAULT_EINTR:
		return of_image;
	case FAULT_ENOSPC:
		return of_image && call != CALL_READ;
	case FAULT_SHORT:
		return of_image && (call == CALL_READ || call == CALL_WRITE) && half != 0;
	case FAULT_EOF:
		return of_image && call == CALL_READ;
	case FAULT_HALF:
		return (of_image || of_output) && call == CALL_WRITE && half != 0;
	case FAULT_KILL:
	case FAULT_TERM:
	case FAULT_INT:
		return of_image || of_output;
	default:
		return false;
	}
}

static bool is_turn(void)
{
	uint64_t number = ++fault.report->calls;
	bool turn = fault.at != 0 && number >= fault.at && number <= fault.until;
	fault.report->faults += turn;
	return turn;
}

/* What is to be done with the call; signals are sent here. */
enum verdict { LET_IT, FAIL_IT, HALVE_IT, END_IT };

static enum verdict judge(enum call call, int fd, size_t half)
{
	if (fault.report == NULL || !is_counted(call, fd, half) || !is_turn())
		return LET_IT;
	switch (fault.mode) {
	case FAULT_EIO:
		errno = EIO;
		return FAIL_IT;
	case FAULT_ENOSPC:
		errno = ENOSPC;
		return FAIL_IT;
	case FAULT_EINTR:
		errno = EINTR;
		return FAIL_IT;
	case FAULT_EOF:
		return END_IT;
	case FAULT_KILL:
		raise(SIGKILL);
		return LET_IT;
	case FAULT_TERM:
		raise(SIGTERM);
		return LET_IT;
	case FAULT_INT:
		raise(SIGINT);
		return LET_IT;
	default:
		return HALVE_IT;
	}
}

static void die_half_way(void)
{
	if (fault.mode == FAULT_HALF)
		raise(SIGKILL);
}

/* ---- What is durable ---------------------------------------------------------------- */

static void note(int fd, off_t off, off_t bytes)
{
	if (!is_file(fd, &fault.image) || bytes <= 0)
		return;
	if (pending_count == MAX_PENDING)
		abort();
	pending[pending_count].first = off - off % SECTOR_BYTES;
	pending[pending_count++].end =
		(off + bytes + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
}

static void make_durable(int fd)
{
	char sector[SECTOR_BYTES];
	struct stat st;
	if (!is_file(fd, &fault.image))
		return;
	for (size_t i = 0; i < pending_count; i++)
		for (off_t at = pending[i].first; at < pending[i].end;
		     at += SECTOR_BYTES) {
			ssize_t bytes = next_pread(fd, sector, sizeof(sector), at);
			if (bytes < 0 || next_pwrite(fault.durable, sector, (size_t)bytes,
						     at) != bytes)
				abort();
		}
	pending_count = 0;
	if (fstat(fd, &st) != 0 || next_ftruncate(fault.durable, st.st_size) != 0)
		abort();
}

/* ---- The calls ---------------------------------------------------------------------- */

ssize_t write(int fd, const void *buf, size_t bytes)
{
	if (judge(CALL_WRITE, fd, bytes / 2) == HALVE_IT) {
		ssize_t done = next_write(fd, buf, bytes / 2);
		die_half_way();
		return done;
	}
	return next_write(fd, buf, bytes);
}

ssize_t pread(int fd, void *buf, size_t bytes, off_t off)
{
	switch (judge(CALL_READ, fd, bytes / 2)) {
	case FAIL_IT:
		return -1;
	case END_IT:
		return 0;
	case HALVE_IT:
		return next_pread(fd, buf, bytes / 2, off);
	default:
		return next_pread(fd, buf, bytes, off);
	}
}

ssize_t pwrite(int fd, const void *buf, size_t bytes, off_t off)
{
	size_t half = fault.mode == FAULT_HALF ? half_of_write(bytes, off) : bytes / 2;
	enum verdict verdict = judge(CALL_WRITE, fd, half);
	if (verdict == FAIL_IT)
		return -1;
	ssize_t done = next_pwrite(fd, buf, verdict == HALVE_IT ? half : bytes, off);
	note(fd, off, done);
	if (verdict == HALVE_IT)
		die_half_way();
	return done;
}

static int sync_with(int (*next)(int), int fd)
{
	if (judge(CALL_SYNC, fd, 0) == FAIL_IT) {
		if (errno != EINTR)
			pending_count = 0;
		return -1;
	}
	int result = next(fd);
	if (result == 0)
		make_durable(fd);
	return result;
}

int fsync(int fd)
{
	return sync_with(next_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_with(next_fdatasync, fd);
}

int ftruncate(int fd, off_t bytes)
{
	return judge(CALL_RESIZE, fd, 0) == FAIL_IT ? -1 : next_ftruncate(fd, bytes);
}

int fallocate(int fd, int mode, off_t off, off_t bytes)
{
	if (judge(CALL_PUNCH, fd, 0) == FAIL_IT)
		return -1;
	int result = next_fallocate(fd, mode, off, bytes);
	if (result == 0)
		note(fd, off, bytes);
	return result;
}

/* ---- Memory ------------------------------------------------------------------------- */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);

static int64_t blocks;

#ifdef FAULT_SPARES_EXIT
/* gcov allocates when a program ends, and takes what it gets. */
static bool is_ending;

static void note_end(void)
{
	is_ending = true;
}

static bool is_spared(void)
{
	static bool has_asked;
	if (!has_asked) {
		has_asked = true;
		atexit(note_end);
	}
	return is_ending;
}
#else
static bool is_spared(void)
{
	return false;
}
#endif

static bool is_out_of_memory(void)
{
	if (fault.report == NULL || fault.mode != FAULT_MEMORY || is_spared() ||
	    !is_turn())
		return false;
	errno = ENOMEM;
	return true;
}

static void *note_block(void *block)
{
	blocks += block != NULL;
	return block;
}

void *malloc(size_t bytes)
{
	return is_out_of_memory() ? NULL : note_block(__libc_malloc(bytes));
}

void *calloc(size_t count, size_t bytes)
{
	return is_out_of_memory() ? NULL : note_block(__libc_calloc(count, bytes));
}

void *realloc(void *old, size_t bytes)
{
	if (is_out_of_memory())
		return NULL;
	return old == NULL ? note_block(__libc_malloc(bytes))
			   : __libc_realloc(old, bytes);
}

void free(void *old)
{
	blocks -= old != NULL;
	__libc_free(old);
}

static void __attribute__((destructor)) report_blocks(void)
{
	if (fault.report != NULL)
		fault.report->blocks = blocks;
}
