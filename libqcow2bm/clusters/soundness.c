/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Judging the bitmaps of an image before anybody believes them. */
#define _POSIX_C_SOURCE 200809L /* strdup() */
#include "soundness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../base/options.h"
#include "../format/table.h"
#include "../image/directory.h"
#include "../image/tables.h"
#include "refs.h"
#include "structures.h"

struct judgement {
	struct qcow2bm_image *image;
	bool *is_read;           /* for each bitmap: its table has a place of its own */
	struct q2_clusters used; /* the directory, tables and data of all bitmaps */
	/* The parts of it that are wrong: */
	struct q2_clusters shared;    /* named more than once */
	struct q2_clusters metadata;  /* another structure of the image, too */
	struct q2_clusters uncounted; /* counted as free, and nobody else's */
};

struct place {
	uint64_t off, end;
	size_t idx;
};

/* An entry without a name is no bitmap, and has no claim on anything. */
static bool is_claimant(const struct q2_bitmap *bitmap)
{
	return bitmap->entry.name_bytes != 0;
}

static uint64_t table_bytes(const struct q2_bitmap *bitmap)
{
	return (uint64_t)bitmap->entry.table_entries * Q2_TABLE_ENTRY_BYTES;
}

/* ---- Entries ---- */

/* A name may have been longer. */
static bool has_padding(const struct q2_bitmap *bitmap)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	uint64_t end = Q2_DIRECTORY_ENTRY_MIN_BYTES + (uint64_t)entry->extra_bytes +
		       entry->name_bytes;
	size_t padding = (size_t)(q2_round_up(end, 8) - end), at = 0;
	while (at < padding && entry->name[entry->name_bytes + at] == 0)
		at++;
	return at < padding;
}

/* What q2_directory_entry_check() lets pass, but QEMU does not, or salvage.c has found. */
static enum qcow2bm_code judge_entry(struct q2_bitmap *bitmap, struct qcow2bm_error *err)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	char sentence[160];
	if (bitmap->has_bad_length)
		return q2_directory_note_problem(
			bitmap, "the lengths in its entry do not lead to the next entry",
			err);
	if (entry->granularity_bits < Q2_DIRECTORY_MIN_GRANULARITY_BITS ||
	    entry->granularity_bits > Q2_DIRECTORY_MAX_GRANULARITY_BITS) {
		snprintf(sentence, sizeof(sentence),
			 "QEMU opens no image with a bitmap of granularity_bits %d, "
			 "outside %d..%d",
			 entry->granularity_bits, Q2_DIRECTORY_MIN_GRANULARITY_BITS,
			 Q2_DIRECTORY_MAX_GRANULARITY_BITS);
		return q2_directory_note_problem(bitmap, sentence, err);
	}
	if (entry->extra_bytes == 0 &&
	    (entry->flags & Q2_DIRECTORY_FLAG_EXTRA_COMPATIBLE))
		return q2_directory_note_problem(
			bitmap,
			"a flag says what to do with its extra data, but it has none",
			err);
	bitmap->is_padded = has_padding(bitmap);
	if (bitmap->is_padded)
		return q2_directory_note_problem(
			bitmap, "the bytes that fill its entry up are not zero", err);
	return QCOW2BM_OK;
}

/* ---- Places of tables ---- */

static int by_off(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return (x->idx > y->idx) - (x->idx < y->idx);
}

static enum qcow2bm_code note_shared(struct judgement *judgement, size_t idx,
				     struct qcow2bm_error *err)
{
	struct q2_bitmap *bitmap = &judgement->image->directory.bitmaps[idx];
	char sentence[160];
	judgement->is_read[idx] = false;
	bitmap->is_contested = true;
	snprintf(sentence, sizeof(sentence),
		 "its table at byte %llu is that of another bitmap, too",
		 (unsigned long long)bitmap->entry.table_off);
	return q2_directory_note_problem(bitmap, sentence, err);
}

