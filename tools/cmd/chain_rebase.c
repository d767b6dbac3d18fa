/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain rebase: qemu-img rebase onto a lower layer, after which the bitmaps are what they would
 * have been. */
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

enum { STORED = TOOL_COPYING_OWN };

struct rebase {
	struct tool_copying copying; /* first: what the steps are called with */
	bool unsafe;                 /* the data is not copied */
	bool stored;  /* nothing else has written to TOP since a kill: the user's word */
	bool is_done; /* BASE is the backing file already */
	struct tool_text top;          /* as qemu-img takes it */
	struct tool_text name, format; /* BASE, as the header is to name it */
};

static struct rebase *rebase_of(const struct tool_copying *copying)
{
	return (struct rebase *)copying;
}

/* What does not matter: BASE and what is below stay as they are; nested, a checkpoint that the top does not
 * go on with is stale before and after. Without copying, layers that go have nothing to tell. */
static bool is_harmless(const struct tool_copying *copying,
			const struct qcow2bm_finding *finding,
			const struct tool_disk *disk, size_t base)
{
	size_t layer = finding->layer_idx;
	return (layer != QCOW2BM_NOT_FOUND && layer >= base) ||
	       (layer != QCOW2BM_NOT_FOUND && layer > 0 && rebase_of(copying)->unsafe) ||
	       (strcmp(finding->code, "not-in-top") == 0 &&
		disk->order->scheme == QCOW2BM_SCHEME_NESTED);
}

static int check_checkpoints(const struct tool_copying *copying)
{
	if (qcow2bm_chain_count(copying->disks.list[0].chain) != 0)
		return TOOL_EXIT_DONE;
	tool_message(copying->top,
		     "there are no checkpoints: `qemu-img rebase` is all that it takes");
	return TOOL_EXIT_FAILED;
}

/* What a rebase that was cut off has left: how it goes on. */
static int refuse_cut_off(const struct tool_copying *copying)
{
	struct tool_text exact = {0}, other = {0};
	tool_text_print(&exact, "qcow2bm chain rebase --stored");
	tool_word_add_file(&exact, copying->top);
	tool_word_add_file(&exact, copying->base);
	tool_text_print(&other, "qcow2bm chain repair");
	tool_word_add_file(&other, copying->top);
	tool_message(
		copying->top,
		"a rebase was cut off; if nothing else has written to the image since, "
		"this goes on, and is exact: %s; if something may have, first this, which "
		"counts more as changed: %s",
		exact.bytes, other.bytes);
	tool_text_free(&exact);
	tool_text_free(&other);
	return TOOL_EXIT_FAILED;
}

