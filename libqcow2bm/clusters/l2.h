/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * L2 tables: parts of them in memory, and their entries as what they say. How an entry stands in its
 * table is known here and to format/mapping.
 */
#ifndef Q2_CLUSTERS_L2_H
#define Q2_CLUSTERS_L2_H

#include "../base/endian.h"
#include "../base/watch.h"
#include "../format/mapping.h"
#include "../image/image.h"
#include "../storage/holes.h"
#include "clusters.h"

/* How the entries of an image's L2 tables stand. */
struct q2_l2_form {
	unsigned cluster_bits;
	unsigned entry_shift; /* log2 of the bytes of an entry */
	uint64_t reserved;    /* bits of a standard entry */
	bool has_data_file;   /* what entries name is in another file */
};

#define Q2_L2_ENTRY_MAX_BYTES 16

struct q2_l2_form q2_l2_form(const struct q2_header *header);

/* log2 of how many entries a table has. */
static inline unsigned q2_l2_table_shift(const struct q2_l2_form *form)
{
	return form->cluster_bits - form->entry_shift;
}

/* log2 of the bits that q2_l2_find_held() sets for an entry: 0, or more with subclusters. */
static inline unsigned q2_l2_bits_shift(const struct q2_l2_form *form)
{
	return form->entry_shift == q2_mapping_entry_shift(true)
		       ? Q2_MAPPING_SUBCLUSTER_BITS
		       : 0;
}

/* Entries that stand side by side, of one table or of several. */
struct q2_l2_part {
	const struct q2_l2_form *form;
	const uint8_t *bytes;
	size_t count; /* entries */
	uint64_t off; /* of the first in the file */
};

/* The first 8 bytes of an entry: any number, of a damaged image. */
static inline uint64_t q2_l2_entry(const struct q2_l2_part *part, size_t idx)
{
	return q2_be64_load(part->bytes + (idx << part->form->entry_shift));
}

/* The second 8 bytes of an extended entry: which subclusters have data, or read as zeros. */
static inline uint64_t q2_l2_subclusters(const struct q2_l2_part *part, size_t idx)
{
	return q2_be64_load(part->bytes + (idx << part->form->entry_shift) +
			    sizeof(uint64_t));
}

/* Where in the file it stands. */
static inline uint64_t q2_l2_entry_off(const struct q2_l2_part *part, size_t idx)
{
	return part->off + ((uint64_t)idx << part->form->entry_shift);
}

static inline bool q2_l2_is_compressed(uint64_t entry)
{
	return entry & Q2_MAPPING_COMPRESSED;
}

/* It promises that the refcount of what it names is 1. */
static inline bool q2_l2_is_copied(uint64_t entry)
{
	return entry & Q2_MAPPING_COPIED;
}

/* It is not compressed, and has bits set that must be zero. */
static inline bool q2_l2_has_reserved(const struct q2_l2_form *form, uint64_t entry)
{
	return !q2_l2_is_compressed(entry) && (entry & form->reserved) != 0;
}

/* One look at an entry: nothing of the two. */
static inline bool q2_l2_is_plain(const struct q2_l2_form *form, uint64_t entry)
{
	return (entry & (form->reserved | Q2_MAPPING_COMPRESSED)) == 0;
}

/* The place that an entry names which is not compressed. */
static inline uint64_t q2_l2_place(uint64_t entry)
{
	return entry & Q2_MAPPING_L2_OFFSET_MASK;
}

/* An entry names a cluster. At 0 one may be in another file only, where a flag tells. */
static inline bool q2_l2_has_place(const struct q2_l2_form *form, uint64_t entry)
{
	return q2_l2_place(entry) != 0 || (form->has_data_file && q2_l2_is_copied(entry));
}

/* Whether the part may have an entry of a compressed cluster, or one that names a place in
 * [first_off, first_off + bytes): looks at many at a time, and says so once too often. */
bool q2_l2_may_name(const struct q2_l2_part *part, uint64_t first_off, uint64_t bytes);

/* Sets a bit for each cluster, or subcluster, that entries have data or zeros for: of the part's
 * first entry, bit number `at` of words. With subclusters it is a multiple of 32. */
void q2_l2_find_held(const struct q2_l2_part *part, uint64_t *words, uint64_t at);

/* Reads the entries of the part, for which form, count and off are set, into `buf`. The last cluster
 * of the file may be cut short. Errors: EIMAGE, ESYSTEM. */
enum qcow2bm_code q2_l2_read(struct qcow2bm_image *image, struct q2_l2_part *part,
			     uint8_t *buf, struct qcow2bm_error *err);

/*
 * A way through many tables, in the order of their places, those that lie side by side at once.
 * Holes of the file are left out. Begin with the members above the line, the rest zero.
 */
struct q2_l2_way {
	struct q2_l2_form form;
	const struct q2_clusters *tables; /* sorted */
	struct q2_holes holes;
	size_t part_bytes; /* at most; a multiple of 512, of whole tables a cluster at least */
	bool is_whole; /* no table is split */
	/* ---- */
	size_t run;
	uint64_t at;         /* byte in the file, in this run or before it */
	uint64_t done_bytes; /* of the tables, holes included */
};

struct q2_l2_way q2_l2_way(const struct qcow2bm_image *image,
			   const struct q2_clusters *tables, size_t part_bytes);

/* The next part: its place and its count, for q2_l2_read(). False: there is none. */
bool q2_l2_next(struct q2_l2_way *way, struct q2_l2_part *part);

#endif
