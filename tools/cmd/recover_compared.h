/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recover --compare: the older states, and the image with the layers that its disk is. */
#ifndef TOOLS_CMD_RECOVER_COMPARED_H
#define TOOLS_CMD_RECOVER_COMPARED_H

#include "session.h"

struct tool_compared {
	const char *
		*filenames; /* of older states, as they were given; the caller frees it */
	size_t count;
	enum qcow2bm_old_kind kind;
	struct qcow2bm_chain *chain; /* its top is the image of the session */
	struct qcow2bm_old **olds;
	size_t open;
	struct qcow2bm_differ *differ;
};

void tool_compared_take(struct tool_compared *compared, const char *filename);

/* Opens the image with its layers, for writing unless --dry-run, and begins an edit. Prints what fails;
 * returns an exit status. */
int tool_compared_open(struct tool_compared *compared, struct tool_session *session,
		       const char *filename);

/* Reads the disk and all older states, once. Prints what fails; returns an exit status. */
int tool_compared_differ(struct tool_compared *compared,
			 const struct tool_session *session);

/* The older state that bitmap number `number` of those that are recovered has. */
static inline size_t tool_compared_idx(const struct tool_compared *compared,
				       size_t number)
{
	return number < compared->count ? number : 0;
}

/* Ends the edit and closes all; passes `status` on. */
int tool_compared_close(struct tool_compared *compared, struct tool_session *session,
			int status);

#endif
