/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commit: the one path by which the library changes an image. DESIGN.md, section 4. */
#include "commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../image/directory.h"
#include "../image/extensions.h"
#include "change_refcounts.h"
#include "entry.h"

/* Small enough for the second level cache, large enough for the disk. */
#define BATCH_BYTES (512u << 10)

enum qcow2bm_code q2_commit_sync(struct q2_commit *commit, struct qcow2bm_error *err)
{
	commit->result->syncs++;
	return q2_storage_sync(commit->image->storage, err);
}

enum qcow2bm_code q2_commit_ask(struct q2_commit *commit, struct qcow2bm_error *err)
{
	return q2_watch_ask(commit->watch, err);
}

/* An unknown autoclear bit stands for something that does not know of our writes. */
static enum qcow2bm_code clear_unknown_autoclear(struct q2_commit *commit,
						 struct qcow2bm_error *err)
{
	struct q2_header *header = &commit->image->header;
	uint64_t known = header->autoclear_features & Q2_AUTOCLEAR_KNOWN;
	if (known == header->autoclear_features)
		return QCOW2BM_OK;
	uint8_t bytes[8];
	q2_be64_store(bytes, known);
	enum qcow2bm_code code =
		q2_storage_write(commit->image->storage, bytes, sizeof(bytes),
				 Q2_HEADER_AUTOCLEAR_OFF, err);
	if (code == QCOW2BM_OK)
		code = q2_commit_sync(commit, err);
	if (code == QCOW2BM_OK)
		header->autoclear_features = known;
	return code;
}

static enum qcow2bm_code grow_refcounts(struct q2_commit *commit,
					struct qcow2bm_error *err)
{
	struct q2_plan *plan = commit->plan;
	const struct q2_header *header = &commit->image->header;
	if (plan->growth.block_count == 0)
		return QCOW2BM_OK;
	uint64_t old_off = header->refcount_table_off;
	commit->growth_started = true;
	enum qcow2bm_code code = q2_grow_refcounts_commit(&plan->growth, &plan->refcounts,
							  &commit->result->syncs, err);
	/* After a failure here nobody knows which refcount structures are the image's. */
	if (code != QCOW2BM_OK)
		commit->image->must_reopen = plan->growth.may_be_seen;
	else
		commit->table_replaced = header->refcount_table_off != old_off;
	return code;
}

/* Bitmap clusters that are in use, but not counted: the next to allocate would take them. */
static enum qcow2bm_code raise_low_refcounts(struct q2_commit *commit,
					     struct qcow2bm_error *err)
{
	const struct q2_clusters *low = &commit->plan->edit->repair.low;
	if (low->count == 0 || commit->plan->is_header_alone)
		return QCOW2BM_OK;
	enum qcow2bm_code code =
		q2_change_refcounts(&commit->plan->refcounts, low, Q2_CHANGE_RAISE, err);
	return code != QCOW2BM_OK ? code : q2_commit_sync(commit, err);
}

enum qcow2bm_code q2_commit_prepare(struct q2_commit *commit, struct qcow2bm_error *err)
{
	if (commit->is_prepared)
		return QCOW2BM_OK;
	enum qcow2bm_code code = clear_unknown_autoclear(commit, err);
	if (code == QCOW2BM_OK)
		code = grow_refcounts(commit, err);
	if (code == QCOW2BM_OK)
		code = raise_low_refcounts(commit, err);
	commit->is_prepared = code == QCOW2BM_OK;
	return code;
}

enum qcow2bm_code q2_commit_write(struct q2_commit *commit, const void *buf,
				  uint64_t first, uint64_t clusters,
				  struct qcow2bm_error *err)
{
	unsigned cluster_bits = commit->image->header.cluster_bits;
	enum qcow2bm_code code = q2_commit_prepare(commit, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_add(&commit->written, first, clusters, err);
	if (code == QCOW2BM_OK)
		code = q2_storage_write(commit->image->storage, buf,
					(size_t)clusters << cluster_bits,
					first << cluster_bits, err);
	return code;
}

/* Whatever was staged, and however: no bitmap that an edit made is written unless it keeps all
 * rules of the format. */
static enum qcow2bm_code check_directory(const struct q2_commit *commit,
					 struct qcow2bm_error *err)
{
	const struct qcow2bm_edit *edit = commit->plan->edit;
	size_t idx = 0;
	for (size_t i = 0; i < edit->count; i++) {
		if (edit->staged[i].is_deleted)
			continue;
		const char *problem = commit->directory.bitmaps[idx++].problem;
		if (problem != NULL && q2_edit_is_changed(edit, &edit->staged[i]))
			return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
				       "the edit would make an invalid bitmap: %.300s",
				       problem);
	}
	return QCOW2BM_OK;
}

