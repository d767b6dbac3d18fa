/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm delete: bitmaps by name, by pattern, or all. */
#include "../term/match.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "../term/name.h"
#include "../term/operand.h"
#include "several.h"

#include <stdlib.h>
#include <string.h>

enum { MATCH = TOOL_OPT_OWN, ALL, IN_USE, STALE, TEMPORARY };

struct delete
{
	struct tool_several several;
	struct tool_session *session; /* of the image at hand */
	bool all;
	bool in_use, stale, temporary;
	struct tool_match match;
	int count;
	char **names;
	bool *marked; /* by index in the directory */
};

static int mark_name(struct delete *delete, const char *name)
{
	struct tool_operand operand;
	tool_operand_resolve(&operand, delete->session->image, name);
	int status = TOOL_EXIT_DONE;
	if (operand.idx != QCOW2BM_NOT_FOUND) {
		delete->marked[operand.idx] = true;
	} else {
		status = tool_missing_bitmap(delete->session->filename,
					     delete->session->image, name);
	}
	tool_operand_free(&operand);
	return status;
}

static int mark_idx(void *opaque, const struct qcow2bm_image *image, size_t idx)
{
	struct delete *delete = opaque;
	(void)image;
	delete->marked[idx] = true;
	return TOOL_EXIT_DONE;
}

static bool is_in_use(const struct qcow2bm_bitmap *bitmap)
{
	return bitmap->in_use;
}

static bool is_stale(const struct qcow2bm_bitmap *bitmap)
{
	return bitmap->state == QCOW2BM_STATE_IN_USE_STALE;
}

static bool is_temporary(const struct qcow2bm_bitmap *bitmap)
{
	return bitmap->temporary;
}

/* A pattern that somebody typed should match; that no bitmap has such a state is good news. */
static void mark_those(struct delete *delete, bool (*is)(const struct qcow2bm_bitmap *),
		       const char *what)
{
	bool found = false;
	for (size_t i = 0; i < qcow2bm_bitmap_count(delete->session->image); i++) {
		struct qcow2bm_bitmap bitmap =
			*qcow2bm_bitmap_describe(delete->session->image, i);
		if (is(&bitmap))
			found = delete->marked[i] = true;
	}
	if (!found && !delete->session->options.quiet)
		tool_message(delete->session->filename, "no bitmap is %s", what);
}

static void mark_states(struct delete *delete)
{
	if (delete->in_use)
		mark_those(delete, is_in_use, "in-use");
	if (delete->stale)
		mark_those(delete, is_stale, "in-use and known to be stale");
	if (delete->temporary)
		mark_those(delete, is_temporary, "temporary by its name");
}

static int mark(struct delete *delete)
{
	int status = TOOL_EXIT_DONE;
	for (int i = 0; i < delete->count && status == TOOL_EXIT_DONE; i++)
		status = mark_name(delete, delete->names[i]);
	if (status == TOOL_EXIT_DONE)
		status = tool_match_each(&delete->match, delete->session->filename,
					 delete->session->image, mark_idx, delete);
	if (status == TOOL_EXIT_DONE)
		mark_states(delete);
	return status;
}

static int stage_marked(struct delete *delete)
{
	for (size_t i = 0; i < qcow2bm_bitmap_count(delete->session->image); i++) {
		if (!delete->all && !delete->marked[i])
			continue;
		struct qcow2bm_bitmap entry;
		struct qcow2bm_error err = {0};
		entry = *qcow2bm_bitmap_describe(delete->session->image, i);
		if (qcow2bm_edit_delete(delete->session->edit, entry.name,
					entry.name_bytes, &err) != QCOW2BM_OK)
			return tool_session_refuse(delete->session, "delete", entry.name,
						   entry.name_bytes, &err);
	}
	return TOOL_EXIT_DONE;
}

/* Marks the bitmaps that names and patterns choose, then deletes them in one edit. */
static int stage(void *opaque, struct tool_session *session)
{
	struct delete *delete = opaque;
	delete->session = session;
	delete->marked =
		tool_memory_zeroed(qcow2bm_bitmap_count(session->image), sizeof(bool));
	int status = mark(delete);
	if (status == TOOL_EXIT_DONE)
		status = stage_marked(delete);
	free(delete->marked);
	delete->marked = NULL;
	return status;
}

/* Returns TOOL_OPTIONS_GO_ON or the status to exit with. */
static int check_usage(const struct delete *delete)
{
	bool some = delete->match.count != 0 || delete->in_use || delete->stale ||
		    delete->temporary || delete->count > 0;
	if (delete->count < 0 || !(delete->all || some))
		return tool_message_usage(
			&tool_cmd_delete,
			"operands IMAGE and NAME..., --match, --in-use, --stale, "
			"--temporary or --all are wanted");
	if (delete->all && some)
		return tool_message_usage(
			&tool_cmd_delete,
			"option --all stands alone: no NAME and no other choice");
	return TOOL_OPTIONS_GO_ON;
}

static int take_option(struct delete *delete, int opt, char **argv)
{

	if (opt == ALL)
		delete->all = true;
	else if (opt == MATCH)
		tool_match_add(&delete->match, optarg);
	else if (opt == IN_USE)
		delete->in_use = true;
	else if (opt == STALE)
		delete->stale = true;
	else if (opt == TEMPORARY)
		delete->temporary = true;
	else
		return tool_several_take(&delete->several, opt, argv);
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"match", required_argument, NULL, MATCH},
		{"all", no_argument, NULL, ALL},
		{"in-use", no_argument, NULL, IN_USE},
		{"stale", no_argument, NULL, STALE},
		{"temporary", no_argument, NULL, TEMPORARY},
		TOOL_SEVERAL_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	struct delete delete = {.all = false};
	delete.several = (struct tool_several){.options = {.command = &tool_cmd_delete},
					       .stage = stage,
					       .opaque = &delete};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_EDIT_LETTERS TOOL_SEVERAL_LETTERS,
				  long_options, NULL)) != -1)
		status = take_option(&delete, opt, argv);
	int images = tool_several_operands(&delete.several);
	delete.count = argc - optind - images;
	delete.names = argv + optind + images;
	if (status == TOOL_OPTIONS_GO_ON)
		status = check_usage(&delete);
	if (status == TOOL_OPTIONS_GO_ON)
		status = tool_several_run(&delete.several, argv + optind);
	else
		free(delete.several.images);
	tool_match_free(&delete.match);
	return status;
}

const struct tool_command tool_cmd_delete = {
	.name = "delete",
	.synopsis = "[OPTION]... IMAGE [NAME]...",
	.summary = "Delete bitmaps",
	.help = "All of them are deleted, or none. Bitmaps in use and corrupt ones can be deleted:\n"
		"what cannot be proven to be theirs is then leaked, never freed.\n"
		"\n"
		"Options:\n" TOOL_HELP_MATCH
		"      --in-use           those that are marked in-use\n"
		"      --stale            those of them that a crash is known to have left so\n"
		"      --temporary        left-over ones of libvirt's jobs: libvirt-tmp-* and\n"
		"                         backup-TARGET (as backup-vda or backup-sdb)\n"
		"      --all              every bitmap of the image\n" TOOL_HELP_SEVERAL
		"\n" TOOL_HELP_NAMES "\n"
		"Examples:\n"
		"  qcow2bm delete disk.qcow2 chk-1\n"
		"  qcow2bm delete -n --match 'chk-*' disk.qcow2\n"
		"  qcow2bm delete --stale --temporary disk.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
