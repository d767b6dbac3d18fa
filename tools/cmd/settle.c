/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layers that a command changes nothing of: what they hold is on stable storage before it says 0. */
#define _POSIX_C_SOURCE 200809L
#include "settle.h"

#include "../term/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static int report_unknown(const char *filename, const char *reason)
{
	tool_message(filename,
		     "outcome unknown: %s; it has this state already, but perhaps not on "
		     "stable storage; look again when the disk works",
		     reason);
	return TOOL_EXIT_UNKNOWN;
}

/* As it is, which needs no lock: other machines may run on top of a lower layer. */
static int sync_file(const char *filename)
{
	int fd = open(filename, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	/* A file system that brings nothing to a disk, such as that of a read-only archive, has EINVAL. */
	int error = fd < 0 || (fsync(fd) != 0 && errno != EINVAL) ? errno : 0;
	if (fd >= 0)
		close(fd);
	return error == 0 ? TOOL_EXIT_DONE : report_unknown(filename, strerror(error));
}

/* An edit without a change writes the switch once more, in case that the sync had failed before. False where
 * the layer is not one that can be edited now, and *status when it did not help. */
static bool rewrite(struct qcow2bm_chain *chain, size_t layer_idx, int *status)
{
	struct qcow2bm_edit *edit = NULL;
	struct qcow2bm_error err = {0};
	if (qcow2bm_chain_open_for_editing(chain, layer_idx, &err) != QCOW2BM_OK)
		return false;
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, layer_idx);
	enum qcow2bm_code code = qcow2bm_edit_begin(&edit, layer->image, &err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_commit(edit, NULL, NULL, NULL, &err);
	qcow2bm_edit_end(edit);
	if (code == QCOW2BM_EUNKNOWN)
		*status = tool_message_fail(layer->filename, &err);
	return code == QCOW2BM_OK || code == QCOW2BM_EUNKNOWN;
}

/* The layers that an edit of this disk may have been about: those with bitmaps, and the top, which may
 * have lost its last one. */
static bool is_worth_it(const struct qcow2bm_chain *chain, size_t layer_idx)
{
	const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, layer_idx);
	return layer_idx == 0 || qcow2bm_image_describe(layer->image)->bitmaps_extension;
}

static bool is_idle(const struct qcow2bm_chain *chain)
{
	for (size_t i = 0; i < qcow2bm_chain_layer_count(chain); i++)
		if (qcow2bm_chain_edit(chain, i) != NULL)
			return false;
	return true;
}

/* The same command again, after it was killed, finds nothing to do on any layer: an edit of several leaves
 * a file meanwhile, which is resumed first. Else what is not edited is not written to either. */
static int settle_disk(struct qcow2bm_chain *chain)
{
	bool rewrites = is_idle(chain);
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0;
	     i < qcow2bm_chain_layer_count(chain) && status == TOOL_EXIT_DONE; i++) {
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, i);
		if (layer->image == NULL || qcow2bm_chain_edit(chain, i) != NULL)
			continue;
		if (!rewrites || !is_worth_it(chain, i) || !rewrite(chain, i, &status))
			status = sync_file(layer->filename);
	}
	return status;
}

int tool_settle(const struct tool_disks *disks)
{
	int status = TOOL_EXIT_DONE;
	if (disks->options.dry_run)
		return status;
	for (size_t i = 0; i < disks->count && status == TOOL_EXIT_DONE; i++)
		status = settle_disk(disks->list[i].chain);
	return status;
}
