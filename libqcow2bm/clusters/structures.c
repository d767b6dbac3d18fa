/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image's own structures: where they are, and which clusters they occupy. */
#include "structures.h"

#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../image/extensions.h"

struct each {
	const struct qcow2bm_image *image;
	const struct q2_faults *faults;
	q2_structure_fn *fn;
	void *opaque;
};

static enum qcow2bm_code show(const struct each *each, const char *what, uint64_t off,
			      uint64_t bytes, unsigned times, struct qcow2bm_error *err)
{
	struct q2_structure structure = {what, off, bytes, times};
	return each->fn(each->opaque, &structure, err);
}

static enum qcow2bm_code show_encryption(const struct each *each,
					 struct qcow2bm_error *err)
{
	const struct q2_extension *extension =
		q2_extensions_find(each->image, Q2_EXTENSION_ENCRYPTION);
	if (extension == NULL)
		return QCOW2BM_OK;
	struct q2_encryption_extension place;
	enum qcow2bm_code code = q2_encryption_extension_decode(
		&place, q2_extensions_data(each->image, extension), extension->bytes,
		extension->head_off, each->faults == NULL ? err : NULL);
	if (code == QCOW2BM_OK && (each->faults == NULL ||
				   q2_checked_within(place.header_off, place.header_bytes,
						     q2_image_end(each->image))))
		return show(each, "the encryption header", place.header_off,
			    place.header_bytes, 1, err);
	if (each->faults == NULL)
		return code;
	q2_faults_tell(each->faults, Q2_FAULT_ENCRYPTION, extension->head_off);
	return QCOW2BM_OK;
}

static enum qcow2bm_code show_blocks(const struct each *each,
				     const struct q2_refcounts *refcounts,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (uint64_t i = 0; code == QCOW2BM_OK && i < refcounts->table_entries; i++)
		if (q2_refcounts_has_block(refcounts, i))
			code = show(each, "a refcount block", refcounts->table[i],
				    q2_header_cluster_bytes(&each->image->header), 1,
				    err);
	return code;
}

enum qcow2bm_code q2_structures_each(const struct qcow2bm_image *image,
				     const struct q2_refcounts *refcounts,
				     const struct q2_l1_list *l1,
				     const struct q2_faults *faults, q2_structure_fn *fn,
				     void *opaque, struct qcow2bm_error *err)
{
	const struct q2_header *header = &image->header;
	const struct each each = {image, faults, fn, opaque};
	enum qcow2bm_code code = show(&each, "the header", 0, 1, 1, err);
	if (code == QCOW2BM_OK)
		code = show(&each, "the refcount table", header->refcount_table_off,
			    (uint64_t)header->refcount_table_clusters
				    << header->cluster_bits,
			    1, err);
	if (code == QCOW2BM_OK && image->snapshot_table != NULL)
		code = show(&each, "the snapshot table", header->snapshots_off,
			    image->snapshot_table_bytes, 1, err);
	if (code == QCOW2BM_OK)
		code = show_encryption(&each, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < l1->count; i++)
		code = show(&each, "an L1 table", l1->tables[i].off,
			    (uint64_t)l1->tables[i].entries * Q2_L1_ENTRY_BYTES,
			    l1->tables[i].times, err);
	return code == QCOW2BM_OK ? show_blocks(&each, refcounts, err) : code;
}

/* ---- For those who free and give out clusters ---- */

void q2_structures_free(struct q2_structures *structures)
{
	q2_clusters_free(&structures->metadata);
	q2_clusters_free(&structures->l2_tables);
	q2_clusters_free(&structures->twice);
}

struct loading {
	struct q2_structures *structures;
	const struct qcow2bm_image *image;
};

