/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report of verify: right, wrong and not compared are told apart. */
#include "proof.h"

#include "../term/name.h"
#include "../term/size.h"
#include "../term/table.h"
#include "json.h"
#include "manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_EXTENTS 20 /* to people, of a checkpoint */

enum qcow2bm_outcome tool_proof_outcome(const struct tool_proof_report *report)
{
	bool is_right = report->count != 0;
	for (size_t i = 0; i < report->count; i++) {
		if (report->rows[i].judgement.outcome == QCOW2BM_OUTCOME_WRONG)
			return QCOW2BM_OUTCOME_WRONG;
		is_right &= report->rows[i].judgement.outcome == QCOW2BM_OUTCOME_RIGHT;
	}
	return is_right ? QCOW2BM_OUTCOME_RIGHT : QCOW2BM_OUTCOME_NOT_COMPARED;
}

/* ---- For people ---- */

static char *name_of(const struct tool_proof_report *report, size_t idx)
{
	const struct qcow2bm_checkpoint *checkpoint =
		qcow2bm_chain_checkpoint(report->chain, idx);
	return tool_name_escape(checkpoint->name, checkpoint->name_bytes,
				TOOL_NAME_HUMAN);
}

static void add_old(struct tool_text *text, const struct tool_proof_report *report)
{
	char *shown = tool_name_escape_text(report->old_filename, TOOL_NAME_HUMAN);
	const struct qcow2bm_old_info *info = qcow2bm_old_describe(report->old);
	char written[TOOL_MANIFEST_DATE];
	uint64_t disk = qcow2bm_chain_layer(report->chain, 0)->virtual_bytes;
	tool_manifest_date(info->written_seconds, written);
	tool_text_print(text, "Older:      %s, %s, %" PRIu64 " bytes, last written %s\n",
			shown, qcow2bm_old_kind_name(info->kind), info->virtual_bytes,
			written);
	if (info->virtual_bytes != disk)
		tool_text_print(text, "            of another size: the disk was resized "
				      "since, or it is another one's\n");
	if (report->written_seconds != 0 &&
	    info->written_seconds > report->written_seconds)
		tool_text_print(text,
				"            written after the image: whether it is what "
				"the disk was is for you to know\n");
	free(shown);
}

static void add_number(struct tool_table *table, bool is_known, uint64_t number)
{
	char text[32];
	snprintf(text, sizeof(text), "%" PRIu64, number);
	tool_table_add(table, is_known ? text : "-");
}

static void add_row(struct tool_table *table, const struct tool_proof_report *report,
		    const struct tool_proof_row *row)
{
	static const char *const results[] = {"not compared", "right", "WRONG"};
	const struct qcow2bm_judgement *it = &row->judgement;
	bool is_known = it->granularity_bits != 0;
	char granularity[TOOL_SIZE_TEXT] = "-";
	char *name = name_of(report, row->idx);
	if (is_known)
		tool_size_format((uint64_t)1 << it->granularity_bits, granularity);
	tool_table_add(table, name);
	tool_table_add(table, results[it->outcome]);
	add_number(table, is_known, it->bytes[QCOW2BM_PROOF_LOST]);
	add_number(table, is_known,
		   it->bytes[QCOW2BM_PROOF_CHANGED] + it->bytes[QCOW2BM_PROOF_OPEN]);
	add_number(table, is_known, it->bytes[QCOW2BM_PROOF_SURPLUS]);
	tool_table_add(table, granularity);
	free(name);
}

static void add_rows(struct tool_table *table, const struct tool_proof_report *report)
{
	static const char *const columns[] = {"CHECKPOINT", "RESULT",  "LOST",
					      "CHANGED",    "SURPLUS", "GRANULARITY"};
	for (size_t i = 0; i < table->columns; i++)
		tool_table_add(table, columns[i]);
	for (size_t i = 0; i < report->count; i++)
		add_row(table, report, &report->rows[i]);
}

/* What the next backup would lack. */
static void add_lost(struct tool_text *text, const struct tool_proof_row *row)
{
	uint64_t shown = 0, lost = row->judgement.lost_extents;
	for (size_t i = 0; i < row->extent_count && shown < SHOWN_EXTENTS; i++) {
		const struct qcow2bm_proof_extent *it = &row->extents[i];
		if (it->proof != QCOW2BM_PROOF_LOST)
			continue;
		tool_text_print(text, "  lost: %" PRIu64 " bytes at %" PRIu64 "\n",
				it->length, it->start);
		shown++;
	}
	if (shown < lost)
		tool_text_print(text,
				"  lost: %" PRIu64 " more ranges (see --output=json)\n",
				lost - shown);
}

static void add_details(struct tool_text *text, const struct tool_proof_report *report,
			const struct tool_proof_row *row)
{
	char *name = name_of(report, row->idx), *cure = tool_proof_cure(report, row);
	tool_text_print(text, "%s:\n", name);
	if (row->has_base)
		tool_text_print(text, "  evidence: %s\n", tool_proof_evidence(row->base));
	if (row->reason != NULL) {
		char *reason = tool_name_escape_text(row->reason, TOOL_NAME_HUMAN);
		tool_text_print(text, "  why not: %s\n", reason);
		free(reason);
	}
	add_lost(text, row);
	if (row->judgement.cause != QCOW2BM_CAUSE_NONE)
		tool_text_print(text, "  cause: %s\n",
				tool_proof_cause(row->judgement.cause));
	if (cure != NULL)
		tool_text_print(text, "  to do: %s\n", cure);
	free(cure);
	free(name);
}

