/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must be proven of an image before an intent file may move it to its other state. */
#include "resume.h"

#include <inttypes.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../clusters/refs.h"
#include "../clusters/search.h"
#include "../clusters/structures.h"
#include "../storage/stamp.h"
#include "intend.h"

struct proof {
	const struct q2_resume_image *resumed;
	struct q2_watch *watch;
	struct qcow2bm_error *why;
	struct qcow2bm_error cause; /* a failure of the look itself */
};

/* A failure that says something about the image is a reason; others end the look. */
static bool passes(struct proof *proof, enum qcow2bm_code code, struct qcow2bm_error *err)
{
	if (code == QCOW2BM_OK)
		return true;
	struct qcow2bm_error *to = code == QCOW2BM_ESYSTEM || code == QCOW2BM_ENOMEM ||
						   code == QCOW2BM_EINTERRUPTED
					   ? &proof->cause
					   : proof->why;
	(void)q2_pass(to, err);
	return false;
}

static bool refuse(struct proof *proof, uint64_t off, const char *sentence)
{
	(void)q2_fail(proof->why, QCOW2BM_EINVAL, off, "%s", sentence);
	return false;
}

enum qcow2bm_code q2_resume_is_at_switch(const struct q2_resume_image *resumed,
					 const uint8_t *bytes, bool *is_there,
					 struct qcow2bm_error *err)
{
	uint8_t now[Q2_SWITCH_MAX_BYTES];
	const struct q2_intent_image *noted = resumed->noted;
	enum qcow2bm_code code =
		q2_storage_read(resumed->image->storage, now, noted->switch_bytes,
				noted->switch_off, err);
	*is_there = code == QCOW2BM_OK && memcmp(now, bytes, noted->switch_bytes) == 0;
	return code == QCOW2BM_EIMAGE ? QCOW2BM_OK : code;
}

/* The bytes of the switch, and all others that a reader of the header goes by. */
static bool prove_header(struct proof *proof, const struct q2_intent_state *state)
{
	struct qcow2bm_error err = {0};
	uint32_t sum = 0;
	bool is_there = false;
	enum qcow2bm_code code =
		q2_resume_is_at_switch(proof->resumed, state->bytes, &is_there, &err);
	if (code == QCOW2BM_OK)
		code = q2_intend_sum_head(proof->resumed->image,
					  proof->resumed->noted->head_bytes, NULL, &sum,
					  NULL, &err);
	if (!passes(proof, code, &err))
		return false;
	return (is_there && sum == state->head_sum) ||
	       refuse(proof, 0, "the header was written since");
}

static bool prove_same(struct proof *proof, const struct q2_intent_clusters *clusters)
{
	struct qcow2bm_error err = {0};
	uint32_t sum;
	bool is_known;
	if (!clusters->is_known)
		return refuse(proof, QCOW2BM_NO_OFFSET,
			      "what damaged bitmaps hold is not known");
	enum qcow2bm_code code = q2_intend_sum(proof->resumed->image, &clusters->set,
					       proof->watch, &is_known, &sum, &err);
	if (!passes(proof, code, &err))
		return false;
	return (is_known && sum == clusters->sum) ||
	       refuse(proof, QCOW2BM_NO_OFFSET, "clusters of bitmaps were written since");
}

/* ---- Clusters that nobody uses --------------------------------------------------------- */

static enum qcow2bm_code copy(struct q2_clusters *to, const struct q2_clusters *from,
			      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_clusters_append(to, from, err);
	return code == QCOW2BM_OK ? q2_clusters_sort(to, NULL, err) : code;
}

static enum qcow2bm_code find_in_bitmaps(struct qcow2bm_image *image,
					 const struct q2_clusters *wanted,
					 struct q2_clusters *named,
					 struct q2_watch *watch,
					 struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_refs_add_bytes(named, image, image->directory.off,
						   image->directory.size, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < image->directory.count; i++) {
		code = q2_watch_look(watch, err);
		if (code == QCOW2BM_OK)
			code = q2_refs_find_in_bitmap(image, &image->directory.bitmaps[i],
						      wanted, named, err);
	}
	return code;
}

