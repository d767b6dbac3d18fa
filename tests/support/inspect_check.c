/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must hold of an image, and between an image before and after an edit. */
#include "inspect_image.h"

#include <string.h>

#define PADDING_EXTENSION 0x71327064u

bool inspect_check_refcounts(struct inspect *inspect, bool leaks_allowed, uint64_t *leaks)
{
	unsigned shift = inspect->cluster_bits + 3 - inspect->refcount_order;
	uint64_t counted = inspect->table_clusters << inspect->cluster_bits >> 3 << shift;
	uint64_t found = 0;
	for (uint64_t c = 0; c < counted || c < inspect->clusters; c++) {
		/* A block that does not exist counts nothing. */
		uint64_t slot = inspect->table_off + (c >> shift) * 8;
		uint64_t refs = c < inspect->clusters ? inspect->refs[c] : 0;
		if (c >= inspect->clusters && inspect_number(inspect, slot, 8) == 0) {
			c |= ((uint64_t)1 << shift) - 1;
			continue;
		}
		uint64_t value = inspect_refcount(inspect, c);
		if (value < refs || (value > refs && !leaks_allowed))
			return inspect_fail(
				inspect,
				"cluster %llu of %llu: refcount %llu, references %llu",
				(unsigned long long)c,
				(unsigned long long)inspect->clusters,
				(unsigned long long)value, (unsigned long long)refs);
		found += value > refs;
	}
	if (leaks != NULL)
		*leaks = found;
	return true;
}

/* The guest's side of the image: no edit writes there, moves it or counts it otherwise. */
static bool check_guest(struct inspect *after, const struct inspect *before)
{
	for (uint64_t c = 0; c < before->clusters; c++) {
		enum inspect_kind kind = before->kinds[c];
		uint64_t off = c << before->cluster_bits;
		if (kind != INSPECT_GUEST && kind != INSPECT_MAPPING &&
		    kind != INSPECT_SNAPSHOTS && kind != INSPECT_ENCRYPTION)
			continue;
		if (c >= after->clusters || after->kinds[c] != kind)
			return inspect_fail(after, "cluster %llu is no longer of kind %d",
					    (unsigned long long)c, kind);
		if (memcmp(before->bytes + off, after->bytes + off,
			   (size_t)1 << before->cluster_bits) != 0)
			return inspect_fail(after, "cluster %llu of kind %d was written",
					    (unsigned long long)c, kind);
	}
	return true;
}

static bool is_carried(const struct inspect *inspect, size_t idx)
{
	uint32_t type = inspect->extensions[idx].type;
	return type != INSPECT_BITMAPS_EXTENSION && type != PADDING_EXTENSION;
}

static size_t next_carried(const struct inspect *inspect, size_t idx)
{
	while (idx < inspect->extension_count && !is_carried(inspect, idx))
		idx++;
	return idx;
}

static bool check_extensions(struct inspect *after, const struct inspect *before)
{
	size_t a = next_carried(after, 0), b = next_carried(before, 0);
	while (a < after->extension_count && b < before->extension_count) {
		const struct inspect_extension *x = &after->extensions[a];
		const struct inspect_extension *y = &before->extensions[b];
		if (x->type != y->type || x->bytes != y->bytes ||
		    memcmp(after->bytes + x->off, before->bytes + y->off, x->bytes) != 0)
			return inspect_fail(after, "extension 0x%x is not 0x%x as before",
					    x->type, y->type);
		a = next_carried(after, a + 1);
		b = next_carried(before, b + 1);
	}
	return a == after->extension_count && b == before->extension_count
		       ? true
		       : inspect_fail(after, "header extensions came or went");
}

static bool check_header(struct inspect *after, const struct inspect *before)
{
	/* backing_file_offset, the refcount table and autoclear bits may change. */
	static const struct {
		unsigned from, to;
	} fixed[] = {{0, 8}, {16, 48}, {60, 88}, {96, 104}};
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (memcmp(after->bytes + fixed[i].from, before->bytes + fixed[i].from,
			   fixed[i].to - fixed[i].from) != 0)
			return inspect_fail(after, "header bytes %u..%u changed",
					    fixed[i].from, fixed[i].to);
	uint64_t header_bytes = inspect_number(before, 100, 4);
	if (header_bytes > 104 && memcmp(after->bytes + 104, before->bytes + 104,
					 (size_t)header_bytes - 104) != 0)
		return inspect_fail(after, "the end of the header changed");
	if ((before->backing_off == 0) != (after->backing_off == 0) ||
	    (before->backing_off != 0 && memcmp(before->bytes + before->backing_off,
						after->bytes + after->backing_off,
						(size_t)before->backing_bytes) != 0))
		return inspect_fail(after, "the backing file name changed");
	return check_extensions(after, before);
}

/* A cluster of data that was not one before: stored only if it must be, and clean behind the
 * last bit. */
static bool check_new_data(struct inspect *after, const struct inspect_bitmap *bitmap,
			   uint64_t idx, uint64_t off)
{
	uint64_t bytes = (uint64_t)1 << after->cluster_bits, ones = 0,
		 first = idx * bytes * 8;
	uint64_t left = bitmap->bits - first, bits = left < bytes * 8 ? left : bytes * 8;
	for (uint64_t i = 0; i < bytes * 8; i++) {
		bool bit = after->bytes[off + i / 8] >> i % 8 & 1;
		if (bit && i >= bits)
			return inspect_fail(after,
					    "new data at %llu has bits behind its last",
					    (unsigned long long)off);
		ones += bit;
	}
	if (ones == 0 || ones == bytes * 8)
		return inspect_fail(after, "new data at %llu is all %d",
				    (unsigned long long)off, ones != 0);
	return true;
}

static bool check_data(struct inspect *after, const struct inspect *before)
{
	for (size_t i = 0; i < after->bitmap_count; i++) {
		const struct inspect_bitmap *bitmap = &after->bitmaps[i];
		for (uint64_t e = 0; e < bitmap->entries; e++) {
			uint64_t entry =
				inspect_number(after, bitmap->table_off + e * 8, 8);
			uint64_t cluster = entry >> after->cluster_bits;
			bool is_new = cluster >= before->clusters ||
				      before->kinds[cluster] != INSPECT_DATA;
			/* Readers would take the bits behind the last for set ones. */
			if (entry == 1 &&
			    (e + 1) << (after->cluster_bits + 3) > bitmap->bits)
				return inspect_fail(after,
						    "a partly used cluster is all ones");
			if (entry > 1 && is_new &&
			    !check_new_data(after, bitmap, e, entry))
				return false;
		}
	}
	return true;
}

bool inspect_check_edit(struct inspect *after, const struct inspect *before)
{
	return check_guest(after, before) && check_header(after, before) &&
	       check_data(after, before);
}
