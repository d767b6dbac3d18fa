/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes the bytes of a disk, of its active state or of a snapshot, to a file, for scripts that compare
 * them with QEMU's. Reads in pieces of odd lengths; of each a part once more, by itself.
 *
 * read_disk IMAGE FILE [SNAPSHOT]
 */
#define _POSIX_C_SOURCE 200809L

#include "../../libqcow2bm/qcow2bm.h"
#include "random.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_BYTES (3u << 20)

static int complain(const char *what, const struct qcow2bm_error *err)
{
	fprintf(stderr, "read_disk: %s: %s\n", what, err->sentence);
	return 1;
}

/* All zeros are left out: FILE was cut to its length before. */
static int write_piece(int fd, const uint8_t *buf, uint64_t bytes, uint64_t at)
{
	bool is_zero = buf[0] == 0 && memcmp(buf, buf + 1, (size_t)bytes - 1) == 0;
	if (is_zero || pwrite(fd, buf, (size_t)bytes, (off_t)at) == (ssize_t)bytes)
		return 0;
	perror("read_disk");
	return 1;
}

static int copy(struct qcow2bm_disk *disk, int fd, uint8_t *buf, uint8_t *again)
{
	struct qcow2bm_error err = {0};
	struct random random;
	uint64_t bytes = qcow2bm_disk_bytes(disk);
	random_seed(&random, bytes);
	for (uint64_t at = 0; at < bytes;) {
		uint64_t most = random_percent(&random, 50) ? 5000 : MOST_BYTES;
		uint64_t part = random_between(&random, 1, most);
		part = part < bytes - at ? part : bytes - at;
		uint64_t skip = random_below(&random, part);
		if (qcow2bm_disk_read(disk, at, part, buf, NULL, &err) != QCOW2BM_OK ||
		    qcow2bm_disk_read(disk, at + skip, part - skip, again, NULL, &err) !=
			    QCOW2BM_OK)
			return complain("reading", &err);
		if (memcmp(buf + skip, again, (size_t)(part - skip)) != 0)
			return complain("read twice, not the same", &err);
		if (write_piece(fd, buf, part, at) != 0)
			return 1;
		at += part;
	}
	return 0;
}

static int read_disk(const char *image, int fd, const char *snapshot)
{
	struct qcow2bm_error err = {0};
	struct qcow2bm_chain_options chain_options = QCOW2BM_CHAIN_OPTIONS_INIT;
	struct qcow2bm_disk_options options = QCOW2BM_DISK_OPTIONS_INIT;
	struct qcow2bm_chain *chain = NULL;
	struct qcow2bm_disk *disk = NULL;
	uint8_t *buf = malloc(MOST_BYTES), *again = malloc(MOST_BYTES);
	chain_options.format = "";
	options.snapshot = snapshot;
	int status;
	if (buf == NULL || again == NULL ||
	    qcow2bm_chain_open(&chain, image, &chain_options, &err) != QCOW2BM_OK ||
	    qcow2bm_disk_open(&disk, chain, &options, &err) != QCOW2BM_OK)
		status = complain(image, &err);
	else if (ftruncate(fd, (off_t)qcow2bm_disk_bytes(disk)) != 0)
		status = complain("cutting the file", &err);
	else
		status = copy(disk, fd, buf, again);
	free(buf);
	free(again);
	qcow2bm_disk_close(disk);
	qcow2bm_chain_close(chain);
	return status;
}

int main(int argc, char **argv)
{
	int fd = argc < 3 ? -1 : open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0) {
		fprintf(stderr, "usage: read_disk IMAGE FILE [SNAPSHOT]\n");
		return 64;
	}
	int status = read_disk(argv[1], fd, argc > 3 ? argv[3] : NULL);
	return close(fd) == 0 ? status : 1;
}