/* Tables that overlap are not read: together the others are no longer than the file. */
static enum qcow2bm_code separate(struct judgement *judgement, const struct place *places,
				  size_t count, struct qcow2bm_error *err)
{
	size_t longest = 0; /* of the tables so far, the one that reaches furthest */
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 1; code == QCOW2BM_OK && i < count; i++) {
		if (places[i].off < places[longest].end) {
			code = note_shared(judgement, places[longest].idx, err);
			if (code == QCOW2BM_OK)
				code = note_shared(judgement, places[i].idx, err);
		}
		if (places[i].end > places[longest].end)
			longest = i;
	}
	return code;
}

/* A bitmap whose table cannot be read in its place gets the sentence of the one who tries. */
static enum qcow2bm_code note_unreadable(struct qcow2bm_image *image,
					 struct q2_bitmap *bitmap,
					 struct qcow2bm_error *err)
{
	struct qcow2bm_error why = {0};
	uint64_t *table;
	enum qcow2bm_code code = q2_tables_load(image, bitmap, &table, &why);
	if (code == QCOW2BM_OK) {
		free(table);
		return QCOW2BM_OK;
	}
	if (code == QCOW2BM_EIMAGE)
		return q2_directory_note_problem(bitmap, why.sentence, err);
	return q2_pass(err, &why);
}

static enum qcow2bm_code judge_places(struct judgement *judgement, struct place *places,
				      struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = judgement->image;
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	enum qcow2bm_code code = QCOW2BM_OK;
	size_t count = 0;
	for (size_t i = 0; code == QCOW2BM_OK && i < image->directory.count; i++) {
		struct q2_bitmap *bitmap = &image->directory.bitmaps[i];
		uint64_t off = bitmap->entry.table_off;
		code = judge_entry(bitmap, err);
		if (code != QCOW2BM_OK || !is_claimant(bitmap))
			continue;
		if (off == 0 || !q2_tables_has_place(image, &bitmap->entry) ||
		    !q2_checked_within(off, table_bytes(bitmap), image->file_bytes)) {
			code = note_unreadable(image, bitmap, err);
			continue;
		}
		judgement->is_read[i] = true;
		uint64_t end = off + q2_round_up(table_bytes(bitmap), cluster_bytes);
		places[count++] = (struct place){off, end, i};
	}
	if (code == QCOW2BM_OK && count > 1)
		qsort(places, count, sizeof(*places), by_off);
	return code == QCOW2BM_OK ? separate(judgement, places, count, err) : code;
}

/* ---- What tables name ---- */

struct look {
	struct judgement *judgement;
	const struct q2_bitmap *bitmap;
	bool is_faulty;
};

static enum qcow2bm_code collect_entry(void *opaque, uint32_t idx, uint64_t entry,
				       struct qcow2bm_error *err)
{
	struct look *look = opaque;
	const struct qcow2bm_image *image = look->judgement->image;
	if (q2_tables_judge_entry(image, look->bitmap, idx, entry) != Q2_TABLE_FAULT_NONE)
		look->is_faulty = true;
	if (!q2_tables_names_data(image, entry))
		return QCOW2BM_OK;
	return q2_clusters_add(&look->judgement->used,
			       entry >> image->header.cluster_bits, 1, err);
}

static enum qcow2bm_code collect_used(struct judgement *judgement,
				      struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = judgement->image;
	struct q2_directory *directory = &image->directory;
	struct q2_clusters *used = &judgement->used;
	enum qcow2bm_code code =
		q2_refs_add_bytes(used, image, directory->off, directory->size, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++) {
		struct q2_bitmap *bitmap = &directory->bitmaps[i];
		struct look look = {judgement, bitmap, false};
		if (!judgement->is_read[i])
			continue;
		code = q2_refs_add_bytes(used, image, bitmap->entry.table_off,
					 table_bytes(bitmap), err);
		if (code == QCOW2BM_OK)
			code = q2_tables_visit(image, bitmap, collect_entry, &look, err);
		if (code == QCOW2BM_OK && look.is_faulty)
			code = note_unreadable(image, bitmap, err);
	}
	return code == QCOW2BM_OK ? q2_clusters_sort(used, &judgement->shared, err)
				  : code;
}

/* ---- Whose they are else, and whether they are counted ---- */

static enum qcow2bm_code meet_structure(void *opaque, uint64_t first, uint64_t clusters,
					struct qcow2bm_error *err)
{
	struct judgement *judgement = opaque;
	uint64_t end = first + clusters, hit;
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK && first < end &&
	       q2_clusters_overlap(&judgement->used, first, end - first, &hit)) {
		code = q2_clusters_add(&judgement->metadata, hit, 1, err);
		first = hit + 1;
	}
	return code;
}

