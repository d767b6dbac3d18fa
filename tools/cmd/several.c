/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An editing command on the images that are named: one, or several, all or none of them, or each for itself. */
#define _POSIX_C_SOURCE 200809L
#include "several.h"

#include "../report/image_list.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/output.h"
#include "../term/signals.h"
#include "cut_off.h"
#include "finish.h"
#include "together.h"

#include <stdlib.h>
#include <string.h>

void tool_several_add(struct tool_several *several, char *image)
{
	several->images =
		tool_memory_resize(several->images, (size_t)several->image_count + 1,
				   sizeof(*several->images));
	several->images[several->image_count++] = image;
}

int tool_several_take(struct tool_several *several, int opt, char **argv)
{
	several->options.takes_lines = true;
	if (opt == TOOL_OPT_CONTINUE) {
		several->continues = true;
		return TOOL_OPTIONS_GO_ON;
	}
	if (opt != 'i')
		return tool_options_take(&several->options, opt, argv);
	tool_several_add(several, optarg);
	return TOOL_OPTIONS_GO_ON;
}

int tool_several_operands(const struct tool_several *several)
{
	return several->image_count == 0 ? 1 : 0;
}

static int open_image(const struct tool_several *several, struct tool_session *session,
		      const char *filename)
{
	return several->open != NULL ? several->open(several->opaque, session, filename)
				     : tool_session_open(session, filename);
}

static int finish_image(const struct tool_several *several, struct tool_session *session)
{
	return several->finish != NULL ? several->finish(several->opaque, session)
				       : tool_finish_run(session);
}

static int end(const struct tool_several *several, struct tool_session *session,
	       int status)
{
	return several->end != NULL ? several->end(several->opaque, session, status)
				    : status;
}

static int run_one(const struct tool_several *several, const char *filename,
		   struct tool_image_list *images)
{
	struct tool_session session = {.options = several->options, .images = images};
	int status = open_image(several, &session, filename);
	if (status == TOOL_EXIT_DONE)
		status = several->stage(several->opaque, &session);
	if (status == TOOL_EXIT_DONE)
		status = finish_image(several, &session);
	status = end(several, &session, status);
	return tool_session_close(&session, status);
}

/* Opened twice an image would find its own locks in the way; what an edit that was cut off has left is not
 * to be built on. */
static int check_new(const struct tool_several *several,
		     const struct tool_image_names *names, size_t number)
{
	const char *filename = names->list[number];
	for (size_t i = 0; i < number; i++)
		if (tool_session_is_same_file(names->list[i], filename)) {
			tool_message(filename,
				     "it is the same image as '%s': name each once; "
				     "nothing is done",
				     names->list[i]);
			return TOOL_EXIT_FAILED;
		}
	return tool_cut_off_check(&several->options, filename, NULL, true);
}

/* A file that is read for one image, and is itself another one that is edited, would be busy. */
static int check_sources(const struct tool_several *several,
			 const struct tool_image_names *names)
{
	for (size_t i = 0; i < several->source_count; i++)
		for (size_t k = 0; k < names->count; k++) {
			if (!tool_session_is_same_file(several->sources[i],
						       names->list[k]))
				continue;
			tool_message(
				names->list[k],
				"it is read for the other images, and cannot be edited "
				"together with them; nothing is done");
			return TOOL_EXIT_FAILED;
		}
	return TOOL_EXIT_DONE;
}

static int stage_all(const struct tool_several *several,
		     const struct tool_image_names *names, struct tool_session *sessions)
{
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < names->count && status == TOOL_EXIT_DONE; i++) {
		sessions[i].options = several->options;
		status = check_new(several, names, i);
		if (status == TOOL_EXIT_DONE)
			status = open_image(several, &sessions[i], names->list[i]);
		if (status == TOOL_EXIT_DONE)
			status = several->stage(several->opaque, &sessions[i]);
	}
	return status;
}

