/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm repair: what check found, mended by one session. */
#define _POSIX_C_SOURCE 200809L
#include "../report/summary.h"
#include "../term/match.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "../term/name.h"
#include "../term/operand.h"
#include "../term/output.h"
#include "../term/size.h"
#include "../term/text.h"
#include "../term/word.h"
#include "finish.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	DROP = TOOL_OPT_OWN,
	DROP_INDEX,
	DROP_ALL,
	DROP_IN_USE,
	TRUST_BITMAPS,
	NO_SAVE,
	MATCH
};

struct repair {
	struct tool_session session;
	struct qcow2bm_report *report;
	unsigned flags; /* QCOW2BM_REPAIR_... */
	char **names;   /* of --drop */
	size_t name_count;
	size_t *namesakes; /* once a name was looked for: see count_namesakes() */
	struct tool_match match;
	size_t *drop; /* indexes, those of the names included */
	size_t drop_count;
	size_t *mended; /* problems, in the report as JSON */
	bool no_save;
	char *undo_file; /* that was chosen for it */
	struct qcow2bm_plan plan;
	struct tool_text done;
};

static void add_idx(struct repair *repair, size_t idx)
{
	repair->drop = tool_memory_resize(repair->drop, repair->drop_count + 1,
					  sizeof(*repair->drop));
	repair->drop[repair->drop_count++] = idx;
}

/* How many bitmaps have the name of each that is the first of its name. */
static size_t *count_namesakes(const struct qcow2bm_image *image)
{
	size_t count = qcow2bm_bitmap_count(image);
	size_t *namesakes = tool_memory_zeroed(count, sizeof(*namesakes));
	for (size_t i = 0; i < count; i++) {
		struct qcow2bm_bitmap entry = *qcow2bm_bitmap_describe(image, i);
		size_t first = qcow2bm_bitmap_find(image, entry.name, entry.name_bytes);
		assert(first < count);
		namesakes[first]++;
	}
	return namesakes;
}

static int add_name(struct repair *repair, const char *name)
{
	struct tool_operand operand;
	const struct qcow2bm_image *image = repair->session.image;
	tool_operand_resolve(&operand, image, name);
	size_t idx = operand.idx;
	tool_operand_free(&operand);
	if (idx == QCOW2BM_NOT_FOUND)
		return tool_missing_bitmap(repair->session.filename, image, name);
	if (repair->namesakes == NULL)
		repair->namesakes = count_namesakes(image);
	size_t found = repair->namesakes[idx];
	if (found > 1) {
		tool_message(
			repair->session.filename,
			"cannot drop bitmap '%s': %zu bitmaps have this name; choose "
			"with --drop-index (qcow2bm check shows the numbers)",
			name, found);
		return TOOL_EXIT_FAILED;
	}
	add_idx(repair, idx);
	return TOOL_EXIT_DONE;
}

static int add_match(void *opaque, const struct qcow2bm_image *image, size_t idx)
{
	(void)image;
	add_idx(opaque, idx);
	return TOOL_EXIT_DONE;
}

static int stage(struct repair *repair)
{
	struct qcow2bm_error err = {0};
	struct qcow2bm_repair_options options = {
		.size = sizeof(struct qcow2bm_repair_options),
		.flags = repair->flags,
	};
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < repair->name_count && status == TOOL_EXIT_DONE; i++)
		status = add_name(repair, repair->names[i]);
	if (status == TOOL_EXIT_DONE)
		status = tool_match_each(&repair->match, repair->session.filename,
					 repair->session.image, add_match, repair);
	if (status != TOOL_EXIT_DONE)
		return status;
	options.drop = repair->drop;
	options.drop_count = repair->drop_count;
	if (qcow2bm_edit_repair(repair->session.edit, repair->report, &options, &err) !=
	    QCOW2BM_OK)
		return tool_message_fail(repair->session.filename, &err);
	return TOOL_EXIT_DONE;
}

static void describe_drops(struct repair *repair, const struct qcow2bm_plan *plan)
{
	const struct qcow2bm_image *image = repair->session.image;
	/* Changes come in the order of the bitmaps. */
	size_t next = 0;
	for (size_t i = 0; i < qcow2bm_bitmap_count(image) && next < plan->changes; i++) {
		struct qcow2bm_bitmap entry;
		struct qcow2bm_change change;
		entry = *qcow2bm_bitmap_describe(image, i);
		change = *qcow2bm_edit_change(repair->session.edit, next);
		if (change.old_name != entry.name)
			continue;
		next++;
		if (change.kind != QCOW2BM_CHANGE_DELETE)
			continue;
		char *shown =
			tool_name_escape(entry.name, entry.name_bytes, TOOL_NAME_HUMAN);
		tool_text_print(&repair->done, "  drop bitmap %zu '%s'\n", i, shown);
		free(shown);
	}
}

