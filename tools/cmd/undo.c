/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm undo: put back what an image held before a repair or another edit. */
#define _POSIX_C_SOURCE 200809L
#include "../report/json.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/options.h"
#include "../term/output.h"
#include "../term/signals.h"
#include "../term/word.h"

#include <inttypes.h>
#include <stdlib.h>

enum { FORCE = TOOL_OPT_OWN, IN_USE };

struct undo {
	struct tool_options options;
	bool force;
	bool in_use;
	const char *filename, *undo_filename;
};

static const char *describe_result(const struct undo *undo,
				   const struct qcow2bm_undo_result *result)
{
	if (result->nothing)
		return "nothing-to-put-back";
	if (undo->options.dry_run)
		return "can-be-undone";
	return result->marked_bitmaps != 0 ? "undone-in-use" : "undone";
}

static int print_json(const struct undo *undo, const struct qcow2bm_undo_result *result)
{
	json_t *value = tool_json_document("undo");
	json_object_set_new(value, "filename", tool_json_text(undo->filename));
	json_object_set_new(value, "undo-file", tool_json_text(undo->undo_filename));
	json_object_set_new(value, "dry-run", json_boolean(undo->options.dry_run));
	json_object_set_new(value, "result", json_string(describe_result(undo, result)));
	json_object_set_new(value, "was-undone-before", json_boolean(result->nothing));
	json_object_set_new(value, "was-interrupted",
			    json_boolean(result->was_interrupted));
	json_object_set_new(value, "forced", json_boolean(result->forced));
	json_object_set_new(value, "proven-unwritten", json_boolean(result->proven));
	json_object_set_new(value, "bitmaps-marked-in-use",
			    json_integer((json_int_t)result->marked_bitmaps));
	json_object_set_new(value, "restored-bytes",
			    json_integer((json_int_t)result->restored_bytes));
	json_object_set_new(value, "file-bytes",
			    json_integer((json_int_t)result->file_bytes));
	return tool_output_json(value);
}

/* What the image is now, or would be. */
static void add_outcome(struct tool_text *text, const struct undo *undo,
			const struct qcow2bm_undo_result *result, const char *shown)
{
	if (result->nothing)
		tool_text_print(text,
				"%s: it is as it was before the edit already: nothing to "
				"put back.\n",
				shown);
	else if (undo->options.dry_run)
		tool_text_print(
			text,
			"%s: the edit can be undone: %s; the image would be %" PRIu64
			" bytes long again.\n",
			shown,
			result->proven ? "nothing else has written since"
				       : "what the old bitmaps occupied is still free",
			result->file_bytes);
	else if (result->proven && result->marked_bitmaps == 0)
		tool_text_print(
			text,
			"%s: undone, the image is byte for byte what it was before the "
			"edit (%" PRIu64 " bytes put back).\n",
			shown, result->restored_bytes);
	else
		tool_text_print(
			text,
			"%s: undone, all that the edit changed is what it was before "
			"(%" PRIu64 " bytes put back).\n",
			shown, result->restored_bytes);
}

static void add_marked(struct tool_text *text, const struct undo *undo,
		       const struct qcow2bm_undo_result *result, const char *shown)
{
	bool one = result->marked_bitmaps == 1;
	tool_text_print(text,
			"%s: %" PRIu64 " bitmap%s %s as in use, so that nobody trusts "
			"%s; what to do: qcow2bm check",
			shown, result->marked_bitmaps, one ? "" : "s",
			undo->options.dry_run ? "would come back marked"
					      : "came back marked",
			one ? "it" : "them");
	tool_word_add_file(text, undo->filename);
	tool_text_print(text, "\n");
}

static int print_human(const struct undo *undo, const struct qcow2bm_undo_result *result)
{
	struct tool_text text = {0};
	if (undo->options.quiet)
		return TOOL_EXIT_DONE;
	char *shown = tool_name_escape_text(undo->filename, TOOL_NAME_HUMAN);
	if (result->was_interrupted && !result->nothing)
		tool_text_print(
			&text, "The edit was interrupted before its end%s.\n",
			result->forced
				? "; not every sector is one that it knows (--force)"
				: "; every sector is one that it found or made");
	add_outcome(&text, undo, result, shown);
	if (result->marked_bitmaps != 0)
		add_marked(&text, undo, result, shown);
	free(shown);
	return tool_output_text(&text);
}

