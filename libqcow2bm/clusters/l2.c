/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* L2 tables: reading parts of them, and what their entries say together. */
#include "l2.h"

#include "../base/checked.h"
#include "../bits/entries.h"

struct q2_l2_form q2_l2_form(const struct q2_header *header)
{
	bool is_extended = header->incompatible_features & Q2_INCOMPATIBLE_EXTENDED_L2;
	return (struct q2_l2_form){
		.cluster_bits = header->cluster_bits,
		.entry_shift = q2_mapping_entry_shift(is_extended),
		.reserved = is_extended ? Q2_MAPPING_L2_EXTENDED_RESERVED
					: Q2_MAPPING_L2_RESERVED,
		.has_data_file =
			header->incompatible_features & Q2_INCOMPATIBLE_DATA_FILE,
	};
}

/* Of extended entries it tests the subclusters' bits too. */
bool q2_l2_may_name(const struct q2_l2_part *part, uint64_t first_off, uint64_t bytes)
{
	return q2_entries_any(part->bytes, part->count << part->form->entry_shift >> 3,
			      Q2_MAPPING_L2_OFFSET_MASK, first_off, bytes,
			      Q2_MAPPING_COMPRESSED);
}

static void find_clusters(const struct q2_l2_part *part, uint8_t *bits, uint64_t at)
{
	for (size_t i = 0; i < part->count; i++)
		if (q2_l2_entry(part, i) != 0)
			bits[(at + i) / 8] |= (uint8_t)(1u << ((at + i) % 8));
}

static void find_subclusters(const struct q2_l2_part *part, uint8_t *bits)
{
	for (size_t i = 0; i < part->count; i++, bits += Q2_MAPPING_SUBCLUSTERS / 8) {
		const uint8_t *second =
			part->bytes + (i << part->form->entry_shift) + sizeof(uint64_t);
		uint32_t held = q2_mapping_subclusters(q2_l2_entry(part, i),
						       q2_be64_load(second));
		for (unsigned byte = 0; byte < Q2_MAPPING_SUBCLUSTERS / 8; byte++)
			bits[byte] = (uint8_t)(held >> (8 * byte));
	}
}

void q2_l2_find_held(const struct q2_l2_part *part, uint64_t *words, uint64_t at)
{
	if (part->form->entry_shift == q2_mapping_entry_shift(true))
		find_subclusters(part, (uint8_t *)words + at / 8);
	else
		find_clusters(part, (uint8_t *)words, at);
}

enum qcow2bm_code q2_l2_read(struct qcow2bm_image *image, struct q2_l2_part *part,
			     uint8_t *buf, struct qcow2bm_error *err)
{
	part->bytes = buf;
	return q2_storage_read_padded(image->storage, buf,
				      part->count << part->form->entry_shift, part->off,
				      q2_header_cluster_bytes(&image->header), err);
}

struct q2_l2_way q2_l2_way(const struct qcow2bm_image *image,
			   const struct q2_clusters *tables, size_t part_bytes)
{
	return (struct q2_l2_way){
		.form = q2_l2_form(&image->header),
		.tables = tables,
		.holes = {.storage = image->storage, .length = image->file_bytes},
		.part_bytes = part_bytes,
	};
}

/* What [*off, *stop) touches of tables, which begin at multiples of the cluster size. */
static void widen(const struct q2_l2_way *way, uint64_t *off, uint64_t *stop)
{
	uint64_t table_bytes = (uint64_t)1 << way->form.cluster_bits;
	*off -= *off % table_bytes;
	*stop = q2_round_up(*stop, table_bytes);
}

bool q2_l2_next(struct q2_l2_way *way, struct q2_l2_part *part)
{
	unsigned cluster_bits = way->form.cluster_bits;
	while (way->run < way->tables->count) {
		const struct q2_run *run = &way->tables->runs[way->run];
		uint64_t end = (run->first + run->count) << cluster_bits;
		uint64_t at = q2_max_u64(way->at, run->first << cluster_bits), stop;
		uint64_t off = q2_holes_skip(&way->holes, at, end, &stop);
		if (way->is_whole && off < stop)
			widen(way, &off, &stop);
		uint64_t bytes = q2_min_u64(stop - off, way->part_bytes);
		way->at = off + bytes;
		way->done_bytes += way->at - at;
		*part = (struct q2_l2_part){
			.form = &way->form,
			.count = (size_t)(bytes >> way->form.entry_shift),
			.off = off,
		};
		if (bytes != 0)
			return true;
		way->run++;
	}
	return false;
}
