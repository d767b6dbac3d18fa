/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to do about what a check found: the one place that decides it. */
#include "advice.h"

#include "../term/memory.h"

#include <stdlib.h>
#include <string.h>

struct facts {
	struct tool_advice *advice;
	const char *filename;
	struct qcow2bm_image *image;
	const struct qcow2bm_report *report;
	struct qcow2bm_image_info info;
	bool *is_dropped; /* by repair; one for each bitmap */
	bool *is_gone;    /* after the steps so far */
	bool needs_repair, needs_qemu, needs_copy, needs_names, is_lost;
	bool is_broken; /* damage of bitmaps: QEMU opens nothing, or writes to the wrong place */
	bool is_far; /* the backing file's name is where libvirt does not look, and must stay */
	bool is_stuck; /* marked dirty or corrupt: the header alone can be changed */
	bool is_unmended; /* something that is not the guest's, and that nothing here mends */
	bool only_counts; /* what QEMU is to mend are refcounts, and flags that tell of them */
	bool has_valid; /* a bitmap that QEMU would load and store */
};

/* Every cure that a problem can have is listed: a new one does not compile without its place. */
static void note_cure(struct facts *facts, const struct qcow2bm_problem *problem)
{
	bool is_expected = facts->info.dirty &&
			   (problem->traits & QCOW2BM_PROBLEM_RECOUNTED) &&
			   problem->area != QCOW2BM_AREA_IMAGE;
	switch (problem->cure) {
	case QCOW2BM_CURE_NONE:
	case QCOW2BM_CURE_AGAIN: /* told by was_cut_off() */
		break;
	case QCOW2BM_CURE_DROP:
		if (problem->idx != QCOW2BM_NOT_FOUND)
			facts->is_dropped[problem->idx] = true;
		/* fall through */
	case QCOW2BM_CURE_MEND:
	case QCOW2BM_CURE_CHOOSE:
		facts->needs_repair |= !is_expected;
		facts->is_broken |=
			!is_expected && problem->severity == QCOW2BM_SEVERITY_ERROR;
		break;
	case QCOW2BM_CURE_RECOVER:
	case QCOW2BM_CURE_DELETE:
	case QCOW2BM_CURE_RENAME:
		facts->needs_names = true;
		break;
	case QCOW2BM_CURE_QEMU:
		facts->needs_qemu = true;
		facts->only_counts &= (problem->traits & QCOW2BM_PROBLEM_RECOUNTED) != 0;
		break;
	case QCOW2BM_CURE_COPY:
		facts->needs_copy = true;
		break;
	case QCOW2BM_CURE_NOBODY:
		if (problem->area == QCOW2BM_AREA_GUEST)
			facts->is_lost = true;
		else if (problem->traits & QCOW2BM_PROBLEM_HIDES_BACKING)
			facts->is_far = true;
		else
			facts->is_unmended = true;
		break;
	}
}

static bool has_trait(const struct facts *facts, enum qcow2bm_trait trait)
{
	for (size_t i = 0; i < qcow2bm_report_count(facts->report); i++)
		if (qcow2bm_report_problem(facts->report, i)->traits & trait)
			return true;
	return false;
}

static void forget_all(struct facts *facts)
{
	for (size_t i = 0; i < qcow2bm_bitmap_count(facts->image); i++)
		facts->is_gone[i] = true;
}

static void gather(struct facts *facts)
{
	size_t count = qcow2bm_bitmap_count(facts->image);
	facts->info = *qcow2bm_image_describe(facts->image);
	facts->is_dropped = tool_memory_zeroed(count + 1, sizeof(bool));
	facts->is_gone = tool_memory_zeroed(count + 1, sizeof(bool));
	facts->only_counts = true;
	facts->is_stuck = facts->info.dirty || facts->info.corrupt;
	for (size_t i = 0; i < qcow2bm_report_count(facts->report); i++)
		note_cure(facts, qcow2bm_report_problem(facts->report, i));
	for (size_t i = 0; i < count; i++) {
		struct qcow2bm_bitmap entry = *qcow2bm_bitmap_describe(facts->image, i);
		facts->has_valid |= !facts->is_dropped[i] &&
				    entry.state != QCOW2BM_STATE_IN_USE_STALE &&
				    entry.state != QCOW2BM_STATE_IN_USE_LIVE &&
				    entry.state != QCOW2BM_STATE_IN_USE_UNKNOWN;
	}
}

