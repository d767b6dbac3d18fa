/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An open image: its storage, the decoded header and the committed bitmap directory. */
#ifndef Q2_IMAGE_IMAGE_H
#define Q2_IMAGE_IMAGE_H

#include "../base/checked.h"
#include "../format/entry.h"
#include "../format/extension.h"
#include "../format/header.h"
#include "../storage/storage.h"

/* A committed bitmap. The entry's name and extra data point into the directory's bytes. */
struct q2_bitmap {
	struct q2_directory_entry entry;
	uint64_t off;  /* of the entry in the image file */
	char *problem; /* why the bitmap is corrupt, or NULL */
	/* Of a salvaged directory: */
	bool has_bad_length; /* the entry's end is not where its lengths say */
	bool is_surplus;     /* behind the nb_bitmaps that the extension counts */
	/* Of a directory that was judged: */
	bool is_evidence;  /* that a program wrote which knows no bitmaps */
	bool is_contested; /* something else of the bitmaps' has its clusters, too */
	bool is_padded;    /* its entry is filled up with what an edit would not write */
	bool is_tail_judged; /* bits behind the end of the disk were looked for */
};

/* Damage to the bitmaps extension or to the directory as a whole: salvage.c found it. */
struct q2_damage {
	const char *code; /* as in struct qcow2bm_problem */
	uint64_t off;
	enum qcow2bm_cure cure; /* MEND, CHOOSE, or COPY: nothing mends it */
	char sentence[256];
};

/* The committed bitmap directory; all zero when the image has no bitmaps extension. */
struct q2_directory {
	uint8_t *bytes;
	size_t size;  /* bitmap_directory_size */
	uint64_t off; /* bitmap_directory_offset */
	struct q2_bitmap *bitmaps;
	size_t count;    /* nb_bitmaps */
	size_t *by_name; /* indexes in the order of names, then of places */
	/* soundness.c: */
	bool is_judged;    /* each bitmap's problem is known, as far as tables tell */
	char *evidence;    /* why none of the bitmaps can be trusted, or NULL */
	bool is_evidence;  /* the directory itself is what shows it */
	bool is_contested; /* a bitmap has its clusters, too */
};

struct qcow2bm_image {
	struct q2_storage *storage;
	uint64_t file_bytes;
	struct q2_header header;
	uint8_t *head; /* the start of the first cluster, the extension area included */
	size_t head_bytes;
	uint64_t area_end;               /* where header extensions must end */
	struct q2_extension *extensions; /* without the end marker */
	size_t extension_count;
	uint64_t end_marker_off; /* where the end marker stands, or would */
	bool has_end_marker;
	bool has_bitmaps_extension;
	bool has_second_extension;
	bool must_reopen; /* what a commit left behind is not known: it must be opened anew */
	bool is_tolerant; /* opened with QCOW2BM_OPEN_DAMAGED */
	struct q2_damage *damages;
	size_t damage_count;
	struct q2_directory directory;
	struct q2_generation *generation; /* NULL until somebody asks for it */
	char *backing_filename, *backing_format, *data_filename;
	uint8_t *snapshot_table; /* loaded when first asked for */
	size_t snapshot_table_bytes;
	char *snapshot_id, *snapshot_name;
	unsigned next_snapshot; /* behind the one that was read last; 0: none was */
	size_t next_snapshot_at;
	/* Places of the active disk's L2 tables, 0 for those that name nothing; loaded when first
	 * asked for. */
	uint64_t *layer_l1;
	/* The last bitmap that was measured: a hostile image has one table for all of them. */
	struct q2_directory_entry measured_entry;
	bool measured_bits;
	struct qcow2bm_measure measured;
};

/* Opens the image in `storage`, which the image owns from then on, also after a failure.
 * Errors: as qcow2bm_image_open(). */
enum qcow2bm_code q2_image_open(struct qcow2bm_image **image, struct q2_storage *storage,
				struct qcow2bm_error *err);

/* The same for qcow2bm_image_open() with QCOW2BM_OPEN_DAMAGED. */
enum qcow2bm_code q2_image_open_damaged(struct qcow2bm_image **image,
					struct q2_storage *storage,
					struct qcow2bm_error *err);

/* Reads the header and its extensions again: after a commit, whose writes it then shows. Does
 * not touch the directory. */
enum qcow2bm_code q2_image_load_header(struct qcow2bm_image *image,
				       struct qcow2bm_error *err);

/* The extension of this type, or NULL. */
const struct q2_extension *q2_image_find_extension(const struct qcow2bm_image *image,
						   uint32_t type);

