/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds the process behind a lock, by the lock lines of /proc/PID/fdinfo/FD, and one that writes where
 * locks do not tell. */
#define _GNU_SOURCE /* AT_STATX_DONT_SYNC */

#include "holder.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* QEMU's lock bytes; the write permission's own. */
#define FIRST_BYTE 100
#define LAST_BYTE 203
#define WRITE_BYTE 101

/* A host with more open files than this is told "another process". */
#define MAX_DESCRIPTORS 1000000u

enum claim { CLAIM_NONE, CLAIM_SOME, CLAIM_WRITE };

/* One line of fdinfo, such as
 *   lock:	1: OFDLCK ADVISORY  READ -1 fe:00:10952917 100 101
 * Adjacent bytes appear as one range; the end may be "EOF". The device and inode in it
 * are those of the file system below, which on an overlay are not what stat() says, so
 * they are not used. */
static enum claim read_line(const char *line)
{
	char kind[16];
	char first_text[24], last_text[24];
	if (sscanf(line, "lock: %*s %15s %*s %*s %*s %*s %23s %23s", kind, first_text,
		   last_text) != 3)
		return CLAIM_NONE;
	if (strcmp(kind, "OFDLCK") != 0 && strcmp(kind, "POSIX") != 0)
		return CLAIM_NONE;
	uint64_t first = strtoull(first_text, NULL, 10), last = UINT64_MAX;
	if (strcmp(last_text, "EOF") != 0)
		last = strtoull(last_text, NULL, 10);
	if (first <= WRITE_BYTE && last >= WRITE_BYTE)
		return CLAIM_WRITE;
	return first <= LAST_BYTE && last >= FIRST_BYTE ? CLAIM_SOME : CLAIM_NONE;
}

static FILE *open_text(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	FILE *text = fdopen(fd, "r");
	if (text == NULL)
		close(fd);
	return text;
}

/* Whether a descriptor is open for writing: the line of fdinfo "flags:\t0100002", in octal. */
static bool is_open_for_writing(int fdinfo_dir, const char *number)
{
	FILE *text = open_text(fdinfo_dir, number);
	char line[256];
	unsigned flags = O_RDONLY;
	if (text == NULL)
		return false;
	while (fgets(line, sizeof(line), text) != NULL)
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	fclose(text);
	return (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
}

static enum claim read_fdinfo(int fdinfo_dir, const char *number)
{
	FILE *text = open_text(fdinfo_dir, number);
	if (text == NULL)
		return CLAIM_NONE;
	enum claim best = CLAIM_NONE;
	char line[256];
	while (best != CLAIM_WRITE && fgets(line, sizeof(line), text) != NULL) {
		enum claim found = read_line(line);
		if (found > best)
			best = found;
	}
	fclose(text);
	return best;
}

static bool is_number(const char *name)
{
	return name[0] != '\0' && name[strspn(name, "0123456789")] == '\0';
}

/* Whether descriptor `number` of the process is the file. Asked only of descriptors that
 * hold a lock: stat() on a file of a dead network server would hang, and most are not
 * ours to touch. */
static bool is_same_file(int process, const char *number, const struct stat *file)
{
	char path[32];
	struct stat st;
	if (snprintf(path, sizeof(path), "fd/%s", number) >= (int)sizeof(path))
		return false;
	return fstatat(process, path, &st, 0) == 0 && st.st_dev == file->st_dev &&
	       st.st_ino == file->st_ino;
}

/* Whether it is the block device, by another inode. No server is asked, so none can hang this. */
static bool is_other_node(int process, const char *number, const struct stat *device)
{
	char path[32];
	struct stat st;
	if (snprintf(path, sizeof(path), "fd/%s", number) >= (int)sizeof(path))
		return false;
	return fstatat(process, path, &st, AT_STATX_DONT_SYNC) == 0 &&
	       S_ISBLK(st.st_mode) && st.st_rdev == device->st_rdev &&
	       (st.st_dev != device->st_dev || st.st_ino != device->st_ino);
}

static DIR *open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	DIR *dir = fdopendir(fd);
	if (dir == NULL)
		close(fd);
	return dir;
}

