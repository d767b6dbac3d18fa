/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening older states of a disk, and comparing it with them. */
#define _POSIX_C_SOURCE 200809L

#include "old.h"

#include "../term/message.h"
#include "../term/watch.h"
#include "layers.h"

#include <string.h>

int tool_old_take_format(const struct tool_options *options, enum qcow2bm_old_kind *kind)
{
	static const enum qcow2bm_old_kind kinds[] = {QCOW2BM_OLD_QCOW2, QCOW2BM_OLD_RAW,
						      QCOW2BM_OLD_MANIFEST};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(optarg, qcow2bm_old_kind_name(kinds[i])) != 0)
			continue;
		*kind = kinds[i];
		return TOOL_OPTIONS_GO_ON;
	}
	return tool_message_usage(options->command,
				  "format '%s' is not qcow2, raw or manifest", optarg);
}

/* Of work that a signal may have stopped. */
static int end_of(const char *filename, enum qcow2bm_code code, int signal_number,
		  const struct qcow2bm_error *err)
{
	if (code == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	int status = tool_message_fail(filename, err);
	return code == QCOW2BM_EINTERRUPTED ? TOOL_EXIT_SIGNAL + signal_number : status;
}

int tool_old_open(struct qcow2bm_old **old, const struct tool_options *options,
		  const char *filename, enum qcow2bm_old_kind kind)
{
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	tool_watch_begin(&watch, options);
	const struct qcow2bm_old_options old_options = {
		.size = sizeof(old_options),
		.kind = kind,
		.flags = (options->no_lock ? QCOW2BM_OPEN_NO_LOCK : 0u) |
			 (options->force_share ? QCOW2BM_OPEN_FORCE_SHARE : 0u),
		.wait_seconds = options->wait_seconds,
		.resolve = tool_layers_resolve,
		.watch = &watch.watch,
		.threads = options->threads,
	};
	enum qcow2bm_code code = qcow2bm_old_open(old, filename, &old_options, &err);
	return end_of(filename, code, tool_watch_leave(&watch), &err);
}

int tool_old_differ(const struct tool_options *options, struct qcow2bm_chain *chain,
		    struct qcow2bm_old *const *olds, size_t count,
		    struct qcow2bm_differ **differ)
{
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	tool_watch_begin(&watch, options);
	enum qcow2bm_code code =
		qcow2bm_chain_differ(chain, olds, count, differ, &watch.watch, &err);
	return end_of(qcow2bm_chain_layer(chain, 0)->filename, code,
		      tool_watch_leave(&watch), &err);
}
