/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all editing commands share: open, stage and close. */
#define _POSIX_C_SOURCE 200809L

#include "session.h"

#include "../report/changes.h"
#include "../term/image.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "../term/name.h"
#include "../term/operand.h"
#include "../term/size.h"
#include "../term/watch.h"
#include "cut_off.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum qcow2bm_code tool_session_try_open(struct tool_session *session,
					const char *filename, struct qcow2bm_error *err)
{
	unsigned flags = session->open_flags |
			 (session->options.dry_run ? 0u : QCOW2BM_OPEN_WRITE);
	session->filename = filename;
	/* What an edit of several images has left half done is not to be built on; a repair adds nothing to it. */
	if ((flags & QCOW2BM_OPEN_DAMAGED) == 0) {
		enum qcow2bm_code found = tool_cut_off_try_check(
			&session->options, filename, NULL, session->images == NULL, err);
		if (found != QCOW2BM_OK)
			return found;
	}
	enum qcow2bm_code code = tool_image_try_open(&session->options, filename, flags,
						     &session->image, err);
	return code == QCOW2BM_OK
		       ? qcow2bm_edit_begin(&session->edit, session->image, err)
		       : code;
}

int tool_session_open(struct tool_session *session, const char *filename)
{
	struct qcow2bm_error err = {0};
	if (tool_session_try_open(session, filename, &err) != QCOW2BM_OK)
		return tool_message_fail(filename, &err);
	return TOOL_EXIT_DONE;
}

/* Of work that a signal may have stopped. */
static int end_of(const struct tool_session *session, enum qcow2bm_code code,
		  int signal_number, const struct qcow2bm_error *err)
{
	if (code == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	int status = tool_message_fail(session->filename, err);
	return code == QCOW2BM_EINTERRUPTED ? TOOL_EXIT_SIGNAL + signal_number : status;
}

int tool_session_check(struct tool_session *session, struct qcow2bm_report **report)
{
	struct qcow2bm_error err = {0};
	int signal_number;
	enum qcow2bm_code code = tool_image_check(&session->options, session->image, 0,
						  report, &signal_number, &err);
	return end_of(session, code, signal_number, &err);
}

int tool_session_plan(struct tool_session *session, unsigned flags,
		      struct qcow2bm_plan *plan, struct tool_changes *changes)
{
	struct qcow2bm_error err = {0};
	struct tool_watch watch;
	tool_watch_begin(&watch, &session->options);
	const struct qcow2bm_plan *told;
	enum qcow2bm_code code =
		qcow2bm_edit_plan(session->edit, flags, &told, &watch.watch, &err);
	if (code == QCOW2BM_OK)
		*plan = *told;
	if (code == QCOW2BM_OK && changes != NULL)
		code = tool_changes_keep(changes, session->edit, session->image,
					 plan->changes, &watch.watch, &err);
	return end_of(session, code, tool_watch_leave(&watch), &err);
}

bool tool_session_is_same_file(const char *a, const char *b)
{
	struct stat x, y;
	if (stat(a, &x) != 0 || stat(b, &y) != 0)
		return false;
	if (S_ISBLK(x.st_mode) && S_ISBLK(y.st_mode))
		return x.st_rdev == y.st_rdev;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

enum qcow2bm_code tool_session_try_open_source(struct tool_session *session,
					       const char *filename,
					       struct qcow2bm_image **source,
					       struct qcow2bm_error *err)
{
	*source = NULL;
	/* A second descriptor would find the locks of the first in its way. */
	if (tool_session_is_same_file(filename, session->filename))
		return QCOW2BM_OK;
	enum qcow2bm_code code =
		tool_image_try_open(&session->options, filename, 0, source, err);
	if (code != QCOW2BM_OK)
		return code;
	session->sources = tool_memory_resize(session->sources, session->source_count + 1,
					      sizeof(struct qcow2bm_image *));
	session->sources[session->source_count++] = *source;
	return QCOW2BM_OK;
}

bool tool_session_is_granularity(uint64_t bytes)
{
	const uint64_t smallest = 512, largest = (uint64_t)2 << 30;
	return bytes >= smallest && bytes <= largest && (bytes & (bytes - 1)) == 0;
}

int tool_session_take_granularity(const struct tool_command *command, uint64_t *bytes)
{
	if (tool_size_parse(optarg, bytes) && tool_session_is_granularity(*bytes))
		return TOOL_OPTIONS_GO_ON;
	return tool_message_usage(
		command, "option -g: '%s' is not a power of two from 512 to 2G", optarg);
}

int tool_session_refuse_in(const char *filename, const char *verb, const char *name,
			   size_t name_bytes, const struct qcow2bm_error *err)
{
	char *shown = tool_name_escape(name, name_bytes, TOOL_NAME_HUMAN);
	char *sentence = tool_message_sentence(err);
	tool_message_because(filename, err, "cannot %s bitmap '%s': %s", verb, shown,
			     sentence);
	free(sentence);
	free(shown);
	return tool_message_status(err->code);
}

int tool_session_refuse(const struct tool_session *session, const char *verb,
			const char *name, size_t name_bytes,
			const struct qcow2bm_error *err)
{
	return tool_session_refuse_in(session->filename, verb, name, name_bytes, err);
}

int tool_session_refuse_operand(const struct tool_session *session, const char *verb,
				const char *typed, const struct tool_operand *operand,
				const struct qcow2bm_error *err)
{
	if (err->code == QCOW2BM_ENOTFOUND)
		return tool_missing_bitmap(session->filename, session->image, typed);
	return tool_session_refuse(session, verb, operand->bytes, operand->count, err);
}

int tool_session_close(struct tool_session *session, int status)
{
	qcow2bm_edit_end(session->edit);
	for (size_t i = 0; i < session->source_count; i++)
		qcow2bm_image_close(session->sources[i]);
	free(session->sources);
	tool_saving_free(&session->saving);
	free(session->undo_file);
	qcow2bm_image_close(session->image);
	return status;
}