static size_t folder_bytes(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* The layer above BASE names it already: that name is right for TOP, too, when it is whole or both are in
 * one folder. */
static int name_base(struct rebase *rebase, size_t base)
{
	const struct qcow2bm_chain *chain = rebase->copying.disks.list[0].chain;
	const char *top = qcow2bm_chain_layer(chain, 0)->filename;
	const struct qcow2bm_layer *above = qcow2bm_chain_layer(chain, base - 1);
	const struct qcow2bm_image_info *info = qcow2bm_image_describe(above->image);
	size_t bytes = folder_bytes(top);
	bool is_near = bytes == folder_bytes(above->filename) &&
		       memcmp(top, above->filename, bytes) == 0;
	bool is_raw = qcow2bm_chain_layer(chain, base)->image == NULL;
	tool_text_print(&rebase->top, "%s%s", top[0] == '/' ? "" : "./", top);
	tool_text_print(&rebase->format, "%s", is_raw ? "raw" : "qcow2");
	if (is_near || info->backing_filename[0] == '/') {
		tool_text_print(&rebase->name, "%s", info->backing_filename);
		return TOOL_EXIT_DONE;
	}
	char *whole = realpath(rebase->copying.base, NULL);
	if (whole == NULL) {
		tool_message(rebase->copying.base, "%s", strerror(errno));
		return TOOL_EXIT_FAILED;
	}
	tool_text_print(&rebase->name, "%s", whole);
	free(whole);
	return TOOL_EXIT_DONE;
}

static int stage_absorb(struct tool_copying *copying, size_t base)
{
	struct rebase *rebase = rebase_of(copying);
	struct qcow2bm_chain *chain = copying->disks.list[0].chain;
	struct qcow2bm_error err = {0};
	int status = check_checkpoints(copying);
	rebase->is_done = base == 1;
	unsigned flags =
		rebase->unsafe || rebase->is_done ? QCOW2BM_ABSORB_NOTHING_WRITTEN : 0u;
	if (status != TOOL_EXIT_DONE)
		return status;
	enum qcow2bm_code code = qcow2bm_chain_absorb(chain, base, flags, &err);
	if (code == QCOW2BM_EEXIST)
		return refuse_cut_off(copying);
	status = tool_copying_check_sound(copying, base, is_harmless);
	if (status == TOOL_EXIT_DONE && code != QCOW2BM_OK)
		status = tool_message_fail(copying->top, &err);
	if (status == TOOL_EXIT_DONE)
		status = name_base(rebase, base);
	return status == TOOL_EXIT_DONE && !rebase->is_done
		       ? tool_copying_check_qemu_img(copying)
		       : status;
}

static int stage_settle(struct tool_copying *copying, size_t base)
{
	struct rebase *rebase = rebase_of(copying);
	struct qcow2bm_chain *chain = copying->disks.list[0].chain;
	struct qcow2bm_error err = {0};
	rebase->is_done = base == 1;
	if (copying->after && !rebase->is_done) {
		tool_message(
			copying->top,
			"its backing file is another than '%s': the data was not copied",
			copying->base);
		return TOOL_EXIT_FAILED;
	}
	enum qcow2bm_code code = qcow2bm_chain_settle(
		chain, rebase->stored ? QCOW2BM_SETTLE_STORED : 0u, &err);
	if (code == QCOW2BM_EINUSE)
		return refuse_cut_off(copying);
	return code == QCOW2BM_OK ? TOOL_EXIT_DONE
				  : tool_message_fail(copying->top, &err);
}

static bool is_edited(int status)
{
	return status == TOOL_EXIT_DONE || status == TOOL_EXIT_LEAKED;
}

/* TOP is open for writing in qemu-img, which leaves its bitmaps in-use when it is ended. Nobody else had
 * the time to open it. */
static int settle(struct rebase *rebase, const char *what)
{
	bool stored = rebase->stored;
	rebase->stored = true;
	int status = tool_copying_step(&rebase->copying, stage_settle, what == NULL,
				       what != NULL);
	rebase->stored = stored;
	if (what != NULL && is_edited(status))
		tool_message(
			rebase->copying.top,
			"%s; what changed since each checkpoint is what it was: type "
			"the same command again",
			what);
	else if (!is_edited(status))
		refuse_cut_off(&rebase->copying);
	return status;
}

static int copy(struct rebase *rebase, bool *interrupted)
{
	const char *arguments[] = {"qemu-img",
				   "rebase",
				   "-q",
				   "-f",
				   "qcow2",
				   "-b",
				   rebase->name.bytes,
				   "-F",
				   rebase->format.bytes,
				   rebase->unsafe ? "-u" : "--",
				   rebase->unsafe ? "--" : rebase->top.bytes,
				   rebase->unsafe ? rebase->top.bytes : NULL,
				   NULL};
	return tool_qemu_img_run(arguments, interrupted);
}

/* Both edits, and qemu-img between them. */
static int rebase_all(struct rebase *rebase)
{
	bool interrupted = false;
	int status = tool_copying_step(&rebase->copying, stage_absorb,
				       rebase->copying.before || rebase->unsafe,
				       !rebase->copying.before);
	if (!is_edited(status) || rebase->is_done || rebase->copying.before ||
	    rebase->copying.disks.options.dry_run)
		return status;
	int copied = copy(rebase, &interrupted);
	if (rebase->unsafe)
		return copied == TOOL_EXIT_DONE ? status : copied;
	if (copied != TOOL_EXIT_DONE) {
		settle(rebase, interrupted ? "interrupted while the data was copied"
					   : "the data was not copied");
		return copied;
	}
	int settled = settle(rebase, NULL);
	return settled == TOOL_EXIT_DONE ? status : settled;
}

static int run_steps(struct rebase *rebase)
{
	struct tool_copying *copying = &rebase->copying;
	if (copying->after)
		return tool_copying_step(copying, stage_settle, true, false);
	if (rebase->stored) {
		int status = tool_copying_step(copying, stage_settle, false, true);
		if (!is_edited(status) || copying->disks.options.dry_run)
			return status;
	}
	return rebase_all(rebase);
}

static int check(const struct rebase *rebase, int operands)
{
	const struct tool_copying *copying = &rebase->copying;
	if (operands != 2)
		return tool_message_usage(&tool_chain_rebase,
					  "operands TOP and BASE are wanted");
	if (copying->before + copying->after + rebase->unsafe > 1)
		return tool_message_usage(&tool_chain_rebase,
					  "--before, --after and -u exclude each other");
	return tool_copying_check_saving(copying);
}

static int take(struct rebase *rebase, int opt, char **argv)
{
	switch (opt) {
	case TOOL_COPYING_BEFORE:
		rebase->copying.before = true;
		break;
	case TOOL_COPYING_AFTER:
		rebase->copying.after = true;
		break;
	case STORED:
		rebase->stored = true;
		break;
	case 'u':
		rebase->unsafe = true;
		break;
	default:
		return tool_disks_take(&rebase->copying.disks, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"before", no_argument, NULL, TOOL_COPYING_BEFORE},
		{"after", no_argument, NULL, TOOL_COPYING_AFTER},
		{"stored", no_argument, NULL, STORED},
		{"unsafe", no_argument, NULL, 'u'},
		{"scheme", required_argument, NULL, TOOL_DISKS_SCHEME},
		{"order", required_argument, NULL, TOOL_DISKS_ORDER},
		TOOL_OPTIONS_EDIT,
	};
	struct rebase rebase = {
		.copying.disks = {.options = {.command = &tool_chain_rebase},
				  .is_editing = true},
	};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS "u", long_options,
				  NULL)) != -1)
		status = take(&rebase, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = check(&rebase, argc - optind);
	if (status == TOOL_OPTIONS_GO_ON) {
		rebase.copying.top = argv[optind];
		rebase.copying.base = argv[optind + 1];
		status = run_steps(&rebase);
	}
	tool_disks_close(&rebase.copying.disks);
	tool_text_free(&rebase.top);
	tool_text_free(&rebase.name);
	tool_text_free(&rebase.format);
	return status;
}

