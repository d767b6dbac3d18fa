/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm verify: is what differs from an older state of the disk marked dirty? */
#define _POSIX_C_SOURCE 200809L

#include "../report/json.h"
#include "../report/proof.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/output.h"
#include "../term/watch.h"
#include "disks.h"
#include "old.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_ROWS 1000 /* each may read the bitmaps of all others */

enum { BASE = TOOL_DISKS_OWN, OLD_FORMAT, NO_EVIDENCE };

struct verify {
	struct tool_disks disks;
	const char *base;
	enum qcow2bm_old_kind kind;
	bool no_evidence;
	struct tool_proof_report report;
	struct qcow2bm_findings *findings;
	struct qcow2bm_differ *differ;
	size_t kept; /* extents of all rows */
};

static void set_reason(struct tool_proof_row *row, const char *reason)
{
	free(row->reason);
	row->reason = tool_memory_copy(reason, strlen(reason) + 1);
	row->judgement.outcome = QCOW2BM_OUTCOME_NOT_COMPARED;
}

struct keeper {
	struct verify *verify;
	struct tool_proof_row *row;
};

static int keep_extent(void *opaque, const struct qcow2bm_proof_extent *extent)
{
	struct keeper *keeper = opaque;
	struct tool_proof_row *row = keeper->row;
	if (extent->proof == QCOW2BM_PROOF_UNCHANGED)
		return 0;
	if (keeper->verify->kept == TOOL_PROOF_MOST_EXTENTS) {
		row->extents_left_off++;
		return 0;
	}
	if (row->extent_count == row->extent_room) {
		row->extent_room = row->extent_room * 2 + 16;
		row->extents = tool_memory_resize(row->extents, row->extent_room,
						  sizeof(*row->extents));
	}
	row->extents[row->extent_count++] = *extent;
	keeper->verify->kept++;
	return 0;
}

/* ---- With an older state ---- */

/* An older state that is not from when the checkpoint began proves nothing right. */
static void weigh(struct tool_proof_row *row)
{
	if (row->base == QCOW2BM_BASE_LATER &&
	    row->judgement.outcome == QCOW2BM_OUTCOME_RIGHT)
		set_reason(
			row,
			"nothing that differs is clean, but what was written between the "
			"checkpoint and the older state is not known");
}

/* Why the checkpoint is not to be compared with the older state, or NULL. */
static const char *find_obstacle(const struct verify *verify,
				 const struct tool_proof_row *row)
{
	if (row->base == QCOW2BM_BASE_OTHER)
		return "the older state has checkpoints, and not this one: it is older than this "
		       "one, or another disk's; --no-evidence, where its bitmaps are of "
		       "something else";
	if (row->base == QCOW2BM_BASE_UNTOLD && verify->disks.name_count == 0 &&
	    qcow2bm_chain_count(verify->report.chain) > 1)
		return "the older state does not tell which checkpoint it was made with: --since "
		       "NAME says it";
	return NULL;
}

static int judge(struct verify *verify, struct tool_proof_row *row)
{
	struct keeper keeper = {verify, row};
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	const struct qcow2bm_judgement *judgement;
	const char *obstacle = find_obstacle(verify, row);
	if (obstacle != NULL) {
		set_reason(row, obstacle);
		return TOOL_EXIT_DONE;
	}
	tool_watch_begin(&watch, &verify->disks.options);
	enum qcow2bm_code code = qcow2bm_differ_judge(
		verify->differ, 0, verify->report.chain, row->idx, keep_extent, &keeper,
		&judgement, &watch.watch, &err);
	int signal_number = tool_watch_leave(&watch);
	if (code == QCOW2BM_EINTERRUPTED) {
		tool_message_fail(verify->report.filename, &err);
		return TOOL_EXIT_SIGNAL + signal_number;
	}
	if (code != QCOW2BM_OK)
		return tool_message_fail(verify->report.filename, &err);
	row->judgement = *judgement;
	if (judgement->reason != NULL)
		set_reason(row, judgement->reason);
	weigh(row);
	return TOOL_EXIT_DONE;
}

static void judge_evidence(struct verify *verify, struct tool_proof_row *row)
{
	const struct qcow2bm_checkpoint *checkpoint =
		qcow2bm_chain_checkpoint(verify->report.chain, row->idx);
	row->has_base = true;
	row->base = verify->no_evidence
			    ? QCOW2BM_BASE_UNTOLD
			    : qcow2bm_old_judge(verify->report.old, checkpoint->name,
						checkpoint->name_bytes);
}

