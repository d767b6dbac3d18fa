/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading and comparing the ranges of a batch. */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "threads.h"

static bool is_zero(const uint8_t *buf, size_t bytes)
{
	return buf[0] == 0 && memcmp(buf, buf + 1, bytes - 1) == 0;
}

/* Which of the sectors are not the same. NULL stands for zeros. */
static void mark(uint64_t *differs, uint64_t first_sector, const uint8_t *a,
		 const uint8_t *b, size_t bytes)
{
	if (b == NULL ? is_zero(a, bytes) : memcmp(a, b, bytes) == 0)
		return;
	for (size_t at = 0; at < bytes; at += Q2_BATCH_SECTOR) {
		uint64_t sector = first_sector + at / Q2_BATCH_SECTOR;
		if (b == NULL ? !is_zero(a + at, Q2_BATCH_SECTOR)
			      : memcmp(a + at, b + at, Q2_BATCH_SECTOR) != 0)
			differs[sector / 64] |= (uint64_t)1 << sector % 64;
	}
}

/* Reads what is not known to be zeros; *bytes is NULL where it is. */
static enum qcow2bm_code read_side(struct q2_batch *batch, size_t idx, int side,
				   struct q2_batch_worker *worker, const uint8_t **bytes)
{
	const struct q2_guest_extent *extent = &batch->pairs[idx].side[side];
	*bytes = NULL;
	if (q2_guest_reads_zero(extent))
		return QCOW2BM_OK;
	batch->failed = side;
	*bytes = worker->bufs[side];
	return q2_guest_fetch(&worker->fetchers[side],
			      &batch->disks[side]->layers[extent->layer], extent,
			      worker->bufs[side], &batch->err);
}

/* Whether both sides are whole clusters of one kind of stream. */
static bool are_streams(const struct q2_batch *batch, const struct q2_batch_pair *pair)
{
	const struct q2_header *headers[2];
	for (int side = 0; side < 2; side++) {
		const struct q2_guest_extent *extent = &pair->side[side];
		if (extent->kind != Q2_GUEST_COMPRESSED)
			return false;
		headers[side] = &batch->disks[side]->layers[extent->layer].image->header;
		if (extent->bytes != q2_header_cluster_bytes(headers[side]) ||
		    headers[side]->crypt_method != 0)
			return false;
	}
	return headers[0]->compression_type == headers[1]->compression_type;
}

/* What the same compressor made of the same bytes is mostly the same stream. It is inflated once: a damaged
 * one is to be seen. */
static enum qcow2bm_code compare_streams(struct q2_batch *batch,
					 const struct q2_batch_pair *pair,
					 struct q2_batch_worker *worker, bool *are_same)
{
	struct q2_stream streams[2];
	enum qcow2bm_code code = QCOW2BM_OK;
	for (int side = 0; code == QCOW2BM_OK && side < 2; side++) {
		const struct q2_guest_extent *extent = &pair->side[side];
		batch->failed = side;
		code = q2_guest_fetch_stream(&worker->fetchers[side],
					     &batch->disks[side]->layers[extent->layer],
					     extent, &streams[side], &batch->err);
		if (code == QCOW2BM_OK && side == 0)
			code = q2_inflate(&worker->fetchers[0].inflater, &streams[0],
					  worker->bufs[0], &batch->err);
	}
	if (code != QCOW2BM_OK)
		return code;
	*are_same = streams[0].needed <= streams[1].bytes &&
		    memcmp(streams[0].in, streams[1].in, streams[0].needed) == 0;
	return *are_same ? code
			 : q2_inflate(&worker->fetchers[1].inflater, &streams[1],
				      worker->bufs[1], &batch->err);
}

static enum qcow2bm_code compare_pair(struct q2_batch *batch, size_t idx,
				      uint64_t first_sector,
				      struct q2_batch_worker *worker)
{
	const uint8_t *a, *b;
	const struct q2_batch_pair *pair = &batch->pairs[idx];
	size_t bytes = (size_t)pair->side[0].bytes;
	enum qcow2bm_code code;
	if (are_streams(batch, pair)) {
		bool are_same = false;
		code = compare_streams(batch, pair, worker, &are_same);
		if (code == QCOW2BM_OK && !are_same)
			mark(batch->differs, first_sector, worker->bufs[0],
			     worker->bufs[1], bytes);
		return code;
	}
	code = read_side(batch, idx, 0, worker, &a);
	if (code == QCOW2BM_OK)
		code = read_side(batch, idx, 1, worker, &b);
	if (code == QCOW2BM_OK)
		mark(batch->differs, first_sector, a == NULL ? b : a,
		     a == NULL ? NULL : b, bytes);
	return code;
}

static enum qcow2bm_code reserve(struct q2_batch_worker *worker, size_t bytes,
				 struct qcow2bm_error *err)
{
	if (bytes <= worker->room)
		return QCOW2BM_OK;
	worker->room = 0;
	for (int side = 0; side < 2; side++) {
		free(worker->bufs[side]);
		worker->bufs[side] = malloc(bytes);
		if (worker->bufs[side] == NULL)
			return q2_fail_memory(err, "a part of a disk");
	}
	worker->room = bytes;
	return QCOW2BM_OK;
}

void q2_batch_run(struct q2_batch *batch, struct q2_batch_worker *worker)
{
	uint64_t sector = 0;
	enum qcow2bm_code code = QCOW2BM_OK;
	memset(batch->differs, 0, sizeof(batch->differs));
	for (batch->done = 0; batch->done < batch->count; batch->done++) {
		uint64_t bytes = batch->pairs[batch->done].side[0].bytes;
		batch->failed = 0;
		code = reserve(worker, (size_t)bytes, &batch->err);
		if (code == QCOW2BM_OK)
			code = compare_pair(batch, batch->done, sector, worker);
		if (code != QCOW2BM_OK)
			return;
		sector += bytes / Q2_BATCH_SECTOR;
	}
}

void q2_batch_worker_free(struct q2_batch_worker *worker)
{
	for (int side = 0; side < 2; side++) {
		q2_guest_fetcher_free(&worker->fetchers[side]);
		free(worker->bufs[side]);
	}
}

/* A range is as long as a cluster or a part of a batch; a fetcher holds a cluster, and a stream of up to
 * twice its length. */
uint64_t q2_batch_worker_bytes(struct qcow2bm_disk *const disks[2])
{
	uint64_t bytes = 2 * Q2_BATCH_BYTES;
	for (int side = 0; side < 2; side++)
		bytes += 4 * q2_threads_largest_cluster(disks[side]->layers,
							disks[side]->count);
	return bytes;
}
