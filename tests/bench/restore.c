/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * restore PRISTINE COPY: makes COPY's bytes those of PRISTINE again and syncs it. Only what
 * differs is written, so that a run does not pay for the copy that was made before it; all of
 * the copy is read, so that it is in the page cache.
 */
#define _GNU_SOURCE /* SEEK_DATA */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP (1 << 20)

static void __attribute__((noreturn)) stop(const char *what)
{
	fprintf(stderr, "restore: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The first step at or behind `off` in which the file has data, or its length. */
static off_t next_data(int fd, off_t off, off_t length)
{
	off_t data = off < length ? lseek(fd, off, SEEK_DATA) : -1;
	if (data < 0)
		return length;
	return data < off + STEP ? off : data - data % STEP;
}

static void read_step(int fd, uint8_t *bytes, size_t count, off_t off)
{
	while (count != 0) {
		ssize_t n = pread(fd, bytes, count, off);
		if (n <= 0)
			stop("pread");
		bytes += n;
		count -= (size_t)n;
		off += n;
	}
}

static void restore_step(int from, int to, off_t off, off_t length)
{
	static uint8_t wanted[STEP], found[STEP];
	size_t count = length - off < STEP ? (size_t)(length - off) : STEP;
	read_step(from, wanted, count, off);
	read_step(to, found, count, off);
	for (size_t at = 0; at < count; at += 4096) {
		size_t part = count - at < 4096 ? count - at : 4096;
		if (memcmp(wanted + at, found + at, part) != 0 &&
		    pwrite(to, wanted + at, part, off + (off_t)at) != (ssize_t)part)
			stop("pwrite");
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: restore PRISTINE COPY\n", stderr);
		return 64;
	}
	int from = open(argv[1], O_RDONLY), to = open(argv[2], O_RDWR | O_CREAT, 0666);
	if (from < 0 || to < 0)
		stop("open");
	off_t length = lseek(from, 0, SEEK_END), off = 0;
	if (length < 0 || ftruncate(to, length) != 0)
		stop("ftruncate");
	for (;;) {
		off_t a = next_data(from, off, length), b = next_data(to, off, length);
		off = a < b ? a : b;
		if (off >= length)
			break;
		restore_step(from, to, off, length);
		off += STEP;
	}
	if (fsync(to) != 0)
		stop("fsync");
	return 0;
}
