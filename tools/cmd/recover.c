/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm recover: bitmaps that a crash left in-use, with a promise for each. */
#include "../report/promise.h"
#include "../term/fold.h"
#include "../term/match.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "../term/operand.h"
#include "../term/output.h"
#include "old.h"
#include "recover_carved.h"
#include "recover_compared.h"
#include "recover_told.h"
#include "several.h"

#include <stdlib.h>
#include <string.h>

enum {
	STORED = TOOL_OPT_OWN,
	ALLOCATED,
	FULL,
	AUTO,
	ASSUME,
	CARVED,
	COMPARE,
	OLD_FORMAT,
	AS,
	UNSAFE,
	ENABLE,
	DISABLE,
	MATCH
};

struct recover {
	struct tool_several several;
	struct qcow2bm_recover_options options;
	int methods; /* how many were asked for */
	struct tool_carved carved;
	struct tool_compared compared;
	struct tool_match match; /* which of those that are in-use; none: all */
	int count;
	char **names;
	struct tool_session *session; /* of the image at hand */
	size_t staged;                /* bitmaps of it */
	struct tool_text report;      /* a line for each bitmap, for a human */
};

static enum qcow2bm_code stage_bitmap(struct recover *recover, const char *name,
				      size_t name_bytes,
				      const struct qcow2bm_promise **promise,
				      struct qcow2bm_error *err)
{
	const struct tool_compared *compared = &recover->compared;
	struct qcow2bm_edit *edit = recover->session->edit;
	if (compared->count == 0)
		return qcow2bm_edit_recover(edit, name, name_bytes, &recover->options,
					    promise, NULL, err);
	size_t idx = tool_compared_idx(compared, recover->staged);
	enum qcow2bm_base base = qcow2bm_old_judge(compared->olds[idx], name, name_bytes);
	return qcow2bm_edit_recover_compared(edit, name, name_bytes, compared->differ,
					     idx, base, &recover->options, promise, err);
}

/* `typed` is the operand, NULL when the name comes of the directory. */
static int stage_one(struct recover *recover, const char *typed, const char *name,
		     size_t name_bytes)
{
	struct qcow2bm_error err = {0};
	const struct qcow2bm_promise *promise;
	if (stage_bitmap(recover, name, name_bytes, &promise, &err) == QCOW2BM_OK) {
		if (!recover->session->options.dry_run)
			tool_told_recovered(&recover->report, recover->session->filename,
					    name, name_bytes, promise);
		if (recover->compared.count != 0)
			tool_told_differences(
				&recover->report, recover->session->filename, name,
				name_bytes, &recover->compared,
				tool_compared_idx(&recover->compared, recover->staged));
		recover->staged++;
		return TOOL_EXIT_DONE;
	}
	if (err.code == QCOW2BM_ENOTFOUND && typed != NULL)
		return tool_missing_bitmap(recover->session->filename,
					   recover->session->image, typed);
	int status =
		tool_session_refuse(recover->session, "recover", name, name_bytes, &err);
	if (err.code == QCOW2BM_EINUSE)
		tool_told_ways_out(recover->session->filename, promise);
	return status;
}

static int stage_names(struct recover *recover)
{
	int status = TOOL_EXIT_DONE;
	for (int i = 0; i < recover->count && status == TOOL_EXIT_DONE; i++) {
		struct tool_operand operand;
		tool_operand_resolve(&operand, recover->session->image,
				     recover->names[i]);
		status = stage_one(recover, recover->names[i], operand.bytes,
				   operand.count);
		tool_operand_free(&operand);
	}
	return status;
}

static int stage_carved(struct recover *recover)
{
	static const struct qcow2bm_promise promise = {
		.method = QCOW2BM_RECOVER_CARVED,
		.guarantee = QCOW2BM_GUARANTEE_UNSAFE,
	};
	const struct tool_carved *carved = &recover->carved;
	int status =
		tool_carved_stage(recover->session, carved, recover->options.recording,
				  recover->options.accept_unsafe);
	for (size_t i = 0; status == TOOL_EXIT_DONE && i < carved->count; i++)
		tool_told_recovered(&recover->report, recover->session->filename,
				    carved->all[i].name, strlen(carved->all[i].name),
				    &promise);
	return status;
}

/* Whether it is recovered without being named. */
static bool is_wanted(struct recover *recover, const struct qcow2bm_bitmap *bitmap)
{
	return bitmap->in_use &&
	       (recover->match.count == 0 ||
		tool_match_use(&recover->match, bitmap->name, bitmap->name_bytes));
}

