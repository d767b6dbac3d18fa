/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Proof before release: a cluster is the bitmaps' own when its refcount is exactly 1 and
 * nothing else names it. What cannot be proven is leaked, never freed.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../clusters/search.h"
#include "../image/tables.h"
#include "apart.h"
#include "believed.h"

/* Tables of sound bitmaps never overlap. So many bytes are read although others have them too. */
#define MAX_SHARED_BYTES (16u << 20)

/* Whether the committed bitmap idx keeps its table and data whatever the edit does. */
static bool is_kept(const struct qcow2bm_edit *edit, size_t idx)
{
	const struct q2_staged *staged = &edit->staged[idx];
	return !staged->is_deleted && !q2_edit_changes_content(staged);
}

static void explain(struct q2_plan *plan, const char *reason)
{
	if (plan->leak_reason[0] == '\0')
		snprintf(plan->leak_reason, sizeof(plan->leak_reason), "%.255s", reason);
}

/* A committed bitmap, and where its table is. */
struct place {
	size_t idx;
	const struct q2_directory_entry *entry;
};

static int by_table(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->entry->table_off != y->entry->table_off)
		return x->entry->table_off < y->entry->table_off ? -1 : 1;
	if (x->entry->table_entries != y->entry->table_entries)
		return x->entry->table_entries < y->entry->table_entries ? -1 : 1;
	return x->entry->granularity_bits - y->entry->granularity_bits;
}

static bool is_same_table(const struct place *x, const struct place *y)
{
	return by_table(x, y) == 0;
}

/* The committed bitmaps that stay, or those that do not, in the order of their tables. */
static enum qcow2bm_code list_places(const struct q2_plan *plan, bool kept,
				     struct place **places, size_t *count,
				     struct qcow2bm_error *err)
{
	const struct q2_directory *directory = &plan->edit->image->directory;
	*count = 0;
	*places = malloc((directory->count + 1) * sizeof(**places));
	if (*places == NULL)
		return q2_fail_memory(err, "an edit");
	for (size_t i = 0; i < directory->count; i++)
		if (is_kept(plan->edit, i) == kept)
			(*places)[(*count)++] =
				(struct place){i, &directory->bitmaps[i].entry};
	qsort(*places, *count, sizeof(**places), by_table);
	return QCOW2BM_OK;
}

/* Reads of tables that overlap must come to an end, in a hostile image too. `end` is where those
 * before it end. */
static enum qcow2bm_code bound_shared(const struct place *place, uint64_t *end,
				      uint64_t *shared_bytes, struct qcow2bm_error *err)
{
	uint64_t off = place->entry->table_off;
	uint64_t bytes = (uint64_t)place->entry->table_entries * Q2_TABLE_ENTRY_BYTES;
	if (off < *end)
		*shared_bytes += q2_min_u64(bytes, *end - off);
	if (*shared_bytes > MAX_SHARED_BYTES)
		return q2_fail(
			err, QCOW2BM_EIMAGE, off,
			"the tables of bitmaps overlap, the one at %llu and many before it" QCOW2BM_SEE_CHECK,
			(unsigned long long)off);
	if (bytes <= UINT64_MAX - off)
		*end = q2_max_u64(*end, off + bytes);
	return QCOW2BM_OK;
}

/* Calls fn for each of them; of those with the same table only for `most`. */
static enum qcow2bm_code each_place(struct q2_plan *plan, bool kept, size_t most,
				    enum qcow2bm_code (*fn)(struct q2_plan *plan,
							    size_t idx, void *opaque,
							    struct qcow2bm_error *err),
				    void *opaque, struct qcow2bm_error *err)
{
	struct place *places;
	size_t count, same = 0;
	uint64_t end = 0, shared_bytes = 0;
	enum qcow2bm_code code = list_places(plan, kept, &places, &count, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < count; i++) {
		same = i > 0 && is_same_table(&places[i - 1], &places[i]) ? same + 1 : 0;
		if (same >= most)
			continue;
		code = q2_watch_look(plan->watch, err);
		if (code == QCOW2BM_OK)
			code = bound_shared(&places[i], &end, &shared_bytes, err);
		if (code == QCOW2BM_OK)
			code = fn(plan, places[i].idx, opaque, err);
	}
	free(places);
	return code;
}