static enum qcow2bm_code add_structure(void *opaque, const struct q2_structure *structure,
				       struct qcow2bm_error *err)
{
	struct loading *loading = opaque;
	unsigned bits = loading->image->header.cluster_bits;
	uint64_t off = structure->off, bytes = structure->bytes;
	/* The header is there, however short the file. */
	if (off != 0 && !q2_checked_within(off, bytes, q2_image_end(loading->image)))
		return q2_fail(
			err, QCOW2BM_EIMAGE, off,
			"%s (%llu bytes at %llu) lies past the end of the file" QCOW2BM_SEE_CHECK,
			structure->what, (unsigned long long)bytes,
			(unsigned long long)off);
	return q2_clusters_add(&loading->structures->metadata, off >> bits,
			       q2_shift_up(off + bytes, bits) - (off >> bits), err);
}

static enum qcow2bm_code add_l2_table(void *opaque, const struct q2_l1_table *table,
				      const struct q2_l1_entry *entry,
				      struct qcow2bm_error *err)
{
	struct loading *loading = opaque;
	(void)table;
	return q2_clusters_note(&loading->structures->l2_tables,
				entry->l2_off >> loading->image->header.cluster_bits, 1,
				err);
}

static enum qcow2bm_code load(struct loading *loading, struct qcow2bm_image *image,
			      const struct q2_refcounts *refcounts,
			      struct q2_watch *watch, struct qcow2bm_error *err)
{
	struct q2_l1_list l1 = {0};
	enum qcow2bm_code code = q2_l1_collect(&l1, image, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_l1_sift(&l1, image, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_structures_each(image, refcounts, &l1, NULL, add_structure,
					  loading, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < l1.count; i++)
		code = q2_l1_read(image, &l1.tables[i], watch, NULL, add_l2_table,
				  loading, err);
	q2_l1_free(&l1);
	return code;
}

enum qcow2bm_code q2_structures_load(struct q2_structures *structures,
				     struct qcow2bm_image *image,
				     const struct q2_refcounts *refcounts,
				     struct q2_watch *watch, struct qcow2bm_error *err)
{
	struct loading loading = {structures, image};
	memset(structures, 0, sizeof(*structures));
	enum qcow2bm_code code = load(&loading, image, refcounts, watch, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&structures->l2_tables, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&structures->metadata, &structures->l2_tables,
					  err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&structures->metadata, &structures->twice, err);
	if (code != QCOW2BM_OK)
		q2_structures_free(structures);
	return code;
}

/* ---- For those who look at any image ---- */

struct visit {
	const struct qcow2bm_image *image;
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

static enum qcow2bm_code visit_structure(void *opaque,
					 const struct q2_structure *structure,
					 struct qcow2bm_error *err)
{
	return visit_bytes(opaque, structure->off, structure->bytes, err);
}

static enum qcow2bm_code visit_l2_table(void *opaque, const struct q2_l1_table *table,
					const struct q2_l1_entry *entry,
					struct qcow2bm_error *err)
{
	const struct visit *visit = opaque;
	(void)table;
	return visit_bytes(visit, entry->l2_off,
			   q2_header_cluster_bytes(&visit->image->header), err);
}

/* Of a table that is not inside the file nobody knows what it would name. */
static bool is_readable(const struct qcow2bm_image *image,
			const struct q2_l1_table *table)
{
	return q2_is_aligned(table->off, Q2_L1_ENTRY_BYTES) &&
	       q2_checked_within(table->off, (uint64_t)table->entries * Q2_L1_ENTRY_BYTES,
				 image->file_bytes);
}

enum qcow2bm_code q2_structures_visit(struct qcow2bm_image *image,
				      const struct q2_refcounts *refcounts,
				      q2_structures_fn *fn, void *opaque,
				      struct qcow2bm_error *err)
{
	static const struct q2_faults leave_out = {0};
	struct visit visit = {image, fn, opaque};
	struct q2_l1_list l1 = {0};
	enum qcow2bm_code code = q2_l1_collect(&l1, image, &leave_out, err);
	if (code == QCOW2BM_OK)
		code = q2_structures_each(image, refcounts, &l1, &leave_out,
					  visit_structure, &visit, err);
	if (code == QCOW2BM_OK && is_readable(image, &l1.tables[0]))
		code = q2_l1_read(image, &l1.tables[0], NULL, &leave_out, visit_l2_table,
				  &visit, err);
	q2_l1_free(&l1);
	return code;
}