static bool drop_all(struct facts *facts, const char *why)
{
	if (!tool_advice_add_drop_all(facts->advice, facts->filename, facts->image,
				      facts->report, why))
		return false;
	forget_all(facts);
	facts->has_valid = false;
	return true;
}

static void add_repair(struct facts *facts)
{
	size_t before = facts->advice->count, count = qcow2bm_bitmap_count(facts->image);
	bool is_chosen = false, drops_all = false;
	if (!tool_advice_add_repair(facts->advice, facts->filename, facts->image,
				    facts->report, facts->is_dropped)) {
		tool_advice_add(
			facts->advice,
			"what is wrong with the bitmaps cannot be mended: the image's "
			"own structures are in the way",
			NULL);
		return;
	}
	for (size_t i = before; i < facts->advice->count; i++) {
		is_chosen |= facts->advice->steps[i].is_alternative;
		drops_all |=
			strstr(facts->advice->steps[i].command, " --drop-all") != NULL;
	}
	if (drops_all)
		forget_all(facts);
	for (size_t i = 0; i < count; i++)
		facts->is_gone[i] |= facts->is_dropped[i] || is_chosen;
}

static void add_check(struct facts *facts, const char *why)
{
	tool_advice_add(facts->advice, why,
			tool_advice_command("qcow2bm check", facts->filename));
}

/* A command of QEMU's that opens the image for writing. */
static void add_writer(struct facts *facts, const char *why, const char *command)
{
	struct tool_text text = {0};
	tool_text_print(&text, "%s", why);
	if (facts->has_valid && !tool_advice_is_regular(facts->filename))
		tool_text_print(&text,
				"; it stores the bitmaps anew: where the device has no "
				"room for that they are left in use, so make it larger "
				"first (lvextend)");
	tool_advice_add(facts->advice, text.bytes,
			tool_advice_qemu(facts->image, command, facts->filename));
	tool_text_free(&text);
}

/* Refcounts that are behind, by design, after a crash: QEMU counts anew when it opens the image for
 * writing, and then has read the snapshot table. */
static void count_anew(struct facts *facts)
{
	bool keeps_snapshots = facts->info.snapshots != 0 && facts->has_valid;
	add_writer(
		facts,
		"the next QEMU that opens the image for writing counts the refcounts anew, "
		"so the start of the machine does it, too; or at once",
		keeps_snapshots ? "qemu-io -c quit" : "qemu-img check -r all");
}

static void add_dirty(struct facts *facts)
{
	bool is_open = true;
	if (facts->is_broken)
		is_open = drop_all(
			facts,
			"while refcounts are behind only the header can be changed, and "
			"QEMU opens nothing with these bitmaps: drop all; the next "
			"backup must be a full one");
	if (is_open)
		count_anew(facts);
	if (facts->needs_repair && !facts->is_broken) {
		forget_all(facts);
		add_check(facts, "what is left then");
	}
}

/* What must be gone before qemu-img check -r may run; NULL where nothing must. */
static const char *why_drop_first(const struct facts *facts)
{
	if (qcow2bm_bitmap_count(facts->image) == 0 && !facts->needs_repair)
		return NULL;
	if (facts->info.snapshots != 0 && facts->has_valid)
		return "QEMU must mend the rest, and qemu-img check -r deletes all internal "
		       "snapshots of an image that has valid bitmaps: drop the bitmaps first; "
		       "the next backup must be a full one";
	if (has_trait(facts, QCOW2BM_PROBLEM_STOPS_STORING))
		return "QEMU must mend the rest, and fails where it has bitmaps to store "
		       "before the refcounts are made anew: drop the bitmaps first; the next "
		       "backup must be a full one";
	if (facts->is_broken && facts->is_stuck)
		return "only the header of this image can be changed as it is marked: drop all "
		       "bitmaps; the next backup must be a full one";
	if (facts->needs_repair && !facts->is_stuck &&
	    !tool_advice_try(facts->image, facts->report, 0, NULL, 0).works)
		return "what else is wrong with the image is in the way of keeping any bitmap: "
		       "drop all; the next backup must be a full one";
	return NULL;
}