/* Adds to `named` what anything in the image names of the set, and perhaps more. */
static enum qcow2bm_code find_named(struct qcow2bm_image *image,
				    const struct q2_refcounts *refcounts,
				    const struct q2_clusters *set,
				    struct q2_clusters *named, struct q2_watch *watch,
				    struct qcow2bm_error *err)
{
	struct q2_structures structures = {0};
	enum qcow2bm_code code =
		q2_structures_load(&structures, image, refcounts, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_search_find(image, &structures.l2_tables, set, named, watch, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_append(named, &structures.metadata, err);
	q2_structures_free(&structures);
	/* Without autoclear bit 0 the directory is that of the other state: nobody believes it. */
	if (code == QCOW2BM_OK &&
	    (image->header.autoclear_features & Q2_AUTOCLEAR_BITMAPS))
		code = find_in_bitmaps(image, set, named, watch, err);
	return code == QCOW2BM_OK ? q2_clusters_sort(named, NULL, err) : code;
}

/* Takes out of the sorted `set` what is not counted once, then what is named. */
static enum qcow2bm_code keep_unused(struct qcow2bm_image *image,
				     struct q2_refcounts *refcounts,
				     struct q2_clusters *set, struct q2_watch *watch,
				     struct qcow2bm_error *err)
{
	struct q2_clusters named = {0};
	enum qcow2bm_code code = q2_refcounts_keep_ones(refcounts, set, err);
	if (code == QCOW2BM_OK && set->count != 0)
		code = find_named(image, refcounts, set, &named, watch, err);
	if (code == QCOW2BM_OK && set->count != 0)
		code = q2_clusters_subtract(set, &named, err);
	q2_clusters_free(&named);
	return code;
}

/* They are counted once, and by no reference that the image has now. */
static bool prove_unused(struct proof *proof, const struct q2_clusters *set)
{
	struct qcow2bm_image *image = proof->resumed->image;
	struct q2_clusters unused = {0};
	struct q2_refcounts refcounts;
	struct qcow2bm_error err = {0};
	if (!passes(proof, q2_refcounts_open(&refcounts, image, &err), &err))
		return false;
	enum qcow2bm_code code = copy(&unused, set, &err);
	if (code == QCOW2BM_OK)
		code = keep_unused(image, &refcounts, &unused, proof->watch, &err);
	bool is_all = q2_clusters_total(&unused) == q2_clusters_total(set);
	q2_clusters_free(&unused);
	q2_refcounts_close(&refcounts);
	return passes(proof, code, &err) &&
	       (is_all || refuse(proof, QCOW2BM_NO_OFFSET,
				 "clusters that it needs were freed or taken since"));
}

/* The part of the set that lies inside the file: what an intent file says may be anything. */
static enum qcow2bm_code copy_inside(struct q2_clusters *to,
				     const struct q2_clusters *from,
				     const struct qcow2bm_image *image)
{
	uint64_t end = q2_shift_up(image->file_bytes, image->header.cluster_bits);
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < from->count; i++) {
		const struct q2_run *run = &from->runs[i];
		if (run->first < end)
			code = q2_clusters_add(to, run->first,
					       q2_min_u64(run->count, end - run->first),
					       NULL);
	}
	return code == QCOW2BM_OK ? q2_clusters_sort(to, NULL, NULL) : code;
}

uint64_t q2_resume_count_leaked(const struct q2_resume_image *resumed)
{
	const struct q2_intent_image *noted = resumed->noted;
	const struct q2_clusters *set = resumed->held == QCOW2BM_RESUME_NEW
						? &noted->given_up.set
						: &noted->written.set;
	struct q2_clusters counted = {0};
	struct q2_refcounts refcounts;
	uint64_t all = q2_clusters_total(set);
	if (q2_refcounts_open(&refcounts, resumed->image, NULL) != QCOW2BM_OK)
		return all;
	if (copy_inside(&counted, set, resumed->image) == QCOW2BM_OK &&
	    q2_refcounts_keep_ones(&refcounts, &counted, NULL) == QCOW2BM_OK)
		all = q2_clusters_total(&counted);
	q2_clusters_free(&counted);
	q2_refcounts_close(&refcounts);
	return all;
}

/* ---- The two ways ---------------------------------------------------------------------- */

static enum qcow2bm_code conclude(struct proof *proof, bool holds, bool *is_proven,
				  struct qcow2bm_error *err)
{
	*is_proven = holds;
	return proof->cause.code == QCOW2BM_OK ? QCOW2BM_OK : q2_pass(err, &proof->cause);
}

static bool is_untouched(const struct q2_resume_image *resumed)
{
	struct q2_stamp now;
	q2_storage_stamp(resumed->image->storage, false, &now);
	return !q2_image_has_data_file(resumed->image) &&
	       q2_stamp_is_same(&now, &resumed->noted->stamp);
}

enum qcow2bm_code q2_resume_prove_forward(const struct q2_resume_image *resumed,
					  struct q2_watch *watch, bool *is_proven,
					  struct qcow2bm_error *why,
					  struct qcow2bm_error *err)
{
	const struct q2_intent_image *noted = resumed->noted;
	struct proof proof = {.resumed = resumed, .watch = watch, .why = why};
	bool holds = prove_header(&proof, &noted->old_state) &&
		     prove_same(&proof, &noted->written) &&
		     prove_unused(&proof, &noted->written.set);
	if (holds && !is_untouched(resumed))
		holds = (noted->lasts_forward ||
			 refuse(&proof, QCOW2BM_NO_OFFSET,
				"the guest may have written since, and no bitmap would know")) &&
			prove_same(&proof, &noted->given_up) &&
			prove_same(&proof, &noted->used);
	return conclude(&proof, holds, is_proven, err);
}

enum qcow2bm_code q2_resume_prove_back(const struct q2_resume_image *resumed,
				       struct q2_watch *watch, bool *is_proven,
				       struct qcow2bm_error *why,
				       struct qcow2bm_error *err)
{
	const struct q2_intent_image *noted = resumed->noted;
	struct proof proof = {.resumed = resumed, .watch = watch, .why = why};
	bool holds =
		prove_header(&proof, &noted->new_state) &&
		(noted->lasts_back ||
		 refuse(&proof, QCOW2BM_NO_OFFSET,
			"the guest may have written since, and old bitmaps would not know")) &&
		prove_same(&proof, &noted->given_up) &&
		prove_unused(&proof, &noted->given_up.set) &&
		prove_same(&proof, &noted->written) && prove_same(&proof, &noted->used);
	return conclude(&proof, holds, is_proven, err);
}