/* Bitmaps that cannot be found have no name to be told. */
static void describe_unfound(struct repair *repair)
{
	if (!(repair->flags & QCOW2BM_REPAIR_DROP_ALL) || repair->done.used != 0)
		return;
	for (size_t i = 0; i < qcow2bm_report_count(repair->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(repair->report, i);
		if (problem->cure == QCOW2BM_CURE_CHOOSE)
			tool_text_print(&repair->done, "  drop all bitmaps: %s\n",
					problem->sentence);
	}
}

static void describe_mended(struct repair *repair)
{
	if ((repair->flags & QCOW2BM_REPAIR_DROP_ALL) && repair->done.used != 0)
		return;
	for (size_t i = 0; i < qcow2bm_report_count(repair->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(repair->report, i);
		if (problem->cure == QCOW2BM_CURE_MEND)
			tool_text_print(&repair->done, "  mend: %s\n", problem->sentence);
	}
}

/* What is kept by the user's word alone. */
static void describe_trust(struct repair *repair)
{
	struct qcow2bm_image_info info = *qcow2bm_image_describe(repair->session.image);
	if ((repair->flags & QCOW2BM_REPAIR_TRUST_BITMAPS) && info.bitmaps_extension &&
	    !info.bitmaps_consistent && !(repair->flags & QCOW2BM_REPAIR_DROP_ALL))
		tool_text_print(
			&repair->done,
			"  set autoclear bit 0 again: by your word nothing was written to "
			"the guest's disk while it was lost\n");
}

/* What is left to somebody else, and what is to be typed for it. */
static void describe_rest(struct repair *repair)
{
	size_t in_use = 0, others = 0;
	for (size_t i = 0; i < qcow2bm_report_count(repair->report); i++) {
		const struct qcow2bm_problem *problem =
			qcow2bm_report_problem(repair->report, i);
		in_use += problem->cure == QCOW2BM_CURE_RECOVER;
		others += problem->cure >= QCOW2BM_CURE_QEMU;
	}
	if (repair->flags & (QCOW2BM_REPAIR_DROP_IN_USE | QCOW2BM_REPAIR_DROP_ALL))
		in_use = 0;
	if (in_use != 0)
		tool_text_print(&repair->done, "  bitmaps in use stay: %zu\n", in_use);
	if (others != 0)
		tool_text_print(&repair->done, "  not the bitmaps' matter: %zu\n",
				others);
	if (in_use + others == 0)
		return;
	tool_text_print(&repair->done, "  what to do about that: qcow2bm check");
	tool_word_add_file(&repair->done, repair->session.filename);
	tool_text_print(&repair->done, "\n");
}

/* Beside a device there is /dev, which a power cut empties: the place is for the user to choose. */
static bool needs_place(const struct repair *repair)
{
	struct stat st;
	return !repair->no_save && repair->session.options.save == NULL &&
	       (stat(repair->session.filename, &st) != 0 || !S_ISREG(st.st_mode));
}

/* Plans the edit to tell what it does; *nothing is set when that is nothing. */
static int describe(struct repair *repair, bool *nothing)
{
	struct qcow2bm_plan *plan = &repair->plan;
	int status = tool_session_plan(&repair->session,
				       repair->session.options.commit_flags, plan, NULL);
	if (status != TOOL_EXIT_DONE)
		return status;
	describe_drops(repair, plan);
	describe_unfound(repair);
	describe_mended(repair);
	describe_trust(repair);
	*nothing = repair->done.used == 0 && plan->release_clusters == 0;
	if (plan->release_clusters != 0)
		tool_text_print(&repair->done, "  give back clusters: %" PRIu64 "\n",
				plan->release_clusters);
	describe_rest(repair);
	if (!*nothing && repair->session.options.dry_run && needs_place(repair))
		tool_text_print(&repair->done, "  to be given as well: --save FILE, or "
					       "--no-save (it is not a regular file)\n");
	return TOOL_EXIT_DONE;
}

/* What is saved beside the image unless it is told otherwise. */
static int choose_undo_file(struct repair *repair)
{
	const char *filename = repair->session.filename;
	struct tool_options *options = &repair->session.options;
	if (repair->no_save)
		options->save = NULL;
	if (repair->no_save || options->dry_run || options->save != NULL)
		return TOOL_EXIT_DONE;
	if (needs_place(repair)) {
		tool_message(filename,
			     "not a regular file, so there is no place beside it for the "
			     "undo file: choose one on a disk with --save FILE, or do "
			     "without one with --no-save; the image is as it was");
		return TOOL_EXIT_FAILED;
	}
	repair->undo_file = tool_saving_choose(filename, filename);
	options->save = repair->undo_file;
	return options->save != NULL ? TOOL_EXIT_DONE : TOOL_EXIT_FAILED;
}

static int print_plan(const struct repair *repair)
{
	struct qcow2bm_image_info info;
	struct tool_text text = {0};
	info = *qcow2bm_image_describe(repair->session.image);
	tool_text_print(&text,
			"%s: would be repaired (dry run: nothing is changed now)\n%s",
			repair->session.filename, repair->done.bytes);
	tool_summary_clusters(&text, &repair->plan, info.cluster_bytes);
	return tool_output_text(&text);
}

/* How to get back, and what room that takes meanwhile. */
static void describe_undo(struct repair *repair)
{
	struct stat st;
	char size[TOOL_SIZE_TEXT];
	if (repair->session.saving.path == NULL)
		return;
	tool_text_print(&repair->done, "  ");
	tool_saving_add(&repair->done, &repair->session.saving);
	tool_text_print(&repair->done, "\n");
	if (stat(repair->session.saving.path, &st) != 0)
		return;
	tool_size_format((uint64_t)st.st_size, size);
	tool_text_print(&repair->done, "  room that the undo file takes: %s\n", size);
}

static int commit(struct repair *repair)
{
	if (repair->session.options.dry_run && !repair->session.options.json)
		return print_plan(repair);
	int status = choose_undo_file(repair);
	if (status == TOOL_EXIT_DONE)
		status = tool_finish_run(&repair->session);
	if (status != TOOL_EXIT_DONE && status != TOOL_EXIT_LEAKED)
		return status;
	if (repair->session.options.json || repair->session.options.quiet)
		return status;
	describe_undo(repair);
	struct tool_text text = {0};
	tool_text_print(&text, "%s: repaired\n%s", repair->session.filename,
			repair->done.bytes);
	int printed = tool_output_text(&text);
	return printed == TOOL_EXIT_DONE ? status : TOOL_EXIT_LEAKED;
}

/* What the repair settles: a choice that was needed was made, or it is refused. */
static bool is_mended(const struct qcow2bm_problem *problem)
{
	return problem->cure == QCOW2BM_CURE_MEND || problem->cure == QCOW2BM_CURE_DROP ||
	       problem->cure == QCOW2BM_CURE_CHOOSE;
}

static json_t *make_mended(const void *opaque, size_t number)
{
	const struct repair *repair = opaque;
	const struct qcow2bm_problem *problem =
		qcow2bm_report_problem(repair->report, repair->mended[number]);
	json_t *object = json_object();
	json_object_set_new(object, "code", json_string(problem->code));
	json_object_set_new(object, "sentence", tool_json_text(problem->sentence));
	if (problem->idx != QCOW2BM_NOT_FOUND)
		json_object_set_new(object, "index", tool_json_number(problem->idx));
	return object;
}

static void add_to_report(void *opaque, json_t *report, struct tool_json_list *list)
{
	struct repair *repair = opaque;
	size_t count = qcow2bm_report_count(repair->report);
	*list = (struct tool_json_list){.make = make_mended, .opaque = repair};
	repair->mended = tool_memory_zeroed(count, sizeof(*repair->mended));
	for (size_t i = 0; i < count; i++)
		if (is_mended(qcow2bm_report_problem(repair->report, i)))
			repair->mended[list->count++] = i;
	tool_json_set_list(report, "mended", list);
}

/* What an edit that was killed has left may not be on stable storage yet: the commit of nothing
 * brings it there. */
static int say_nothing_to_do(struct repair *repair)
{
	const struct tool_options *options = &repair->session.options;
	int status = TOOL_EXIT_DONE;
	if (options->json || !options->dry_run)
		status = tool_finish_run(&repair->session);
	if (status != TOOL_EXIT_DONE || options->json || options->quiet)
		return status;
	struct tool_text text = {0};
	tool_text_print(&text, "%s: nothing to repair\n%s", repair->session.filename,
			repair->done.used == 0 ? "" : repair->done.bytes);
	return tool_output_text(&text);
}

static int repair_image(struct repair *repair, const char *filename)
{
	bool nothing = true;
	int status = tool_session_open(&repair->session, filename);
	if (status == TOOL_EXIT_DONE)
		status = tool_session_check(&repair->session, &repair->report);
	if (status == TOOL_EXIT_DONE)
		status = stage(repair);
	if (status == TOOL_EXIT_DONE)
		status = describe(repair, &nothing);
	if (status == TOOL_EXIT_DONE)
		status = nothing ? say_nothing_to_do(repair) : commit(repair);
	status = tool_session_close(&repair->session, status);
	qcow2bm_report_free(repair->report);
	tool_text_free(&repair->done);
	free(repair->mended);
	free(repair->namesakes);
	free(repair->undo_file);
	return status;
}

static int take_index(struct repair *repair)
{
	char *end;
	unsigned long idx = strtoul(optarg, &end, 10);
	if (*optarg < '0' || *optarg > '9' || *end != '\0')
		return tool_message_usage(&tool_cmd_repair,
					  "option --drop-index: '%s' is no number",
					  optarg);
	add_idx(repair, (size_t)idx);
	return TOOL_OPTIONS_GO_ON;
}

static int take_option(struct repair *repair, int opt, char **argv)
{
	switch (opt) {
	case DROP:
		repair->names[repair->name_count++] = optarg;
		break;
	case MATCH:
		tool_match_add(&repair->match, optarg);
		break;
	case DROP_INDEX:
		return take_index(repair);
	case DROP_ALL:
		repair->flags |= QCOW2BM_REPAIR_DROP_ALL;
		break;
	case DROP_IN_USE:
		repair->flags |= QCOW2BM_REPAIR_DROP_IN_USE;
		break;
	case TRUST_BITMAPS:
		repair->flags |= QCOW2BM_REPAIR_TRUST_BITMAPS;
		break;
	case NO_SAVE:
		repair->no_save = true;
		break;
	default:
		return tool_options_take(&repair->session.options, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"drop", required_argument, NULL, DROP},
		{"match", required_argument, NULL, MATCH},
		{"drop-index", required_argument, NULL, DROP_INDEX},
		{"drop-all", no_argument, NULL, DROP_ALL},
		{"drop-in-use", no_argument, NULL, DROP_IN_USE},
		{"trust-bitmaps", no_argument, NULL, TRUST_BITMAPS},
		{"no-save", no_argument, NULL, NO_SAVE},
		TOOL_OPTIONS_EDIT,
	};
	struct repair repair = {.session = {.open_flags = QCOW2BM_OPEN_DAMAGED,
					    .options = {.command = &tool_cmd_repair},
					    .add_to_report = add_to_report}};
	repair.session.opaque = &repair;
	repair.names = tool_memory_zeroed((size_t)argc, sizeof(char *));
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1)
		status = take_option(&repair, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = argc - optind == 1
				 ? repair_image(&repair, argv[optind])
				 : tool_message_usage(&tool_cmd_repair,
						      "one operand IMAGE is wanted");
	free(repair.names);
	free(repair.drop);
	tool_match_free(&repair.match);
	return status;
}

const struct tool_command tool_cmd_repair = {
	.name = "repair",
	.synopsis = "[OPTION]... IMAGE",
	.summary = "Mend the bitmaps of an image that check finds damaged",
	.help = "Sound bitmaps stay bit for bit; damaged ones are dropped; counts, sizes and refcounts\n"
		"are made right; leaked clusters are given back. The guest's data is not touched. Of\n"
		"bitmaps with one name none is kept, unless all but one are dropped by number. Bitmaps\n"
		"in use stay as they are: see `recover`. What is about to change is saved first.\n"
		"\n"
		"Options:\n"
		"      --drop NAME        drop this bitmap too; repeatable\n"
		"      --match GLOB       drop those whose name, as `list` shows it, matches, too;\n"
		"                         repeatable. * ? [abc] as in a shell\n"
		"      --drop-index N     drop the bitmap with this number (see `check`); repeatable\n"
		"      --drop-in-use      drop every bitmap in use\n"
		"      --drop-all         drop every bitmap\n"
		"      --trust-bitmaps    keep bitmaps that something speaks against, as a lost\n"
		"                         autoclear bit: you vouch that no write is missing in them\n"
		"      --no-save          make no undo file; else, without --save, it is IMAGE.undo. For\n"
		"                         a device one of the two must be given\n" TOOL_HELP_EDIT
		"\n" TOOL_HELP_NAMES "\n"
		"Examples:\n"
		"  qcow2bm repair -n disk.qcow2\n"
		"  qcow2bm repair disk.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
