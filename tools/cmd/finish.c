/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of every editing command: print the plan, or commit and report. */
#define _POSIX_C_SOURCE 200809L
#include "finish.h"

#include "../report/image_list.h"
#include "../report/summary.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/output.h"
#include "../term/watch.h"

#include <inttypes.h>
#include <stdlib.h>

/* Whether the edit, of so many changes, deletes the bitmap; changes come in the bitmaps' order. */
static bool is_deleted(const struct tool_session *session,
		       const struct qcow2bm_bitmap *entry, size_t *next, size_t changes)
{
	struct qcow2bm_change change;
	if (*next >= changes)
		return false;
	change = *qcow2bm_edit_change(session->edit, *next);
	if (change.old_name != entry->name)
		return false;
	++*next;
	return change.kind == QCOW2BM_CHANGE_DELETE;
}

/* Whoever starts the machine next is to learn now that another bitmap keeps QEMU out. `changes`:
 * of the edit that is still to be done. */
static void warn_of_damage(const struct tool_session *session, size_t changes)
{
	size_t next = 0;
	for (size_t i = 0;
	     i < qcow2bm_bitmap_count(session->image) && !session->options.quiet; i++) {
		struct qcow2bm_bitmap entry = *qcow2bm_bitmap_describe(session->image, i);
		if (is_deleted(session, &entry, &next, changes) ||
		    entry.state != QCOW2BM_STATE_CORRUPT)
			continue;
		char *shown =
			tool_name_escape(entry.name, entry.name_bytes, TOOL_NAME_HUMAN);
		tool_message(session->filename,
			     "warning: QEMU does not open this image while it has bitmap "
			     "%zu, '%s' (%s)" QCOW2BM_SEE_CHECK,
			     i, shown, entry.problem);
		free(shown);
		return;
	}
}

static int print_json(const struct tool_session *session, json_t *report,
		      const struct tool_json_list *lists, size_t list_count)
{
	if (session->images != NULL) {
		struct tool_signals signals;
		tool_signals_block(&signals);
		return tool_image_list_print(session->images, report, lists, list_count);
	}
	json_t *document = tool_json_document("edit");
	json_object_update(document, report);
	json_decref(report);
	return tool_json_output(document, lists, list_count);
}

static int print_report(const struct tool_session *session, json_t *report,
			struct tool_changes *changes)
{
	struct tool_json_list lists[2] = {0};
	tool_changes_set_list(report, changes);
	lists[0] = changes->list;
	if (session->saving.path != NULL)
		json_object_set_new(report, "undo-file",
				    tool_json_text(session->saving.path));
	if (session->add_to_report != NULL)
		session->add_to_report(session->opaque, report, &lists[1]);
	return print_json(session, report, lists, 2);
}

static int print_plan_of(const struct tool_session *session,
			 const struct qcow2bm_plan *plan, struct tool_changes *changes)
{
	warn_of_damage(session, plan->changes);
	if (session->options.json)
		return print_report(
			session, tool_summary_json(session->filename, json_array(), plan),
			changes);
	struct qcow2bm_image_info info = *qcow2bm_image_describe(session->image);
	struct tool_text text = {0};
	tool_summary_human(&text, session->filename, changes, plan, info.cluster_bytes);
	return tool_output_text(&text);
}

static int print_plan(struct tool_session *session)
{
	struct qcow2bm_plan plan;
	struct tool_changes changes = {.count = 0};
	int status = tool_session_plan(session, session->options.commit_flags, &plan,
				       &changes);
	if (status == TOOL_EXIT_DONE)
		status = print_plan_of(session, &plan, &changes);
	tool_changes_free(&changes);
	return status;
}

/* While something may be left of the edit, the undo file stays. */
static void give_up_saving(struct tool_session *session, const struct qcow2bm_error *err,
			   const struct qcow2bm_result *result)
{
	if (session->saving.path == NULL)
		return;
	if (err->code != QCOW2BM_EUNKNOWN && result->leaked_clusters == 0) {
		tool_saving_drop(&session->saving);
		return;
	}
	struct tool_text text = {0};
	tool_saving_add(&text, &session->saving);
	tool_message(session->filename, "%s", text.bytes);
	tool_text_free(&text);
}