/* Makes the new directory in memory. */
static enum qcow2bm_code make_directory(struct q2_commit *commit,
					struct qcow2bm_error *err)
{
	struct q2_plan *plan = commit->plan;
	const struct qcow2bm_edit *edit = plan->edit;
	if (plan->directory_bytes == 0)
		return QCOW2BM_OK;
	uint8_t *bytes = malloc((size_t)plan->directory_bytes);
	if (bytes == NULL)
		return q2_fail_memory(err, "the bitmap directory");
	size_t at = 0;
	for (size_t i = 0; plan->in_place.bytes == NULL && i < edit->count; i++) {
		if (edit->staged[i].is_deleted)
			continue;
		struct q2_directory_entry entry = q2_entry_make(plan, &edit->staged[i]);
		q2_directory_entry_encode(&entry, bytes + at);
		at += q2_directory_entry_bytes(&entry);
	}
	if (plan->in_place.bytes != NULL)
		memcpy(bytes, plan->in_place.bytes, (size_t)plan->directory_bytes);
	struct q2_header header = commit->image->header;
	header.autoclear_features |= Q2_AUTOCLEAR_BITMAPS;
	enum qcow2bm_code code = q2_directory_parse(
		&commit->directory, bytes, (size_t)plan->directory_bytes, edit->live,
		plan->directory_first << header.cluster_bits, &header, err);
	return code != QCOW2BM_OK ? code : check_directory(commit, err);
}

static bool is_same_directory(const struct q2_commit *commit)
{
	const struct q2_directory *old = &commit->image->directory;
	const struct q2_directory *new = &commit->directory;
	return old->count == new->count && old->size == new->size &&
	       (old->size == 0 || memcmp(old->bytes, new->bytes, old->size) == 0);
}

/* The old directory with its entries in another order. From then on the image object does not
 * know where they are, unless the commit gets through. */
static enum qcow2bm_code write_in_place(struct q2_commit *commit,
					struct qcow2bm_error *err)
{
	const struct q2_in_place *in_place = &commit->plan->in_place;
	if (in_place->count == 0 || in_place->is_switch)
		return QCOW2BM_OK;
	commit->image->must_reopen = true;
	return q2_storage_write(commit->image->storage, in_place->bytes + in_place->first,
				in_place->count,
				commit->image->directory.off + in_place->first, err);
}

static enum qcow2bm_code write_directory(struct q2_commit *commit,
					 struct qcow2bm_error *err)
{
	const struct q2_plan *plan = commit->plan;
	if (plan->directory_bytes == 0)
		return QCOW2BM_OK;
	if (plan->in_place.bytes != NULL)
		return write_in_place(commit, err);
	uint8_t *clusters =
		calloc((size_t)plan->directory_clusters,
		       (size_t)q2_header_cluster_bytes(&commit->image->header));
	if (clusters == NULL)
		return q2_fail_memory(err, "the bitmap directory");
	memcpy(clusters, commit->directory.bytes, commit->directory.size);
	enum qcow2bm_code code = q2_commit_write(commit, clusters, plan->directory_first,
						 plan->directory_clusters, err);
	free(clusters);
	return code;
}

/* Step 2 without its SYNC. *nothing is set when the image has the staged state already. */
static enum qcow2bm_code write_new_state(struct q2_commit *commit, bool *nothing,
					 struct qcow2bm_error *err)
{
	struct q2_plan *plan = commit->plan;
	enum qcow2bm_code code = q2_commit_ask(commit, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < plan->content_count; i++)
		code = q2_compute_write(commit, &plan->contents[i], err);
	if (code == QCOW2BM_OK)
		code = make_directory(commit, err);
	*nothing = code == QCOW2BM_OK && !plan->edit->repair.is_wanted &&
		   is_same_directory(commit);
	if (code != QCOW2BM_OK || *nothing)
		return code;
	code = q2_commit_prepare(commit, err);
	if (code == QCOW2BM_OK)
		code = write_directory(commit, err);
	if (code == QCOW2BM_OK)
		code = q2_clusters_sort(&commit->written, NULL, err);
	/* Counted before anything refers to them: a crash leaks them. */
	if (code == QCOW2BM_OK)
		code = q2_change_refcounts(&plan->refcounts, &commit->written,
					   Q2_CHANGE_RAISE, err);
	return code;
}

static enum qcow2bm_code make_buffers(struct q2_commit *commit, struct qcow2bm_error *err)
{
	const struct q2_plan *plan = commit->plan;
	uint64_t compute = 0,
		 cluster_bytes = q2_header_cluster_bytes(&commit->image->header);
	for (size_t i = 0; i < plan->content_count; i++)
		compute += plan->contents[i].compute_count;
	commit->batch_clusters =
		cluster_bytes >= BATCH_BYTES ? 1 : BATCH_BYTES / cluster_bytes;
	if (compute == 0)
		return QCOW2BM_OK;
	size_t bytes = (size_t)(commit->batch_clusters * cluster_bytes);
	commit->words = malloc(bytes);
	commit->other = malloc(bytes);
	commit->scratch = malloc(Q2_CONVERT_WORDS * sizeof(*commit->scratch));
	if (commit->words == NULL || commit->other == NULL || commit->scratch == NULL)
		return q2_fail_memory(err, "bitmap data");
	return QCOW2BM_OK;
}

