/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain reset: the newest checkpoint begins now. */
#include "chain.h"
#include "chain_finish.h"

static enum qcow2bm_code stage(struct qcow2bm_chain *chain, const size_t *idxs,
			       size_t count, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; i < count && code == QCOW2BM_OK; i++)
		code = qcow2bm_chain_reset(chain, idxs[i], err);
	return code;
}

static int run(int argc, char **argv)
{
	return tool_chain_run_by_name(&tool_chain_reset, argc, argv, stage);
}

const struct tool_command tool_chain_reset = {
	.name = "chain reset",
	.synopsis = "[OPTION]... -c NAME IMAGE...",
	.summary = "Let the newest checkpoint begin now",
	.help = "Nothing has changed since NAME then, which must be the newest. In the delta\n"
		"scheme its bits go to the one before it first.\n"
		"\n" TOOL_HELP_CHAIN_EDIT "\n"
		"Options:\n" TOOL_HELP_DISKS TOOL_HELP_EDIT "\n"
		"Examples:\n"
		"  qcow2bm chain reset -c chk-2026-11-22 disk.qcow2\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
