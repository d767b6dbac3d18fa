/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one way in which the program opens images, and checks one while somebody looks on. */
#define _POSIX_C_SOURCE 200809L

#include "image.h"

#include "help.h"
#include "message.h"
#include "watch.h"

#include <stdio.h>
#include <string.h>

void tool_image_add_way_out(const struct tool_options *options, struct qcow2bm_error *err)
{
	struct tool_help_option option;
	size_t used = strlen(err->sentence);
	if (err->code == QCOW2BM_EBUSY &&
	    tool_help_find(options->command->help, "force-share", &option))
		snprintf(err->sentence + used, sizeof(err->sentence) - used,
			 ", or read it while it may be changing (-%c)", option.letter);
}

enum qcow2bm_code tool_image_try_open(const struct tool_options *options,
				      const char *filename, unsigned flags,
				      struct qcow2bm_image **image,
				      struct qcow2bm_error *err)
{
	if (options->no_lock)
		flags |= QCOW2BM_OPEN_NO_LOCK;
	if (options->force_share)
		flags |= QCOW2BM_OPEN_FORCE_SHARE;
	enum qcow2bm_code code = qcow2bm_image_open(image, filename, flags,
						    options->wait_seconds, NULL, err);
	tool_image_add_way_out(options, err);
	if (code == QCOW2BM_OK && options->force_share && !options->quiet)
		tool_message(filename,
			     "warning: read without a lock, the image may be changing");
	return code;
}

int tool_image_open(const struct tool_options *options, const char *filename,
		    unsigned flags, struct qcow2bm_image **image)
{
	struct qcow2bm_error err = {0};
	if (tool_image_try_open(options, filename, flags, image, &err) != QCOW2BM_OK)
		return tool_message_fail(filename, &err);
	return TOOL_EXIT_DONE;
}

enum qcow2bm_code tool_image_check(const struct tool_options *options,
				   struct qcow2bm_image *image, unsigned flags,
				   struct qcow2bm_report **report, int *signal_number,
				   struct qcow2bm_error *err)
{
	const struct qcow2bm_check_options check = {
		.size = sizeof(struct qcow2bm_check_options), .flags = flags};
	struct tool_watch watch;
	tool_watch_begin(&watch, options);
	enum qcow2bm_code code =
		qcow2bm_image_check(image, &check, report, &watch.watch, err);
	*signal_number = tool_watch_leave(&watch);
	return code;
}