/* The image object follows what is on disk now. */
static void adopt(struct q2_commit *commit)
{
	struct qcow2bm_image *image = commit->image;
	q2_generation_end(image, Q2_GENERATION_COMMITTED);
	q2_directory_free(&image->directory);
	image->directory = commit->directory;
	image->measured_entry = (struct q2_directory_entry){0};
	memset(&commit->directory, 0, sizeof(commit->directory));
	image->damage_count = 0;
	image->must_reopen = q2_extensions_load(image, NULL) != QCOW2BM_OK ||
			     q2_edit_restart(commit->plan->edit, NULL) != QCOW2BM_OK;
}

static enum qcow2bm_code run_steps(struct q2_commit *commit, struct q2_switch *plan,
				   struct qcow2bm_error *err)
{
	bool nothing = false;
	enum qcow2bm_code code = write_new_state(commit, &nothing, err);
	if (code == QCOW2BM_OK && !nothing)
		code = q2_switch_prepare(plan, commit, err);
	if (code == QCOW2BM_OK && !nothing)
		code = q2_commit_ask(commit, err);
	if (code != QCOW2BM_OK) {
		q2_release_reserve(commit, plan);
		/* Refcount structures that have grown may stand behind the old end. */
		(void)q2_storage_length(commit->image->storage,
					&commit->image->file_bytes, NULL);
		return code;
	}
	if (!nothing)
		code = q2_switch_commit(plan, commit, err);
	else
		code = q2_settle(commit->image, commit->result, err);
	if (code != QCOW2BM_OK) {
		commit->image->must_reopen = true;
		return code;
	}
	commit->result->switched = true;
	if (nothing) {
		commit->image->must_reopen =
			q2_edit_restart(commit->plan->edit, NULL) != QCOW2BM_OK;
		return QCOW2BM_OK;
	}
	commit->result->written_clusters = q2_clusters_total(&commit->written);
	q2_release(commit);
	adopt(commit);
	return QCOW2BM_OK;
}

static enum qcow2bm_code commit_plan(struct q2_plan *plan,
				     const struct qcow2bm_commit_options *options,
				     struct qcow2bm_result *result,
				     struct qcow2bm_error *err)
{
	struct q2_commit commit = {
		.plan = plan,
		.image = plan->edit->image,
		.options = options,
		.watch = plan->watch,
		.result = result,
	};
	struct q2_switch switch_plan;
	enum qcow2bm_code code = q2_switch_plan(&switch_plan, plan, err);
	if (code == QCOW2BM_OK)
		code = make_buffers(&commit, err);
	if (code == QCOW2BM_OK)
		code = run_steps(&commit, &switch_plan, err);
	q2_switch_free(&switch_plan);
	q2_directory_free(&commit.directory);
	q2_clusters_free(&commit.written);
	free(commit.words);
	free(commit.other);
	free(commit.scratch);
	return code;
}

static enum qcow2bm_code commit_once(struct qcow2bm_edit *edit, unsigned flags,
				     const struct qcow2bm_commit_options *options,
				     struct qcow2bm_result *result,
				     const struct qcow2bm_watch *caller,
				     struct qcow2bm_error *err)
{
	struct q2_watch watch;
	struct q2_plan plan;
	enum qcow2bm_code code =
		q2_watch_begin(&watch, caller, "the image is as it was", err);
	if (code == QCOW2BM_OK)
		code = q2_plan_make(&plan, edit, flags, &watch, err);
	if (code != QCOW2BM_OK)
		return code;
	if (q2_edit_is_nothing(edit))
		code = q2_settle(edit->image, result, err);
	else
		code = commit_plan(&plan, options, result, err);
	if (code == QCOW2BM_OK)
		q2_watch_end(&watch);
	q2_plan_free(&plan);
	return code;
}

static bool is_want_of_room(int sys_errno)
{
	return sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG;
}

enum qcow2bm_code qcow2bm_edit_commit(struct qcow2bm_edit *edit,
				      const struct qcow2bm_commit_options *options,
				      struct qcow2bm_result *result,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	static const struct qcow2bm_commit_options defaults;
	struct qcow2bm_result unwanted;
	if (options == NULL)
		options = &defaults;
	if (result == NULL)
		result = &unwanted;
	memset(result, 0, sizeof(*result));
	enum qcow2bm_code code = q2_edit_enter(edit, err);
	if (code != QCOW2BM_OK)
		return code;
	if (!edit->image->storage->writable)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the image is not open for writing");
	struct qcow2bm_error failures[2] = {{0}};
	code = commit_once(edit, options->flags, options, result, watch, &failures[0]);
	size_t told = 0;
	/* The file system may be full where the file could grow: the plan could not know. */
	if (code == QCOW2BM_ESYSTEM && is_want_of_room(failures[0].sys_errno) &&
	    !edit->image->must_reopen) {
		enum qcow2bm_code again =
			commit_once(edit, options->flags | Q2_PLAN_IN_PLACE, options,
				    result, watch, &failures[1]);
		/* Of two that leave the image as it was the first says why. */
		told = again == QCOW2BM_EUNKNOWN || again == QCOW2BM_EINTERRUPTED;
		if (again == QCOW2BM_OK || told != 0)
			code = again;
	}
	if (code != QCOW2BM_OK)
		q2_pass(err, &failures[told]);
	return code;
}
