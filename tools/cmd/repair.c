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
#include "several.h"

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
	struct tool_several several;
	unsigned flags; /* QCOW2BM_REPAIR_... */
	struct tool_drops drops;
	bool no_save;
	/* Of the image at hand: */
	struct qcow2bm_report *report;
	struct qcow2bm_plan plan;
	struct tool_mended mended;
};

static void add_to_report(void *opaque, json_t *report, struct tool_json_list *list)
{
	struct repair *repair = opaque;
	tool_mended_add_json(&repair->mended, report, list);
}

static int open_image(void *opaque, struct tool_session *session, const char *filename)
{
	struct repair *repair = opaque;
	session->open_flags = QCOW2BM_OPEN_DAMAGED;
	session->add_to_report = add_to_report;
	session->opaque = repair;
	return tool_session_open(session, filename);
}

static int stage(void *opaque, struct tool_session *session)
{
	struct repair *repair = opaque;
	struct qcow2bm_error err = {0};
	struct qcow2bm_repair_options options = {
		.size = sizeof(struct qcow2bm_repair_options),
		.flags = repair->flags,
	};
	size_t *drop;
	int status = tool_session_check(session, &repair->report);
	if (status != TOOL_EXIT_DONE)
		return status;
	status = tool_drops_find(&repair->drops, session, &drop, &options.drop_count);
	options.drop = drop;
	if (status == TOOL_EXIT_DONE && qcow2bm_edit_repair(session->edit, repair->report,
							    &options, &err) != QCOW2BM_OK)
		status = tool_message_fail(session->filename, &err);
	free(drop);
	return status;
}

/* Beside a device there is /dev, which a power cut empties: the place is for the user to choose. */
static bool needs_place(const struct repair *repair, const struct tool_session *session)
{
	struct stat st;
	return !repair->no_save && session->options.save == NULL &&
	       (stat(session->filename, &st) != 0 || !S_ISREG(st.st_mode));
}

/* Plans the edit to tell what it does; *nothing is set when that is nothing. */
static int describe(struct repair *repair, struct tool_session *session, bool *nothing)
{
	struct tool_mended *mended = &repair->mended;
	int status = tool_session_plan(session, session->options.commit_flags,
				       &repair->plan, NULL);
	if (status != TOOL_EXIT_DONE)
		return status;
	mended->session = session;
	mended->report = repair->report;
	mended->flags = repair->flags;
	*nothing = !tool_mended_describe(mended, &repair->plan);
	if (!*nothing && session->options.dry_run && needs_place(repair, session))
		tool_text_print(&mended->done, "  to be given as well: --save FILE, or "
					       "--no-save (it is not a regular file)\n");
	return TOOL_EXIT_DONE;
}

/* What is saved beside the image unless it is told otherwise. */
static int choose_undo_file(const struct repair *repair, struct tool_session *session)
{
	const struct qcow2bm_error err = {.code = QCOW2BM_EINVAL,
					  .offset = QCOW2BM_NO_OFFSET};
	if (repair->no_save)
		session->options.save = NULL;
	if (repair->no_save || session->options.dry_run || session->options.save != NULL)
		return TOOL_EXIT_DONE;
	if (needs_place(repair, session)) {
		tool_message_because(
			session->filename, &err,
			"not a regular file, so there is no place beside it for the "
			"undo file: choose one on a disk with --save FILE, or do "
			"without one with --no-save; the image is as it was");
		return TOOL_EXIT_FAILED;
	}
	session->undo_file = tool_saving_choose(session->filename, session->filename);
	return session->undo_file != NULL ? TOOL_EXIT_DONE : TOOL_EXIT_FAILED;
}

