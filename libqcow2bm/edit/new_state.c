/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Step 2 of a commit: the new contents, their tables and the new directory, in clusters that nothing
 * refers to yet. */
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "../image/directory.h"
#include "change_refcounts.h"
#include "commit.h"
#include "entry.h"

/* Whatever was staged, and however: no bitmap that an edit made is written unless it keeps all
 * rules of the format. */
static enum qcow2bm_code check_directory(const struct q2_commit *commit,
					 struct qcow2bm_error *err)
{
	const struct qcow2bm_edit *edit = commit->plan.edit;
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
	struct q2_plan *plan = &commit->plan;
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
	const struct q2_in_place *in_place = &commit->plan.in_place;
	if (in_place->count == 0 || in_place->is_switch)
		return QCOW2BM_OK;
	commit->image->must_reopen = true;
	return q2_storage_write(commit->image->storage, in_place->bytes + in_place->first,
				in_place->count,
				commit->image->directory.off + in_place->first, err);
}

/* Writes the new directory, whole clusters with a zeroed tail. */
static enum qcow2bm_code write_directory(struct q2_commit *commit,
					 struct qcow2bm_error *err)
{
	const struct q2_plan *plan = &commit->plan;
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
	enum qcow2bm_code code = q2_gate_write(commit, clusters, plan->directory_first,
					       plan->directory_clusters, err);
	free(clusters);
	return code;
}

/* Without bits to compute there are no buffers. */
static enum qcow2bm_code make_buffers(struct q2_commit *commit, struct qcow2bm_error *err)
{
	const struct q2_plan *plan = &commit->plan;
	uint64_t compute = 0;
	for (size_t i = 0; i < plan->content_count; i++)
		compute += plan->contents[i].compute_count;
	return q2_content_make_buffers(&commit->buffers,
				       q2_header_cluster_bytes(&commit->image->header),
				       compute == 0, err);
}

/* Writes what the switch will refer to. Nothing refers to it yet: a crash leaves the old state. */
static enum qcow2bm_code write_new_state(struct q2_commit *commit,
					 struct qcow2bm_error *err)
{
	struct q2_plan *plan = &commit->plan;
	enum qcow2bm_code code = q2_gate_ask(commit, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < plan->content_count; i++)
		code = q2_compute_write(commit, &plan->contents[i], err);
	if (code == QCOW2BM_OK)
		code = make_directory(commit, err);
	commit->is_nothing = code == QCOW2BM_OK && !plan->edit->repair.is_wanted &&
			     is_same_directory(commit);
	if (code != QCOW2BM_OK || commit->is_nothing)
		return code;
	code = q2_gate_open(commit, err);
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

enum qcow2bm_code q2_new_state_write(struct q2_commit *commit, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = make_buffers(commit, err);
	if (code == QCOW2BM_OK)
		code = write_new_state(commit, err);
	q2_content_free_buffers(&commit->buffers);
	return code;
}
