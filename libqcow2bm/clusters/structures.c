/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Visiting the image's own structures, of a damaged image too. */
#include "structures.h"

#include <stdlib.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../format/mapping.h"
#include "../image/extensions.h"
#include "../image/snapshots.h"

#define L1_READ_BYTES ((size_t)64 << 10)

struct visit {
	struct qcow2bm_image *image;
	q2_structures_fn *fn;
	void *opaque;
};

/* What lies past the end of the file is cut off. */
static enum qcow2bm_code visit_bytes(const struct visit *visit, uint64_t off,
				     uint64_t bytes, struct qcow2bm_error *err)
{
	unsigned cluster_bits = visit->image->header.cluster_bits;
	uint64_t file_bytes = visit->image->file_bytes;
	if (off >= file_bytes || bytes == 0)
		return QCOW2BM_OK;
	uint64_t end = off + q2_min_u64(bytes, file_bytes - off);
	uint64_t first = off >> cluster_bits;
	return visit->fn(visit->opaque, first, q2_shift_up(end, cluster_bits) - first,
			 err);
}

static enum qcow2bm_code visit_l2_tables(const struct visit *visit, const uint8_t *l1,
					 size_t bytes, struct qcow2bm_error *err)
{
	uint64_t cluster_bytes = q2_header_cluster_bytes(&visit->image->header);
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t at = 0; code == QCOW2BM_OK && at < bytes; at += 8) {
		uint64_t off = q2_be64_load(l1 + at) & Q2_MAPPING_L1_OFFSET_MASK;
		if (off != 0 && q2_is_aligned(off, cluster_bytes))
			code = visit_bytes(visit, off, cluster_bytes, err);
	}
	return code;
}

static enum qcow2bm_code visit_disk(const struct visit *visit, struct qcow2bm_error *err)
{
	const struct q2_header *header = &visit->image->header;
	uint64_t off = header->l1_table_off, bytes = (uint64_t)header->l1_entries * 8;
	enum qcow2bm_code code = visit_bytes(visit, off, bytes, err);
	if (code != QCOW2BM_OK || bytes == 0 || !q2_is_aligned(off, 8) ||
	    !q2_checked_within(off, bytes, visit->image->file_bytes))
		return code;
	uint8_t *part = malloc(L1_READ_BYTES);
	if (part == NULL)
		return q2_fail_memory(err, "an L1 table");
	uint64_t end = off + bytes;
	while (code == QCOW2BM_OK && off < end) {
		size_t part_bytes = (size_t)q2_min_u64(L1_READ_BYTES, end - off);
		uint64_t data_off = off, data_end;
		if (bytes > L1_READ_BYTES)
			q2_storage_find_data(visit->image->storage, off, end, &data_off,
					     &data_end);
		if (data_off - off >= part_bytes) {
			off = data_off - data_off % 8;
			continue;
		}
		code = q2_storage_read(visit->image->storage, part, part_bytes, off, err);
		if (code == QCOW2BM_OK)
			code = visit_l2_tables(visit, part, part_bytes, err);
		off += part_bytes;
	}
	free(part);
	return code;
}

static enum qcow2bm_code visit_l1(void *opaque, uint64_t off, uint32_t entries,
				  struct qcow2bm_error *err)
{
	return visit_bytes(opaque, off, (uint64_t)entries * 8, err);
}

static enum qcow2bm_code visit_snapshots(struct visit *visit, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = visit->image;
	struct qcow2bm_error why = {0};
	enum qcow2bm_code code = q2_snapshots_each_l1(image, visit_l1, visit, &why);
	if (code == QCOW2BM_OK && image->snapshot_table != NULL)
		return visit_bytes(visit, image->header.snapshots_off,
				   image->snapshot_table_bytes, err);
	if (code == QCOW2BM_OK || code == QCOW2BM_EIMAGE)
		return QCOW2BM_OK;
	return q2_pass(err, &why);
}

static enum qcow2bm_code visit_encryption(const struct visit *visit,
					  struct qcow2bm_error *err)
{
	const struct q2_extension *extension =
		q2_extensions_find(visit->image, Q2_EXTENSION_ENCRYPTION);
	struct q2_encryption_extension place;
	if (extension == NULL ||
	    q2_encryption_extension_decode(
		    &place, q2_extensions_data(visit->image, extension), extension->bytes,
		    extension->head_off, NULL) != QCOW2BM_OK)
		return QCOW2BM_OK;
	return visit_bytes(visit, place.header_off, place.header_bytes, err);
}

static enum qcow2bm_code visit_refcounts(const struct visit *visit,
					 const struct q2_refcounts *refcounts,
					 struct qcow2bm_error *err)
{
	const struct q2_header *header = &visit->image->header;
	enum qcow2bm_code code = visit_bytes(
		visit, header->refcount_table_off,
		(uint64_t)header->refcount_table_clusters << header->cluster_bits, err);
	for (uint64_t i = 0; code == QCOW2BM_OK && i < refcounts->table_entries; i++)
		if (refcounts->table[i] != 0)
			code = visit_bytes(visit, refcounts->table[i],
					   q2_header_cluster_bytes(header), err);
	return code;
}

enum qcow2bm_code q2_structures_visit(struct qcow2bm_image *image,
				      const struct q2_refcounts *refcounts,
				      q2_structures_fn *fn, void *opaque,
				      struct qcow2bm_error *err)
{
	struct visit visit = {.image = image, .fn = fn, .opaque = opaque};
	enum qcow2bm_code code = visit_bytes(&visit, 0, 1, err);
	if (code == QCOW2BM_OK)
		code = visit_refcounts(&visit, refcounts, err);
	if (code == QCOW2BM_OK)
		code = visit_disk(&visit, err);
	if (code == QCOW2BM_OK)
		code = visit_snapshots(&visit, err);
	return code == QCOW2BM_OK ? visit_encryption(&visit, err) : code;
}
