/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain commit: qemu-img commit, after which the bitmaps are what they would have been. */
#define _XOPEN_SOURCE 700
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/output.h"
#include "../term/word.h"
#include "chain.h"
#include "copying.h"
#include "qemu_img.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What does not matter: a layer below BASE stays as it is; nested, a checkpoint that the top does not
 * go on with is not kept. */
static bool is_harmless(const struct tool_copying *copying,
			const struct qcow2bm_finding *finding,
			const struct tool_disk *disk, size_t base)
{
	(void)copying;
	return (finding->layer_idx != QCOW2BM_NOT_FOUND && finding->layer_idx > base) ||
	       (strcmp(finding->code, "not-in-top") == 0 &&
		disk->order->scheme == QCOW2BM_SCHEME_NESTED);
}

/* A top without checkpoints may have been committed already, and what the guest has written to BASE since
 * would be lost: nothing is told to do. */
static int check_top(const struct tool_copying *commit)
{
	const struct qcow2bm_chain *chain = commit->disks.list[0].chain;
	size_t count = qcow2bm_chain_count(chain);
	for (size_t i = 0; i < count; i++)
		if (qcow2bm_chain_bitmap(chain, i, 0) != QCOW2BM_NOT_FOUND)
			return TOOL_EXIT_DONE;
	tool_message(
		commit->top,
		count == 0
			? "there are no checkpoints: `qemu-img commit` is all that it takes"
			: "it has no checkpoints, as if it was committed already, or a "
			  "crash had left it without");
	return TOOL_EXIT_FAILED;
}

/* Where a name has a protocol, as json: or file:, QEMU knows the layer by just what is stored above it. */
static void note_name(struct tool_copying *commit, size_t base)
{
	const struct qcow2bm_layer *above =
		qcow2bm_chain_layer(commit->disks.list[0].chain, base - 1);
	const char *stored = qcow2bm_image_describe(above->image)->backing_filename;
	free(commit->base_name);
	commit->base_name = stored != NULL && stored[strcspn(stored, ":/")] == ':'
				    ? tool_memory_copy(stored, strlen(stored))
				    : NULL;
}

static int stage_lift(struct tool_copying *commit, size_t base)
{
	struct qcow2bm_chain *chain = commit->disks.list[0].chain;
	struct qcow2bm_error err = {0};
	note_name(commit, base);
	int status = check_top(commit);
	if (status == TOOL_EXIT_DONE)
		status = tool_copying_check_sound(commit, base, is_harmless);
	if (status == TOOL_EXIT_DONE &&
	    qcow2bm_chain_lift(chain, base, &err) != QCOW2BM_OK)
		status = tool_message_fail(commit->top, &err);
	return status == TOOL_EXIT_DONE ? tool_copying_check_qemu_img(commit) : status;
}

static int stage_lower(struct tool_copying *commit, size_t base)
{
	struct qcow2bm_chain *chain = commit->disks.list[0].chain;
	struct qcow2bm_error err = {0};
	return qcow2bm_chain_lower(chain, base, &err) == QCOW2BM_OK
		       ? TOOL_EXIT_DONE
		       : tool_message_fail(commit->top, &err);
}

/* The file beside TOP, hidden, that stands above it while the data is copied. */
static void name_overlay(struct tool_text *overlay, const char *top)
{
	const char *name = strrchr(top, '/') + 1;
	tool_text_print(overlay, "%.*s.%s.qcow2bm-commit", (int)(name - top), top, name);
}

/* An overlay of TOP is committed: TOP itself is opened for reading, so that its bitmaps are not left
 * in-use by a kill. Copied again, after that, the data is the same. */
static int run_qemu_img(const char *top, const char *base, bool *interrupted)
{
	struct tool_text overlay = {0};
	name_overlay(&overlay, top);
	const char *const create[] = {"qemu-img", "create", "-q",          "-f",
				      "qcow2",    "-F",     "qcow2",       "-b",
				      top,        "--",     overlay.bytes, NULL};
	const char *const commit[] = {"qemu-img", "commit",      "-q", "-d",
				      "-f",       "qcow2",       "-b", base,
				      "--",       overlay.bytes, NULL};
	(void)unlink(overlay.bytes);
	int status = tool_qemu_img_run(create, interrupted);
	if (status == TOOL_EXIT_DONE)
		status = tool_qemu_img_run(commit, interrupted);
	(void)unlink(overlay.bytes);
	tool_text_free(&overlay);
	return status;
}

/* What holds between the two edits, and how it goes on. */
static void report_cut_off(const struct tool_copying *commit, const char *what)
{
	tool_message(
		commit->top,
		"%s; '%s' has no bitmaps now, all are in this image: what changed since "
		"each checkpoint is what it was; type the same command again",
		what, commit->base);
}