/* What is looked for: a claim on the file by locks, or who writes to the device by another node. */
struct search {
	struct stat file;
	bool wants_nodes;
	unsigned budget;
};

static enum claim weigh(const struct search *search, int process, int fdinfo_dir,
			const char *number, enum claim best)
{
	if (search->wants_nodes)
		return is_other_node(process, number, &search->file) &&
				       is_open_for_writing(fdinfo_dir, number)
			       ? CLAIM_WRITE
			       : CLAIM_NONE;
	enum claim found = read_fdinfo(fdinfo_dir, number);
	return found > best && is_same_file(process, number, &search->file) ? found
									    : CLAIM_NONE;
}

/* The strongest claim that a process (an open /proc/PID) has on the file. */
static enum claim scan_process(int process, struct search *search)
{
	DIR *dir = open_dir(process, "fdinfo");
	if (dir == NULL)
		return CLAIM_NONE; /* another user's, or gone */
	enum claim best = CLAIM_NONE;
	const struct dirent *entry;
	while (best != CLAIM_WRITE && search->budget > 0 &&
	       (entry = readdir(dir)) != NULL) {
		if (!is_number(entry->d_name))
			continue;
		search->budget--;
		enum claim found =
			weigh(search, process, dirfd(dir), entry->d_name, best);
		if (found > best)
			best = found;
	}
	closedir(dir);
	return best;
}

/* The kernel cuts a process's name to 15 bytes; the program's file name completes it. The
 * command line is not read: that can hang behind a stuck process. */
static void complete_name(int process, char *name, size_t bytes)
{
	char target[1024];
	ssize_t n = readlinkat(process, "exe", target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	const char *slash = strrchr(target, '/');
	const char *base = slash == NULL ? target : slash + 1;
	if (strlen(name) == 15 && strncmp(base, name, 15) == 0)
		snprintf(name, bytes, "%.*s", (int)strcspn(base, " "), base);
}

static void describe(int process, const char *pid, char *text, size_t bytes)
{
	char name[64] = "";
	FILE *comm = open_text(process, "comm");
	if (comm != NULL) {
		if (fgets(name, sizeof(name), comm) == NULL)
			name[0] = '\0';
		fclose(comm);
	}
	name[strcspn(name, "\n")] = '\0';
	complete_name(process, name, sizeof(name));
	/* A process chooses its own name; what it chose must not reach a terminal raw. */
	for (char *c = name; *c != '\0'; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	snprintf(text, bytes, "%s (pid %s)", name[0] == '\0' ? "a process" : name, pid);
}

static enum claim inspect(int proc, const char *pid, struct search *search,
			  enum claim atleast, char *text, size_t bytes)
{
	int process = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (process < 0)
		return CLAIM_NONE;
	enum claim found = scan_process(process, search);
	if (found > atleast)
		describe(process, pid, text, bytes);
	close(process);
	return found;
}

static bool search_all(struct search *search, char *text, size_t bytes)
{
	DIR *proc = open_dir(AT_FDCWD, "/proc");
	if (proc == NULL)
		return false;
	char own[24];
	snprintf(own, sizeof(own), "%ld", (long)getpid());
	/* A writer is the better answer than a reader beside it. */
	enum claim best = CLAIM_NONE;
	const struct dirent *entry;
	while (best != CLAIM_WRITE && search->budget > 0 &&
	       (entry = readdir(proc)) != NULL) {
		if (!is_number(entry->d_name) || strcmp(entry->d_name, own) == 0)
			continue;
		enum claim found =
			inspect(dirfd(proc), entry->d_name, search, best, text, bytes);
		if (found > best)
			best = found;
	}
	closedir(proc);
	return best != CLAIM_NONE;
}

bool q2_holder_find(int fd, char *text, size_t bytes)
{
	struct search search = {.budget = MAX_DESCRIPTORS};
	return fstat(fd, &search.file) == 0 && search_all(&search, text, bytes);
}

bool q2_holder_find_other_node(int fd, char *text, size_t bytes)
{
	struct search search = {.wants_nodes = true, .budget = MAX_DESCRIPTORS};
	return fstat(fd, &search.file) == 0 && S_ISBLK(search.file.st_mode) &&
	       search_all(&search, text, bytes);
}