static int compare(struct verify *verify)
{
	struct tool_proof_report *report = &verify->report;
	int status = tool_old_open(&report->old, &verify->disks.options, verify->base,
				   verify->kind);
	if (status == TOOL_EXIT_DONE && report->count != 0)
		status = tool_old_differ(&verify->disks.options, report->chain,
					 &report->old, 1, &verify->differ);
	for (size_t i = 0; status == TOOL_EXIT_DONE && i < report->count; i++) {
		judge_evidence(verify, &report->rows[i]);
		status = judge(verify, &report->rows[i]);
	}
	return status;
}

/* ---- Without one ---- */

static bool is_against_itself(const struct qcow2bm_finding *finding)
{
	static const char *const codes[] = {"not-nested", "allocated-clean", "corrupt"};
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(finding->code, codes[i]) == 0)
			return true;
	return false;
}

static void take_finding(struct verify *verify, const struct qcow2bm_finding *finding)
{
	struct tool_proof_report *report = &verify->report;
	for (size_t i = 0; i < report->count; i++) {
		struct tool_proof_row *row = &report->rows[i];
		if (row->idx != finding->idx && row->idx != finding->other_idx)
			continue;
		row->judgement.outcome = QCOW2BM_OUTCOME_WRONG;
		free(row->reason);
		row->reason = NULL;
	}
	report->findings[report->finding_count++] = finding;
}

static int look_inside(struct verify *verify)
{
	struct tool_proof_report *report = &verify->report;
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	for (size_t i = 0; i < report->count; i++)
		set_reason(&report->rows[i],
			   "nothing in the image speaks against it, and without "
			   "an older state nothing proves it: --base OLD");
	tool_watch_begin(&watch, &verify->disks.options);
	enum qcow2bm_code code = qcow2bm_chain_verify(
		&report->chain, 1, &verify->findings, &watch.watch, &err);
	int signal_number = tool_watch_leave(&watch);
	if (code != QCOW2BM_OK) {
		int status = tool_message_fail(report->filename, &err);
		return code == QCOW2BM_EINTERRUPTED ? TOOL_EXIT_SIGNAL + signal_number
						    : status;
	}
	size_t count = qcow2bm_findings_count(verify->findings);
	report->findings = tool_memory_zeroed(count + 1, sizeof(*report->findings));
	for (size_t i = 0; i < count; i++) {
		const struct qcow2bm_finding *finding =
			qcow2bm_findings_finding(verify->findings, i);
		if (is_against_itself(finding))
			take_finding(verify, finding);
	}
	return TOOL_EXIT_DONE;
}

/* ---- The command ---- */

/* The checkpoints that are asked for, or all. */
static int choose_rows(struct verify *verify, const struct tool_disk *disk)
{
	struct tool_proof_report *report = &verify->report;
	const struct tool_disks *disks = &verify->disks;
	size_t all = qcow2bm_chain_count(disk->chain);
	size_t count = disks->name_count == 0 ? all : disks->name_count;
	if (count > MOST_ROWS) {
		tool_message(disk->filename,
			     "it has %zu checkpoints, more than are verified at once: "
			     "--since NAME says which",
			     all);
		return TOOL_EXIT_FAILED;
	}
	report->rows = tool_memory_zeroed(count + 1, sizeof(*report->rows));
	for (size_t i = 0; i < count; i++) {
		report->rows[i].idx = i;
		if (disks->name_count != 0 &&
		    tool_disks_find(disk, disks->names[i], &report->rows[i].idx) !=
			    TOOL_EXIT_DONE)
			return TOOL_EXIT_FAILED;
	}
	report->count = count;
	return TOOL_EXIT_DONE;
}

static int print(const struct verify *verify)
{
	static const int statuses[] = {TOOL_EXIT_NOT_COMPARED, TOOL_EXIT_DONE,
				       TOOL_EXIT_PROBLEMS};
	struct tool_text text = {0};
	int status;
	if (verify->disks.options.json) {
		status = tool_output_json(tool_proof_json(&verify->report));
	} else {
		tool_proof_human(&text, &verify->report);
		status = tool_output_text(&text);
	}
	return status != TOOL_EXIT_DONE ? status
					: statuses[tool_proof_outcome(&verify->report)];
}

