/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which `qcow2bm repair` an image needs: each is tried in memory before it is advised. */
#define _POSIX_C_SOURCE 200809L
#include "advice.h"

#include "../term/memory.h"
#include "../term/word.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of more bitmaps with one name, the first to be kept. */
#define MAX_CHOICES 4

struct tool_trial tool_advice_try(struct qcow2bm_image *image,
				  const struct qcow2bm_report *report, unsigned flags,
				  const size_t *drop, size_t drop_count)
{
	const struct qcow2bm_repair_options options = {sizeof(options), flags, drop,
						       drop_count};
	struct qcow2bm_edit *edit = NULL;
	const struct qcow2bm_plan *plan = NULL;
	bool works = qcow2bm_edit_begin(&edit, image, NULL) == QCOW2BM_OK &&
		     qcow2bm_edit_repair(edit, report, &options, NULL) == QCOW2BM_OK &&
		     qcow2bm_edit_plan(edit, 0, &plan, NULL, NULL) == QCOW2BM_OK;
	/* Without the references nothing is known to be free; the repair itself counts them. */
	bool leaks = works && qcow2bm_report_totals(report)->walked &&
		     (plan->leak_clusters != 0 || plan->leaks_more);
	qcow2bm_edit_end(edit);
	return (struct tool_trial){.works = works, .leaks = leaks};
}

/* The first of NAME.undo, NAME.undo.2, ... that is not in the folder one is in. */
static char *choose_undo_file(const char *filename)
{
	const char *slash = strrchr(filename, '/');
	struct tool_text undo = {0};
	for (unsigned i = 1; i == 1 || access(undo.bytes, F_OK) == 0; i++) {
		undo.used = 0;
		tool_text_print(&undo, "%s.undo", slash == NULL ? filename : slash + 1);
		if (i > 1)
			tool_text_print(&undo, ".%u", i);
	}
	return undo.bytes;
}

/* Next to a device stands no undo file: it goes to the folder one is in. */
static char *command_for(const char *filename, const char *options)
{
	struct tool_text text = {0};
	tool_text_print(&text, "qcow2bm repair%s", options);
	if (!tool_advice_is_regular(filename)) {
		char *undo = choose_undo_file(filename);
		tool_text_print(&text, " --save");
		tool_word_add_file(&text, undo);
		free(undo);
	}
	tool_word_add_file(&text, filename);
	return text.bytes;
}

static char *with_leaks(const char *why, struct tool_trial trial)
{
	struct tool_text text = {0};
	tool_text_print(&text, "%s%s", why,
			trial.leaks ? " (ends with status 5: what cannot be proven to be "
				      "theirs is leaked, check tells how to get it back)"
				    : "");
	return text.bytes;
}

static void add_step(struct tool_advice *advice, bool is_alternative, const char *why,
		     struct tool_trial trial, char *command)
{
	char *text = with_leaks(why, trial);
	if (is_alternative)
		tool_advice_add_alternative(advice, text, command);
	else
		tool_advice_add(advice, text, command);
	free(text);
}

bool tool_advice_add_drop_all(struct tool_advice *advice, const char *filename,
			      struct qcow2bm_image *image,
			      const struct qcow2bm_report *report, const char *why)
{
	struct tool_trial trial =
		tool_advice_try(image, report, QCOW2BM_REPAIR_DROP_ALL, NULL, 0);
	if (trial.works)
		add_step(advice, false, why, trial, command_for(filename, " --drop-all"));
	return trial.works;
}

/* ---- Bitmaps with one name ---- */

/* How many of the bitmaps with one name are left, at the index of the first of them. */
static size_t *count_namesakes(const struct qcow2bm_image *image,
			       const struct qcow2bm_report *report,
			       const bool *is_dropped, size_t **leaders)
{
	size_t *left = tool_memory_zeroed(qcow2bm_bitmap_count(image) + 1, sizeof(*left));
	*leaders = tool_memory_zeroed(qcow2bm_bitmap_count(image) + 1, sizeof(**leaders));
	for (size_t i = 0; i < qcow2bm_bitmap_count(image); i++)
		(*leaders)[i] = QCOW2BM_NOT_FOUND;
	for (size_t i = 0; i < qcow2bm_report_count(report); i++) {
		const struct qcow2bm_problem *problem = qcow2bm_report_problem(report, i);
		struct qcow2bm_bitmap entry;
		if (problem->cure != QCOW2BM_CURE_CHOOSE ||
		    problem->idx == QCOW2BM_NOT_FOUND || is_dropped[problem->idx])
			continue;
		entry = *qcow2bm_bitmap_describe(image, problem->idx);
		size_t leader = qcow2bm_bitmap_find(image, entry.name, entry.name_bytes);
		(*leaders)[problem->idx] = leader;
		left[leader]++;
	}
	return left;
}

