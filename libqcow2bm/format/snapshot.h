/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of the table of internal snapshots. */
#ifndef Q2_FORMAT_SNAPSHOT_H
#define Q2_FORMAT_SNAPSHOT_H

#include "../qcow2bm.h"

#define Q2_SNAPSHOT_HEAD_BYTES 40
#define Q2_SNAPSHOT_MAX_EXTRA_BYTES 1024        /* QEMU's limit */
#define Q2_SNAPSHOT_MAX_TABLE_BYTES (64u << 20) /* QEMU's limit: entries * 1 KiB */

/* id and name point into the buffer that was decoded; neither ends in a NUL. */
struct q2_snapshot {
	uint64_t l1_table_off;
	uint32_t l1_entries;
	const uint8_t *id;
	uint16_t id_bytes;
	const uint8_t *name;
	uint16_t name_bytes;
	uint32_t date_sec;
	uint32_t date_nsec;
	uint64_t vm_clock_nsec;
	uint64_t vm_state_bytes; /* of the extra data where there is one */
	uint64_t disk_bytes;     /* the image's virtual size where it is not stored */
	uint64_t icount;         /* UINT64_MAX where it is not stored */
};

/* How many bytes the entry that starts in `buf` takes, padding included; a file that QEMU
 * wrote may end before the padding of the last entry. Needs Q2_SNAPSHOT_HEAD_BYTES of it. */
uint64_t q2_snapshot_bytes(const uint8_t *buf);

/* Decodes the entry at the start of `buf`; *entry_bytes includes its padding, as far as that is
 * within `bytes`. `off` is its place in the image; that its L1 table starts at a cluster is for
 * the caller to check. Errors: EIMAGE when it is longer than `bytes`, or over a limit. */
enum qcow2bm_code q2_snapshot_decode(struct q2_snapshot *snapshot, const uint8_t *buf,
				     size_t bytes, uint64_t virtual_bytes,
				     size_t *entry_bytes, uint64_t off,
				     struct qcow2bm_error *err);

#endif
