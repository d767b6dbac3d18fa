/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which clusters or subclusters of the guest's disk the active layer holds, as bits. */
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../clusters/l1.h"
#include "../clusters/l2.h"
#include "../storage/holes.h"
#include "source.h"

#define PART_BYTES (64u << 10) /* 4096 entries, of the longer kind */

struct allocated {
	const uint64_t *l1; /* of the image: places of the L2 tables; 0: none */
	unsigned l2_bits;   /* log2 of the bits that an L2 table stands for */
	unsigned
		entry_bits; /* and an L2 entry: 5 where clusters have subclusters, else 0 */
	uint8_t *part;      /* of an L2 table */
};

static enum qcow2bm_code note_l2(void *opaque, const struct q2_l1_table *table,
				 const struct q2_l1_entry *entry,
				 struct qcow2bm_error *err)
{
	uint64_t *l1 = opaque;
	(void)table;
	(void)err;
	l1[entry->idx] = entry->l2_off;
	return QCOW2BM_OK;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* A table that is named once for each part of a large disk would be read as often. */
static enum qcow2bm_code check_named_once(const struct qcow2bm_image *image,
					  const uint64_t *l1, uint32_t entries,
					  size_t named, struct qcow2bm_error *err)
{
	uint64_t *sorted = malloc((named + 1) * sizeof(*sorted));
	if (sorted == NULL)
		return q2_fail_memory(err, "an L1 table");
	size_t count = 0, i = 1;
	for (uint32_t k = 0; k < entries; k++)
		if (l1[k] != 0)
			sorted[count++] = l1[k];
	qsort(sorted, count, sizeof(*sorted), by_number);
	while (i < count && sorted[i] != sorted[i - 1])
		i++;
	uint64_t twice = i < count ? sorted[i] : 0;
	free(sorted);
	if (twice == 0)
		return QCOW2BM_OK;
	return q2_fail(
		err, QCOW2BM_EIMAGE, image->header.l1_table_off,
		"the L1 table names the L2 table at %llu more than once" QCOW2BM_SEE_CHECK,
		(unsigned long long)twice);
}

/* An L2 table in a hole of the file names nothing. */
static size_t drop_empty(const struct qcow2bm_image *image, struct q2_holes *holes,
			 uint64_t *l1, uint32_t entries)
{
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	size_t named = 0;
	for (uint32_t i = 0; i < entries; i++) {
		if (l1[i] != 0 && l1[i] <= INT64_MAX - cluster_bytes &&
		    q2_holes_is_empty(holes, l1[i], l1[i] + cluster_bytes))
			l1[i] = 0;
		named += l1[i] != 0;
	}
	return named;
}

static enum qcow2bm_code load_layer(struct qcow2bm_image *image, uint32_t entries,
				    struct qcow2bm_error *err)
{
	struct q2_holes holes = {.storage = image->storage, .length = image->file_bytes};
	uint64_t *l1 = calloc((size_t)entries + 1, sizeof(*l1));
	if (l1 == NULL)
		return q2_fail_memory(err, "an L1 table");
	const struct q2_l1_table table = {
		.off = image->header.l1_table_off, .entries = entries, .is_active = true};
	enum qcow2bm_code code = q2_l1_read(image, &table, NULL, NULL, note_l2, l1, err);
	if (code == QCOW2BM_OK) {
		size_t named = drop_empty(image, &holes, l1, entries);
		code = check_named_once(image, l1, entries, named, err);
	}
	if (code == QCOW2BM_OK)
		image->layer_l1 = l1;
	else
		free(l1);
	return code;
}

static enum q2_uniform classify(const struct q2_source *source, uint64_t first,
				uint64_t end)
{
	const struct allocated *own = source->own;
	uint64_t last = (end - 1) >> own->l2_bits;
	for (uint64_t i = first >> own->l2_bits; i <= last; i++)
		if (own->l1[i] != 0)
			return Q2_UNIFORM_MIXED;
	return Q2_UNIFORM_ZEROS;
}

/* Reads `bits` bits, which one L2 table has from its bit `at` on. */
static enum qcow2bm_code read_entries(const struct q2_source *source, uint64_t off,
				      uint64_t at, uint64_t bits, uint64_t *words,
				      uint64_t word_bit, struct qcow2bm_error *err)
{
	const struct allocated *own = source->own;
	const struct q2_l2_form form = q2_l2_form(&source->image->header);
	uint64_t first = at >> own->entry_bits;
	struct q2_l2_part part = {
		.form = &form,
		.count = (size_t)q2_shift_up(bits, own->entry_bits),
		.off = off + (first << form.entry_shift),
	};
	/* What the end of the file cuts off reads as zeros for others: here nobody knows what was
	 * there. */
	if (!q2_checked_within(part.off, (uint64_t)part.count << form.entry_shift,
			       source->image->file_bytes))
		return q2_fail(
			err, QCOW2BM_EIMAGE, part.off,
			"an L2 table reaches past the end of the file" QCOW2BM_SEE_CHECK);
	enum qcow2bm_code code = q2_l2_read(source->image, &part, own->part, err);
	if (code == QCOW2BM_OK)
		q2_l2_find_held(&part, words, word_bit);
	return code;
}

/* Reads the L2 entries that the bits stand for, part by part. */
static enum qcow2bm_code read_bits(const struct q2_source *source, uint64_t first,
				   uint64_t end, uint64_t *words,
				   struct qcow2bm_error *err)
{
	const struct allocated *own = source->own;
	uint64_t bits = end - first;
	memset(words, 0, (size_t)q2_shift_up(bits, 3));
	uint64_t table_bits = (uint64_t)1 << own->l2_bits;
	uint64_t most = (uint64_t)(PART_BYTES / Q2_L2_ENTRY_MAX_BYTES) << own->entry_bits;
	uint64_t done = 0;
	while (done < bits) {
		uint64_t off = own->l1[(first + done) >> own->l2_bits];
		uint64_t at = (first + done) & (table_bits - 1);
		uint64_t part = q2_min_u64(table_bits - at, bits - done);
		if (off != 0) {
			part = q2_min_u64(part, most);
			enum qcow2bm_code code =
				read_entries(source, off, at, part, words, done, err);
			if (code != QCOW2BM_OK)
				return code;
		}
		done += part;
	}
	return QCOW2BM_OK;
}

static uint64_t cost(const struct q2_source *source, uint64_t bits)
{
	const struct allocated *own = source->own;
	return q2_shift_up(bits, own->entry_bits)
	       << q2_l2_form(&source->image->header).entry_shift;
}

static void close_allocated(struct q2_source *source)
{
	struct allocated *own = source->own;
	if (own != NULL)
		free(own->part);
	free(own);
}

static const struct q2_source_ops allocated_ops = {
	.kind = Q2_SOURCE_ALLOCATED,
	.classify = classify,
	.read = read_bits,
	.cost = cost,
	.close = close_allocated,
};

/* The L2 tables that the disk has; those behind it map the state of a machine. Of many bitmaps that
 * are recovered each asks for them. */
static enum qcow2bm_code load_l1(const struct q2_source *source, struct allocated *own,
				 struct qcow2bm_error *err)
{
	const struct q2_header *header = &source->image->header;
	uint64_t wanted = q2_shift_up(source->shape.bits, own->l2_bits);
	if (header->l1_entries < wanted)
		return q2_fail(
			err, QCOW2BM_EIMAGE, header->l1_table_off,
			"the L1 table has %u entr%s, too few for the disk" QCOW2BM_SEE_CHECK,
			header->l1_entries, q2_ies(header->l1_entries));
	enum qcow2bm_code code = QCOW2BM_OK;
	if (source->image->layer_l1 == NULL)
		code = load_layer(source->image, (uint32_t)wanted, err);
	own->l1 = source->image->layer_l1;
	return code;
}

static enum qcow2bm_code make_own(struct q2_source *source, const struct q2_l2_form *form,
				  struct qcow2bm_error *err)
{
	struct allocated *own = calloc(1, sizeof(*own));
	source->own = own;
	if (own != NULL)
		own->part = malloc(PART_BYTES);
	if (own == NULL || own->part == NULL)
		return q2_fail_memory(err, "an L2 table");
	own->entry_bits = q2_l2_bits_shift(form);
	own->l2_bits = q2_l2_table_shift(form) + own->entry_bits;
	return load_l1(source, own, err);
}

enum qcow2bm_code q2_source_open_allocated(struct q2_source *source,
					   struct qcow2bm_image *image,
					   struct qcow2bm_error *err)
{
	const struct q2_header *header = &image->header;
	if (header->incompatible_features & Q2_INCOMPATIBLE_DATA_FILE &&
	    header->autoclear_features & Q2_AUTOCLEAR_RAW_DATA) {
		q2_source_open_everything(source, image);
		return QCOW2BM_OK;
	}
	const struct q2_l2_form form = q2_l2_form(header);
	*source = (struct q2_source){
		.ops = &allocated_ops,
		.image = image,
		.granularity_bits = header->cluster_bits - q2_l2_bits_shift(&form),
	};
	source->shape = q2_table_shape(header->virtual_bytes, source->granularity_bits,
				       header->cluster_bits);
	enum qcow2bm_code code = make_own(source, &form, err);
	if (code != QCOW2BM_OK)
		q2_source_close(source);
	return code;
}