/* Of each name the bitmap number `nth` stays, or the last one; returns how many are to go. */
static size_t choose_drops(const struct qcow2bm_image *image,
			   const struct qcow2bm_report *report, const bool *is_dropped,
			   size_t nth, size_t *drop)
{
	size_t count = qcow2bm_bitmap_count(image), used = 0, *leaders;
	size_t *left = count_namesakes(image, report, is_dropped, &leaders);
	size_t *seen = tool_memory_zeroed(count + 1, sizeof(*seen));
	for (size_t i = 0; i < count; i++) {
		size_t leader = leaders[i];
		if (leader == QCOW2BM_NOT_FOUND)
			continue;
		size_t stays = nth < left[leader] ? nth : left[leader] - 1;
		if (seen[leader]++ != stays)
			drop[used++] = i;
	}
	free(leaders);
	free(left);
	free(seen);
	return used;
}

/* A step for each choice of which bitmaps of one name stay, tried in memory before it is shown. */
static bool add_namesakes(struct tool_advice *advice, const char *filename,
			  struct qcow2bm_image *image,
			  const struct qcow2bm_report *report, const bool *is_dropped)
{
	static const char *const whys[MAX_CHOICES] = {
		"of bitmaps with one name one can stay: the first",
		"the second of them",
		"the third of them",
		"the fourth of them",
	};
	size_t *drop = tool_memory_zeroed(qcow2bm_bitmap_count(image) + 1, sizeof(*drop));
	size_t before = advice->count, last = 0, last_count = 0;
	for (size_t nth = 0; nth < MAX_CHOICES; nth++) {
		size_t sum = 0;
		size_t count = choose_drops(image, report, is_dropped, nth, drop);
		struct tool_text options = {0};
		tool_text_print(&options, "%s", "");
		for (size_t i = 0; i < count; i++) {
			tool_text_print(&options, " --drop-index %zu", drop[i]);
			sum += (i + 1) * (drop[i] + 1);
		}
		struct tool_trial trial = tool_advice_try(image, report, 0, drop, count);
		if (trial.works && (nth == 0 || sum != last || count != last_count))
			add_step(advice, advice->count != before, whys[nth], trial,
				 command_for(filename, options.bytes));
		last = sum;
		last_count = count;
		tool_text_free(&options);
	}
	free(drop);
	struct tool_trial none = tool_advice_try(image, report, 0, NULL, 0);
	if (none.works)
		add_step(advice, advice->count != before, "none of them", none,
			 command_for(filename, ""));
	return advice->count != before;
}

/* ---- All others ---- */

static bool has_cure(const struct qcow2bm_report *report, enum qcow2bm_cure cure,
		     bool of_bitmap)
{
	for (size_t i = 0; i < qcow2bm_report_count(report); i++) {
		const struct qcow2bm_problem *problem = qcow2bm_report_problem(report, i);
		if (problem->cure == cure &&
		    (problem->idx != QCOW2BM_NOT_FOUND) == of_bitmap)
			return true;
	}
	return false;
}

static size_t count_dropped(const struct qcow2bm_image *image, const bool *is_dropped)
{
	size_t dropped = 0;
	for (size_t i = 0; i < qcow2bm_bitmap_count(image); i++)
		dropped += is_dropped[i];
	return dropped;
}

static void explain_repair(struct tool_text *why, const struct qcow2bm_image *image,
			   const struct qcow2bm_report *report, const bool *is_dropped)
{
	struct qcow2bm_totals totals;
	size_t dropped = count_dropped(image, is_dropped),
	       all = qcow2bm_bitmap_count(image);
	totals = *qcow2bm_report_totals(report);
	if (all == 0)
		tool_text_print(why, "%s",
				totals.leaked_clusters != 0
					? "gives back the leaked clusters"
					: "makes the header right");
	else if (dropped == 0)
		tool_text_print(why, "keeps %s bit for bit",
				all == 1 ? "the bitmap" : "all bitmaps");
	else if (dropped == all)
		tool_text_print(why, "drops %s", all == 1 ? "the bitmap" : "all bitmaps");
	else
		tool_text_print(why,
				"drops %zu of %zu bitmaps, keeps the others bit for bit",
				dropped, all);
	tool_text_print(why, " (-n shows the plan)");
}

