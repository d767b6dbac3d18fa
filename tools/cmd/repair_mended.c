/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a repair does to one image, told to people and scripts. */
#define _POSIX_C_SOURCE 200809L
#include "repair_mended.h"

#include "../term/memory.h"
#include "../term/name.h"
#include "../term/size.h"
#include "../term/word.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

static void describe_drops(struct tool_mended *mended, const struct qcow2bm_plan *plan)
{
	const struct qcow2bm_image *image = mended->session->image;
	/* Changes come in the order of the bitmaps. */
	size_t next = 0;
	for (size_t i = 0; i < qcow2bm_bitmap_count(image) && next < plan->changes; i++) {
		struct qcow2bm_bitmap entry;
		struct qcow2bm_change change;
		entry = *qcow2bm_bitmap_describe(image, i);
		change = *qcow2bm_edit_change(mended->session->edit, next);
		if (change.old_name != entry.name)
			continue;
		next++;
		if (change.kind != QCOW2BM_CHANGE_DELETE)
			continue;
		char *shown =
			tool_name_escape(entry.name, entry.name_bytes, TOOL_NAME_HUMAN);
		tool_text_print(&mended->done, "  drop bitmap %zu '%s'\n", i, shown);
		free(shown);
	}
}

/* Bitmaps that cannot be found have no name to be told. */
static void describe_unfound(struct tool_mended *mended)
{
	if (!(mended->flags & QCOW2BM_REPAIR_DROP_ALL) || mended->done.used != 0)
		return;
	for (size_t i = 0; i < qcow2bm_report_count(mended->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(mended->report, i);
		if (problem->cure == QCOW2BM_CURE_CHOOSE)
			tool_text_print(&mended->done, "  drop all bitmaps: %s\n",
					problem->sentence);
	}
}

static void describe_mended(struct tool_mended *mended)
{
	if ((mended->flags & QCOW2BM_REPAIR_DROP_ALL) && mended->done.used != 0)
		return;
	for (size_t i = 0; i < qcow2bm_report_count(mended->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(mended->report, i);
		if (problem->cure == QCOW2BM_CURE_MEND)
			tool_text_print(&mended->done, "  mend: %s\n", problem->sentence);
	}
}

/* What is kept by the user's word alone. */
static void describe_trust(struct tool_mended *mended)
{
	struct qcow2bm_image_info info = *qcow2bm_image_describe(mended->session->image);
	if ((mended->flags & QCOW2BM_REPAIR_TRUST_BITMAPS) && info.bitmaps_extension &&
	    !info.bitmaps_consistent && !(mended->flags & QCOW2BM_REPAIR_DROP_ALL))
		tool_text_print(
			&mended->done,
			"  set autoclear bit 0 again: by your word nothing was written to "
			"the guest's disk while it was lost\n");
}

/* What is left to somebody else, and what is to be typed for it. */
static void describe_rest(struct tool_mended *mended)
{
	size_t in_use = 0, others = 0;
	for (size_t i = 0; i < qcow2bm_report_count(mended->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(mended->report, i);
		in_use += problem->cure == QCOW2BM_CURE_RECOVER;
		others += problem->cure >= QCOW2BM_CURE_QEMU;
	}
	if (mended->flags & (QCOW2BM_REPAIR_DROP_IN_USE | QCOW2BM_REPAIR_DROP_ALL))
		in_use = 0;
	if (in_use != 0)
		tool_text_print(&mended->done, "  bitmaps in use stay: %zu\n", in_use);
	if (others != 0)
		tool_text_print(&mended->done, "  not the bitmaps' matter: %zu\n",
				others);
	if (in_use + others == 0)
		return;
	tool_text_print(&mended->done, "  what to do about that: qcow2bm check");
	tool_word_add_file(&mended->done, mended->session->filename);
	tool_text_print(&mended->done, "\n");
}

bool tool_mended_describe(struct tool_mended *mended, const struct qcow2bm_plan *plan)
{
	describe_drops(mended, plan);
	describe_unfound(mended);
	describe_mended(mended);
	describe_trust(mended);
	bool something = mended->done.used != 0 || plan->release_clusters != 0;
	if (plan->release_clusters != 0)
		tool_text_print(&mended->done, "  give back clusters: %" PRIu64 "\n",
				plan->release_clusters);
	describe_rest(mended);
	return something;
}

void tool_mended_describe_undo(struct tool_mended *mended)
{
	struct stat st;
	char size[TOOL_SIZE_TEXT];
	if (mended->session->saving.path == NULL)
		return;
	tool_text_print(&mended->done, "  ");
	tool_saving_add(&mended->done, &mended->session->saving);
	tool_text_print(&mended->done, "\n");
	if (stat(mended->session->saving.path, &st) != 0)
		return;
	tool_size_format((uint64_t)st.st_size, size);
	tool_text_print(&mended->done, "  room that the undo file takes: %s\n", size);
}

/* What the repair settles: a choice that was needed was made, or it is refused. */
static bool is_mended(const struct qcow2bm_problem *problem)
{
	return problem->cure == QCOW2BM_CURE_MEND || problem->cure == QCOW2BM_CURE_DROP ||
	       problem->cure == QCOW2BM_CURE_CHOOSE;
}

static json_t *make_mended(const void *opaque, size_t number)
{
	const struct tool_mended *mended = opaque;
	const struct qcow2bm_problem *problem =
		qcow2bm_report_problem(mended->report, mended->problems[number]);
	json_t *object = json_object();
	json_object_set_new(object, "code", json_string(problem->code));
	json_object_set_new(object, "sentence", tool_json_text(problem->sentence));
	if (problem->idx != QCOW2BM_NOT_FOUND)
		json_object_set_new(object, "index", tool_json_number(problem->idx));
	return object;
}

void tool_mended_add_json(struct tool_mended *mended, json_t *report,
			  struct tool_json_list *list)
{
	size_t count = qcow2bm_report_count(mended->report);
	*list = (struct tool_json_list){.make = make_mended, .opaque = mended};
	mended->problems = tool_memory_zeroed(count, sizeof(*mended->problems));
	for (size_t i = 0; i < count; i++)
		if (is_mended(qcow2bm_report_problem(mended->report, i)))
			mended->problems[list->count++] = i;
	tool_json_set_list(report, "mended", list);
}

void tool_mended_free(struct tool_mended *mended)
{
	tool_text_free(&mended->done);
	free(mended->problems);
	*mended = (struct tool_mended){.flags = 0};
}