/* Adds the table and the data of a bitmap that is deleted or gets a new content. */
static enum qcow2bm_code collect_bitmap(struct q2_plan *plan, size_t idx, void *opaque,
					struct qcow2bm_error *err)
{
	struct q2_clusters *set = opaque;
	struct qcow2bm_edit *edit = plan->edit;
	const struct q2_staged *staged = &edit->staged[idx];
	const struct q2_bitmap *bitmap = &edit->image->directory.bitmaps[idx];
	struct qcow2bm_error problem = {0};
	enum qcow2bm_code code = q2_refs_add_bitmap(set, edit->image, bitmap, &problem);
	if (code == QCOW2BM_OK)
		return QCOW2BM_OK;
	if (code != QCOW2BM_EIMAGE || !(staged->is_deleted || staged->ignores_table))
		return q2_pass(err, &problem);
	/* Which clusters it has cannot be told: not even how many are leaked, unless a repair
	 * has seen that nothing refers to them. */
	explain(plan, problem.sentence);
	plan->has_lost_table |=
		!edit->repair.saw_every_reference || staged->is_seen_in_use;
	return QCOW2BM_OK;
}

/* Tables and data of the bitmaps that are deleted or get a new content. What two of them name is
 * known as such after the second. */
static enum qcow2bm_code collect_bitmaps(struct q2_plan *plan, struct q2_clusters *set,
					 struct qcow2bm_error *err)
{
	return each_place(plan, false, 2, collect_bitmap, set, err);
}

struct look {
	const struct q2_clusters *wanted;
	struct q2_clusters *named;
	bool *all;
};

static enum qcow2bm_code look_in_bitmap(struct q2_plan *plan, size_t idx, void *opaque,
					struct qcow2bm_error *err)
{
	const struct look *look = opaque;
	struct qcow2bm_image *image = plan->edit->image;
	const struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	struct qcow2bm_error problem = {0};
	enum qcow2bm_code code = q2_refs_find_in_bitmap(image, bitmap, look->wanted,
							look->named, &problem);
	if (code == QCOW2BM_OK)
		return QCOW2BM_OK;
	if (code != QCOW2BM_EIMAGE)
		return q2_pass(err, &problem);
	explain(plan, "another bitmap is corrupt, so what it occupies is unknown");
	*look->all = false;
	return q2_refs_survey_bitmap(image, bitmap, look->named, &plan->cut_off, err);
}

/* Adds to `named` what other bitmaps name of `wanted`; *all is false when one of them cannot
 * be read. */
static enum qcow2bm_code look_in_bitmaps(struct q2_plan *plan,
					 const struct q2_clusters *wanted,
					 struct q2_clusters *named, bool *all,
					 struct qcow2bm_error *err)
{
	struct look look = {wanted, named, all};
	return each_place(plan, true, 1, look_in_bitmap, &look, err);
}

/* The clusters of `set` that something else names, or that are not counted exactly once, are
 * taken out of it. */