static int run_all(const struct tool_several *several,
		   const struct tool_image_names *names)
{
	struct tool_together together = {.options = &several->options};
	struct tool_session *sessions =
		tool_memory_zeroed(names->count, sizeof(*sessions));
	int status = check_sources(several, names);
	if (status == TOOL_EXIT_DONE)
		status = stage_all(several, names, sessions);
	for (size_t i = 0; i < names->count && status == TOOL_EXIT_DONE; i++)
		tool_together_add(&together, sessions[i].edit, sessions[i].image,
				  names->list[i]);
	if (status == TOOL_EXIT_DONE)
		status = tool_together_finish(&together);
	status = end(several, NULL, status);
	tool_together_free(&together);
	for (size_t i = 0; i < names->count; i++)
		(void)tool_session_close(&sessions[i], status);
	free(sessions);
	return status;
}

/* Tells of the image that failed as data, unless a signal ended it. */
static int print_failure(struct tool_image_list *images, const char *filename, int status)
{
	const struct tool_failure *failure = tool_message_failure();
	if (!images->has_failures || failure == NULL || status > TOOL_EXIT_SIGNAL)
		return TOOL_EXIT_DONE;
	return tool_image_list_print(images, tool_image_list_told(filename, failure),
				     NULL, 0);
}

/* What ends the document, once, and not again by a signal that comes now. */
static int print_end(const struct tool_image_list *images)
{
	const char *end = tool_image_list_end(images);
	if (images->count == 0)
		return TOOL_EXIT_DONE;
	tool_signals_leave(NULL, 0);
	return tool_output_bytes(end, strlen(end));
}

/* Between two images signals are let through, and end the command; while one is edited its commit hears them,
 * and behind the last one the status tells of what was done. */
static int run_each(const struct tool_several *several,
		    const struct tool_image_names *names)
{
	struct tool_signals signals;
	struct tool_image_list images =
		tool_image_list_begin("edit", &several->options, true);
	int status = TOOL_EXIT_DONE, printed = TOOL_EXIT_DONE;
	tool_signals_block(&signals);
	for (size_t i = 0; i < names->count && status < TOOL_EXIT_SIGNAL; i++) {
		tool_message_forget();
		tool_signals_unblock(&signals);
		int one = run_one(several, names->list[i], &images);
		tool_signals_block(&signals);
		tool_memory_set_ending(TOOL_EXIT_FAILED,
				       "out of memory; the images before are done");
		if (printed == TOOL_EXIT_DONE)
			printed = print_failure(&images, names->list[i], one);
		status = tool_exit_worse(status, one);
	}
	tool_message_forget();
	if (printed == TOOL_EXIT_DONE)
		printed = print_end(&images);
	return tool_exit_worse(status, printed);
}

static int run_images(const struct tool_several *several,
		      const struct tool_image_names *names)
{
	const char *refusal = several->only_one; /* the stronger one */
	if (refusal == NULL && !several->continues)
		refusal = several->not_together;
	if (names->is_several && refusal != NULL)
		return tool_message_usage(several->options.command, "%s", refusal);
	if (several->continues) {
		int status = names->is_several ? check_sources(several, names)
					       : TOOL_EXIT_DONE;
		return status == TOOL_EXIT_DONE ? run_each(several, names) : status;
	}
	if (several->options.json_lines)
		return tool_message_usage(several->options.command,
					  "--output=jsonl goes with --continue");
	return names->is_several ? run_all(several, names)
				 : run_one(several, names->list[0], NULL);
}

int tool_several_run(struct tool_several *several, char **operands)
{
	struct tool_image_names names;
	bool is_option = several->image_count != 0;
	int status = tool_image_names_take(&names, is_option ? several->image_count : 1,
					   is_option ? several->images : operands);
	if (status == TOOL_EXIT_DONE)
		status = run_images(several, &names);
	tool_image_names_free(&names);
	free(several->images);
	several->images = NULL;
	return status;
}
