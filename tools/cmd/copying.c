/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What chain commit and chain rebase share: edits before and after qemu-img copies data between layers. */
#include "copying.h"

#include "../term/memory.h"
#include "../term/message.h"
#include "../term/word.h"
#include "chain_finish.h"
#include "qemu_img.h"
#include "session.h"

#include <string.h>

/* The number of the layer that BASE names. */
static int find_base(const struct tool_copying *copying, size_t *layer_idx)
{
	const struct qcow2bm_chain *chain = copying->disks.list[0].chain;
	for (size_t i = 1; i < qcow2bm_chain_layer_count(chain); i++) {
		const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, i);
		if (!tool_session_is_same_file(copying->base, layer->filename))
			continue;
		*layer_idx = i;
		return TOOL_EXIT_DONE;
	}
	tool_message(copying->top, "'%s' is no layer below it", copying->base);
	return TOOL_EXIT_FAILED;
}

/* The file that a finding is about. */
static const char *name_found(const struct tool_copying *copying,
			      const struct qcow2bm_finding *finding)
{
	const struct qcow2bm_chain *chain = copying->disks.list[0].chain;
	return finding->layer_idx == QCOW2BM_NOT_FOUND || finding->layer_idx == 0
		       ? copying->top
		       : qcow2bm_chain_layer(chain, finding->layer_idx)->filename;
}

/* Bitmaps of jobs tell nothing of what changed. */
static bool is_fault(const struct qcow2bm_finding *finding)
{
	return finding->severity != QCOW2BM_SEVERITY_NOTE &&
	       strcmp(finding->code, "temporary") != 0 &&
	       strcmp(finding->code, "chain-cut-off") != 0;
}

int tool_copying_check_sound(struct tool_copying *copying, size_t base,
			     tool_copying_harmless_fn *is_harmless)
{
	const struct tool_disk *disk = &copying->disks.list[0];
	struct qcow2bm_findings *findings = NULL;
	int status = tool_disks_verify(&copying->disks, &findings);
	for (size_t i = 0;
	     status == TOOL_EXIT_DONE && i < qcow2bm_findings_count(findings); i++) {
		const struct qcow2bm_finding *finding =
			qcow2bm_findings_finding(findings, i);
		if (!is_fault(finding) || is_harmless(copying, finding, disk, base))
			continue;
		struct tool_text command = {0};
		tool_text_print(&command, "qcow2bm chain repair");
		tool_word_add_file(&command, copying->top);
		tool_message(name_found(copying, finding), "%s; mend that first: %s",
			     finding->sentence, command.bytes);
		tool_text_free(&command);
		status = TOOL_EXIT_FAILED;
	}
	qcow2bm_findings_free(findings);
	return status;
}

int tool_copying_check_saving(const struct tool_copying *copying)
{
	if (copying->disks.options.save == NULL || copying->before || copying->after)
		return TOOL_OPTIONS_GO_ON;
	return tool_message_usage(copying->disks.options.command,
				  "--save goes with --before or --after: what qemu-img "
				  "copies in between cannot be taken back");
}

int tool_copying_check_qemu_img(const struct tool_copying *copying)
{
	if (copying->before || copying->disks.options.dry_run)
		return TOOL_EXIT_DONE;
	int status = tool_qemu_img_check();
	if (status != TOOL_EXIT_DONE)
		tool_message(
			copying->top, "%s; the images are as they were",
			status >= TOOL_EXIT_SIGNAL
				? "interrupted"
				: "qemu-img, which is to copy the data, cannot be run");
	return status;
}

int tool_copying_step(struct tool_copying *copying, tool_copying_stage_fn *stage,
		      bool is_last_edit, bool goes_on)
{
	size_t base;
	struct tool_options asked = copying->disks.options;
	int status = tool_disks_open(&copying->disks, 1, &copying->top);
	if (status == TOOL_EXIT_DONE)
		status = find_base(copying, &base);
	if (status == TOOL_EXIT_DONE)
		status = stage(copying, base);
	/* One report for all steps. */
	copying->disks.options.json &= is_last_edit || asked.dry_run;
	copying->disks.goes_on = goes_on;
	if (status == TOOL_EXIT_DONE)
		status = tool_chain_finish(&copying->disks);
	copying->disks.options = asked;
	tool_disks_close_images(&copying->disks);
	return status;
}