/* Where the last cluster of the file ends, of which the file may have a part. */
static inline uint64_t q2_image_end(const struct qcow2bm_image *image)
{
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	return image->file_bytes > INT64_MAX - cluster_bytes
		       ? image->file_bytes
		       : q2_round_up(image->file_bytes, cluster_bytes);
}

/* The data of an extension of this image. */
const uint8_t *q2_image_extension_data(const struct qcow2bm_image *image,
				       const struct q2_extension *extension);

/* ---- directory.c ---- */

/* Parses `bytes`, which it owns from then on, also after a failure. A bad entry gets a problem;
 * lengths that do not add up are an error. */
enum qcow2bm_code q2_directory_parse(struct q2_directory *directory, uint8_t *bytes,
				     size_t size, size_t count, uint64_t off,
				     const struct q2_header *header,
				     struct qcow2bm_error *err);
/* Checks every entry, and finds names that are there twice. Errors: ENOMEM. */
enum qcow2bm_code q2_directory_index(struct q2_directory *directory,
				     const struct q2_header *header,
				     struct qcow2bm_error *err);
enum qcow2bm_code q2_directory_load(struct qcow2bm_image *image,
				    struct qcow2bm_error *err);
/* Whether the file has the directory that the extension tells of, whose size is within limits: all
 * of it but, at most, the padding of the last entry. */
bool q2_directory_is_there(const struct qcow2bm_image *image,
			   const struct q2_bitmaps_extension *extension);
void q2_directory_free(struct q2_directory *directory);

/* Where in by_name the first name stands that is not less than this one, byte by byte; count when
 * all are less. */
size_t q2_directory_lower_bound(const struct q2_directory *directory, const void *name,
				size_t name_bytes);

/* Notes why a bitmap is corrupt; the first reason stays. Errors: ENOMEM. */
enum qcow2bm_code q2_directory_note_problem(struct q2_bitmap *bitmap,
					    const char *sentence,
					    struct qcow2bm_error *err);

/* The first index with this name, or QCOW2BM_NOT_FOUND; how many have it in *same. */
size_t q2_directory_find(const struct q2_directory *directory, const void *name,
			 size_t name_bytes, size_t *same);

/* ---- salvage.c ---- */

/* Loads what can be located of a damaged directory, and notes the damage. Errors: ESYSTEM,
 * ENOMEM. */
enum qcow2bm_code q2_salvage_load(struct qcow2bm_image *image, struct qcow2bm_error *err);

/* ---- unknown.c ---- */

/* Whether it is the type of a header extension that has a meaning here. */
bool q2_unknown_is_known(uint32_t type);

/* Whether the header has an extension, a compatible or autoclear feature bit or a field that
 * nobody here knows: it may own clusters that nothing else refers to. */
bool q2_unknown_may_own(const struct qcow2bm_image *image);

/* ---- tables.c ---- */

/* Loads and checks the table of a committed bitmap: its entries as numbers, to be freed. Data
 * must lie inside the file as far as the bitmap has bits. Errors: EIMAGE, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_tables_load(struct qcow2bm_image *image,
				 const struct q2_bitmap *bitmap, uint64_t **entries,
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

/* Calls fn for each entry, 0 aside, of a table that lies inside the file, as a number that may
 * break every rule. Holes are not read. Errors: those of fn; ESYSTEM, ENOMEM. */
enum qcow2bm_code
q2_tables_visit(const struct qcow2bm_image *image, const struct q2_bitmap *bitmap,
		enum qcow2bm_code (*fn)(void *opaque, uint32_t idx, uint64_t entry,
					struct qcow2bm_error *err),
		void *opaque, struct qcow2bm_error *err);

/* How many bytes of its data cluster entry idx of the table needs. */
uint64_t q2_tables_needed_bytes(const struct qcow2bm_image *image,
				const struct q2_bitmap *bitmap, uint32_t idx);

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

/* ---- snapshots.c ---- */

/* Loads the snapshot table when it is not loaded yet. */
enum qcow2bm_code q2_snapshots_load(struct qcow2bm_image *image,
				    struct qcow2bm_error *err);

/* Calls fn for the L1 table of each internal snapshot. */
enum qcow2bm_code q2_snapshots_each_l1(struct qcow2bm_image *image,
				       enum qcow2bm_code (*fn)(void *opaque, uint64_t off,
							       uint32_t entries,
							       struct qcow2bm_error *err),
				       void *opaque, struct qcow2bm_error *err);

#endif