/* An older state is of one moment: where several bitmaps are in-use it must be said which began then. */
static int check_alone(struct recover *recover)
{
	size_t in_use = 0;
	for (size_t i = 0; i < qcow2bm_bitmap_count(recover->session->image); i++)
		in_use += is_wanted(recover,
				    qcow2bm_bitmap_describe(recover->session->image, i));
	if (recover->compared.count == 0 || (in_use <= 1 && recover->compared.count == 1))
		return TOOL_EXIT_DONE;
	const struct qcow2bm_error err = {.code = QCOW2BM_EINVAL,
					  .offset = QCOW2BM_NO_OFFSET};
	tool_message_because(
		recover->session->filename, &err,
		"%zu bitmaps are in-use, and %zu older states are given: say with NAME which "
		"bitmap began as which of them is",
		in_use, recover->compared.count);
	return TOOL_EXIT_FAILED;
}

static int tell_no_match(const struct recover *recover, const char *glob)
{
	const struct qcow2bm_error err = {.code = QCOW2BM_ENOTFOUND,
					  .offset = QCOW2BM_NO_OFFSET};
	tool_message_because(recover->session->filename, &err,
			     "no bitmap that is in-use matches '%s'", glob);
	return TOOL_EXIT_FAILED;
}

static int stage_all(struct recover *recover)
{
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < qcow2bm_bitmap_count(recover->session->image) &&
			   status == TOOL_EXIT_DONE;
	     i++) {
		struct qcow2bm_bitmap bitmap =
			*qcow2bm_bitmap_describe(recover->session->image, i);
		if (is_wanted(recover, &bitmap))
			status = stage_one(recover, NULL, bitmap.name, bitmap.name_bytes);
	}
	const char *unused = tool_match_unused(&recover->match);
	if (status == TOOL_EXIT_DONE && unused != NULL)
		return tell_no_match(recover, unused);
	if (recover->staged == 0 && status == TOOL_EXIT_DONE)
		tool_told_nothing(&recover->report, recover->session->filename);
	return status;
}

/* The edit is done: that its report cannot be printed is no reason to call it failed. */
static int print_report(struct recover *recover, const char *filename, int status)
{
	const struct tool_options *options = &recover->several.options;
	bool done = status == TOOL_EXIT_DONE || status == TOOL_EXIT_LEAKED;
	bool is_told = !options->dry_run || recover->compared.count != 0;
	if (!done || !is_told || options->json || options->quiet)
		return status;
	tool_fold_since(&recover->report, 0);
	if (tool_output_text(&recover->report) == TOOL_EXIT_DONE)
		return status;
	tool_message(filename, "the edit is done, only its report is lost");
	return TOOL_EXIT_LEAKED;
}

/* Returns TOOL_OPTIONS_GO_ON or the status to exit with. */
static int check_usage(const struct recover *recover)
{
	bool is_carved = recover->options.method == QCOW2BM_RECOVER_CARVED;
	if (recover->count < 0)
		return tool_message_usage(&tool_cmd_recover, "operand IMAGE is wanted");
	if (recover->methods != 1)
		return tool_message_usage(
			&tool_cmd_recover,
			"one of --auto, --compare, --full, --allocated, --stored and "
			"--carved is wanted");
	if (recover->compared.count > 1 ||
	    (recover->compared.count == 1 && recover->count > 1))
		if ((size_t)recover->count != recover->compared.count)
			return tool_message_usage(
				&tool_cmd_recover,
				"with --compare there is a NAME for each OLD, in their "
				"order");
	if (recover->options.assumed != 0 &&
	    (is_carved || recover->options.method == QCOW2BM_RECOVER_COMPARED ||
	     recover->options.method == QCOW2BM_RECOVER_FULL))
		return tool_message_usage(&tool_cmd_recover,
					  "--assume goes with --auto, --allocated and "
					  "--stored: the others rest on nothing");
	if (recover->several.options.threads != 0 && recover->compared.count == 0)
		return tool_message_usage(&tool_cmd_recover,
					  "--threads goes with --compare");
	if (!tool_carved_is_named(&recover->carved))
		return tool_message_usage(&tool_cmd_recover,
					  "--carved wants --as NAME behind it");
	if (recover->match.count != 0 && (is_carved || recover->count > 0))
		return tool_message_usage(&tool_cmd_recover,
					  "--match chooses among the bitmaps that are "
					  "in-use: not with NAME or --carved");
	if (is_carved && recover->count > 0)
		return tool_message_usage(
			&tool_cmd_recover,
			"with --carved the one operand is IMAGE: names come with --as");
	return TOOL_OPTIONS_GO_ON;
}

/* What is compared is read before anything is staged, and before the edit writes. */
static int open_image(void *opaque, struct tool_session *session, const char *filename)
{
	struct recover *recover = opaque;
	struct tool_compared *compared = &recover->compared;
	recover->session = session;
	recover->staged = 0;
	if (compared->count == 0)
		return tool_session_open(session, filename);
	int status = tool_compared_open(compared, session, filename);
	if (status == TOOL_EXIT_DONE && recover->count == 0)
		status = check_alone(recover);
	return status == TOOL_EXIT_DONE ? tool_compared_differ(compared, session)
					: status;
}