/* The image's name, what became of it, and what was done. */
static void print_heading(struct tool_text *text, const struct repair *repair,
			  const char *what)
{
	char *shown =
		tool_name_escape_text(repair->mended.session->filename, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s: %s\n", shown, what);
	if (repair->mended.done.used != 0)
		tool_text_add(text, repair->mended.done.bytes, repair->mended.done.used);
	free(shown);
}

static int print_plan(const struct repair *repair, const struct tool_session *session)
{
	struct tool_text text = {0};
	print_heading(&text, repair,
		      "would be repaired (dry run: nothing is changed now)");
	tool_summary_clusters(&text, &repair->plan,
			      qcow2bm_image_describe(session->image)->cluster_bytes);
	return tool_output_text(&text);
}

static int commit(struct repair *repair, struct tool_session *session)
{
	if (session->options.dry_run && !session->options.json)
		return print_plan(repair, session);
	int status = choose_undo_file(repair, session);
	if (status == TOOL_EXIT_DONE)
		status = tool_finish_run(session);
	if (status != TOOL_EXIT_DONE && status != TOOL_EXIT_LEAKED)
		return status;
	if (session->options.json || session->options.quiet)
		return status;
	tool_mended_describe_undo(&repair->mended);
	struct tool_text text = {0};
	print_heading(&text, repair, "repaired");
	int printed = tool_output_text(&text);
	return printed == TOOL_EXIT_DONE ? status : TOOL_EXIT_LEAKED;
}

/* What an edit that was killed has left may not be on stable storage yet: the commit of nothing
 * brings it there. */
static int say_nothing_to_do(struct repair *repair, struct tool_session *session)
{
	const struct tool_options *options = &session->options;
	int status = TOOL_EXIT_DONE;
	if (options->json || !options->dry_run)
		status = tool_finish_run(session);
	if (status != TOOL_EXIT_DONE || options->json || options->quiet)
		return status;
	struct tool_text text = {0};
	print_heading(&text, repair, "nothing to repair");
	return tool_output_text(&text);
}

static int finish(void *opaque, struct tool_session *session)
{
	struct repair *repair = opaque;
	bool nothing = true;
	int status = describe(repair, session, &nothing);
	if (status != TOOL_EXIT_DONE)
		return status;
	return nothing ? say_nothing_to_do(repair, session) : commit(repair, session);
}

static int end(void *opaque, struct tool_session *session, int status)
{
	struct repair *repair = opaque;
	(void)session;
	qcow2bm_report_free(repair->report);
	repair->report = NULL;
	tool_mended_free(&repair->mended);
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
		return tool_several_take(&repair->several, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

/* A sound image is not to wait for one that cannot be mended, and each has an undo file and a proof of its own: so
 * several are never all or none, and who names them without --continue, which means that elsewhere, is told. */
static int repair_images(struct repair *repair, int count, char **operands)
{
	for (int i = 0; i < count; i++)
		tool_several_add(&repair->several, operands[i]);
	repair->several.not_together =
		"several images are repaired each for itself, not all or none: say "
		"--continue";
	if (repair->drops.index_count != 0)
		repair->several.only_one =
			"--drop-index is the number of a bitmap in one image: of several, "
			"drop by --drop or --match";
	if (repair->several.image_count == 0)
		return tool_message_usage(&tool_cmd_repair, "operand IMAGE is wanted");
	return tool_several_run(&repair->several, NULL);
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
		TOOL_SEVERAL_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	struct repair repair = {.flags = 0};
	repair.several = (struct tool_several){.options = {.command = &tool_cmd_repair},
					       .open = open_image,
					       .stage = stage,
					       .finish = finish,
					       .end = end,
					       .opaque = &repair};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_EDIT_LETTERS TOOL_SEVERAL_LETTERS,
				  long_options, NULL)) != -1)
		status = take_option(&repair, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = repair_images(&repair, argc - optind, argv + optind);
	free(repair.several.images);
	tool_drops_free(&repair.drops);
	return status;
}

const struct tool_command tool_cmd_repair = {
	.name = "repair",
	.synopsis = "[OPTION]... IMAGE\n"
		    "       qcow2bm repair [OPTION]... --continue IMAGE...",
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
		"                         a device one of the two must be given\n"
		"  -i, --image IMAGE      an image besides the operands; repeatable\n"
		"      --continue         several images, each for itself: one that fails does not\n"
		"                         stop the others, and the exit status is the worst; without\n"
		"                         it there is one image\n" TOOL_HELP_EDIT_FORMATS(
			TOOL_HELP_SEVERAL_FORMATS) "\n" TOOL_HELP_IMAGE_LIST
						   "\n" TOOL_HELP_NAMES "\n"
						   "Examples:\n"
						   "  qcow2bm repair -n disk.qcow2\n"
						   "  qcow2bm repair disk.qcow2\n"
						   "  qcow2bm repair --continue --output=jsonl @list\n"
						   "\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
