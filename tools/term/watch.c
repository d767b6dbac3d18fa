/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long work of the library: its progress is shown, and a signal stops it where that is safe. */
#define _POSIX_C_SOURCE 200809L

#include "watch.h"

static bool is_interrupted(void *opaque)
{
	const struct tool_watch *watch = opaque;
	return tool_signals_pending(&watch->signals) != 0;
}

static void show_progress(void *opaque, uint64_t done_bytes, uint64_t total_bytes)
{
	struct tool_watch *watch = opaque;
	tool_progress_update(&watch->progress, done_bytes, total_bytes);
}

void tool_watch_begin(struct tool_watch *watch, const struct tool_options *options)
{
	watch->watch = (struct qcow2bm_watch)QCOW2BM_WATCH_INIT;
	watch->watch.interrupted = is_interrupted;
	watch->watch.progress = show_progress;
	watch->watch.opaque = watch;
	tool_progress_begin(&watch->progress, options->progress, options->quiet);
	tool_signals_block(&watch->signals);
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