static int copy(const struct tool_copying *commit)
{
	char *top = realpath(commit->top, NULL), *base = realpath(commit->base, NULL);
	int status = TOOL_EXIT_FAILED;
	bool interrupted = false;
	if (top == NULL || base == NULL)
		tool_message(top == NULL ? commit->top : commit->base, "%s",
			     strerror(errno));
	else
		status = run_qemu_img(
			top, commit->base_name != NULL ? commit->base_name : base,
			&interrupted);
	free(top);
	free(base);
	if (status != TOOL_EXIT_DONE)
		report_cut_off(commit, interrupted
					       ? "interrupted while the data was copied"
					       : "the data was not copied");
	return status;
}

static int commit_all(struct tool_copying *commit)
{
	bool is_all = !commit->before && !commit->after;
	int status = TOOL_EXIT_DONE;
	if (!commit->after)
		status = tool_copying_step(commit, stage_lift, commit->before,
					   !commit->before);
	if (commit->disks.options.dry_run || !is_all ||
	    (status != TOOL_EXIT_DONE && status != TOOL_EXIT_LEAKED))
		return commit->after ? tool_copying_step(commit, stage_lower, true, false)
				     : status;
	int copied = copy(commit);
	if (copied != TOOL_EXIT_DONE)
		return copied;
	int lowered = tool_copying_step(commit, stage_lower, true, false);
	if (lowered != TOOL_EXIT_DONE && lowered != TOOL_EXIT_LEAKED &&
	    lowered != TOOL_EXIT_UNKNOWN)
		report_cut_off(commit, "the data is copied");
	return lowered == TOOL_EXIT_DONE ? status : lowered;
}

static int check(const struct tool_copying *commit, int operands)
{
	if (operands != 2)
		return tool_message_usage(&tool_chain_commit,
					  "operands TOP and BASE are wanted");
	if (commit->before && commit->after)
		return tool_message_usage(&tool_chain_commit,
					  "--before and --after exclude each other");
	return tool_copying_check_saving(commit);
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"before", no_argument, NULL, TOOL_COPYING_BEFORE},
		{"after", no_argument, NULL, TOOL_COPYING_AFTER},
		{"scheme", required_argument, NULL, TOOL_DISKS_SCHEME},
		{"order", required_argument, NULL, TOOL_DISKS_ORDER},
		TOOL_OPTIONS_EDIT,
	};
	struct tool_copying commit = {
		.disks = {.options = {.command = &tool_chain_commit}, .is_editing = true},
	};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1)
		if (opt == TOOL_COPYING_BEFORE)
			commit.before = true;
		else if (opt == TOOL_COPYING_AFTER)
			commit.after = true;
		else
			status = tool_disks_take(&commit.disks, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = check(&commit, argc - optind);
	if (status == TOOL_OPTIONS_GO_ON) {
		commit.top = argv[optind];
		commit.base = argv[optind + 1];
		status = commit_all(&commit);
	}
	tool_disks_close(&commit.disks);
	free(commit.base_name);
	return status;
}

const struct tool_command tool_chain_commit = {
	.name = "chain commit",
	.synopsis = "[OPTION]... TOP BASE",
	.summary = "Copy layers into a lower one, bitmaps exact (qemu-img)",
	.help = "What TOP and the layers between hold is copied into BASE, a layer below it, by\n"
		"`qemu-img commit`; BASE alone is the disk then, with all checkpoints. QEMU would count\n"
		"what is copied as changed, cluster by cluster; here what changed since each checkpoint\n"
		"stays what it was. Before the copying TOP gets all bits, and BASE has no bitmaps; after\n"
		"it they go down to BASE, and TOP has none. Cut off anywhere, the chain of TOP is right,\n"
		"and the same command goes on. Refused where `chain verify` finds a fault. Nested: a\n"
		"checkpoint that TOP does not go on with goes. Nothing else may write to BASE meanwhile.\n"
		"\n"
		"Options:\n"
		"      --before           only what comes before the copying, by another program\n"
		"      --after            only what comes after it\n"
		"      --scheme SCHEME    nested or delta, where the images tell it wrongly\n"
		"      --order A,B,C      the checkpoints from the oldest on, where nothing tells\n" TOOL_HELP_EDIT
		"\n"
		"Examples:\n"
		"  qcow2bm chain commit overlay.qcow2 disk.qcow2\n"
		"  qcow2bm chain commit --before overlay.qcow2 disk.qcow2\n"
		"\n"
		"Exit status: 0 done, 1 refused or failed and the images are as they were, or, if a\n"
		"message says so, all bitmaps are in TOP and the same command goes on, 4 unknown after\n"
		"an I/O error at the switch, 5 done but clusters leaked or the report could not be\n"
		"printed, 6 busy, 64 usage, 128+n interrupted by signal n, or qemu-img was: as 1.\n",
	.run = run,
};