static void add_findings(struct tool_text *text, const struct tool_proof_report *report)
{
	for (size_t i = 0; i < report->finding_count; i++) {
		char *sentence = tool_name_escape_text(report->findings[i]->sentence,
						       TOOL_NAME_HUMAN);
		tool_text_print(text, "Against it: %s: %s\n", report->findings[i]->code,
				sentence);
		free(sentence);
	}
}

void tool_proof_human(struct tool_text *text, const struct tool_proof_report *report)
{
	struct tool_table table = {.columns = 6,
				   .right = {[2] = true, true, true, true},
				   .shortens = {true}};
	char *shown = tool_name_escape_text(report->filename, TOOL_NAME_HUMAN);
	tool_text_print(text, "Disk:       %s, %" PRIu64 " bytes\n", shown,
			qcow2bm_chain_layer(report->chain, 0)->virtual_bytes);
	free(shown);
	if (report->old != NULL)
		add_old(text, report);
	else
		tool_text_print(text, "Older:      none was given (--base OLD): what the "
				      "image tells against itself\n");
	add_findings(text, report);
	if (report->count == 0) {
		tool_text_print(text, "There is no checkpoint to compare.\n");
		return;
	}
	add_rows(&table, report);
	table.text = text;
	add_rows(&table, report);
	for (size_t i = 0; i < report->count; i++)
		add_details(text, report, &report->rows[i]);
}

/* ---- As JSON ---- */

static json_t *old_json(const struct tool_proof_report *report)
{
	const struct qcow2bm_old_info *info = qcow2bm_old_describe(report->old);
	json_t *object = json_object();
	json_object_set_new(object, "filename", tool_json_text(report->old_filename));
	json_object_set_new(object, "kind",
			    json_string(qcow2bm_old_kind_name(info->kind)));
	json_object_set_new(object, "virtual-size",
			    tool_json_number(info->virtual_bytes));
	json_object_set_new(object, "written", tool_json_number(info->written_seconds));
	if (info->granularity_bits != 0)
		json_object_set_new(
			object, "granularity",
			tool_json_number((uint64_t)1 << info->granularity_bits));
	return object;
}

static void set_bytes(json_t *object, const struct qcow2bm_judgement *judgement)
{
	for (unsigned i = 0; i < 5; i++) {
		char key[32];
		snprintf(key, sizeof(key), "%s-bytes",
			 qcow2bm_proof_name((enum qcow2bm_proof)i));
		json_object_set_new(object, key, tool_json_number(judgement->bytes[i]));
	}
}

static json_t *extents_json(const struct tool_proof_row *row)
{
	json_t *array = json_array();
	for (size_t i = 0; i < row->extent_count; i++) {
		const struct qcow2bm_proof_extent *it = &row->extents[i];
		json_t *object = json_object();
		json_object_set_new(object, "start", tool_json_number(it->start));
		json_object_set_new(object, "length", tool_json_number(it->length));
		json_object_set_new(object, "type",
				    json_string(qcow2bm_proof_name(it->proof)));
		json_array_append_new(array, object);
	}
	return array;
}

static void set_measures(json_t *object, const struct tool_proof_row *row)
{
	const struct qcow2bm_judgement *it = &row->judgement;
	if (it->granularity_bits == 0)
		return;
	json_object_set_new(object, "granularity",
			    tool_json_number((uint64_t)1 << it->granularity_bits));
	json_object_set_new(object, "cause", json_string(qcow2bm_cause_name(it->cause)));
	set_bytes(object, it);
	json_object_set_new(object, "ranges", extents_json(row));
	json_object_set_new(object, "ranges-left-off",
			    tool_json_number(row->extents_left_off));
}

static json_t *row_json(const struct tool_proof_report *report,
			const struct tool_proof_row *row)
{
	const struct qcow2bm_checkpoint *checkpoint =
		qcow2bm_chain_checkpoint(report->chain, row->idx);
	json_t *object = json_object();
	char *cure = tool_proof_cure(report, row);
	json_object_set_new(object, "checkpoint",
			    tool_json_name(checkpoint->name, checkpoint->name_bytes));
	json_object_set_new(object, "outcome",
			    json_string(qcow2bm_outcome_name(row->judgement.outcome)));
	if (row->has_base)
		json_object_set_new(object, "evidence",
				    json_string(qcow2bm_base_name(row->base)));
	if (row->reason != NULL)
		json_object_set_new(object, "reason", tool_json_text(row->reason));
	set_measures(object, row);
	if (cure != NULL)
		json_object_set_new(object, "command", tool_json_text(cure));
	free(cure);
	return object;
}

static json_t *findings_json(const struct tool_proof_report *report)
{
	json_t *array = json_array();
	for (size_t i = 0; i < report->finding_count; i++) {
		json_t *object = json_object();
		json_object_set_new(object, "code",
				    json_string(report->findings[i]->code));
		json_object_set_new(object, "sentence",
				    tool_json_text(report->findings[i]->sentence));
		json_array_append_new(array, object);
	}
	return array;
}

json_t *tool_proof_json(const struct tool_proof_report *report)
{
	json_t *object = tool_json_document("verify"), *rows = json_array();
	json_object_set_new(object, "filename", tool_json_text(report->filename));
	json_object_set_new(
		object, "virtual-size",
		tool_json_number(qcow2bm_chain_layer(report->chain, 0)->virtual_bytes));
	if (report->old != NULL)
		json_object_set_new(object, "base", old_json(report));
	json_object_set_new(
		object, "outcome",
		json_string(qcow2bm_outcome_name(tool_proof_outcome(report))));
	for (size_t i = 0; i < report->count; i++)
		json_array_append_new(rows, row_json(report, &report->rows[i]));
	json_object_set_new(object, "checkpoints", rows);
	json_object_set_new(object, "findings", findings_json(report));
	return object;
}
