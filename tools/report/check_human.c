/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report of a check for the administrator: what is wrong, is the data safe, what to type. */
#include "check.h"

#include "../term/fold.h"
#include "../term/name.h"
#include "../term/table.h"
#include "advice.h"
#include "state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct human {
	struct tool_text *text;
	const char *filename;
	struct qcow2bm_image *image;
	const struct qcow2bm_report *report;
	struct qcow2bm_totals totals;
};

bool tool_check_is_guest(const struct qcow2bm_problem *problem)
{
	return problem->area == QCOW2BM_AREA_GUEST;
}

static char *name_of(const struct human *human, size_t idx)
{
	struct qcow2bm_bitmap entry = *qcow2bm_bitmap_describe(human->image, idx);
	return tool_name_escape(entry.name, entry.name_bytes, TOOL_NAME_HUMAN);
}

static void add_row(struct human *human, struct tool_table *table,
		    const struct qcow2bm_problem *problem)
{
	struct tool_text cell = {0};
	tool_state_add_severity(table, problem->severity);
	if (problem->idx == QCOW2BM_NOT_FOUND) {
		tool_table_add(table, "-");
	} else {
		char *name = name_of(human, problem->idx);
		tool_text_print(&cell, "%zu '%s'", problem->idx, name);
		tool_table_add(table, cell.bytes);
		free(name);
	}
	tool_table_add(table, problem->code);
	char place[32] = "-";
	if (problem->offset != QCOW2BM_NO_OFFSET)
		snprintf(place, sizeof(place), "%" PRIu64, problem->offset);
	tool_table_add(table, place);
	char *sentence = tool_name_escape_text(problem->sentence, TOOL_NAME_HUMAN);
	tool_table_add(table, sentence);
	free(sentence);
	tool_text_free(&cell);
}

static void add_rows(struct human *human, struct tool_table *table)
{
	tool_table_add(table, "SEVERITY");
	tool_table_add(table, "BITMAP");
	tool_table_add(table, "CODE");
	tool_table_add(table, "BYTE");
	tool_table_add(table, "WHAT");
	for (size_t i = 0; i < qcow2bm_report_count(human->report); i++)
		add_row(human, table, qcow2bm_report_problem(human->report, i));
}

static void add_problems(struct human *human)
{
	struct tool_table table = {
		.columns = 5, .right = {[3] = true}, .shortens = {[1] = true}};
	if (qcow2bm_report_count(human->report) == 0)
		return;
	add_rows(human, &table);
	table.text = human->text;
	add_rows(human, &table);
}

/* ---- Is the data safe? ---- */

static bool has_trait(const struct human *human, enum qcow2bm_trait trait)
{
	for (size_t i = 0; i < qcow2bm_report_count(human->report); i++)
		if (qcow2bm_report_problem(human->report, i)->traits & trait)
			return true;
	return false;
}

static bool is_dirty(const struct human *human)
{
	const struct qcow2bm_image_info *info = qcow2bm_image_describe(human->image);
	return info->dirty && !info->corrupt;
}

/* After a crash refcounts are behind, by design, in an image that is marked dirty. */
static bool is_expected(const struct human *human, const struct qcow2bm_problem *problem)
{
	return is_dirty(human) && tool_check_is_guest(problem) &&
	       (problem->traits & QCOW2BM_PROBLEM_RECOUNTED);
}

static bool has_guest_errors(const struct human *human)
{
	for (size_t i = 0; i < qcow2bm_report_count(human->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(human->report, i);
		if (tool_check_is_guest(problem) &&
		    problem->severity == QCOW2BM_SEVERITY_ERROR &&
		    !is_expected(human, problem))
			return true;
	}
	return false;
}

static bool has_bitmaps_in_others(const struct human *human)
{
	for (size_t i = 0; i < qcow2bm_report_count(human->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(human->report, i);
		if (!tool_check_is_guest(problem) &&
		    (problem->traits & QCOW2BM_PROBLEM_RISKS_DATA))
			return true;
	}
	return false;
}

static bool has_other_errors(const struct human *human)
{
	for (size_t i = 0; i < qcow2bm_report_count(human->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(human->report, i);
		if (problem->severity == QCOW2BM_SEVERITY_ERROR &&
		    !is_expected(human, problem))
			return true;
	}
	return false;
}

/* Of an image whose backing file's name libvirt does not reach, the safety that QEMU sees is not
 * all. */
static const char *what_libvirt_sees(const struct human *human)
{
	return has_trait(human, QCOW2BM_PROBLEM_HIDES_BACKING)
		       ? "; but libvirt sees no backing file, and would start the\n"
			 "       machine without it: the guest reads zeros there, and what it "
			 "then writes stays; start\n       it by libvirt only when that is "
			 "mended"
		       : "";
}

/* The next full pass over the disk, by backup software, is what a lost bitmap costs. */
static void add_safety(struct human *human)
{
	const char *safety =
		"the structures of the guest's disk are whole; at most bitmaps are lost, "
		"and then the next\n       backup must be a full one";
	if (has_guest_errors(human))
		safety =
			"AT RISK: the structures of the guest's disk are damaged, too; start "
			"no machine on it,\n       copy the image file first";
	else if (has_bitmaps_in_others(human))
		safety =
			"AT RISK: bitmaps lie in clusters of something else; QEMU may "
			"already have written\n       one over the other, so compare with "
			"a backup";
	else if (!human->totals.walked)
		safety = "not looked at (--quick)";
	else if (is_dirty(human) && !has_other_errors(human))
		safety =
			"safe; refcounts are behind, as lazy refcounts are after a crash: the "
			"next QEMU that\n       opens the image for writing counts them anew";
	else if (human->totals.errors == 0)
		safety = what_libvirt_sees(human)[0] == '\0' ? "safe" : "whole";
	size_t from = human->text->used;
	tool_text_print(human->text, "Guest data: %s%s.\n", safety,
			what_libvirt_sees(human));
	tool_fold_since(human->text, from);
}

/* ---- What to type ---- */

static void add_to_do(struct human *human)
{
	struct tool_advice advice;
	tool_advice_make(&advice, human->filename, human->image, human->report);
	if (advice.count != 0)
		tool_text_print(human->text, "To do:\n");
	tool_advice_print(human->text, &advice);
	tool_advice_free(&advice);
}

static void add_count(struct tool_text *text, uint64_t count, const char *what)
{
	if (count != 0)
		tool_text_print(text, ", %" PRIu64 " %s%s", count, what,
				count == 1 ? "" : "s");
}

void tool_check_human(struct tool_text *text, const char *filename,
		      struct qcow2bm_image *image, const struct qcow2bm_report *report)
{
	struct human human = {
		.text = text, .filename = filename, .image = image, .report = report};
	size_t count = qcow2bm_bitmap_count(image);
	human.totals = *qcow2bm_report_totals(report);
	char *shown = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s: %zu bitmap%s", shown, count, count == 1 ? "" : "s");
	free(shown);
	add_count(text, human.totals.errors, "error");
	add_count(text, human.totals.warnings, "warning");
	add_count(text, human.totals.leaked_clusters, "leaked cluster");
	add_count(text, human.totals.notes, "note");
	bool clean = human.totals.errors + human.totals.warnings +
			     human.totals.leaked_clusters ==
		     0;
	tool_text_print(text, clean ? ", no problems\n" : "\n");
	add_problems(&human);
	if (!clean) {
		add_safety(&human);
		add_to_do(&human);
	}
}