static enum qcow2bm_code find_uncounted(struct judgement *judgement,
					struct q2_refcounts *refcounts,
					struct qcow2bm_error *err)
{
	const struct q2_clusters *used = &judgement->used;
	struct q2_clusters *uncounted = &judgement->uncounted;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < used->count; i++) {
		uint64_t first = used->runs[i].first, stopped;
		code = q2_refcounts_find_free(refcounts, first,
					      first + used->runs[i].count, UINT64_MAX,
					      uncounted, &stopped, err);
	}
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(uncounted, &judgement->shared, err);
	return code == QCOW2BM_OK
		       ? q2_clusters_subtract(uncounted, &judgement->metadata, err)
		       : code;
}

static enum qcow2bm_code compare(struct judgement *judgement, struct qcow2bm_error *err)
{
	struct q2_refcounts refcounts;
	enum qcow2bm_code code =
		q2_refcounts_open_damaged(&refcounts, judgement->image, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_structures_visit(judgement->image, &refcounts, meet_structure,
				   judgement, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&judgement->metadata, NULL, err);
	if (code == QCOW2BM_OK)
		code = find_uncounted(judgement, &refcounts, err);
	q2_refcounts_close(&refcounts);
	return code;
}

/* ---- Back to the bitmaps ---- */

struct tally {
	struct judgement *judgement;
	uint64_t metadata, shared, uncounted; /* clusters */
};

static void count_clusters(struct tally *tally, uint64_t first, uint64_t clusters)
{
	const struct judgement *judgement = tally->judgement;
	tally->metadata += q2_clusters_count(&judgement->metadata, first, clusters);
	tally->shared += q2_clusters_count(&judgement->shared, first, clusters);
	tally->uncounted += q2_clusters_count(&judgement->uncounted, first, clusters);
}

static enum qcow2bm_code count_entry(void *opaque, uint32_t idx, uint64_t entry,
				     struct qcow2bm_error *err)
{
	struct tally *tally = opaque;
	const struct qcow2bm_image *image = tally->judgement->image;
	(void)idx;
	(void)err;
	if (q2_tables_names_data(image, entry))
		count_clusters(tally, entry >> image->header.cluster_bits, 1);
	return QCOW2BM_OK;
}

static enum qcow2bm_code note_tally(struct q2_bitmap *bitmap, const struct tally *tally,
				    struct qcow2bm_error *err)
{
	char sentence[160];
	if (tally->metadata != 0)
		snprintf(sentence, sizeof(sentence),
			 "%llu of its clusters belong to the image's own structures, too",
			 (unsigned long long)tally->metadata);
	else if (tally->shared != 0)
		snprintf(sentence, sizeof(sentence),
			 "%llu of its clusters are named more than once, by it, another "
			 "bitmap or the directory",
			 (unsigned long long)tally->shared);
	else if (tally->uncounted != 0)
		snprintf(sentence, sizeof(sentence),
			 "%llu of its clusters are counted as free: they may have been "
			 "written over",
			 (unsigned long long)tally->uncounted);
	else
		return QCOW2BM_OK;
	return q2_directory_note_problem(bitmap, sentence, err);
}

static enum qcow2bm_code blame(struct judgement *judgement, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = judgement->image;
	struct q2_directory *directory = &image->directory;
	unsigned cluster_bits = image->header.cluster_bits;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (judgement->metadata.count == 0 && judgement->shared.count == 0 &&
	    judgement->uncounted.count == 0)
		return QCOW2BM_OK;
	directory->is_contested =
		q2_clusters_count(&judgement->shared, directory->off >> cluster_bits,
				  q2_shift_up(directory->size, cluster_bits)) != 0;
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++) {
		struct q2_bitmap *bitmap = &directory->bitmaps[i];
		struct tally tally = {.judgement = judgement};
		if (!judgement->is_read[i])
			continue;
		count_clusters(&tally, bitmap->entry.table_off >> cluster_bits,
			       q2_shift_up(table_bytes(bitmap), cluster_bits));
		code = q2_tables_visit(image, bitmap, count_entry, &tally, err);
		if (code == QCOW2BM_OK)
			code = note_tally(bitmap, &tally, err);
		bitmap->is_evidence = tally.uncounted != 0;
		bitmap->is_contested = tally.shared != 0;
	}
	return code;
}

