/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Judging the bitmaps of an image before anybody believes them. */
#include "soundness.h"

#include <stdio.h>
#include <stdlib.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../base/options.h"
#include "../format/table.h"
#include "../image/directory.h"
#include "../image/tables.h"
#include "evidence.h"
#include "refs.h"
#include "structures.h"

struct place {
	uint64_t off, end;
	size_t idx;
};

struct judgement {
	struct qcow2bm_image *image;
	struct place *places; /* of tables that have one, in the order of the file */
	size_t place_count;
	struct q2_clusters used; /* the directory, tables and data of all bitmaps */
	/* The parts of it that are wrong: */
	struct q2_clusters shared;    /* named more than once */
	struct q2_clusters metadata;  /* another structure of the image, too */
	struct q2_clusters uncounted; /* counted as free, and nobody else's */
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
		snprintf(
			sentence, sizeof(sentence),
			"QEMU opens no image with a bitmap of granularity_bits %d, outside %d..%d",
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
	bitmap->is_padded = q2_directory_find_padding(bitmap) != QCOW2BM_NO_OFFSET;
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
	bitmap->has_own_table = false;
	bitmap->is_contested = true;
	snprintf(sentence, sizeof(sentence),
		 "its table at byte %llu is that of another bitmap, too",
		 (unsigned long long)bitmap->entry.table_off);
	return q2_directory_note_problem(bitmap, sentence, err);
}

/* Tables that overlap are not read: together the others are no longer than the file. */
static enum qcow2bm_code separate(struct judgement *judgement, struct qcow2bm_error *err)
{
	const struct place *places = judgement->places;
	size_t longest = 0; /* of the tables so far, the one that reaches furthest */
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 1; code == QCOW2BM_OK && i < judgement->place_count; i++) {
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
	enum qcow2bm_code code = q2_tables_scan(image, bitmap, NULL, NULL, &why);
	if (code == QCOW2BM_OK)
		return QCOW2BM_OK;
	if (code == QCOW2BM_EIMAGE)
		return q2_directory_note_problem(bitmap, why.sentence, err);
	return q2_pass(err, &why);
}

static void add_place(struct judgement *judgement, size_t idx, bool *is_sorted)
{
	struct qcow2bm_image *image = judgement->image;
	struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	uint64_t off = bitmap->entry.table_off, bytes = table_bytes(bitmap);
	struct place *place = &judgement->places[judgement->place_count++];
	bytes = q2_round_up(bytes, q2_header_cluster_bytes(&image->header));
	*place = (struct place){off, off + bytes, idx};
	*is_sorted &= judgement->place_count == 1 || by_off(place - 1, place) < 0;
	bitmap->has_own_table = true;
}

/* Judges each entry by itself, and its table's place. */
static enum qcow2bm_code judge_places(struct judgement *judgement,
				      struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = judgement->image;
	enum qcow2bm_code code = QCOW2BM_OK;
	bool is_sorted = true;
	for (size_t i = 0; code == QCOW2BM_OK && i < image->directory.count; i++) {
		struct q2_bitmap *bitmap = &image->directory.bitmaps[i];
		uint64_t off = bitmap->entry.table_off;
		code = judge_entry(bitmap, err);
		if (code != QCOW2BM_OK || !is_claimant(bitmap))
			continue;
		if (off == 0 || !q2_tables_has_place(image, &bitmap->entry) ||
		    !q2_checked_within(off, table_bytes(bitmap), image->file_bytes))
			code = note_unreadable(image, bitmap, err);
		else
			add_place(judgement, i, &is_sorted);
	}
	if (!is_sorted)
		qsort(judgement->places, judgement->place_count,
		      sizeof(*judgement->places), by_off);
	return code == QCOW2BM_OK ? separate(judgement, err) : code;
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
	bool is_faulty = q2_tables_judge_entry(image, look->bitmap, idx, entry) !=
			 Q2_TABLE_FAULT_NONE;
	look->is_faulty |= is_faulty;
	if (entry == Q2_TABLE_ONES || (is_faulty && !q2_tables_names_data(image, entry)))
		return QCOW2BM_OK;
	return q2_clusters_add(&look->judgement->used,
			       entry >> image->header.cluster_bits, 1, err);
}

static enum qcow2bm_code collect_table(struct judgement *judgement, size_t idx,
				       struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = judgement->image;
	struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	struct look look = {judgement, bitmap, false};
	enum qcow2bm_code code =
		q2_refs_add_bytes(&judgement->used, image, bitmap->entry.table_off,
				  table_bytes(bitmap), err);
	if (code == QCOW2BM_OK)
		code = q2_tables_keep(image, idx, err);
	if (code == QCOW2BM_OK)
		code = q2_tables_visit(image, bitmap, collect_entry, &look, err);
	if (code == QCOW2BM_OK && look.is_faulty)
		code = note_unreadable(image, bitmap, err);
	return code;
}

static enum qcow2bm_code collect_used(struct judgement *judgement,
				      struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = judgement->image;
	struct q2_clusters *used = &judgement->used;
	const struct q2_directory *directory = &image->directory;
	enum qcow2bm_code code =
		q2_refs_add_bytes(used, image, directory->off, directory->size, err);
	/* What two tables share is read for neither, but is no data of a third. */
	for (size_t i = 0; code == QCOW2BM_OK && i < judgement->place_count; i++) {
		const struct place *place = &judgement->places[i];
		if (directory->bitmaps[place->idx].has_own_table)
			code = collect_table(judgement, place->idx, err);
		else
			code = q2_refs_add_bytes(used, image, place->off,
						 place->end - place->off, err);
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
		q2_refcounts_open_damaged(&refcounts, judgement->image, NULL, err);
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

/* The worst of what was found becomes the bitmap's problem. */
static enum qcow2bm_code note_tally(struct q2_bitmap *bitmap, const struct tally *tally,
				    struct qcow2bm_error *err)
{
	char sentence[160];
	if (tally->metadata != 0)
		snprintf(sentence, sizeof(sentence),
			 "%llu of its clusters belong to the image's own structures, too",
			 (unsigned long long)tally->metadata);
	else if (tally->shared != 0)
		snprintf(
			sentence, sizeof(sentence),
			"%llu of its clusters are named more than once, by it, another bitmap or the directory",
			(unsigned long long)tally->shared);
	else if (tally->uncounted != 0)
		snprintf(
			sentence, sizeof(sentence),
			"%llu of its clusters are counted as free: they may have been written over",
			(unsigned long long)tally->uncounted);
	else
		return QCOW2BM_OK;
	return q2_directory_note_problem(bitmap, sentence, err);
}

/* Finds the bitmaps that the contested and uncounted clusters belong to. */
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
		if (!bitmap->has_own_table)
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

static enum qcow2bm_code find_evidence(struct judgement *judgement,
				       struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = judgement->image;
	const struct q2_directory *directory = &image->directory;
	unsigned cluster_bits = image->header.cluster_bits;
	uint64_t first = directory->off >> cluster_bits;
	uint64_t end = q2_shift_up(directory->off + directory->size, cluster_bits);
	bool is_free =
		q2_clusters_overlap(&judgement->uncounted, first, end - first, NULL);
	return q2_evidence_judge(judgement->image, is_free, err);
}

static enum qcow2bm_code judge(struct judgement *judgement, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = judge_places(judgement, err);
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
		.places = calloc(directory->count, sizeof(*judgement.places)),
	};
	enum qcow2bm_code code =
		judgement.places == NULL
			? q2_fail_memory(err, "the places of bitmap tables")
			: judge(&judgement, err);
	free(judgement.places);
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
	enum qcow2bm_code code = q2_soundness_judge(image, err);
	if (code != QCOW2BM_OK || bitmap->problem != NULL || bitmap->is_tail_judged)
		return code;
	uint64_t last, off;
	code = q2_tables_load_last(image, bitmap, &last, err);
	if (code == QCOW2BM_OK)
		code = q2_tables_find_tail_bit(image, &bitmap->entry, last, &off, err);
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
