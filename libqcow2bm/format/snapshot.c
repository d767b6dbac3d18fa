/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoding entries of the snapshot table. */
#include "snapshot.h"

#include <inttypes.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "header.h"

enum {
	L1_SIZE_OFF = 8,
	ID_SIZE_OFF = 12,
	NAME_SIZE_OFF = 14,
	DATE_SEC_OFF = 16,
	DATE_NSEC_OFF = 20,
	VM_CLOCK_OFF = 24,
	VM_STATE_OFF = 32,
	EXTRA_SIZE_OFF = 36,
	/* In the extra data, each there when the extra data reaches behind it. */
	EXTRA_VM_STATE_OFF = 40,
	EXTRA_DISK_OFF = 48,
	EXTRA_ICOUNT_OFF = 56
};

#define L1_ENTRY_BYTES 8

static uint64_t unpadded_bytes(const uint8_t *buf)
{
	return (uint64_t)Q2_SNAPSHOT_HEAD_BYTES + q2_be32_load(buf + EXTRA_SIZE_OFF) +
	       q2_be16_load(buf + ID_SIZE_OFF) + q2_be16_load(buf + NAME_SIZE_OFF);
}

uint64_t q2_snapshot_bytes(const uint8_t *buf)
{
	return q2_round_up(unpadded_bytes(buf), 8);
}

/* The lengths of an entry, before anything behind them is looked at. */
static enum qcow2bm_code check_lengths(const uint8_t *buf, size_t bytes, uint64_t off,
				       struct qcow2bm_error *err)
{
	if (bytes < Q2_SNAPSHOT_HEAD_BYTES)
		return q2_fail(
			err, QCOW2BM_EIMAGE, off,
			"snapshot table ends %zu bytes into an entry of at least %d",
			bytes, Q2_SNAPSHOT_HEAD_BYTES);
	uint32_t extra_bytes = q2_be32_load(buf + EXTRA_SIZE_OFF);
	if (extra_bytes > Q2_SNAPSHOT_MAX_EXTRA_BYTES)
		return q2_fail(err, QCOW2BM_EIMAGE, off + EXTRA_SIZE_OFF,
			       "extra data of a snapshot has %" PRIu32 " bytes, over %d",
			       extra_bytes, Q2_SNAPSHOT_MAX_EXTRA_BYTES);
	if (unpadded_bytes(buf) > bytes)
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "snapshot table ends %zu bytes into an entry of %" PRIu64,
			       bytes, unpadded_bytes(buf));
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_l1_table(const struct q2_snapshot *snapshot, uint64_t off,
					struct qcow2bm_error *err)
{
	if (snapshot->l1_entries > Q2_HEADER_MAX_L1_BYTES / L1_ENTRY_BYTES)
		return q2_fail(err, QCOW2BM_EIMAGE, off + L1_SIZE_OFF,
			       "L1 table of a snapshot has %" PRIu32 " entries, over %d",
			       snapshot->l1_entries,
			       (int)(Q2_HEADER_MAX_L1_BYTES / L1_ENTRY_BYTES));
	/* 0 for the cluster size: the alignment is for the caller to check. */
	return q2_header_check_place(
		"L1 table offset of a snapshot", snapshot->l1_table_off,
		(uint64_t)snapshot->l1_entries * L1_ENTRY_BYTES, 0, off, err);
}

static void decode_extra(struct q2_snapshot *snapshot, const uint8_t *buf,
			 uint64_t virtual_bytes)
{
	uint64_t end =
		(uint64_t)Q2_SNAPSHOT_HEAD_BYTES + q2_be32_load(buf + EXTRA_SIZE_OFF);
	snapshot->vm_state_bytes = end >= EXTRA_VM_STATE_OFF + 8
					   ? q2_be64_load(buf + EXTRA_VM_STATE_OFF)
					   : q2_be32_load(buf + VM_STATE_OFF);
	snapshot->disk_bytes = end >= EXTRA_DISK_OFF + 8
				       ? q2_be64_load(buf + EXTRA_DISK_OFF)
				       : virtual_bytes;
	snapshot->icount = end >= EXTRA_ICOUNT_OFF + 8
				   ? q2_be64_load(buf + EXTRA_ICOUNT_OFF)
				   : UINT64_MAX;
}

enum qcow2bm_code q2_snapshot_decode(struct q2_snapshot *snapshot, const uint8_t *buf,
				     size_t bytes, uint64_t virtual_bytes,
				     size_t *entry_bytes, uint64_t off,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = check_lengths(buf, bytes, off, err);
	if (code != QCOW2BM_OK)
		return code;
	snapshot->l1_table_off = q2_be64_load(buf);
	snapshot->l1_entries = q2_be32_load(buf + L1_SIZE_OFF);
	snapshot->id_bytes = q2_be16_load(buf + ID_SIZE_OFF);
	snapshot->name_bytes = q2_be16_load(buf + NAME_SIZE_OFF);
	snapshot->date_sec = q2_be32_load(buf + DATE_SEC_OFF);
	snapshot->date_nsec = q2_be32_load(buf + DATE_NSEC_OFF);
	snapshot->vm_clock_nsec = q2_be64_load(buf + VM_CLOCK_OFF);
	decode_extra(snapshot, buf, virtual_bytes);
	snapshot->id = buf + Q2_SNAPSHOT_HEAD_BYTES + q2_be32_load(buf + EXTRA_SIZE_OFF);
	snapshot->name = snapshot->id + snapshot->id_bytes;
	*entry_bytes = (size_t)q2_min_u64(q2_snapshot_bytes(buf), bytes);
	return check_l1_table(snapshot, off, err);
}