static enum qcow2bm_code keep_proven(struct q2_plan *plan, struct q2_clusters *set,
				     const struct q2_clusters *named,
				     const struct q2_clusters *twice,
				     struct qcow2bm_error *err)
{
	uint64_t before = q2_clusters_total(set);
	enum qcow2bm_code code = q2_clusters_subtract(set, twice, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(set, &plan->refs.metadata, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(set, named, err);
	if (code == QCOW2BM_OK && q2_clusters_total(set) != before)
		explain(plan,
			"guest data, other metadata or another bitmap occupies them too");
	before = q2_clusters_total(set);
	if (code == QCOW2BM_OK)
		code = q2_refcounts_keep_ones(&plan->refcounts, set, err);
	if (code == QCOW2BM_OK && q2_clusters_total(set) != before)
		explain(plan, "their refcounts are not 1");
	return code;
}

struct proof {
	struct q2_clusters directory; /* of the committed directory; it proves itself */
	struct q2_clusters bitmaps;
	struct q2_clusters in_place; /* what the commit writes without moving it */
	struct q2_clusters wanted;
	struct q2_clusters named;
	struct q2_clusters
		guest; /* what the L2 tables name of it, and of what is believed */
	struct q2_clusters twice;
	bool all;
};

/* Collects what the edit gives up, and every cluster whose owner has to be known. */
static enum qcow2bm_code collect(struct q2_plan *plan, struct proof *proof,
				 struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = plan->edit->image;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (image->directory.size != 0)
		code = q2_refs_add_bytes(&proof->directory, image, image->directory.off,
					 image->directory.size, err);
	if (code == QCOW2BM_OK)
		code = collect_bitmaps(plan, &proof->bitmaps, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&proof->bitmaps, &proof->twice, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&plan->given_up, &proof->directory, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&plan->given_up, &proof->bitmaps, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&plan->given_up, &proof->twice, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&proof->twice, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_apart_collect(plan, &proof->in_place, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&proof->wanted, &proof->in_place, err);
	/* What is free by its refcount is looked for as well: what is found there is in use. */
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&proof->wanted, &plan->alloc.free_clusters,
					  err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&proof->wanted, &plan->given_up, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&proof->wanted, &plan->carved, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&proof->wanted, NULL, err);
	return code;
}

/* Looks in the L2 tables, once, for what is wanted and for the bits that the edit takes for true. */
static enum qcow2bm_code look_in_guest(struct q2_plan *plan, struct proof *proof,
				       struct qcow2bm_error *err)
{
	struct q2_clusters sought = {0};
	enum qcow2bm_code code = q2_believed_collect(plan, &sought, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&sought, &proof->wanted, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&sought, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_search_find(plan->edit->image, &plan->refs.l2_tables, &sought,
				      &proof->guest, plan->watch, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&proof->guest, NULL, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&proof->named, &proof->guest, err);
	q2_clusters_free(&sought);
	return code;
}

/* Finds in what is wanted what kept bitmaps and, unless refcounts are trusted, the guest name. */
static enum qcow2bm_code look_everywhere(struct q2_plan *plan, bool walk,
					 struct proof *proof, struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		look_in_bitmaps(plan, &proof->wanted, &proof->named, &proof->all, err);
	if (code == QCOW2BM_OK && walk)
		code = look_in_guest(plan, proof, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&proof->named, NULL, err);
	return code;
}

static enum qcow2bm_code keep_owned(struct q2_plan *plan, struct proof *proof,
				    struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		keep_proven(plan, &proof->directory, &proof->named, &proof->twice, err);
	if (code == QCOW2BM_OK)
		code = keep_proven(plan, &proof->bitmaps, &proof->named, &proof->twice,
				   err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&plan->provable, &proof->directory, err);
	if (code == QCOW2BM_OK && proof->all)
		code = q2_clusters_append(&plan->provable, &proof->bitmaps, err);
	return code == QCOW2BM_OK ? q2_clusters_sort(&plan->provable, NULL, err) : code;
}

/* For a repair that has seen every reference: what is old and nobody's is ours, however often
 * it is counted. What is somebody's is not leaked. */
static enum qcow2bm_code keep_unnamed(struct q2_plan *plan,
				      const struct q2_clusters *named,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_clusters_subtract(&plan->given_up, &plan->refs.metadata, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&plan->given_up, named, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&plan->provable, &plan->given_up, err);
	return code == QCOW2BM_OK ? q2_clusters_sort(&plan->provable, NULL, err) : code;
}

/* Proves that what is freed is the bitmaps' alone, and that what is used is nobody's. */
static enum qcow2bm_code prove(struct q2_plan *plan, struct proof *proof,
			       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = collect(plan, proof, err);
	bool is_whole = plan->edit->repair.saw_every_reference;
	bool trust = !is_whole && (plan->flags & QCOW2BM_COMMIT_TRUST_REFCOUNTS);
	/* No refcount says whether the guest's tables name a cluster, free ones and those behind
	 * the end of the file not left out. */
	bool walk = plan->carved.count != 0 || !trust;
	if (code == QCOW2BM_OK)
		code = look_everywhere(plan, walk, proof, err);
	if (code == QCOW2BM_OK)
		code = q2_carved_check(plan, &proof->named, proof->all, err);
	if (code == QCOW2BM_OK)
		code = q2_apart_check(plan, &proof->in_place, &proof->directory,
				      &proof->named, err);
	if (code == QCOW2BM_OK)
		code = q2_believed_check(plan, &proof->guest, err);
	if (code == QCOW2BM_OK)
		code = q2_believed_check_others(plan, err);
	if (code == QCOW2BM_OK)
		code = is_whole && proof->all ? keep_unnamed(plan, &proof->named, err)
					      : keep_owned(plan, proof, err);
	/* Clusters that are free by their refcount, but named, are not to be handed out; the
	 * rest of the plan tells them from those that are only old. */
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(&plan->alloc.wrongly_free, &proof->named, err);
	return code == QCOW2BM_OK ? q2_clusters_sort(&plan->alloc.wrongly_free, NULL, err)
				  : code;
}

enum qcow2bm_code q2_prove_owned(struct q2_plan *plan, struct qcow2bm_error *err)
{
	struct proof proof = {.all = true};
	enum qcow2bm_code code = prove(plan, &proof, err);
	plan->has_unread = !proof.all;
	q2_clusters_free(&proof.directory);
	q2_clusters_free(&proof.bitmaps);
	q2_clusters_free(&proof.in_place);
	q2_clusters_free(&proof.wanted);
	q2_clusters_free(&proof.named);
	q2_clusters_free(&proof.guest);
	q2_clusters_free(&proof.twice);
	return code;
}

static enum qcow2bm_code check_apart(const struct q2_plan *plan,
				     const struct q2_clusters *used, const char *what,
				     struct qcow2bm_error *err)
{
	const struct q2_clusters *taken = &plan->alloc.taken;
	for (size_t i = 0; i < taken->count; i++) {
		uint64_t hit;
		if (!q2_clusters_overlap(used, taken->runs[i].first, taken->runs[i].count,
					 &hit))
			continue;
		uint64_t off = hit << plan->edit->image->header.cluster_bits;
		return q2_fail(
			err, QCOW2BM_EIMAGE, off,
			"refcounts are wrong: the cluster at %llu is in use by %s, but its refcount is 0" QCOW2BM_SEE_CHECK,
			(unsigned long long)off, what);
	}
	return QCOW2BM_OK;
}

/* In a file that was cut short a bitmap may name what is no longer there. Were the file to grow
 * so far, it would read as zeros, or as whatever is written there: a bitmap falsely clean. */
static enum qcow2bm_code check_growth(const struct q2_plan *plan,
				      struct qcow2bm_error *err)
{
	const struct q2_clusters *taken = &plan->alloc.taken;
	if (taken->count == 0)
		return QCOW2BM_OK;
	const struct q2_run *last = &taken->runs[taken->count - 1];
	uint64_t end = (last->first + last->count)
		       << plan->edit->image->header.cluster_bits;
	if (end <= plan->cut_off)
		return QCOW2BM_OK;
	return q2_fail(
		err, QCOW2BM_EIMAGE, plan->cut_off,
		"a bitmap that the edit does not change has its table or data past the end of the file (at %llu), where the file would grow to; delete that bitmap first",
		(unsigned long long)plan->cut_off);
}

enum qcow2bm_code q2_prove_unused(struct q2_plan *plan, struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		check_apart(plan, &plan->refs.metadata, "the image's metadata", err);
	if (code == QCOW2BM_OK)
		code = check_apart(plan, &plan->given_up, "a bitmap", err);
	if (code == QCOW2BM_OK)
		code = check_apart(plan, &plan->alloc.wrongly_free,
				   "the guest or a bitmap", err);
	if (code == QCOW2BM_OK)
		code = check_growth(plan, err);
	return code;
}

/* That nothing else names the table was seen with all that is written in place: the edit would be
 * refused. */
enum qcow2bm_code q2_prove_old_table(struct q2_plan *plan, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = plan->edit->image;
	const struct q2_header *header = &image->header;
	if (plan->growth.table_clusters == 0)
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_refs_add_bytes(
		&plan->old_table, image, header->refcount_table_off,
		(uint64_t)header->refcount_table_clusters << header->cluster_bits, err);
	/* What the bitmaps name too is theirs to be told as leaked. */
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&plan->old_table, &plan->given_up, err);
	uint64_t before = q2_clusters_total(&plan->old_table);
	if (code == QCOW2BM_OK)
		code = q2_clusters_subtract(&plan->old_table, &plan->refs.twice, err);
	if (code == QCOW2BM_OK)
		code = q2_refcounts_keep_ones(&plan->refcounts, &plan->old_table, err);
	if (plan->has_unread)
		q2_clusters_free(&plan->old_table);
	plan->old_table_unproven = before - q2_clusters_total(&plan->old_table);
	if (plan->old_table_unproven != 0)
		explain(plan,
			"something else occupies clusters of the old refcount table");
	return code;
}
