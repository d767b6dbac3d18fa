/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Measuring a bitmap: how much of the disk is dirty, how much of the file it takes. */
#include "../base/checked.h"
#include "../bits/count.h"
#include "../bits/run.h"
#include "../clusters/soundness.h"
#include "../source/source.h"

struct counter {
	uint64_t
		last_bit; /* the bitmap's last bit, which may stand for less than the others */
	uint64_t ones;
	bool last_is_set;
};

static enum qcow2bm_code count_piece(void *opaque, uint64_t first, uint64_t bits,
				     const uint64_t *words, bool value,
				     struct qcow2bm_error *err)
{
	struct counter *counter = opaque;
	(void)err;
	bool has_last = first + bits > counter->last_bit;
	if (words == NULL) {
		counter->ones += value ? bits : 0;
		counter->last_is_set = has_last && value;
	} else {
		counter->ones += q2_count_ones(words, (size_t)q2_shift_up(bits, 6));
		counter->last_is_set =
			has_last && q2_run_bit(words, counter->last_bit - first);
	}
	return QCOW2BM_OK;
}

static uint64_t stored_bytes(const struct q2_source *source)
{
	unsigned cluster_bits = source->image->header.cluster_bits;
	uint64_t clusters = q2_shift_up(
		(uint64_t)source->table_entries * Q2_TABLE_ENTRY_BYTES, cluster_bits);
	for (uint32_t i = 0; i < source->table_entries; i++)
		clusters += q2_table_is_data(source->table[i]);
	return clusters << cluster_bits;
}

/* The last bit stands for what is left of the disk, which may be less than its granularity. */
static enum qcow2bm_code count_dirty(const struct q2_source *source,
				     uint64_t *dirty_bytes, struct qcow2bm_error *err)
{
	uint64_t bits = source->shape.bits;
	*dirty_bytes = 0;
	if (bits == 0)
		return QCOW2BM_OK;
	struct counter counter = {.last_bit = bits - 1};
	enum qcow2bm_code code =
		q2_source_visit(source, 0, bits, count_piece, &counter, err);
	if (code != QCOW2BM_OK)
		return code;
	unsigned granularity_bits = source->bitmap->entry.granularity_bits;
	uint64_t last_start = counter.last_bit << granularity_bits;
	uint64_t whole = counter.ones - counter.last_is_set;
	*dirty_bytes = whole << granularity_bits;
	if (counter.last_is_set)
		*dirty_bytes += source->image->header.virtual_bytes - last_start;
	return QCOW2BM_OK;
}

static bool is_same_table(const struct q2_directory_entry *a,
			  const struct q2_directory_entry *b)
{
	return a->table_entries != 0 && a->table_off == b->table_off &&
	       a->table_entries == b->table_entries &&
	       a->granularity_bits == b->granularity_bits;
}

/* Whether the bitmap before this one was measured for it: both have the same table. */
static bool is_measured(const struct qcow2bm_image *image, size_t idx, bool count_bits)
{
	return is_same_table(&image->measured_entry,
			     &image->directory.bitmaps[idx].entry) &&
	       image->measured_bits == count_bits;
}

/* Measures the bitmap into image->measured, unless that holds its table's already. */
static enum qcow2bm_code measure_bitmap(struct qcow2bm_image *image, size_t idx,
					unsigned flags, struct qcow2bm_error *err)
{
	struct q2_source source;
	struct qcow2bm_measure measure;
	bool count_bits = flags & QCOW2BM_READ_COUNT;
	enum qcow2bm_code code = q2_soundness_admit(image, idx, flags, count_bits, err);
	if (code == QCOW2BM_OK && is_measured(image, idx, count_bits))
		return QCOW2BM_OK;
	if (code == QCOW2BM_OK)
		code = q2_source_open_bitmap(&source, image, idx, err);
	if (code != QCOW2BM_OK)
		return code;
	measure = (struct qcow2bm_measure){.stored_bytes = stored_bytes(&source)};
	if (count_bits)
		code = count_dirty(&source, &measure.dirty_bytes, err);
	q2_source_close(&source);
	if (code != QCOW2BM_OK)
		return code;
	image->measured_entry = image->directory.bitmaps[idx].entry;
	image->measured_bits = count_bits;
	image->measured = measure;
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_bitmap_measure(struct qcow2bm_image *image, size_t idx,
					 unsigned flags,
					 const struct qcow2bm_measure **measure,
					 const struct qcow2bm_watch *watch,
					 struct qcow2bm_error *err)
{
	struct q2_watch own;
	enum qcow2bm_code code = q2_storage_watch(image->storage, &own, watch, err);
	if (code == QCOW2BM_OK)
		code = measure_bitmap(image, idx, flags, err);
	*measure = code == QCOW2BM_OK ? &image->measured : NULL;
	q2_storage_unwatch(image->storage);
	return code;
}