static bool only_costs_room(const struct facts *facts)
{
	for (size_t i = 0; i < qcow2bm_report_count(facts->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(facts->report, i);
		if (problem->cure == QCOW2BM_CURE_QEMU &&
		    problem->severity != QCOW2BM_SEVERITY_LEAK)
			return false;
	}
	return true;
}

/* What qemu-img must mend: the bitmaps go first where it would take the snapshots with them. */
static void add_qemu(struct facts *facts)
{
	const char *why = why_drop_first(facts);
	if (why != NULL && facts->info.snapshots != 0 && facts->has_valid &&
	    only_costs_room(facts)) {
		if (facts->needs_repair)
			add_repair(facts);
		tool_advice_add(
			facts->advice,
			"refcounts of the guest's clusters that are too high cost room, "
			"and nothing else: leave them, since qemu-img check -r would "
			"delete the internal snapshots",
			NULL);
		return;
	}
	if (why != NULL && !drop_all(facts, why)) {
		tool_advice_add(
			facts->advice,
			"the bitmaps cannot even be dropped: copy the disk with "
			"qemu-img convert, as far as it can be read, or restore it "
			"from a backup",
			NULL);
		return;
	}
	if (why == NULL && facts->needs_repair && !facts->is_stuck)
		add_repair(facts);
	add_writer(facts, "for what is not the bitmaps' (copy the image first)",
		   "qemu-img check -r all");
}

static void add_lost(struct facts *facts)
{
	if (facts->is_stuck && facts->is_broken)
		drop_all(facts,
			 "only the header of this image can be changed as it is marked: "
			 "drop all bitmaps, so that QEMU can read the disk at all");
	else if (facts->needs_repair && !facts->is_stuck)
		add_repair(facts);
	tool_advice_add(
		facts->advice,
		"what the guest's structures have lost nobody can mend: restore the disk from a "
		"backup, or copy with qemu-img convert what can still be read; no qemu-img "
		"check -r, it could make more damage",
		NULL);
}

static void add_copy(struct facts *facts)
{
	struct tool_text target = {0};
	tool_text_print(&target, "%s.new", facts->filename);
	struct tool_text command = {0};
	char *from = tool_advice_qemu(facts->image, "qemu-img convert -O qcow2",
				      facts->filename);
	char *to = tool_advice_command("", target.bytes);
	tool_text_print(&command, "%s%s", from, to);
	tool_advice_add(
		facts->advice,
		"two bitmaps extensions: nothing mends that; copy the guest's disk to a "
		"new image, without bitmaps and internal snapshots; this one stays",
		command.bytes);
	free(from);
	free(to);
	tool_text_free(&target);
}

static bool was_cut_off(const struct facts *facts)
{
	for (size_t i = 0; i < qcow2bm_bitmap_count(facts->image); i++)
		if (qcow2bm_bitmap_describe(facts->image, i)->of_chain &&
		    !facts->is_gone[i])
			return true;
	return false;
}

static void add_unmended(struct facts *facts)
{
	if (was_cut_off(facts))
		tool_advice_add(
			facts->advice,
			"a `qcow2bm chain` command was cut off and needs what it has left "
			"here: type that command again before anything else",
			NULL);
	if (facts->is_far)
		tool_advice_add(
			facts->advice,
			"no other place has room for the backing file's name: let QEMU alone "
			"start the machine, or name the backing file in the domain's XML "
			"(<backingStore>), so that libvirt need not look for it",
			NULL);
	if (facts->is_unmended)
		tool_advice_add(
			facts->advice,
			"for what is left there is no command: see what stands above",
			NULL);
}

/* One thing after the other: what keeps from copying, from opening, from trusting, then names. */
static void decide(struct facts *facts)
{
	if (facts->needs_copy) {
		add_copy(facts);
		return;
	}
	if (facts->info.version == 2 && facts->needs_repair) {
		tool_advice_add(
			facts->advice,
			"a version 2 image cannot have bitmaps: this drops what is left "
			"of them",
			tool_advice_qemu(facts->image, "qemu-img amend -o compat=v3",
					 facts->filename));
		return;
	}
	if (facts->is_lost)
		add_lost(facts);
	else if (facts->info.dirty && !facts->info.corrupt && facts->only_counts)
		add_dirty(facts);
	else if (facts->needs_qemu)
		add_qemu(facts);
	else if (facts->needs_repair)
		add_repair(facts);
	add_unmended(facts);
	if (facts->needs_names && !(facts->is_lost && facts->info.corrupt))
		tool_advice_add_names(facts->advice, facts->filename, facts->image,
				      facts->report, facts->is_gone);
}

void tool_advice_make(struct tool_advice *advice, const char *filename,
		      struct qcow2bm_image *image, const struct qcow2bm_report *report)
{
	struct facts facts = {
		.advice = advice, .filename = filename, .image = image, .report = report};
	*advice = (struct tool_advice){.count = 0};
	gather(&facts);
	decide(&facts);
	free(facts.is_dropped);
	free(facts.is_gone);
}
