/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recover --compare: opening a disk for an edit that reads what the guest sees. */
#include "recover_compared.h"

#include "../term/memory.h"
#include "../term/message.h"
#include "layers.h"
#include "old.h"

#include <stdlib.h>

void tool_compared_take(struct tool_compared *compared, const char *filename)
{
	compared->filenames = tool_memory_resize(compared->filenames, compared->count + 1,
						 sizeof(char *));
	compared->filenames[compared->count++] = filename;
}

int tool_compared_open(struct tool_compared *compared, struct tool_session *session,
		       const char *filename)
{
	struct qcow2bm_error err = {0};
	bool is_editing = !session->options.dry_run;
	session->filename = filename;
	int status = tool_layers_open(&compared->chain, &session->options, filename,
				      is_editing ? TOOL_LAYERS_EDIT : 0u);
	if (status != TOOL_EXIT_DONE)
		return status;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (is_editing)
		code = qcow2bm_chain_open_for_editing(compared->chain, 0, &err);
	session->image = qcow2bm_chain_layer(compared->chain, 0)->image;
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_begin(&session->edit, session->image, &err);
	return code == QCOW2BM_OK ? TOOL_EXIT_DONE : tool_message_fail(filename, &err);
}

int tool_compared_differ(struct tool_compared *compared,
			 const struct tool_session *session)
{
	int status = TOOL_EXIT_DONE;
	compared->olds =
		tool_memory_zeroed(compared->count, sizeof(struct qcow2bm_old *));
	while (status == TOOL_EXIT_DONE && compared->open < compared->count) {
		status = tool_old_open(&compared->olds[compared->open], &session->options,
				       compared->filenames[compared->open],
				       compared->kind);
		compared->open += status == TOOL_EXIT_DONE;
	}
	return status == TOOL_EXIT_DONE
		       ? tool_old_differ(&session->options, compared->chain,
					 compared->olds, compared->count,
					 &compared->differ)
		       : status;
}

int tool_compared_close(struct tool_compared *compared, struct tool_session *session,
			int status)
{
	if (compared->chain != NULL) {
		qcow2bm_edit_end(session->edit);
		session->edit = NULL;
		session->image = NULL; /* the chain's */
	}
	qcow2bm_differ_free(compared->differ);
	for (size_t i = 0; i < compared->open; i++)
		qcow2bm_old_close(compared->olds[i]);
	free(compared->olds);
	qcow2bm_chain_close(compared->chain);
	return status;
}