static int stage(void *opaque, struct tool_session *session)
{
	struct recover *recover = opaque;
	(void)session;
	tool_match_forget(&recover->match);
	if (recover->carved.count != 0)
		return stage_carved(recover);
	return recover->count > 0 ? stage_names(recover) : stage_all(recover);
}

static int end(void *opaque, struct tool_session *session, int status)
{
	struct recover *recover = opaque;
	status =
		print_report(recover, session != NULL ? session->filename : NULL, status);
	tool_text_free(&recover->report);
	return session == NULL ? status
			       : tool_compared_close(&recover->compared, session, status);
}

/* The bitmaps of several images come back together or for themselves, as every edit; but an older state is that of
 * one disk, and a place is one in one image. */
static int recover_bitmaps(struct recover *recover, int count, char **operands)
{
	int images = tool_several_operands(&recover->several);
	recover->count = count - images;
	recover->names = operands + images;
	if (recover->compared.count != 0)
		recover->several.only_one =
			"--compare OLD is an older state of one disk: name one image";
	if (recover->carved.count != 0)
		recover->several.only_one =
			"--carved is a place in one image: name one image";
	int status = check_usage(recover);
	return status == TOOL_OPTIONS_GO_ON
		       ? tool_several_run(&recover->several, operands)
		       : status;
}

static void choose(struct recover *recover, enum qcow2bm_recovery method)
{
	recover->options.method = method;
	recover->methods++;
}

static int take_option(struct recover *recover, int opt, char **argv)
{
	switch (opt) {
	case STORED:
		choose(recover, QCOW2BM_RECOVER_STORED);
		break;
	case ALLOCATED:
		choose(recover, QCOW2BM_RECOVER_ALLOCATED);
		break;
	case FULL:
		choose(recover, QCOW2BM_RECOVER_FULL);
		break;
	case AUTO:
		choose(recover, QCOW2BM_RECOVER_AUTO);
		break;
	case COMPARE:
		if (recover->compared.count == 0)
			choose(recover, QCOW2BM_RECOVER_COMPARED);
		tool_compared_take(&recover->compared, optarg);
		break;
	case OLD_FORMAT:
		return tool_old_take_format(&recover->several.options,
					    &recover->compared.kind);
	case ASSUME:
		if (!tool_promise_take_conditions(&recover->options.assumed, optarg))
			return tool_message_usage(
				&tool_cmd_recover,
				"option --assume: '%s' is not made of the "
				"codes that --help lists",
				optarg);
		break;
	case CARVED:
		if (recover->carved.count == 0)
			choose(recover, QCOW2BM_RECOVER_CARVED);
		if (!tool_carved_take_place(&recover->carved, optarg))
			return tool_message_usage(
				&tool_cmd_recover,
				"option --carved: '%s' is not OFFSET:INDEX as check "
				"--carve prints it",
				optarg);
		break;
	case AS:
		if (!tool_carved_take_name(&recover->carved, optarg))
			return tool_message_usage(&tool_cmd_recover,
						  "--as NAME stands behind its --carved");
		break;
	case MATCH:
		tool_match_add(&recover->match, optarg);
		break;
	case UNSAFE:
		recover->options.accept_unsafe = true;
		break;
	case ENABLE:
		recover->options.recording = QCOW2BM_RECORDING_ON;
		break;
	case DISABLE:
		recover->options.recording = QCOW2BM_RECORDING_OFF;
		break;
	default:
		return tool_several_take(&recover->several, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"stored", no_argument, NULL, STORED},
		{"allocated", no_argument, NULL, ALLOCATED},
		{"full", no_argument, NULL, FULL},
		{"auto", no_argument, NULL, AUTO},
		{"assume", required_argument, NULL, ASSUME},
		{"carved", required_argument, NULL, CARVED},
		{"compare", required_argument, NULL, COMPARE},
		{"old-format", required_argument, NULL, OLD_FORMAT},
		{"threads", required_argument, NULL, TOOL_OPT_THREADS},
		{"as", required_argument, NULL, AS},
		{"match", required_argument, NULL, MATCH},
		{"unsafe", no_argument, NULL, UNSAFE},
		{"enable", no_argument, NULL, ENABLE},
		{"disable", no_argument, NULL, DISABLE},
		TOOL_SEVERAL_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	struct recover recover = {
		.options = {.size = sizeof(struct qcow2bm_recover_options)},
	};
	recover.several = (struct tool_several){.options = {.command = &tool_cmd_recover},
						.open = open_image,
						.stage = stage,
						.end = end,
						.opaque = &recover};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_EDIT_LETTERS TOOL_SEVERAL_LETTERS,
				  long_options, NULL)) != -1)
		status = take_option(&recover, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = recover_bitmaps(&recover, argc - optind, argv + optind);
	free(recover.several.images);
	tool_carved_free(&recover.carved);
	tool_match_free(&recover.match);
	free(recover.compared.filenames);
	return status;
}

