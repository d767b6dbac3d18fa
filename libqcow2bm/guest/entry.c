/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one L2 entry says of its cluster, or of a run of its subclusters. */
#include "entry.h"

#include "../base/checked.h"

/* How many bits from number `from` on are like that one. */
static unsigned run_of(uint32_t bits, unsigned from)
{
	uint32_t rest = bits >> from;
	if ((rest & 1) != 0)
		rest = ~rest;
	unsigned left = Q2_MAPPING_SUBCLUSTERS - from;
	unsigned run = rest == 0 ? left : (unsigned)__builtin_ctz(rest);
	return run < left ? run : left;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* The entry's cluster is not compressed; with a place or without. */
static const char *decode_subclusters(struct q2_guest_entry *entry, uint64_t second,
				      unsigned subcluster)
{
	uint32_t data = (uint32_t)second;
	uint32_t zeros = (uint32_t)(second >> Q2_MAPPING_SUBCLUSTERS);
	if (entry->place == Q2_GUEST_NO_PLACE && data != 0)
		return "has data in subclusters, and no place for it";
	if ((data & zeros) != 0)
		return "has a subcluster with data that reads as zeros";
	entry->subclusters = least(run_of(data, subcluster), run_of(zeros, subcluster));
	if ((zeros >> subcluster & 1) != 0)
		entry->kind = Q2_GUEST_ZERO;
	else if ((data >> subcluster & 1) != 0)
		entry->kind = Q2_GUEST_DATA;
	return NULL;
}

static const char *decode_compressed(struct q2_guest_entry *entry,
				     const struct q2_l2_form *form, uint64_t first)
{
	struct q2_mapping_range stream = q2_mapping_stream(first, form->cluster_bits);
	if (form->has_data_file)
		return "is of a compressed cluster, which an external data file cannot "
		       "have";
	entry->kind = Q2_GUEST_COMPRESSED;
	entry->place = stream.off;
	entry->stream_bytes = stream.bytes;
	return NULL;
}

const char *q2_guest_entry_decode(struct q2_guest_entry *entry,
				  const struct q2_l2_form *form, unsigned version,
				  uint64_t first, uint64_t second, unsigned subcluster)
{
	bool is_extended = form->entry_shift == q2_mapping_entry_shift(true);
	unsigned all = is_extended ? Q2_MAPPING_SUBCLUSTERS : 1;
	*entry = (struct q2_guest_entry){
		.kind = Q2_GUEST_UNALLOCATED,
		.place = Q2_GUEST_NO_PLACE,
		.subclusters = all - subcluster,
	};
	if (q2_l2_is_compressed(first))
		return decode_compressed(entry, form, first);
	if (q2_l2_has_place(form, first))
		entry->place = q2_l2_place(first);
	bool is_zero = !is_extended && (first & Q2_MAPPING_ZERO) != 0;
	if (is_zero && q2_l2_place(first) == 0)
		entry->place = Q2_GUEST_NO_PLACE;
	if (entry->place != Q2_GUEST_NO_PLACE &&
	    !q2_is_aligned(entry->place, (uint64_t)1 << form->cluster_bits))
		return "names a place that is not at a multiple of the cluster size";
	if (is_zero && version < 3)
		return "says that a cluster reads as zeros, which version 2 cannot say";
	if (is_extended)
		return decode_subclusters(entry, second, subcluster);
	if (is_zero)
		entry->kind = Q2_GUEST_ZERO;
	else if (entry->place != Q2_GUEST_NO_PLACE)
		entry->kind = Q2_GUEST_DATA;
	return NULL;
}
