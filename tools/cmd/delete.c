/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm delete: bitmaps by name, by pattern, or all. */
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "../term/name.h"
#include "../term/operand.h"
#include "finish.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { MATCH = TOOL_OPT_OWN, ALL, IN_USE, STALE, TEMPORARY };

struct delete
{
	struct tool_session session;
	bool all;
	bool in_use, stale, temporary;
	char **patterns;
	size_t pattern_count;
	bool *marked; /* by index in the directory */
};

static int mark_name(struct delete *delete, const char *name)
{
	struct tool_operand operand;
	tool_operand_resolve(&operand, delete->session.image, name);
	int status = TOOL_EXIT_DONE;
	if (operand.idx != QCOW2BM_NOT_FOUND) {
		delete->marked[operand.idx] = true;
	} else {
		status = tool_missing_bitmap(delete->session.filename,
					     delete->session.image, name);
	}
	tool_operand_free(&operand);
	return status;
}

/* A pattern is matched against the name as list shows it, so that it can reach every name. */
static int mark_pattern(struct delete *delete, const char *pattern)
{
	bool found = false;
	for (size_t i = 0; i < qcow2bm_bitmap_count(delete->session.image); i++) {
		struct qcow2bm_bitmap entry =
			*qcow2bm_bitmap_describe(delete->session.image, i);
		char *shown =
			tool_name_escape(entry.name, entry.name_bytes, TOOL_NAME_HUMAN);
		if (fnmatch(pattern, shown, FNM_NOESCAPE) == 0)
			found = delete->marked[i] = true;
		free(shown);
	}
	if (found)
		return TOOL_EXIT_DONE;
	tool_message(delete->session.filename, "no bitmap matches '%s'", pattern);
	return TOOL_EXIT_FAILED;
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
	for (size_t i = 0; i < qcow2bm_bitmap_count(delete->session.image); i++) {
		struct qcow2bm_bitmap bitmap =
			*qcow2bm_bitmap_describe(delete->session.image, i);
		if (is(&bitmap))
			found = delete->marked[i] = true;
	}
	if (!found && !delete->session.options.quiet)
		tool_message(delete->session.filename, "no bitmap is %s", what);
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

static int mark(struct delete *delete, int count, char **names)
{
	int status = TOOL_EXIT_DONE;
	for (int i = 0; i < count && status == TOOL_EXIT_DONE; i++)
		status = mark_name(delete, names[i]);
	for (size_t i = 0; i < delete->pattern_count && status == TOOL_EXIT_DONE; i++)
		status = mark_pattern(delete, delete->patterns[i]);
	if (status == TOOL_EXIT_DONE)
		mark_states(delete);
	return status;
}

static int stage(struct delete *delete)
{
	for (size_t i = 0; i < qcow2bm_bitmap_count(delete->session.image); i++) {
		if (!delete->all && !delete->marked[i])
			continue;
		struct qcow2bm_bitmap entry;
		struct qcow2bm_error err = {0};
		entry = *qcow2bm_bitmap_describe(delete->session.image, i);
		if (qcow2bm_edit_delete(delete->session.edit, entry.name,
					entry.name_bytes, &err) != QCOW2BM_OK)
			return tool_session_refuse(&delete->session, "delete", entry.name,
						   entry.name_bytes, &err);
	}
	return TOOL_EXIT_DONE;
}

/* Marks the bitmaps that names and patterns choose, then deletes them in one edit. */
static int delete_bitmaps(struct delete *delete, int count, char **operands)
{
	bool some = delete->pattern_count != 0 || delete->in_use || delete->stale ||
		    delete->temporary || count > 1;
	if (count == 0 || !(delete->all || some))
		return tool_message_usage(
			&tool_cmd_delete,
			"operands IMAGE and NAME..., --match, --in-use, --stale, "
			"--temporary or --all are wanted");
	if (delete->all && some)
		return tool_message_usage(
			&tool_cmd_delete,
			"option --all stands alone: no NAME and no other choice");
	int status = tool_session_open(&delete->session, operands[0]);
	if (status == TOOL_EXIT_DONE) {
		delete->marked = tool_memory_zeroed(
			qcow2bm_bitmap_count(delete->session.image), sizeof(bool));
		status = mark(delete, count - 1, operands + 1);
	}
	if (status == TOOL_EXIT_DONE)
		status = stage(delete);
	if (status == TOOL_EXIT_DONE)
		status = tool_finish_run(&delete->session);
	free(delete->marked);
	return tool_session_close(&delete->session, status);
}

static int take_option(struct delete *delete, int opt, char **argv)
{

	if (opt == ALL)
		delete->all = true;
	else if (opt == MATCH)
		delete->patterns[delete->pattern_count++] = optarg;
	else if (opt == IN_USE)
		delete->in_use = true;
	else if (opt == STALE)
		delete->stale = true;
	else if (opt == TEMPORARY)
		delete->temporary = true;
	else
		return tool_options_take(&delete->session.options, opt, argv);
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
		TOOL_OPTIONS_EDIT,
	};
	struct delete delete = {.session = {.options = {.command = &tool_cmd_delete}}};
	delete.patterns = tool_memory_zeroed((size_t)argc, sizeof(char *));
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1)
		status = take_option(&delete, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = delete_bitmaps(&delete, argc - optind, argv + optind);
	free(delete.patterns);
	return status;
}

const struct tool_command tool_cmd_delete = {
	.name = "delete",
	.synopsis = "[OPTION]... IMAGE [NAME]...",
	.summary = "Delete bitmaps",
	.help = "All of them are deleted, or none. Bitmaps in use and corrupt ones can be deleted:\n"
		"what cannot be proven to be theirs is then leaked, never freed.\n"
		"\n"
		"Options:\n"
		"      --match GLOB       those whose name, as `list` shows it, matches; repeatable.\n"
		"                         * ? [abc] as in a shell; a backslash is a backslash\n"
		"      --in-use           those that are marked in-use\n"
		"      --stale            those of them that a crash is known to have left so\n"
		"      --temporary        left-over ones of libvirt's jobs: libvirt-tmp-* and\n"
		"                         backup-TARGET (as backup-vda or backup-sdb)\n"
		"      --all              every bitmap of the image\n" TOOL_HELP_EDIT
		"\n" TOOL_HELP_NAMES "\n"
		"Examples:\n"
		"  qcow2bm delete disk.qcow2 chk-1\n"
		"  qcow2bm delete -n --match 'chk-*' disk.qcow2\n"
		"  qcow2bm delete --stale --temporary disk.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