static int open_and_print(struct verify *verify, char **filename)
{
	struct stat st;
	int status = tool_disks_open(&verify->disks, 1, filename);
	if (status != TOOL_EXIT_DONE)
		return status;
	const struct tool_disk *disk = &verify->disks.list[0];
	verify->report.filename = disk->filename;
	verify->report.chain = disk->chain;
	verify->report.old_filename = verify->base;
	if (stat(disk->filename, &st) == 0 && st.st_mtime > 0)
		verify->report.written_seconds = (uint64_t)st.st_mtime;
	status = choose_rows(verify, disk);
	if (status == TOOL_EXIT_DONE)
		status = verify->base != NULL ? compare(verify) : look_inside(verify);
	return status == TOOL_EXIT_DONE ? print(verify) : status;
}

static void free_all(struct verify *verify)
{
	for (size_t i = 0; i < verify->report.count; i++) {
		free(verify->report.rows[i].reason);
		free(verify->report.rows[i].extents);
	}
	free(verify->report.rows);
	free(verify->report.findings);
	qcow2bm_findings_free(verify->findings);
	qcow2bm_differ_free(verify->differ);
	qcow2bm_old_close(verify->report.old);
	tool_disks_close(&verify->disks);
}

static int take_option(struct verify *verify, int opt, char **argv)
{
	switch (opt) {
	case BASE:
		verify->base = optarg;
		return TOOL_OPTIONS_GO_ON;
	case OLD_FORMAT:
		verify->report.old_format = optarg;
		return tool_old_take_format(&verify->disks.options, &verify->kind);
	case NO_EVIDENCE:
		verify->no_evidence = true;
		return TOOL_OPTIONS_GO_ON;
	case TOOL_OPT_PROGRESS:
		verify->disks.options.progress = true;
		return TOOL_OPTIONS_GO_ON;
	default:
		return tool_disks_take(&verify->disks, opt, argv);
	}
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"base", required_argument, NULL, BASE},
		{"old-format", required_argument, NULL, OLD_FORMAT},
		{"no-evidence", no_argument, NULL, NO_EVIDENCE},
		{"progress", no_argument, NULL, TOOL_OPT_PROGRESS},
		{"threads", required_argument, NULL, TOOL_OPT_THREADS},
		{"since", required_argument, NULL, 'c'},
		TOOL_DISKS_OPTIONS,
		TOOL_OPTIONS_READ,
	};
	struct verify verify = {.disks = {.options = {.command = &tool_cmd_verify}}};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_READ_LETTERS TOOL_DISKS_LETTERS,
				  long_options, NULL)) != -1)
		status = take_option(&verify, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON && argc - optind != 1)
		status = tool_message_usage(&tool_cmd_verify,
					    "one operand IMAGE is wanted");
	if (status == TOOL_OPTIONS_GO_ON)
		status = open_and_print(&verify, argv + optind);
	free_all(&verify);
	return status;
}

const struct tool_command tool_cmd_verify = {
	.name = "verify",
	.synopsis = "[OPTION]... [--base OLD [--since NAME]...] IMAGE",
	.summary = "Prove a bitmap right or wrong by an older state of the disk",
	.help = "Reads the disk, over all layers, and OLD, the disk as it was when the checkpoint\n"
		"began: the last full backup or a restored one, a qcow2 image with its layers, a raw\n"
		"file, or a manifest that digest made of one. What differs must be dirty in what\n"
		"changed since the checkpoint. Each one is\n"
		"  right         all that differs is dirty\n"
		"  WRONG         something differs and is clean (lost): the next backup lacks it\n"
		"  not compared  and why. That is never success\n"
		"with how much is changed (differs and is dirty) and surplus (the same and dirty, it\n"
		"only costs). Where OLD has bitmaps, or its manifest names of them, they are evidence\n"
		"that it is the right one, or against it.\n"
		"Without --base: what the image tells against itself, which proves nothing right.\n"
		"\n"
		"Options:\n"
		"      --base OLD         the older state of the disk\n" TOOL_HELP_OLD_FORMAT
		"      --since NAME       this checkpoint, which began as OLD is; repeated: these\n"
		"      --no-evidence      the bitmaps in OLD are of something else\n" TOOL_HELP_DISKS
		"      --output FORMAT    human (default) or json\n"
		"      --threads N        read with so many threads (as many as there are processors)\n"
		"      --progress         show progress (by itself on a terminal after a second)\n" TOOL_HELP_READ
		"\n"
		"Examples:\n"
		"  qcow2bm verify --base full-backup.qcow2 disk.qcow2\n"
		"  qcow2bm verify --base full.manifest --since chk-2026-11-08 disk.qcow2\n"
		"  qcow2bm verify --output=json disk.qcow2\n"
		"\n"
		"Exit status: 0 all right, 1 failed, 2 wrong, 3 none wrong and some not compared,\n"
		"6 busy, 64 usage, 128+n interrupted by signal n.\n",
	.run = run,
};
