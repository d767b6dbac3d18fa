/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An open image: its storage, the decoded header and the committed bitmap directory. */
#ifndef Q2_IMAGE_IMAGE_H
#define Q2_IMAGE_IMAGE_H

#include "../base/checked.h"
#include "../format/entry.h"
#include "../format/extension.h"
#include "../format/header.h"
#include "../storage/storage.h"
#include "problem_table.h"

/* A committed bitmap. The entry's name and extra data point into the directory's bytes. */
struct q2_bitmap {
	struct q2_directory_entry entry;
	uint64_t off;          /* of the entry in the image file */
	char *problem;         /* why the bitmap is corrupt, or NULL */
	const uint8_t *table;  /* its entries, where they were kept (tables.c), or NULL */
	uint32_t kept_entries; /* so many of them: those behind are 0 */
	/* Of a salvaged directory: */
	bool has_bad_length; /* the entry's end is not where its lengths say */
	bool is_surplus;     /* behind the nb_bitmaps that the extension counts */
	/* Of a directory that was judged: */
	bool is_evidence;   /* that a program wrote which knows no bitmaps */
	bool is_contested;  /* something else of the bitmaps' has its clusters, too */
	bool is_padded;     /* its entry is filled up with what an edit would not write */
	bool has_own_table; /* no other has a part of it, and the file has all of it */
	bool is_tail_judged;         /* bits behind the end of the disk were looked for */
	struct qcow2bm_bitmap shown; /* what the caller was given */
};

/* Damage to the bitmaps extension or to the directory as a whole: salvage.c found it. */
struct q2_damage {
	enum q2_problem_id id;
	uint64_t off;
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
	uint8_t *tables; /* room for those that are kept */
	size_t tables_bytes, tables_room;
	/* soundness.c: */
	bool is_judged;    /* each bitmap's problem is known, as far as tables tell */
	char *evidence;    /* why none of the bitmaps can be trusted, or NULL */
	bool is_evidence;  /* the directory itself is what shows it */
	bool is_contested; /* a bitmap has its clusters, too */
};

/* How far the commit of an edit has come that others must wait for. */
enum q2_pending {
	Q2_PENDING_NOTHING,
	Q2_PENDING_PREPARED,
	Q2_PENDING_SWITCHED /* the old directory is still what this struct knows */
};

struct qcow2bm_image {
	struct q2_storage *storage;
	struct qcow2bm_image_info *info; /* what the caller was given */
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
	enum q2_pending pending;
	bool is_tolerant; /* opened with QCOW2BM_OPEN_DAMAGED */
	struct q2_damage *damages;
	size_t damage_count;
	struct q2_directory directory;
	struct q2_generation *generation; /* NULL until somebody asks for it */
	char *backing_filename, *backing_format, *data_filename;
	uint8_t *snapshot_table; /* loaded when first asked for */
	size_t snapshot_table_bytes;
	char *snapshot_id, *snapshot_name;
	struct qcow2bm_snapshot snapshot; /* what the caller was given */
	unsigned next_snapshot; /* behind the one that was read last; 0: none was */
	size_t next_snapshot_at;
	/* Places of the active disk's L2 tables, 0 for those that name nothing; loaded when first
	 * asked for. */
	uint64_t *layer_l1;
	struct qcow2bm_measure
		measured; /* of the last bitmap that was: the caller has it */
};

/* Opens the image in `storage`, which the image owns from then on, also after a failure.
 * Errors: as qcow2bm_image_open(). */
enum qcow2bm_code q2_image_open(struct qcow2bm_image **image, struct q2_storage *storage,
				struct qcow2bm_error *err);

/* The same for qcow2bm_image_open() with QCOW2BM_OPEN_DAMAGED. */
enum qcow2bm_code q2_image_open_damaged(struct qcow2bm_image **image,
					struct q2_storage *storage,
					struct qcow2bm_error *err);

/* Whether the disk's data are in another file: a guest that writes in place leaves this one as it
 * is, its times included. */
static inline bool q2_image_has_data_file(const struct qcow2bm_image *image)
{
	return (image->header.incompatible_features & Q2_INCOMPATIBLE_DATA_FILE) != 0;
}

/* Where the last cluster of the file ends, of which the file may have a part. */
static inline uint64_t q2_image_end(const struct qcow2bm_image *image)
{
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	return image->file_bytes > INT64_MAX - cluster_bytes
		       ? image->file_bytes
		       : q2_round_up(image->file_bytes, cluster_bytes);
}

#endif
