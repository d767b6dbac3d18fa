/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit of several images that was cut off is finished, or taken back, and what became of it is told. */
#define _POSIX_C_SOURCE 200809L
#include "resume.h"

#include "../report/json.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/output.h"
#include "../term/watch.h"

#include <inttypes.h>
#include <stdlib.h>

static const char *describe_outcome(const struct tool_resume *resume,
				    enum qcow2bm_resume_outcome outcome)
{
	bool is_dry = resume->options.dry_run;
	switch (outcome) {
	case QCOW2BM_RESUME_FINISHED:
		return is_dry ? "It can be finished: all images would have the new state."
			      : "Finished: all images have the new state.";
	case QCOW2BM_RESUME_TAKEN_BACK:
		return is_dry ? "It can be taken back: all images would have the old state."
			      : "Taken back: all images have the old state.";
	default:
		return "It was cut off before the first image was changed: all have the old "
		       "state.";
	}
}

static const char *describe_held(enum qcow2bm_resume_held held)
{
	switch (held) {
	case QCOW2BM_RESUME_OLD:
		return "the old state";
	case QCOW2BM_RESUME_NEW:
		return "the new state";
	default:
		return "neither state";
	}
}

static void note_human(struct tool_resume *resume,
		       const struct qcow2bm_resume_result *result)
{
	if (resume->options.quiet)
		return;
	for (size_t i = 0; i < result->count; i++) {
		char *shown = tool_name_escape_text(result->images[i].filename,
						    TOOL_NAME_HUMAN);
		tool_text_print(&resume->text, "%s: had %s\n", shown,
				describe_held(result->images[i].held));
		free(shown);
	}
	tool_text_print(&resume->text, "%s\n", describe_outcome(resume, result->outcome));
}

static void note_json(struct tool_resume *resume,
		      const struct qcow2bm_resume_result *result)
{
	json_t *images = json_array();
	resume->value = tool_json_document("chain-resume");
	json_object_set_new(resume->value, "intent-file",
			    tool_json_text(resume->filename));
	json_object_set_new(resume->value, "dry-run",
			    json_boolean(resume->options.dry_run));
	json_object_set_new(resume->value, "result",
			    json_string(qcow2bm_resume_outcome_name(result->outcome)));
	for (size_t i = 0; i < result->count; i++) {
		json_t *image = json_object();
		json_object_set_new(image, "filename",
				    tool_json_text(result->images[i].filename));
		json_object_set_new(
			image, "had",
			json_string(qcow2bm_resume_held_name(result->images[i].held)));
		json_array_append_new(images, image);
	}
	json_object_set_new(resume->value, "images", images);
	json_object_set_new(resume->value, "leaked-clusters",
			    json_integer((json_int_t)result->leaked_clusters));
}

static void note(void *opaque, const struct qcow2bm_resume_result *result)
{
	struct tool_resume *resume = opaque;
	resume->is_told = true;
	resume->outcome = result->outcome;
	resume->leaked_clusters = result->leaked_clusters;
	if (resume->options.json)
		note_json(resume, result);
	else
		note_human(resume, result);
}

static void free_report(struct tool_resume *resume)
{
	json_decref(resume->value);
	tool_text_free(&resume->text);
	resume->value = NULL;
}

void tool_resume_forget(struct tool_resume *resume)
{
	free_report(resume);
	tool_signals_unblock(&resume->watch.signals);
}

int tool_resume_report(struct tool_resume *resume)
{
	int status = resume->options.json ? tool_output_json(resume->value)
					  : tool_output_text(&resume->text);
	if (status != TOOL_EXIT_DONE && !resume->options.dry_run) {
		tool_message(resume->filename, "it is done, only the report is lost");
		return TOOL_EXIT_LEAKED;
	}
	if (status == TOOL_EXIT_DONE && resume->leaked_clusters != 0) {
		if (!resume->options.quiet)
			tool_message(resume->filename,
				     "done, but up to %" PRIu64
				     " clusters leaked, in all images together: 'qcow2bm "
				     "repair' gives them back",
				     resume->leaked_clusters);
		return TOOL_EXIT_LEAKED;
	}
	return status;
}

static int fail(struct tool_resume *resume, const struct qcow2bm_error *err,
		int signal_number)
{
	if (err->code == QCOW2BM_EINTERRUPTED) {
		tool_message(resume->filename,
			     "interrupted; the images are as they were");
		return TOOL_EXIT_SIGNAL + signal_number;
	}
	if (!resume->is_told)
		return tool_message_fail(resume->filename, err);
	free_report(resume);
	tool_message(resume->filename,
		     "done, but this file stays: remove it by hand (%s)", err->sentence);
	return TOOL_EXIT_LEAKED;
}

int tool_resume_run(struct tool_resume *resume)
{
	unsigned flags =
		(resume->options.dry_run ? (unsigned)QCOW2BM_RESUME_DRY_RUN : 0u) |
		(resume->options.no_lock ? (unsigned)QCOW2BM_RESUME_NO_LOCK : 0u) |
		(resume->is_own ? (unsigned)QCOW2BM_RESUME_OWN : 0u);
	struct qcow2bm_error err = {0};
	tool_watch_begin(&resume->watch, &resume->options);
	enum qcow2bm_code code = qcow2bm_together_resume(
		resume->filename, flags, resume->options.wait_seconds, note, resume,
		&resume->watch.watch, &err);
	int signal_number = tool_watch_end(&resume->watch);
	return code == QCOW2BM_OK ? TOOL_EXIT_DONE : fail(resume, &err, signal_number);
}