/* ---- Evidence of a program that knows no bitmaps ---- */

/* Whether the table would be right for a disk of another size. */
static bool has_other_size(const struct qcow2bm_image *image,
			   const struct q2_bitmap *bitmap)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	if (bitmap->has_bad_length || (entry->flags & Q2_DIRECTORY_FLAG_IN_USE) ||
	    entry->type != Q2_DIRECTORY_TYPE_DIRTY || !is_claimant(bitmap) ||
	    entry->granularity_bits < Q2_DIRECTORY_MIN_GRANULARITY_BITS ||
	    entry->granularity_bits > Q2_DIRECTORY_MAX_GRANULARITY_BITS ||
	    entry->table_entries == 0 ||
	    entry->table_entries > Q2_TABLE_MAX_BITMAP_BYTES >>
		    image->header.cluster_bits)
		return false;
	uint64_t entries =
		q2_table_shape(image->header.virtual_bytes, entry->granularity_bits,
			       image->header.cluster_bits)
			.entries;
	return entries != 0 && entry->table_entries != entries;
}

static enum qcow2bm_code set_evidence(struct q2_directory *directory,
				      const struct q2_bitmap *bitmap, const char *what,
				      struct qcow2bm_error *err)
{
	char sentence[400];
	int shown = 0;
	if (directory->evidence != NULL)
		return QCOW2BM_OK;
	if (bitmap != NULL)
		shown = bitmap->entry.name_bytes > 100 ? 100 : bitmap->entry.name_bytes;
	snprintf(sentence, sizeof(sentence),
		 "%s%.*s%s: a program that knows no bitmaps may have written to the "
		 "disk",
		 bitmap != NULL ? "bitmap '" : "", shown,
		 bitmap != NULL ? (const char *)bitmap->entry.name : "", what);
	directory->evidence = strdup(sentence);
	return directory->evidence == NULL ? q2_fail_memory(err, "a problem")
					   : QCOW2BM_OK;
}

static enum qcow2bm_code find_evidence_in(struct judgement *judgement,
					  struct q2_bitmap *bitmap, bool is_free,
					  struct qcow2bm_error *err)
{
	bitmap->is_evidence = is_free || has_other_size(judgement->image, bitmap);
	if (!bitmap->is_evidence)
		return QCOW2BM_OK;
	return set_evidence(&judgement->image->directory, bitmap,
			    is_free ? "' has clusters that are counted as free"
				    : "' does not fit the disk's size",
			    err);
}

/* Nobody who knows bitmaps leaves one counted as free, or, unless it is in use, with another disk's
 * size. In a dirty image refcounts are expected to be wrong. */
static enum qcow2bm_code find_evidence(struct judgement *judgement,
				       struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = judgement->image;
	struct q2_directory *directory = &image->directory;
	bool is_dirty = image->header.incompatible_features & Q2_INCOMPATIBLE_DIRTY;
	enum qcow2bm_code code = QCOW2BM_OK;
	uint64_t first = directory->off >> image->header.cluster_bits;
	uint64_t end =
		q2_shift_up(directory->off + directory->size, image->header.cluster_bits);
	directory->is_evidence =
		!is_dirty &&
		q2_clusters_overlap(&judgement->uncounted, first, end - first, NULL);
	if (directory->is_evidence)
		code = set_evidence(directory, NULL,
				    "the bitmap directory is counted as free", err);
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++) {
		struct q2_bitmap *bitmap = &directory->bitmaps[i];
		bool is_free = bitmap->is_evidence && !is_dirty && !bitmap->is_surplus;
		code = find_evidence_in(judgement, bitmap, is_free, err);
	}
	for (size_t i = 0;
	     code == QCOW2BM_OK && directory->evidence != NULL && i < directory->count;
	     i++)
		code = q2_directory_note_problem(&directory->bitmaps[i],
						 directory->evidence, err);
	return code;
}

