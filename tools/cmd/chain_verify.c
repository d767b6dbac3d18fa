/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain verify: whether the checkpoints of disks are sound, and what helps. */
#include "../report/image_list.h"
#include "../report/json.h"
#include "../report/verify.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "../term/output.h"
#include "../term/word.h"
#include "chain.h"
#include "disks.h"

#include <stdlib.h>

struct verify {
	struct tool_disks disks;
	struct qcow2bm_findings *findings;
	struct tool_text options; /* --scheme and --order as they were given */
	struct tool_text text;
	json_t *list;
	int status;
};

/* Whether a finding about one checkpoint matters to who asks for another: in the delta scheme what
 * changed since it is in the newer ones, too. */
static bool concerns(const struct tool_disk *disk, size_t asked, size_t idx)
{
	if (idx == QCOW2BM_NOT_FOUND || idx == asked)
		return true;
	if (disk->order->scheme == QCOW2BM_SCHEME_NESTED)
		return false;
	return disk->order->gap != NULL || idx >= asked;
}

static bool is_asked_for(const struct verify *verify, const struct tool_disk *disk,
			 const struct qcow2bm_finding *finding)
{
	for (size_t i = 0; i < verify->disks.name_count; i++) {
		size_t asked = tool_disks_look_up(disk, verify->disks.names[i]);
		if (asked != QCOW2BM_NOT_FOUND &&
		    (concerns(disk, asked, finding->idx) ||
		     (finding->other_idx != QCOW2BM_NOT_FOUND &&
		      concerns(disk, asked, finding->other_idx))))
			return true;
	}
	return verify->disks.name_count == 0;
}

/* The disk is number disk_idx of those that did not fail. */
static void add_disk(struct verify *verify, const struct tool_disk *disk, size_t disk_idx)
{
	size_t most = qcow2bm_findings_count(verify->findings);
	struct tool_verify_report report = {
		.filename = disk->filename,
		.chain = disk->chain,
		.scheme = disk->order->scheme,
		.options = verify->options.bytes == NULL ? "" : verify->options.bytes,
		.findings = tool_memory_zeroed(most + 1, sizeof(*report.findings)),
	};
	for (size_t i = 0; i < most; i++) {
		const struct qcow2bm_finding *finding =
			qcow2bm_findings_finding(verify->findings, i);
		if (finding->disk_idx == disk_idx && is_asked_for(verify, disk, finding))
			report.findings[report.count++] = finding;
	}
	if (tool_verify_has_problems(&report))
		verify->status = TOOL_EXIT_PROBLEMS;
	if (verify->disks.options.json)
		json_array_append_new(verify->list, tool_verify_json(&report));
	else
		tool_verify_human(&verify->text, &report);
	free(report.findings);
}

static const struct tool_disk *find_open(const struct tool_disks *disks)
{
	for (size_t i = 0; i < disks->count; i++)
		if (disks->list[i].chain != NULL)
			return &disks->list[i];
	return NULL;
}

/* Each name must be on one disk at least. */
static int check_names(const struct tool_disks *disks)
{
	const struct tool_disk *open = find_open(disks);
	if (open == NULL)
		return TOOL_EXIT_DONE;
	for (size_t i = 0; i < disks->name_count; i++) {
		size_t found = 0;
		for (size_t k = 0; k < disks->count; k++)
			found += disks->list[k].chain != NULL &&
				 tool_disks_look_up(&disks->list[k], disks->names[i]) !=
					 QCOW2BM_NOT_FOUND;
		if (found == 0)
			return tool_missing_checkpoint(open->filename, open->chain,
						       disks->names[i]);
	}
	return TOOL_EXIT_DONE;
}

static int print(struct verify *verify)
{
	size_t looked_at = 0;
	verify->list = json_array();
	for (size_t i = 0; i < verify->disks.count; i++) {
		const struct tool_disk *disk = &verify->disks.list[i];
		if (disk->chain != NULL)
			add_disk(verify, disk, looked_at++);
		else
			json_array_append_new(
				verify->list,
				tool_image_list_failure(disk->filename, &disk->err));
	}
	int status;
	if (verify->disks.options.json) {
		json_t *object = tool_json_document("chain-verify");
		json_object_set(object, "disks", verify->list);
		status = tool_output_json(object);
	} else {
		status = tool_output_text(&verify->text);
	}
	json_decref(verify->list);
	return status == TOOL_EXIT_DONE
		       ? tool_exit_worse(verify->status, verify->disks.status)
		       : status;
}

static int open_and_print(struct verify *verify, int count, char **filenames)
{
	int status = tool_disks_open_all(&verify->disks, count, filenames);
	if (status == TOOL_EXIT_DONE)
		status = check_names(&verify->disks);
	if (status == TOOL_EXIT_DONE)
		status = tool_disks_verify(&verify->disks, &verify->findings);
	return status == TOOL_EXIT_DONE ? print(verify) : status;
}

/* Advice about these disks must know the same. */
static void keep_option(struct verify *verify, int opt)
{
	if (opt != TOOL_DISKS_SCHEME && opt != TOOL_DISKS_ORDER)
		return;
	tool_text_print(&verify->options, " %s",
			opt == TOOL_DISKS_SCHEME ? "--scheme" : "--order");
	tool_word_add(&verify->options, optarg);
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		TOOL_DISKS_OPTIONS,
		{"progress", no_argument, NULL, TOOL_OPT_PROGRESS},
		TOOL_OPTIONS_READ,
	};
	struct verify verify = {
		.disks = {.options = {.command = &tool_chain_verify}, .is_report = true}};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_READ_LETTERS TOOL_DISKS_LETTERS,
				  long_options, NULL)) != -1) {
		keep_option(&verify, opt);
		status = tool_disks_take(&verify.disks, opt, argv);
	}
	if (status == TOOL_OPTIONS_GO_ON)
		status = open_and_print(&verify, argc - optind, argv + optind);
	qcow2bm_findings_free(verify.findings);
	tool_text_free(&verify.options);
	tool_text_free(&verify.text);
	tool_disks_close(&verify.disks);
	return status;
}

const struct tool_command tool_chain_verify = {
	.name = "chain verify",
	.synopsis = "[OPTION]... IMAGE...",
	.summary = "Tell whether checkpoints are sound, and what helps",
	.help = "Each rule for checkpoints over layers and disks: a bitmap in every layer, recording\n"
		"where the scheme wants it, not in-use and not corrupt; older ones have what newer\n"
		"ones have; names tell one line of descent; no cluster of an overlay is clean in a\n"
		"bitmap that was begun with it; all IMAGEs have the same checkpoints. Each finding has\n"
		"a code, which stays, and a command that can be pasted; none of these commands makes\n"
		"a range clean that may have changed. libvirt's own rule is told apart.\n"
		"With -c only what concerns these checkpoints. An image that fails does not hide the\n"
		"others; what is told of them does not count it.\n"
		"\n"
		"Options:\n" TOOL_HELP_DISKS
		"      --progress         show progress (by itself on a terminal after a second)\n"
		"      --output FORMAT    human (default) or json\n" TOOL_HELP_READ "\n"
		"Examples:\n"
		"  qcow2bm chain verify vda.qcow2 vdb.qcow2\n"
		"  qcow2bm chain verify --output=json disk.qcow2 | jq -c '.disks[].findings[]'\n"
		"\n"
		"Exit status: 0 sound, 1 failed, 2 problems (errors or warnings), 6 busy, 64 usage;\n"
		"of several images the first of 2, 1, 6.\n",
	.run = run,
};