const struct tool_command tool_chain_rebase = {
	.name = "chain rebase",
	.synopsis = "[OPTION]... TOP BASE",
	.summary = "Base a layer on a lower one, bitmaps exact (qemu-img)",
	.help = "BASE, a layer below TOP, becomes its backing file, by `qemu-img rebase`; what the\n"
		"layers between hold is copied up into TOP, and they are no layers of the disk any\n"
		"more. QEMU would count what is copied as changed; here what changed since each\n"
		"checkpoint stays what it was: TOP gets all bits of these layers, and silent copies of\n"
		"its bitmaps, qcow2bm-rebase-*, before the copying, and is given them back after it.\n"
		"Interrupted, or without room for the data, TOP has its bitmaps at once, and the same\n"
		"command goes on. Killed, it refuses, and says what to type: the bitmaps are in-use then,\n"
		"and whether something else has written to TOP since cannot be seen. Refused where\n"
		"`chain verify` finds a fault. Nothing else may write to TOP meanwhile. The files of the\n"
		"layers between are not changed: other overlays may stand on them.\n"
		"\n"
		"Options:\n"
		"  -u, --unsafe           copy nothing: it was done, or both read the same\n"
		"      --before           only what comes before the copying, by another program\n"
		"      --after            only what comes after it\n"
		"      --stored           after a kill: nothing else has written to TOP since\n"
		"      --scheme SCHEME    nested or delta, where the images tell it wrongly\n"
		"      --order A,B,C      the checkpoints from the oldest on, where nothing tells\n" TOOL_HELP_EDIT
		"\n"
		"Examples:\n"
		"  qcow2bm chain rebase overlay.qcow2 golden.qcow2\n"
		"  qcow2bm chain rebase -u overlay.qcow2 disk.qcow2\n"
		"\n"
		"Exit status: 0 done, 1 refused or failed; what changed since each checkpoint is what it\n"
		"was, unless a message says that a rebase was cut off; 4 unknown after an I/O error at\n"
		"the switch, 5 done but clusters leaked or the report could not be printed, 6 busy, 64\n"
		"usage, 128+n interrupted by signal n, or qemu-img was: as 1.\n",
	.run = run,
};
