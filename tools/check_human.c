/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report of a check for the administrator: what is wrong, is the data safe, what to type. */
#include "check.h"
#include "memory.h"
#include "name.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct human {
	struct tool_text *text;
	const char *filename;
	const struct qcow2bm_image *image;
	const struct qcow2bm_report *report;
	struct qcow2bm_totals totals;
	bool *is_dropped; /* by repair; one for each bitmap */
};

bool tool_check_is_guest(const struct qcow2bm_problem *problem)
{
	return strncmp(problem->code, "guest-", 6) == 0;
}

static char *name_of(const struct human *human, size_t idx)
{
	struct qcow2bm_bitmap entry;
	qcow2bm_describe(human->image, idx, &entry);
	return tool_name_escape(entry.name, entry.name_bytes, TOOL_NAME_HUMAN);
}

static void add_row(struct human *human, struct tool_table *table,
		    const struct qcow2bm_problem *problem)
{
	static const char *const severities[] = {"note", "leak", "warning", "ERROR"};
	struct tool_text cell = {0};
	tool_table_add(table, severities[problem->severity]);
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

static void add_problems(struct human *human)
{
	struct tool_table table = {.columns = 5, .right = {[3] = true}};
	size_t count = qcow2bm_report_count(human->report);
	if (count == 0)
		return;
	tool_table_add(&table, "SEVERITY");
	tool_table_add(&table, "BITMAP");
	tool_table_add(&table, "CODE");
	tool_table_add(&table, "BYTE");
	tool_table_add(&table, "WHAT");
	for (size_t i = 0; i < count; i++)
		add_row(human, &table, qcow2bm_report_problem(human->report, i));
	tool_table_finish(&table, human->text);
}

/* ---- Is the data safe? ---- */

static bool has_cure(const struct human *human, enum qcow2bm_cure cure)
{
	for (size_t i = 0; i < qcow2bm_report_count(human->report); i++)
		if (qcow2bm_report_problem(human->report, i)->cure == cure)
			return true;
	return false;
}

static bool has_any_cure(const struct human *human)
{
	for (size_t i = 0; i < qcow2bm_report_count(human->report); i++)
		if (qcow2bm_report_problem(human->report, i)->cure != QCOW2BM_CURE_NONE)
			return true;
	return false;
}

static bool has_problem(const struct human *human, const char *code)
{
	for (size_t i = 0; i < qcow2bm_report_count(human->report); i++)
		if (strcmp(qcow2bm_report_problem(human->report, i)->code, code) == 0)
			return true;
	return false;
}

static bool has_guest_errors(const struct human *human)
{
	for (size_t i = 0; i < qcow2bm_report_count(human->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(human->report, i);
		if (tool_check_is_guest(problem) &&
		    problem->severity == QCOW2BM_SEVERITY_ERROR)
			return true;
	}
	return false;
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
	else if (has_problem(human, "overlap-guest") ||
		 has_problem(human, "overlap-metadata") ||
		 has_problem(human, "directory-overlap"))
		safety =
			"AT RISK: bitmaps lie in clusters of something else; QEMU may "
			"already have written\n       one over the other, so compare with "
			"a backup";
	else if (!human->totals.walked)
		safety = "not looked at (--quick)";
	else if (human->totals.errors == 0)
		safety = "safe";
	tool_text_print(human->text, "Guest data: %s.\n", safety);
}

/* ---- What to type ---- */

/* A word as a shell takes it. */
static void add_word(struct tool_text *text, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./+:@%=,-";
	if (*word != '\0' && word[strspn(word, plain)] == '\0') {
		tool_text_print(text, " %s", word);
		return;
	}
	tool_text_print(text, " '");
	for (; *word != '\0'; word++)
		tool_text_print(text, *word == '\'' ? "'\\''" : "%c", *word);
	tool_text_print(text, "'");
}

void tool_check_add_filename(struct tool_text *text, const char *filename)
{
	char *shown = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	struct tool_text word = {0};
	tool_text_print(&word, "%s%s", shown[0] == '-' ? "./" : "", shown);
	add_word(text, word.bytes);
	tool_text_free(&word);
	free(shown);
}

static void add_filename(struct human *human)
{
	tool_check_add_filename(human->text, human->filename);
}

static void add_command(struct human *human, const char *command)
{
	tool_text_print(human->text, "  %s", command);
	add_filename(human);
}

/* Whether bitmap idx has a problem with this cure, and repair does not drop it. */
static bool needs(const struct human *human, size_t idx, enum qcow2bm_cure cure)
{
	for (size_t i = 0;
	     !human->is_dropped[idx] && i < qcow2bm_report_count(human->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(human->report, i);
		if (problem->idx == idx && problem->cure == cure)
			return true;
	}
	return false;
}

/* One command with the names of all bitmaps that need it, and why in the line above. */
static void add_names(struct human *human, enum qcow2bm_cure cure, const char *why,
		      const char *command)
{
	bool begun = false;
	for (size_t i = 0; i < qcow2bm_count(human->image); i++) {
		if (!needs(human, i, cure))
			continue;
		if (!begun) {
			tool_text_print(human->text, "  # %s\n", why);
			add_command(human, command);
		}
		begun = true;
		char *name = name_of(human, i);
		if (name[0] == '-')
			tool_text_print(human->text, " --");
		add_word(human->text, name);
		free(name);
		if (cure == QCOW2BM_CURE_RENAME) {
			tool_text_print(human->text, " NEW-NAME\n");
			begun = false;
		}
	}
	if (begun)
		tool_text_print(human->text, "\n");
}

static void add_duplicates(struct human *human)
{
	if (!has_problem(human, "name-duplicate"))
		return;
	tool_text_print(human->text,
			"  # of bitmaps with one name repair keeps none, unless you name "
			"those that are to go\n");
	add_command(human, "qcow2bm repair --drop-index N");
	tool_text_print(human->text, "\n");
}

/* Whether something is to be mended without which QEMU does not even open the image. */
static bool keeps_qemu_out(const struct human *human)
{
	static const char *const harmless[] = {"refcount-zero", "directory-refcount-zero",
					       "directory-overlap",
					       "directory-overlap-bitmap"};
	for (size_t i = 0; i < qcow2bm_report_count(human->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(human->report, i);
		bool opens = problem->severity != QCOW2BM_SEVERITY_ERROR;
		for (size_t k = 0; k < sizeof(harmless) / sizeof(harmless[0]); k++)
			opens |= strcmp(problem->code, harmless[k]) == 0;
		if (problem->cure == QCOW2BM_CURE_MEND && !opens)
			return true;
	}
	return false;
}

static void add_repair_effect(struct human *human)
{
	size_t dropped = 0, all = qcow2bm_count(human->image);
	for (size_t i = 0; i < all; i++)
		dropped += human->is_dropped[i];
	if (all == 0)
		tool_text_print(human->text, "  # gives back the leaked clusters");
	else if (dropped == 0)
		tool_text_print(human->text, "  # keeps %s bit for bit",
				all == 1 ? "the bitmap" : "all bitmaps");
	else if (dropped == all)
		tool_text_print(human->text, "  # drops %s",
				all == 1 ? "the bitmap" : "all bitmaps");
	else
		tool_text_print(human->text,
				"  # drops %zu of %zu bitmaps, keeps the others bit for "
				"bit",
				dropped, all);
	tool_text_print(human->text, " (-n shows the plan)\n");
}

static void add_repair(struct human *human)
{
	struct qcow2bm_image_info info;
	qcow2bm_describe_image(human->image, &info);
	if (info.version == 2 && has_problem(human, "autoclear-lost")) {
		tool_text_print(
			human->text,
			"  # a version 2 image cannot have bitmaps: this drops what is "
			"left of them\n");
		add_command(human, "qemu-img amend -f qcow2 -o compat=v3");
	} else if (has_problem(human, "autoclear-lost")) {
		tool_text_print(
			human->text,
			"  # the bitmaps may miss what another program wrote: drop "
			"them, or, if the guest's disk\n  # was surely not written, "
			"keep them with --trust-bitmaps instead of --drop-all\n");
		add_command(human, "qcow2bm repair --drop-all");
	} else if (has_cure(human, QCOW2BM_CURE_CHOOSE) &&
		   !has_problem(human, "name-duplicate")) {
		tool_text_print(
			human->text,
			"  # no bitmap can be found: remove what is left of them\n");
		add_command(human, "qcow2bm repair --drop-all");
	} else if (has_cure(human, QCOW2BM_CURE_MEND) ||
		   has_cure(human, QCOW2BM_CURE_DROP)) {
		add_repair_effect(human);
		add_command(human, "qcow2bm repair");
	} else {
		return;
	}
	tool_text_print(human->text, "\n");
}

static void add_qemu(struct human *human)
{
	if (!has_cure(human, QCOW2BM_CURE_QEMU))
		return;
	if (has_problem(human, "second-extension")) {
		tool_text_print(
			human->text,
			"  # two bitmaps extensions: nothing here mends that; convert "
			"the disk to a new image\n");
		add_command(human, "qemu-img convert -O qcow2");
		tool_text_print(human->text, " NEW-IMAGE\n");
		return;
	}
	bool only_leaks = !has_guest_errors(human) &&
			  !has_problem(human, "image-dirty") &&
			  !has_problem(human, "image-corrupt");
	tool_text_print(human->text, "  # for what is not the bitmaps' (copy the image "
				     "first)\n");
	add_command(human,
		    only_leaks ? "qemu-img check -r leaks" : "qemu-img check -r all");
	tool_text_print(human->text, "\n");
}

static void add_commands(struct human *human)
{
	if (!has_any_cure(human))
		return;
	tool_text_print(human->text, "To do:\n");
	/* Where QEMU opens the image as it is. */
	bool qemu_first =
		has_problem(human, "image-dirty") ||
		has_problem(human, "image-corrupt") ||
		(has_guest_errors(human) && !has_cure(human, QCOW2BM_CURE_DROP) &&
		 !has_cure(human, QCOW2BM_CURE_CHOOSE) && !keeps_qemu_out(human));
	if (qemu_first)
		add_qemu(human);
	add_duplicates(human);
	add_repair(human);
	add_names(
		human, QCOW2BM_CURE_RECOVER,
		"left in use: what is not sure becomes all dirty, which is always safe (-n tells "
		"what would do with less); or delete them and make a full backup",
		"qcow2bm recover --auto");
	add_names(human, QCOW2BM_CURE_RENAME, "the name can be changed",
		  "qcow2bm rename");
	add_names(human, QCOW2BM_CURE_DELETE, "if no backup job needs them any more",
		  "qcow2bm delete");
	if (!qemu_first)
		add_qemu(human);
}

static void add_count(struct tool_text *text, uint64_t count, const char *what)
{
	if (count != 0)
		tool_text_print(text, ", %" PRIu64 " %s%s", count, what,
				count == 1 ? "" : "s");
}

void tool_check_human(struct tool_text *text, const char *filename,
		      const struct qcow2bm_image *image,
		      const struct qcow2bm_report *report)
{
	struct human human = {
		.text = text, .filename = filename, .image = image, .report = report};
	size_t count = qcow2bm_count(image);
	human.is_dropped = tool_memory_zeroed(count + 1, sizeof(bool));
	for (size_t i = 0; i < qcow2bm_report_count(report); i++) {
		const struct qcow2bm_problem *problem = qcow2bm_report_problem(report, i);
		if (problem->cure == QCOW2BM_CURE_DROP &&
		    problem->idx != QCOW2BM_NOT_FOUND)
			human.is_dropped[problem->idx] = true;
	}
	qcow2bm_report_totals(report, &human.totals);
	char *shown = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s%s: %zu bitmap%s", text->used != 0 ? "\n" : "", shown,
			count, count == 1 ? "" : "s");
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
		add_commands(&human);
	}
	free(human.is_dropped);
}
