/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A line on standard error that says how far the work is. */
#define _POSIX_C_SOURCE 200809L

#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 1000
#define INTERVAL_MS 100

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void tool_progress_begin(struct tool_progress *progress, bool asked, bool quiet)
{
	progress->wanted = asked;
	progress->automatic = !quiet && isatty(STDERR_FILENO);
	progress->shown = false;
	progress->begun_ms = now_ms();
	progress->last_ms = progress->begun_ms - INTERVAL_MS;
	progress->last_permille = -1;
}

void tool_progress_update(struct tool_progress *progress, uint64_t done, uint64_t total)
{
	if (!progress->wanted && !progress->automatic)
		return;
	int64_t now = now_ms();
	if (total == 0 || (!progress->wanted && now - progress->begun_ms < PATIENCE_MS))
		return;
	double part = done < total ? (double)done / (double)total : 1.0;
	int permille = (int)(1000.0 * part);
	/* Only what is new, and never backwards: more work may turn up on the way. */
	if (permille <= progress->last_permille ||
	    (now - progress->last_ms < INTERVAL_MS && done < total))
		return;
	progress->last_ms = now;
	progress->last_permille = permille;
	progress->shown = true;
	fprintf(stderr, "\rqcow2bm: %3d.%d %%", permille / 10, permille % 10);
}

void tool_progress_end(struct tool_progress *progress)
{
	if (progress->shown)
		fputc('\n', stderr);
	progress->shown = false;
}
