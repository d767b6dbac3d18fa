/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which clusters or subclusters of the guest's disk the active layer holds, as bits. */
#include <stdlib.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../format/mapping.h"
#include "source.h"

#define PART_BYTES (64u << 10) /* 4096 extended entries */

/* Keeps the places of the L2 tables that the disk has; those behind it map the state of a
 * machine. */
static enum qcow2bm_code load_l1(struct q2_source *source, struct qcow2bm_error *err)
{
	const struct q2_header *header = &source->image->header;
	uint64_t wanted = q2_shift_up(source->shape.bits, source->l2_bits);
	source->l1_entries = (uint32_t)q2_min_u64(header->l1_entries, wanted);
	source->l1 = calloc((size_t)source->l1_entries + 1, sizeof(*source->l1));
	source->l2_part = malloc(PART_BYTES);
	if (source->l1 == NULL || source->l2_part == NULL)
		return q2_fail_memory(err, "an L1 table");
	if (source->l1_entries < wanted)
		return q2_fail(err, QCOW2BM_EIMAGE, header->l1_table_off,
			       "the L1 table has %u entries, too few for the disk" QCOW2BM_SEE_CHECK,
			       header->l1_entries);
	/* Read and decoded in place. */
	enum qcow2bm_code code = q2_storage_read(source->image->storage, source->l1,
						 source->l1_entries * sizeof(*source->l1),
						 header->l1_table_off, err);
	for (uint32_t i = 0; code == QCOW2BM_OK && i < source->l1_entries; i++)
		source->l1[i] = q2_be64_load((const uint8_t *)&source->l1[i]) &
				Q2_MAPPING_L1_OFFSET_MASK;
	return code;
}

enum qcow2bm_code q2_source_open_allocated(struct q2_source *source,
					   struct qcow2bm_image *image,
					   struct qcow2bm_error *err)
{
	const struct q2_header *header = &image->header;
	bool extended = header->incompatible_features & Q2_INCOMPATIBLE_EXTENDED_L2;
	q2_source_open_all(source, image);
	if (header->incompatible_features & Q2_INCOMPATIBLE_DATA_FILE &&
	    header->autoclear_features & Q2_AUTOCLEAR_RAW_DATA)
		return QCOW2BM_OK;
	source->origin = Q2_SOURCE_ALLOCATED;
	source->entry_bits = extended ? Q2_MAPPING_SUBCLUSTER_BITS : 0;
	source->l2_bits = header->cluster_bits - q2_mapping_entry_shift(extended) +
			  source->entry_bits;
	source->granularity_bits = header->cluster_bits - source->entry_bits;
	source->shape = q2_table_shape(header->virtual_bytes, source->granularity_bits,
				       header->cluster_bits);
	enum qcow2bm_code code = load_l1(source, err);
	if (code != QCOW2BM_OK)
		q2_source_close(source);
	return code;
}

enum q2_source_kind q2_allocated_classify(const struct q2_source *source, uint64_t first,
					  uint64_t end)
{
	uint64_t last = (end - 1) >> source->l2_bits;
	for (uint64_t i = first >> source->l2_bits; i <= last; i++)
		if (source->l1[i] != 0)
			return Q2_SOURCE_MIXED;
	return Q2_SOURCE_ZEROS;
}

/* Sets bits from number `at` of words on for `count` entries. */
static void set_clusters(uint64_t *words, uint64_t at, const uint8_t *entries,
			 uint64_t count)
{
	uint8_t *bits = (uint8_t *)words;
	for (uint64_t i = 0; i < count; i++)
		if (q2_be64_load(entries + i * 8) != 0)
			bits[(at + i) / 8] |= (uint8_t)(1u << ((at + i) % 8));
}

/* The same for extended entries; `at` is a multiple of 32. */
static void set_subclusters(uint64_t *words, uint64_t at, const uint8_t *entries,
			    uint64_t count)
{
	uint8_t *bits = (uint8_t *)words + at / 8;
	for (uint64_t i = 0; i < count; i++, bits += 4) {
		uint32_t held =
			q2_mapping_subclusters(q2_be64_load(entries + i * 16),
					       q2_be64_load(entries + i * 16 + 8));
		for (unsigned byte = 0; byte < 4; byte++)
			bits[byte] = (uint8_t)(held >> (8 * byte));
	}
}

/* Reads `bits` bits, which one L2 table has from its bit `at` on. */
static enum qcow2bm_code read_entries(const struct q2_source *source, uint64_t off,
				      uint64_t at, uint64_t bits, uint64_t *words,
				      uint64_t word_bit, struct qcow2bm_error *err)
{
	bool extended = source->entry_bits != 0;
	unsigned shift = q2_mapping_entry_shift(extended);
	uint64_t count = q2_shift_up(bits, source->entry_bits);
	enum qcow2bm_code code = q2_storage_read(
		source->image->storage, source->l2_part, (size_t)(count << shift),
		off + (at >> source->entry_bits << shift), err);
	if (code != QCOW2BM_OK)
		return code;
	if (extended)
		set_subclusters(words, word_bit, source->l2_part, count);
	else
		set_clusters(words, word_bit, source->l2_part, count);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_allocated_read(const struct q2_source *source, uint64_t first,
				    uint64_t bits, uint64_t *words,
				    struct qcow2bm_error *err)
{
	uint64_t table_bits = (uint64_t)1 << source->l2_bits;
	uint64_t most = (uint64_t)(PART_BYTES >> q2_mapping_entry_shift(true))
			<< source->entry_bits;
	uint64_t done = 0;
	while (done < bits) {
		uint64_t off = source->l1[(first + done) >> source->l2_bits];
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