/* Which state the image is in goes with every failure of a commit. */
static int report_failure(struct tool_session *session, const struct qcow2bm_error *err,
			  const struct qcow2bm_result *result, int signal_number)
{
	char *sentence = tool_message_sentence(err);
	int status = tool_message_status(err->code);
	if (err->code == QCOW2BM_EUNKNOWN)
		tool_message_because(
			session->filename, err,
			"%s; the image is whole, but whether it has the old or the new "
			"state is not known: look with 'qcow2bm list'",
			sentence);
	else if (err->code == QCOW2BM_EINTERRUPTED)
		tool_message(session->filename, "interrupted; the image is as it was");
	else
		tool_message_because(session->filename, err, "%s; the image is as it was",
				     sentence);
	free(sentence);
	if (result->leaked_clusters != 0)
		tool_message(session->filename, "%" PRIu64 " clusters leaked",
			     result->leaked_clusters);
	give_up_saving(session, err, result);
	return err->code == QCOW2BM_EINTERRUPTED ? TOOL_EXIT_SIGNAL + signal_number
						 : status;
}

/* Tells what was leaked, and why. */
static int report_success(const struct tool_session *session,
			  const struct qcow2bm_result *result,
			  struct tool_changes *changes)
{
	bool leaked = result->leaked_clusters != 0 || result->leak_reason[0] != '\0';
	int status = leaked ? TOOL_EXIT_LEAKED : TOOL_EXIT_DONE;
	if (result->leaked_clusters != 0 && !session->options.quiet)
		tool_message(session->filename,
			     "done, but %" PRIu64 " clusters leaked: %s",
			     result->leaked_clusters, result->leak_reason);
	else if (leaked && !session->options.quiet)
		tool_message(
			session->filename,
			"done, but clusters may be leaked, how many is not known: %s",
			result->leak_reason);
	warn_of_damage(session, 0);
	if (!session->options.json)
		return status;
	json_t *report = tool_summary_result(session->filename, json_array(), result);
	if (print_report(session, report, changes) == TOOL_EXIT_DONE)
		return status;
	tool_message(session->filename, "the edit is done, only its report is lost");
	return TOOL_EXIT_LEAKED;
}

/* Want of memory for what is still to be said must not hide how the commit went. */
static void set_ending(enum qcow2bm_code code, const struct qcow2bm_result *result,
		       int signal_number)
{
	if (code == QCOW2BM_EUNKNOWN)
		tool_memory_set_ending(TOOL_EXIT_UNKNOWN,
				       "out of memory; outcome unknown: look with "
				       "'qcow2bm list'");
	else if (code == QCOW2BM_EINTERRUPTED)
		tool_memory_set_ending(TOOL_EXIT_SIGNAL + signal_number,
				       "interrupted; the image is as it was");
	else if (code == QCOW2BM_OK && result->leak_reason[0] != '\0')
		tool_memory_set_ending(TOOL_EXIT_LEAKED,
				       "out of memory; the edit is done, but clusters "
				       "leaked");
	else if (code == QCOW2BM_OK)
		tool_memory_set_ending(TOOL_EXIT_LEAKED,
				       "out of memory; the edit is done, only its report "
				       "is lost");
}

/* The changes are kept before the commit, which empties the edit; none unless JSON is asked
 * for. The plan for that needs no walk. */
static int keep_changes(struct tool_session *session, struct tool_changes *changes)
{
	struct qcow2bm_plan plan;
	if (!session->options.json)
		return TOOL_EXIT_DONE;
	return tool_session_plan(
		session, session->options.commit_flags | QCOW2BM_COMMIT_TRUST_REFCOUNTS,
		&plan, changes);
}

static int commit(struct tool_session *session, struct tool_changes *changes)
{
	struct qcow2bm_error err = {0};
	struct tool_watch watch;
	const struct qcow2bm_commit_options options = {
		.size = sizeof(struct qcow2bm_commit_options),
		.flags = session->options.commit_flags,
	};
	const struct qcow2bm_result *result;
	bool has_own = session->undo_file != NULL;
	int status =
		tool_saving_begin(&session->saving, session->image, session->filename,
				  has_own ? session->undo_file : session->options.save,
				  has_own || session->images == NULL);
	if (status != TOOL_EXIT_DONE)
		return status;
	tool_watch_begin(&watch, &session->options);
	enum qcow2bm_code code =
		qcow2bm_edit_commit(session->edit, &options, &result, &watch.watch, &err);
	int signal_number = tool_watch_end(&watch);
	set_ending(code, result, signal_number);
	if (code != QCOW2BM_OK)
		return report_failure(session, &err, result, signal_number);
	tool_saving_end(&session->saving);
	return report_success(session, result, changes);
}

int tool_finish_run(struct tool_session *session)
{
	if (session->options.dry_run)
		return print_plan(session);
	struct tool_changes changes = {.count = 0};
	int status = keep_changes(session, &changes);
	if (status == TOOL_EXIT_DONE)
		status = commit(session, &changes);
	tool_changes_free(&changes);
	return status;
}