const struct tool_command tool_cmd_recover = {
	.name = "recover",
	.synopsis =
		"[OPTION]... --auto|--full|--allocated|--stored IMAGE\n"
		"                       [NAME]...\n"
		"       qcow2bm recover [OPTION]... {--compare OLD}... IMAGE [NAME]...\n"
		"       qcow2bm recover [OPTION]... --unsafe {--carved OFFSET:INDEX --as NAME}...\n"
		"                       IMAGE",
	.summary = "Make bitmaps usable that a crash left in-use, or bring one back",
	.help = "A bitmap is marked in-use while a QEMU has the image open. After a crash the\n"
		"mark stays, nobody may use the bitmap, and what the guest wrote in that session\n"
		"is on the disk but not in the bitmap. Without NAME, all bitmaps that are in-use\n"
		"are recovered: all, or none. What each one promises then is printed, and on\n"
		"which conditions, since no image can prove them:\n"
		"  exact     the bits are right\n"
		"  superset  no change is missing, but more than what changed may be dirty\n"
		"  unsafe    changes may be missing: a backup made by it may not restore\n"
		"\n"
		"How (one is wanted):\n"
		"      --auto             for each bitmap the best of the next three, bottom up,\n"
		"                         whose conditions are all named by --assume; with none\n"
		"                         named that is --full, and what would do better is said\n"
		"      --full             all dirty: a superset, on no condition. The next backup\n"
		"                         copies the whole disk once, and the chain lives on\n"
		"      --allocated        its stored bits, and all that this image holds data or\n"
		"                         zeros for: a superset in an overlay (an image with a\n"
		"                         backing file) on all four conditions\n"
		"      --stored           its bits as they are stored: exact for one that was not\n"
		"                         recording, on the first two conditions; else unsafe\n"
		"      --compare OLD      what differs from OLD, the disk as it was when the bitmap\n"
		"                         began: the last full backup or a restored one, a qcow2 image\n"
		"                         with its layers, a raw file, or a manifest of digest. Exact,\n"
		"                         on the condition that OLD is that. A bitmap that is named and\n"
		"                         was not in-use keeps its bits and gets what it lacks. With\n"
		"                         several, one for each NAME: the disk is read once\n"
		"      --carved OFFSET:INDEX\n"
		"                         a deleted bitmap that check --carve lists there, as the\n"
		"                         new bitmap NAME. Always unsafe: the clusters that it is\n"
		"                         read from were nobody's, so anything may have written\n"
		"                         over them, and changes since it was deleted are not in\n"
		"                         it. Bring back all that are wanted at once: they are\n"
		"                         read before anything is written, and the next edit may\n"
		"                         write over what is left\n"
		"      --as NAME          the name for it, behind each --carved\n"
		"\n"
		"Options:\n" TOOL_HELP_OLD_FORMAT
		"      --threads N        of --compare: read with so many threads (as many as there\n"
		"                         are processors)\n"
		"      --assume CODE[,CODE]...\n"
		"                         you know that this holds; a wrong answer loses data in\n"
		"                         the next backup:\n"
		"          not-changed-by-qmp     in the session that crashed no bitmap was\n"
		"                                 enabled, merged into, cleared or deleted\n"
		"                                 through QMP (by libvirt or a backup program)\n"
		"          not-resized            the disk was not resized in that session\n"
		"          not-committed          nobody has committed this overlay to its\n"
		"                                 backing file in that session, or since\n"
		"          not-written-by-others  no program but QEMU has written to the image\n"
		"                                 since that session began\n"
		"      --match GLOB       only those in-use whose name, as `list` shows it, matches;\n"
		"                         repeatable. * ? [abc] as in a shell\n"
		"      --unsafe           recover even what promises nothing\n"
		"      --enable           let QEMU record into it (default: as it was)\n"
		"      --disable          do not\n" TOOL_HELP_SEVERAL "\n" TOOL_HELP_NAMES
		"\n"
		"Examples:\n"
		"  qcow2bm recover --auto disk.qcow2\n"
		"  qcow2bm recover -n --auto --assume not-changed-by-qmp,not-resized disk.qcow2\n"
		"  qcow2bm recover --full disk.qcow2 chk-7\n"
		"  qcow2bm recover --auto --continue -i @list\n"
		"  qcow2bm recover --compare full-backup.qcow2 disk.qcow2 chk-7\n"
		"  qcow2bm recover --unsafe --carved 5636096:0 --as old-chk-7 disk.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
