/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The switch from the old directory to the new one: in one of the forms of switch_form.c, or, when
 * the directory stays where it is, by one sector of that. Before it the backing file's name is moved
 * when it is in the way, or where not all who read the image find it.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/endian.h"
#include "../base/error.h"
#include "../image/backing.h"
#include "commit.h"

/* The directory is where it was, and as long: its one sector that changes is the switch. */
static void plan_directory(struct q2_switch *plan, const struct q2_plan *edit_plan)
{
	const struct q2_in_place *in_place = &edit_plan->in_place;
	plan->off = edit_plan->edit->image->directory.off + in_place->first;
	plan->count = in_place->count;
	memcpy(plan->bytes, in_place->bytes + in_place->first, in_place->count);
}

struct q2_bitmaps_extension q2_switch_extension(const struct q2_plan *edit_plan)
{
	return (struct q2_bitmaps_extension){
		.nb_bitmaps = (uint32_t)edit_plan->edit->live,
		.directory_bytes = edit_plan->directory_bytes,
		.directory_off = edit_plan->directory_first
				 << edit_plan->edit->image->header.cluster_bits,
	};
}

enum qcow2bm_code q2_switch_plan(struct q2_switch *plan, const struct q2_plan *edit_plan,
				 struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = edit_plan->edit->image;
	struct q2_bitmaps_extension to = q2_switch_extension(edit_plan);
	enum qcow2bm_code code = QCOW2BM_OK;
	memset(plan, 0, sizeof(*plan));
	if (edit_plan->in_place.is_switch)
		plan_directory(plan, edit_plan);
	else
		code = q2_switch_form(plan, image, to.directory_bytes == 0 ? NULL : &to,
				      err);
	if (code != QCOW2BM_OK)
		return code;
	uint64_t end = plan->far_count == 0 ? 0 : plan->far_off + plan->far_count;
	return q2_backing_plan(image, end, &plan->backing_off, err);
}

void q2_switch_free(struct q2_switch *plan)
{
	free(plan->far_bytes);
	plan->far_bytes = NULL;
}

/* Copies the name, SYNC, lets the header name the copy, SYNC: it is readable all the time. */
static enum qcow2bm_code move_backing_name(struct q2_commit *commit,
					   struct qcow2bm_error *err)
{
	const struct q2_switch *plan = &commit->header;
	struct qcow2bm_image *image = commit->image;
	uint8_t off_bytes[8];
	enum qcow2bm_code code = q2_storage_write(image->storage, image->backing_filename,
						  image->header.backing_file_bytes,
						  plan->backing_off, err);
	if (code == QCOW2BM_OK)
		code = q2_gate_sync(commit, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_be64_store(off_bytes, plan->backing_off);
	code = q2_storage_write(image->storage, off_bytes, sizeof(off_bytes),
				Q2_HEADER_BACKING_OFF, err);
	if (code == QCOW2BM_OK)
		code = q2_gate_sync(commit, err);
	/* The next move must know where the name is: after a failure here nobody does. */
	image->must_reopen |= code != QCOW2BM_OK;
	image->header.backing_file_off = image->area_end = plan->backing_off;
	return code;
}

enum qcow2bm_code q2_switch_prepare(struct q2_commit *commit, struct qcow2bm_error *err)
{
	struct q2_switch *plan = &commit->header;
	struct q2_storage *storage = commit->image->storage;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (plan->backing_off != 0)
		code = move_backing_name(commit, err);
	if (code == QCOW2BM_OK && plan->far_count != 0)
		code = q2_storage_write(storage, plan->far_bytes, plan->far_count,
					plan->far_off, err);
	if (code == QCOW2BM_OK)
		code = q2_gate_sync(commit, err);
	if (code == QCOW2BM_OK)
		code = q2_gate_ask(commit, err);
	if (code != QCOW2BM_OK || !plan->has_near)
		return code;
	plan->near_written = true;
	code = q2_storage_write(storage, plan->near_bytes, sizeof(plan->near_bytes),
				plan->near_off, err);
	return code != QCOW2BM_OK ? code : q2_gate_sync(commit, err);
}

enum qcow2bm_code q2_switch_take_back(struct q2_commit *commit, struct qcow2bm_error *err)
{
	struct q2_switch *plan = &commit->header;
	if (!plan->near_written)
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_storage_write(
		commit->image->storage, commit->image->head + plan->near_off,
		sizeof(plan->near_bytes), plan->near_off, err);
	return code != QCOW2BM_OK ? code : q2_gate_sync(commit, err);
}

static enum qcow2bm_code write_switch(struct q2_commit *commit, struct qcow2bm_error *err)
{
	const struct q2_switch *plan = &commit->header;
	enum qcow2bm_code code = q2_storage_write(commit->image->storage, plan->bytes,
						  plan->count, plan->off, err);
	return code != QCOW2BM_OK ? code : q2_gate_sync(commit, err);
}

enum qcow2bm_code q2_switch_commit(struct q2_commit *commit, struct qcow2bm_error *err)
{
	/* After a failed write or sync nobody knows what is on disk: once more, or give up. */
	struct qcow2bm_error first = {0};
	if (write_switch(commit, &first) != QCOW2BM_OK &&
	    write_switch(commit, NULL) != QCOW2BM_OK)
		return q2_fail_for(
			err, QCOW2BM_EUNKNOWN, &first,
			"outcome unknown: %.300s; the old and the new state are both whole on disk and nothing was freed; look again when the disk works",
			first.sentence);
	return QCOW2BM_OK;
}

void q2_switch_tidy(struct q2_commit *commit)
{
	const struct q2_switch *plan = &commit->header;
	/* No failure here changes what the image holds. */
	if (plan->has_after)
		(void)q2_storage_write(commit->image->storage, plan->after_bytes,
				       sizeof(plan->after_bytes), plan->after_off, NULL);
}