static void add_trust(struct tool_advice *advice, const char *filename,
		      bool is_alternative, size_t dropped, struct tool_trial trial)
{
	struct tool_text why = {0};
	if (dropped != 0)
		tool_text_print(&why, "drops %zu for their own damage, keeps the others",
				dropped);
	else
		tool_text_print(&why, "keep them");
	tool_text_print(&why,
			", if the guest's disk was surely not written meanwhile; then "
			"verify --base with an older state of it proves that");
	add_step(advice, is_alternative, why.bytes, trial,
		 command_for(filename, " --trust-bitmaps"));
	tool_text_free(&why);
}

/* How many bitmaps a chain command that was cut off has left. */
static size_t count_left(const struct qcow2bm_image *image)
{
	size_t count = 0;
	for (size_t i = 0; i < qcow2bm_bitmap_count(image); i++)
		count += qcow2bm_bitmap_describe(image, i)->of_chain;
	return count;
}

/* Dropped, they are lost to the command that goes on with them, so what keeps them comes first. Where they are all
 * that the image has, QEMU was killed while it opened the image, and they have no bits that could be missing. */
static void add_left(struct tool_advice *advice, const char *filename,
		     struct qcow2bm_image *image, const struct qcow2bm_report *report,
		     size_t dropped, struct tool_trial trust)
{
	if (count_left(image) == qcow2bm_bitmap_count(image)) {
		add_step(
			advice, false,
			"nothing but what a `qcow2bm chain` command that was cut off needs is "
			"in it: keep that",
			trust, command_for(filename, " --trust-bitmaps"));
		return;
	}
	add_trust(advice, filename, false, dropped, trust);
	struct tool_trial all =
		tool_advice_try(image, report, QCOW2BM_REPAIR_DROP_ALL, NULL, 0);
	if (all.works)
		add_step(
			advice, true,
			"if it may have been: drop the bitmaps, also those of the `qcow2bm "
			"chain` command that was cut off, and make the next backup a full one",
			all, command_for(filename, " --drop-all"));
}

/* What the image is to be told: that its bitmaps can be trusted, or not. */
static bool add_choice(struct tool_advice *advice, const char *filename,
		       struct qcow2bm_image *image, const struct qcow2bm_report *report,
		       const bool *is_dropped)
{
	size_t dropped = count_dropped(image, is_dropped);
	struct tool_trial trust =
		tool_advice_try(image, report, QCOW2BM_REPAIR_TRUST_BITMAPS, NULL, 0);
	/* Where all are damaged there is none that could be trusted. */
	trust.works &= qcow2bm_bitmap_count(image) == 0 ||
		       dropped != qcow2bm_bitmap_count(image);
	if (trust.works && count_left(image) != 0) {
		add_left(advice, filename, image, report, dropped, trust);
		return true;
	}
	bool drops = tool_advice_add_drop_all(
		advice, filename, image, report,
		trust.works
			? "the bitmaps may miss what another program wrote: drop them, "
			  "and make the next backup a full one"
			: "no bitmap can be found or trusted: remove what is left of "
			  "them; the next backup must be a full one");
	if (trust.works)
		add_trust(advice, filename, drops, dropped, trust);
	return drops || trust.works;
}

bool tool_advice_add_repair(struct tool_advice *advice, const char *filename,
			    struct qcow2bm_image *image,
			    const struct qcow2bm_report *report, const bool *is_dropped)
{
	if (has_cure(report, QCOW2BM_CURE_CHOOSE, false))
		return add_choice(advice, filename, image, report, is_dropped);
	if (has_cure(report, QCOW2BM_CURE_CHOOSE, true))
		return add_namesakes(advice, filename, image, report, is_dropped);
	struct tool_trial trial = tool_advice_try(image, report, 0, NULL, 0);
	if (!trial.works)
		return tool_advice_add_drop_all(
			advice, filename, image, report,
			"what else is wrong with the image is in the way of keeping any "
			"bitmap: drop all; the next backup must be a full one");
	struct tool_text why = {0};
	explain_repair(&why, image, report, is_dropped);
	add_step(advice, false, why.bytes, trial, command_for(filename, ""));
	tool_text_free(&why);
	return true;
}
