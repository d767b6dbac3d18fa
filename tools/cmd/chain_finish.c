/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of every chain command that edits: print the plan, or commit all layers of all disks. */
#include "chain_finish.h"

#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "settle.h"

#include <stdlib.h>

void tool_chain_collect(struct tool_together *together, const struct tool_disks *disks)
{
	for (size_t i = 0; i < disks->count; i++) {
		const struct qcow2bm_chain *chain = disks->list[i].chain;
		for (size_t k = 0; k < qcow2bm_chain_layer_count(chain); k++) {
			struct qcow2bm_edit *edit = qcow2bm_chain_edit(chain, k);
			if (edit == NULL)
				continue;
			const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, k);
			tool_together_add(together, edit, layer->image, layer->filename);
		}
	}
}

int tool_chain_finish(struct tool_disks *disks)
{
	struct tool_together together = {.options = &disks->options,
					 .disks = disks->report,
					 .goes_on = disks->goes_on};
	tool_chain_collect(&together, disks);
	int status = tool_settle(disks);
	if (status == TOOL_EXIT_DONE)
		status = tool_together_finish(&together);
	tool_together_free(&together);
	return status;
}

/* Each name must be on a disk. */
static int check_names(const struct tool_disks *disks)
{
	for (size_t k = 0; k < disks->name_count; k++) {
		size_t found = 0;
		for (size_t i = 0; i < disks->count; i++)
			found += tool_disks_look_up(&disks->list[i], disks->names[k]) !=
				 QCOW2BM_NOT_FOUND;
		if (found == 0)
			return tool_missing_checkpoint(disks->list[0].filename,
						       disks->list[0].chain,
						       disks->names[k]);
	}
	return TOOL_EXIT_DONE;
}

static int stage_all(struct tool_disks *disks, tool_chain_stage_fn *stage)
{
	int status = check_names(disks);
	size_t *idxs = tool_memory_zeroed(disks->name_count + 1, sizeof(*idxs));
	for (size_t i = 0; i < disks->count && status == TOOL_EXIT_DONE; i++) {
		const struct tool_disk *disk = &disks->list[i];
		struct qcow2bm_error err = {0};
		size_t count = 0;
		for (size_t k = 0; k < disks->name_count; k++) {
			idxs[count] = tool_disks_look_up(disk, disks->names[k]);
			count += idxs[count] != QCOW2BM_NOT_FOUND;
		}
		if (count != 0 && stage(disk->chain, idxs, count, &err) != QCOW2BM_OK)
			status = tool_message_fail(disk->filename, &err);
	}
	free(idxs);
	return status;
}

static int edit_all(struct tool_disks *disks, int count, char **filenames,
		    tool_chain_stage_fn *stage)
{
	int status = tool_disks_open_all(disks, count, filenames);
	if (status == TOOL_EXIT_DONE)
		status = stage_all(disks, stage);
	return status == TOOL_EXIT_DONE ? tool_chain_finish(disks) : status;
}

int tool_chain_run_by_name(const struct tool_command *command, int argc, char **argv,
			   tool_chain_stage_fn *stage)
{
	static const struct option long_options[] = {
		TOOL_DISKS_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	struct tool_disks disks = {.options = {.command = command}, .is_editing = true};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_EDIT_LETTERS TOOL_DISKS_LETTERS,
				  long_options, NULL)) != -1)
		status = tool_disks_take(&disks, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON && disks.name_count == 0)
		status = tool_message_usage(command, "a checkpoint is wanted: -c NAME");
	if (status == TOOL_OPTIONS_GO_ON)
		status = edit_all(&disks, argc - optind, argv + optind, stage);
	tool_disks_close(&disks);
	return status;
}