static void copy(void *opaque, const struct qcow2bm_undo_result *result)
{
	*(struct qcow2bm_undo_result *)opaque = *result;
}

static int undo_edit(const struct undo *undo)
{
	unsigned flags = (undo->options.dry_run ? QCOW2BM_UNDO_DRY_RUN : 0u) |
			 (undo->options.no_lock ? QCOW2BM_UNDO_NO_LOCK : 0u) |
			 (undo->force ? QCOW2BM_UNDO_FORCE : 0u) |
			 (undo->in_use ? QCOW2BM_UNDO_IN_USE : 0u);
	struct qcow2bm_undo_result result = {.syncs = 0};
	struct qcow2bm_error err = {0};
	struct tool_signals signals;
	tool_signals_block(&signals);
	if (qcow2bm_undo_apply(undo->filename, undo->undo_filename, flags,
			       undo->options.wait_seconds, copy, &result, NULL,
			       &err) != QCOW2BM_OK)
		return tool_message_fail(undo->filename, &err);
	int status = undo->options.json ? print_json(undo, &result)
					: print_human(undo, &result);
	if (status == TOOL_EXIT_DONE || undo->options.dry_run)
		return status;
	tool_message(undo->filename, "the edit is undone, only the report is lost");
	return TOOL_EXIT_LEAKED;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"force", no_argument, NULL, FORCE},
		{"in-use", no_argument, NULL, IN_USE},
		{"dry-run", no_argument, NULL, 'n'},
		TOOL_OPTIONS_COMMON,
		{NULL, 0, NULL, 0},
	};
	struct undo undo = {.options = {.command = &tool_cmd_undo}};
	int opt;
	while ((opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1) {
		int status = TOOL_OPTIONS_GO_ON;
		if (opt == FORCE)
			undo.force = true;
		else if (opt == IN_USE)
			undo.in_use = true;
		else
			status = tool_options_take(&undo.options, opt, argv);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
	}
	if (argc - optind != 2)
		return tool_message_usage(&tool_cmd_undo,
					  "operands IMAGE and FILE are wanted");
	undo.filename = argv[optind];
	undo.undo_filename = argv[optind + 1];
	return undo_edit(&undo);
}

const struct tool_command tool_cmd_undo = {
	.name = "undo",
	.synopsis = "[OPTION]... IMAGE FILE",
	.summary = "Put back what an image held before an edit or a repair",
	.help = "FILE is the undo file that an edit with --save FILE wrote, or a repair. The image\n"
		"becomes byte for byte what it was, its length included. It is refused when anything\n"
		"else has written to it since, or may have: a device, a copy, a file that was renamed,\n"
		"an image with an external data file and an edit that was cut off do not tell. --in-use\n"
		"is the way then. Cut off half way, the same command with --in-use gets through; a\n"
		"second time it does nothing. Of several edits of an image the last is undone first.\n"
		"\n"
		"Options:\n"
		"      --in-use           put the bitmaps back marked as in use, so that nobody trusts\n"
		"                         them: for an image that the guest may have written to since\n"
		"      --force            after an edit that was interrupted, and only then: also\n"
		"                         when a sector is neither what it was nor what it was to\n"
		"                         become (a disk may tear sectors when its power fails)\n"
		"  -n, --dry-run          look whether it can be undone and change nothing\n"
		"      --output FORMAT    human (default) or json\n"
		"      --color WHEN       auto (default: on a terminal), always or never\n"
		"      --no-lock          take no locks: you vouch that nobody has the image open\n"
		"      --wait SECONDS     retry for so long while the image is busy (default: fail)\n"
		"  -q, --quiet            no report\n"
		"  -h, --help             show this text\n"
		"\n"
		"Examples:\n"
		"  qcow2bm undo disk.qcow2 disk.qcow2.undo\n"
		"\n"
		"Exit status: 0 done, 1 refused or failed and the image is as it was, 4 a write failed\n"
		"on the way back (do it again), 5 done but the report is lost, 6 busy, 64 usage.\n",
	.run = run,
};
