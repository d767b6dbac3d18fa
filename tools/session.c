/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all editing commands share: open, stage and close. */
#define _POSIX_C_SOURCE 200809L

#include "session.h"

#include "commit.h"
#include "memory.h"
#include "message.h"
#include "name.h"
#include "operand.h"
#include "size.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned lock_flags(const struct tool_session *edit)
{
	return edit->options.no_lock ? QCOW2BM_OPEN_NO_LOCK : 0u;
}

enum qcow2bm_code tool_session_try_open(struct tool_session *edit, const char *filename,
					struct qcow2bm_error *err)
{
	unsigned flags =
		lock_flags(edit) | (edit->options.dry_run ? 0u : QCOW2BM_OPEN_WRITE);
	edit->filename = filename;
	enum qcow2bm_code code = qcow2bm_image_open(&edit->image, filename, flags,
						    edit->options.wait_seconds, err);
	return code == QCOW2BM_OK ? qcow2bm_edit_begin(&edit->edit, edit->image, err)
				  : code;
}

int tool_session_open(struct tool_session *edit, const char *filename)
{
	struct qcow2bm_error err = {0};
	if (tool_session_try_open(edit, filename, &err) != QCOW2BM_OK)
		return tool_message_fail(filename, &err);
	return TOOL_EXIT_DONE;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;
	if (stat(a, &x) != 0 || stat(b, &y) != 0)
		return false;
	if (S_ISBLK(x.st_mode) && S_ISBLK(y.st_mode))
		return x.st_rdev == y.st_rdev;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

enum qcow2bm_code tool_session_try_open_source(struct tool_session *edit,
					       const char *filename,
					       struct qcow2bm_image **source,
					       struct qcow2bm_error *err)
{
	*source = NULL;
	/* A second descriptor would find the locks of the first in its way. */
	if (is_same_file(filename, edit->filename))
		return QCOW2BM_OK;
	enum qcow2bm_code code = qcow2bm_image_open(source, filename, lock_flags(edit),
						    edit->options.wait_seconds, err);
	if (code != QCOW2BM_OK)
		return code;
	edit->sources = tool_memory_resize(edit->sources, edit->source_count + 1,
					   sizeof(struct qcow2bm_image *));
	edit->sources[edit->source_count++] = *source;
	return QCOW2BM_OK;
}

bool tool_session_is_granularity(uint64_t bytes)
{
	const uint64_t smallest = 512, largest = (uint64_t)2 << 30;
	return bytes >= smallest && bytes <= largest && (bytes & (bytes - 1)) == 0;
}

int tool_session_take_granularity(const struct tool_session *edit, uint64_t *bytes)
{
	if (tool_size_parse(optarg, bytes) && tool_session_is_granularity(*bytes))
		return TOOL_OPTIONS_GO_ON;
	return tool_message_usage(edit->options.command,
				  "option -g: '%s' is not a power of two from 512 to 2G",
				  optarg);
}

int tool_session_refuse(const struct tool_session *edit, const char *verb,
			const char *name, size_t name_bytes,
			const struct qcow2bm_error *err)
{
	char *shown = tool_name_escape(name, name_bytes, TOOL_NAME_HUMAN);
	char *sentence = tool_message_sentence(err);
	tool_message(edit->filename, "cannot %s bitmap '%s': %s", verb, shown, sentence);
	free(sentence);
	free(shown);
	return tool_message_status(err->code);
}

static int stage_names(struct tool_session *edit, int count, char **names,
		       tool_session_stage_fn *stage)
{
	for (int i = 0; i < count; i++) {
		struct tool_operand operand;
		struct qcow2bm_error err = {0};
		int status = TOOL_EXIT_DONE;
		tool_operand_resolve(&operand, edit->image, names[i]);
		if (stage(edit->edit, operand.bytes, operand.count, &err) != QCOW2BM_OK)
			status = tool_session_refuse(edit, edit->options.command->name,
						     operand.bytes, operand.count, &err);
		tool_operand_free(&operand);
		if (status != TOOL_EXIT_DONE)
			return status;
	}
	return TOOL_EXIT_DONE;
}

int tool_session_run_by_name(const struct tool_command *command, int argc, char **argv,
			     tool_session_stage_fn *stage)
{
	static const struct option long_options[] = {TOOL_OPTIONS_EDIT};
	struct tool_session edit = {.options = {.command = command}};
	int opt;
	while ((opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1) {
		int status = tool_options_take(&edit.options, opt, argv);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
	}
	if (argc - optind < 2)
		return tool_message_usage(command,
					  "operands IMAGE and NAME... are wanted");
	int status = tool_session_open(&edit, argv[optind]);
	if (status == TOOL_EXIT_DONE)
		status = stage_names(&edit, argc - optind - 1, argv + optind + 1, stage);
	if (status == TOOL_EXIT_DONE)
		status = tool_commit_run(&edit);
	return tool_session_close(&edit, status);
}

int tool_session_close(struct tool_session *edit, int status)
{
	qcow2bm_edit_end(edit->edit);
	for (size_t i = 0; i < edit->source_count; i++)
		qcow2bm_image_close(edit->sources[i]);
	free(edit->sources);
	qcow2bm_image_close(edit->image);
	return status;
}