static enum qcow2bm_code judge(struct judgement *judgement, struct place *places,
			       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = judge_places(judgement, places, err);
	if (code == QCOW2BM_OK)
		code = collect_used(judgement, err);
	if (code == QCOW2BM_OK)
		code = compare(judgement, err);
	if (code == QCOW2BM_OK)
		code = blame(judgement, err);
	return code == QCOW2BM_OK ? find_evidence(judgement, err) : code;
}

enum qcow2bm_code q2_soundness_judge(struct qcow2bm_image *image,
				     struct qcow2bm_error *err)
{
	struct q2_directory *directory = &image->directory;
	if (directory->is_judged || directory->count == 0)
		return QCOW2BM_OK;
	struct judgement judgement = {
		.image = image,
		.is_read = calloc(directory->count, sizeof(*judgement.is_read)),
	};
	struct place *places = calloc(directory->count, sizeof(*places));
	enum qcow2bm_code code =
		judgement.is_read == NULL || places == NULL
			? q2_fail_memory(err, "the places of bitmap tables")
			: judge(&judgement, places, err);
	free(judgement.is_read);
	free(places);
	q2_clusters_free(&judgement.used);
	q2_clusters_free(&judgement.shared);
	q2_clusters_free(&judgement.metadata);
	q2_clusters_free(&judgement.uncounted);
	directory->is_judged = code == QCOW2BM_OK;
	return code;
}

enum qcow2bm_code q2_soundness_judge_bits(struct qcow2bm_image *image, size_t idx,
					  struct qcow2bm_error *err)
{
	struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	const struct q2_directory_entry *entry = &bitmap->entry;
	enum qcow2bm_code code = q2_soundness_judge(image, err);
	if (code != QCOW2BM_OK || bitmap->problem != NULL || bitmap->is_tail_judged)
		return code;
	uint8_t last[Q2_TABLE_ENTRY_BYTES];
	uint64_t off;
	code = q2_storage_read(image->storage, last, sizeof(last),
			       entry->table_off + table_bytes(bitmap) - sizeof(last),
			       err);
	if (code == QCOW2BM_OK)
		code = q2_tables_find_tail_bit(image, entry, q2_be64_load(last), &off,
					       err);
	if (code == QCOW2BM_OK && off != QCOW2BM_NO_OFFSET)
		code = q2_directory_note_problem(
			bitmap, "bits behind the end of the disk are set", err);
	bitmap->is_tail_judged = code == QCOW2BM_OK;
	return code;
}

static enum qcow2bm_code check_index(const struct qcow2bm_image *image, size_t idx,
				     struct qcow2bm_error *err)
{
	if (idx < image->directory.count)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		       "there is no bitmap number %zu; the image has %zu, counted from 0",
		       idx, image->directory.count);
}

enum qcow2bm_code qcow2bm_bitmap_judge(struct qcow2bm_image *image, size_t idx,
				       const struct qcow2bm_watch *watch,
				       struct qcow2bm_error *err)
{
	struct q2_watch own;
	enum qcow2bm_code code =
		idx == QCOW2BM_NOT_FOUND ? QCOW2BM_OK : check_index(image, idx, err);
	if (code == QCOW2BM_OK)
		code = q2_storage_watch(image->storage, &own, watch, err);
	if (code == QCOW2BM_OK)
		code = idx == QCOW2BM_NOT_FOUND
			       ? q2_soundness_judge(image, err)
			       : q2_soundness_judge_bits(image, idx, err);
	q2_storage_unwatch(image->storage);
	return code;
}

enum qcow2bm_code q2_soundness_admit(struct qcow2bm_image *image, size_t idx,
				     unsigned flags, bool are_read,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_options_check(
		flags, QCOW2BM_READ_COUNT | QCOW2BM_READ_UNTRUSTED, "reading", err);
	if (code == QCOW2BM_OK)
		code = check_index(image, idx, err);
	if (code == QCOW2BM_OK)
		code = are_read ? q2_soundness_judge_bits(image, idx, err)
				: q2_soundness_judge(image, err);
	if (code != QCOW2BM_OK)
		return code;
	const struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	if (bitmap->problem == NULL || (flags & QCOW2BM_READ_UNTRUSTED))
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_EIMAGE, bitmap->off, "%s", bitmap->problem);
}
