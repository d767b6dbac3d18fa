/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long work of the library: its progress is shown, and a signal stops it where that is safe. */
#define _POSIX_C_SOURCE 200809L

#include "watch.h"

#include "message.h"

/* What is shown of a part. */
#define PART_STEPS 1000

static bool is_interrupted(void *opaque)
{
	const struct tool_watch *watch = opaque;
	return tool_signals_pending(&watch->signals) != 0;
}

static void show_progress(void *opaque, uint64_t done_bytes, uint64_t total_bytes)
{
	struct tool_watch *watch = opaque;
	if (watch->parts == 0) {
		tool_progress_update(&watch->progress, done_bytes, total_bytes);
		return;
	}
	double inside = total_bytes == 0 ? 0.0 : (double)done_bytes / (double)total_bytes;
	tool_progress_update(&watch->progress,
			     watch->part * PART_STEPS + (uint64_t)(inside * PART_STEPS),
			     watch->parts * PART_STEPS);
}

void tool_watch_part(struct tool_watch *watch, uint64_t part, uint64_t parts)
{
	watch->part = part;
	watch->parts = parts;
	show_progress(watch, 0, 0);
}

void tool_watch_begin(struct tool_watch *watch, const struct tool_options *options)
{
	watch->watch = (struct qcow2bm_watch)QCOW2BM_WATCH_INIT;
	watch->watch.interrupted = is_interrupted;
	watch->watch.progress = show_progress;
	watch->watch.opaque = watch;
	watch->part = watch->parts = 0;
	tool_progress_begin(&watch->progress, options->progress, options->quiet);
	tool_signals_block(&watch->signals);
}

void tool_watch_continue(struct tool_watch *watch, const struct tool_options *options,
			 const struct tool_progress *before)
{
	tool_watch_begin(watch, options);
	if (before->begun_ms != 0)
		watch->progress = *before;
}

int tool_watch_end(struct tool_watch *watch)
{
	int signal_number = tool_signals_pending(&watch->signals);
	tool_progress_end(&watch->progress);
	return signal_number;
}

int tool_watch_leave(struct tool_watch *watch)
{
	int signal_number = tool_watch_end(watch);
	if (signal_number == 0)
		tool_signals_unblock(&watch->signals);
	return signal_number;
}

int tool_watch_status(const char *filename, enum qcow2bm_code code, int signal_number,
		      const struct qcow2bm_error *err)
{
	int status = TOOL_EXIT_DONE;
	if (code != QCOW2BM_OK)
		status = tool_message_fail(filename, err);
	else if (signal_number != 0) /* it came when all was read */
		tool_message(filename, "interrupted: of this image nothing is printed");
	return signal_number != 0 ? TOOL_EXIT_SIGNAL + signal_number : status;
}
