/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm repair: what check found, mended by one session. */
#define _POSIX_C_SOURCE 200809L
#include "../report/summary.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/output.h"
#include "finish.h"
#include "repair_drops.h"
#include "repair_mended.h"

#include <stdlib.h>
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
	struct tool_drops drops;
	bool no_save;
	char *undo_file; /* that was chosen for it */
	struct qcow2bm_plan plan;
	struct tool_mended mended;
};

static int stage(struct repair *repair)
{
	struct qcow2bm_error err = {0};
	struct qcow2bm_repair_options options = {
		.size = sizeof(struct qcow2bm_repair_options),
		.flags = repair->flags,
	};
	size_t *drop;
	int status = tool_drops_find(&repair->drops, &repair->session, &drop,
				     &options.drop_count);
	options.drop = drop;
	if (status == TOOL_EXIT_DONE &&
	    qcow2bm_edit_repair(repair->session.edit, repair->report, &options, &err) !=
		    QCOW2BM_OK)
		status = tool_message_fail(repair->session.filename, &err);
	free(drop);
	return status;
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
	struct tool_mended *mended = &repair->mended;
	int status =
		tool_session_plan(&repair->session, repair->session.options.commit_flags,
				  &repair->plan, NULL);
	if (status != TOOL_EXIT_DONE)
		return status;
	mended->session = &repair->session;
	mended->report = repair->report;
	mended->flags = repair->flags;
	*nothing = !tool_mended_describe(mended, &repair->plan);
	if (!*nothing && repair->session.options.dry_run && needs_place(repair))
		tool_text_print(&mended->done, "  to be given as well: --save FILE, or "
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
			repair->session.filename, repair->mended.done.bytes);
	tool_summary_clusters(&text, &repair->plan, info.cluster_bytes);
	return tool_output_text(&text);
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
	tool_mended_describe_undo(&repair->mended);
	struct tool_text text = {0};
	tool_text_print(&text, "%s: repaired\n%s", repair->session.filename,
			repair->mended.done.bytes);
	int printed = tool_output_text(&text);
	return printed == TOOL_EXIT_DONE ? status : TOOL_EXIT_LEAKED;
}

static void add_to_report(void *opaque, json_t *report, struct tool_json_list *list)
{
	struct repair *repair = opaque;
	tool_mended_add_json(&repair->mended, report, list);
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
			repair->mended.done.used == 0 ? "" : repair->mended.done.bytes);
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
	tool_mended_free(&repair->mended);
	free(repair->undo_file);
	return status;
}

static int take_option(struct repair *repair, int opt, char **argv)
{
	switch (opt) {
	case DROP:
		tool_drops_add_name(&repair->drops, optarg);
		break;
	case MATCH:
		tool_match_add(&repair->drops.match, optarg);
		break;
	case DROP_INDEX:
		if (!tool_drops_take_index(&repair->drops, optarg))
			return tool_message_usage(
				&tool_cmd_repair,
				"option --drop-index: '%s' is no number", optarg);
		break;
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
	tool_drops_free(&repair.drops);
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
