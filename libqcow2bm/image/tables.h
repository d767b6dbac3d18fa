/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of committed bitmaps. */
#ifndef Q2_IMAGE_TABLES_H
#define Q2_IMAGE_TABLES_H

#include "image.h"

/* Loads and checks the table of a committed bitmap: its entries as numbers, to be freed. Data
 * must lie inside the file as far as the bitmap has bits. Errors: EIMAGE, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_tables_load(const struct qcow2bm_image *image,
				 const struct q2_bitmap *bitmap, uint64_t **entries,
				 struct qcow2bm_error *err);

/* Reads the table of bitmap idx, which lies inside the file, unless it is long, for those who read it
 * after this, as long as the directory stays: no commit changes a table in its place. Errors: ESYSTEM,
 * EIMAGE, ENOMEM. */
enum qcow2bm_code q2_tables_keep(struct qcow2bm_image *image, size_t idx,
				 struct qcow2bm_error *err);

/* Whether the table may be where the entry says, the end of the file aside. */
bool q2_tables_has_place(const struct qcow2bm_image *image,
			 const struct q2_directory_entry *entry);

/* What an entry of a table has wrong. */
enum q2_table_fault {
	Q2_TABLE_FAULT_NONE,
	Q2_TABLE_FAULT_RESERVED,
	Q2_TABLE_FAULT_MISALIGNED,
	Q2_TABLE_FAULT_PAST_END
};
enum q2_table_fault q2_tables_judge_entry(const struct qcow2bm_image *image,
					  const struct q2_bitmap *bitmap, uint32_t idx,
					  uint64_t entry);

/* Whether a table entry names a data cluster at a place where one can be. */
bool q2_tables_names_data(const struct qcow2bm_image *image, uint64_t entry);

/* Takes entry `idx` of a table, which is not 0. */
typedef enum qcow2bm_code q2_tables_fn(void *opaque, uint32_t idx, uint64_t entry,
				       struct qcow2bm_error *err);

/* Calls fn for each entry, 0 aside, of what the file has of a table, as a number that may break
 * every rule. Holes are not read. Errors: those of fn; ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_tables_visit(const struct qcow2bm_image *image,
				  const struct q2_bitmap *bitmap, q2_tables_fn *fn,
				  void *opaque, struct qcow2bm_error *err);

/* The same for a table that q2_tables_load() loads, up to the first entry that it would refuse; the
 * memory does not grow with the table. fn may be NULL. Errors: EIMAGE too. */
enum qcow2bm_code q2_tables_scan(const struct qcow2bm_image *image,
				 const struct q2_bitmap *bitmap, q2_tables_fn *fn,
				 void *opaque, struct qcow2bm_error *err);

/* How many bytes of its data cluster entry idx of the table needs. */
uint64_t q2_tables_needed_bytes(const struct qcow2bm_image *image,
				const struct q2_bitmap *bitmap, uint32_t idx);

/* The last entry of a table that lies inside the file. Errors: ESYSTEM, EIMAGE. */
enum qcow2bm_code q2_tables_load_last(const struct qcow2bm_image *image,
				      const struct q2_bitmap *bitmap, uint64_t *last,
				      struct qcow2bm_error *err);

/*
 * Whether the data cluster that the table's last entry names has bits set past the end of the
 * disk, which the format wants zero: *off is the byte of the image with the first of them, or
 * QCOW2BM_NO_OFFSET. Such a bitmap is damaged: its granularity or its table is not the one that
 * its bits were written for. QEMU 7.2 leaves such bits only where it has loaded an all-one entry
 * for a cluster that the disk uses in part, which neither QEMU nor this library writes. A table
 * that does not fit the disk has no such end. Errors: ESYSTEM, ENOMEM.
 */
enum qcow2bm_code q2_tables_find_tail_bit(struct qcow2bm_image *image,
					  const struct q2_directory_entry *entry,
					  uint64_t last, uint64_t *off,
					  struct qcow2bm_error *err);

#endif
