/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was found wrong with the checkpoints of a disk, for people and as JSON. */
#include "verify.h"

#include "../term/name.h"
#include "../term/table.h"
#include "chain.h"
#include "json.h"
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tool_verify_has_problems(const struct tool_verify_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->findings[i]->severity != QCOW2BM_SEVERITY_NOTE)
			return true;
	return false;
}

/* ---- For people ---- */

static void add_escaped(struct tool_text *text, const char *bytes)
{
	char *shown = tool_name_escape_text(bytes, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s", shown);
	free(shown);
}

static char *name_of(const struct tool_verify_report *report, size_t idx)
{
	const struct qcow2bm_checkpoint *checkpoint;
	checkpoint = qcow2bm_chain_checkpoint(report->chain, idx);
	return tool_name_escape(checkpoint->name, checkpoint->name_bytes,
				TOOL_NAME_HUMAN);
}

static void add_row(struct tool_table *table, const struct tool_verify_report *report,
		    const struct qcow2bm_finding *finding)
{
	char layer[32] = "-";
	if (finding->layer_idx != QCOW2BM_NOT_FOUND)
		snprintf(layer, sizeof(layer), "%zu", finding->layer_idx);
	char *name =
		finding->idx == QCOW2BM_NOT_FOUND ? NULL : name_of(report, finding->idx);
	tool_state_add_severity(table, finding->severity);
	tool_table_add(table, name == NULL ? "-" : name);
	tool_table_add(table, layer);
	tool_table_add(table, finding->code);
	char *sentence = tool_name_escape_text(finding->sentence, TOOL_NAME_HUMAN);
	tool_table_add(table, sentence);
	free(sentence);
	free(name);
}

static void add_layers(struct tool_text *text, const struct tool_verify_report *report)
{
	for (size_t i = 0; i < qcow2bm_chain_layer_count(report->chain); i++) {
		const struct qcow2bm_layer *layer;
		layer = qcow2bm_chain_layer(report->chain, i);
		tool_text_print(text, "%s%zu ", i == 0 ? "Layers: " : "        ", i);
		add_escaped(text, layer->filename);
		tool_text_print(text, "\n");
	}
}

static void add_rows(struct tool_table *table, const struct tool_verify_report *report)
{
	tool_table_add(table, "SEVERITY");
	tool_table_add(table, "CHECKPOINT");
	tool_table_add(table, "LAYER");
	tool_table_add(table, "CODE");
	tool_table_add(table, "WHAT");
	for (size_t i = 0; i < report->count; i++)
		add_row(table, report, report->findings[i]);
}

static void add_findings(struct tool_text *text, const struct tool_verify_report *report)
{
	struct tool_table table = {
		.columns = 5, .right = {[2] = true}, .shortens = {[1] = true}};
	if (report->count == 0)
		return;
	add_rows(&table, report);
	table.text = text;
	add_rows(&table, report);
}

/* Nobody types more at once; there may be a command for each of 65535 bitmaps. */
#define TO_DO_LINES 50

/* No program can tell how it was typed. */
static bool has_cut_off(const struct tool_verify_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->findings[i]->cure == QCOW2BM_CHAIN_CURE_AGAIN)
			return true;
	return false;
}

/* Each command once: several findings may have one. */
static void add_to_do(struct tool_text *text, const struct tool_verify_report *report)
{
	struct tool_text to_do = {0};
	size_t lines = 0;
	tool_text_print(&to_do, "To do, and verify again after each:\n");
	if (has_cut_off(report)) {
		tool_text_print(&to_do,
				"  # a `qcow2bm chain` command was cut off: type that "
				"again before anything else\n");
		lines++;
	}
	for (size_t i = 0; i < report->count && lines < TO_DO_LINES; i++) {
		char *command = tool_verify_cure(report, report->findings[i]);
		struct tool_text line = {0};
		if (command != NULL)
			tool_text_print(&line, "\n  %s\n", command);
		if (command != NULL && strstr(to_do.bytes, line.bytes) == NULL) {
			tool_text_print(&to_do, "%s", line.bytes + 1);
			lines++;
		}
		tool_text_free(&line);
		free(command);
	}
	if (lines != 0)
		tool_text_print(text, "%s", to_do.bytes);
	tool_text_free(&to_do);
}

/* Its own rule is another one: what it refuses may be sound, and it does not see lost bits. */
static void add_libvirt(struct tool_text *text, const struct tool_verify_report *report,
			bool wanted)
{
	bool is_begun = false;
	for (size_t i = 0; i < qcow2bm_chain_count(report->chain); i++) {
		if (qcow2bm_chain_suits_libvirt(report->chain, i) != wanted)
			continue;
		char *name = name_of(report, i);
		if (!is_begun)
			tool_text_print(text,
					"libvirt will %s:", wanted ? "accept" : "refuse");
		tool_text_print(text, "%s %s", is_begun ? "," : "", name);
		is_begun = true;
		free(name);
	}
	if (is_begun)
		tool_text_print(text, "\n");
}

void tool_verify_human(struct tool_text *text, const struct tool_verify_report *report)
{
	size_t count = qcow2bm_chain_count(report->chain);
	if (text->used != 0)
		tool_text_print(text, "\n");
	tool_text_print(text, "Disk:   ");
	add_escaped(text, report->filename);
	tool_text_print(text, "\n");
	add_layers(text, report);
	tool_text_print(text, "Scheme: %s, %zu checkpoint%s%s\n",
			qcow2bm_scheme_name(report->scheme), count, count == 1 ? "" : "s",
			tool_verify_has_problems(report) ? "" : ", sound");
	add_findings(text, report);
	add_to_do(text, report);
	add_libvirt(text, report, true);
	add_libvirt(text, report, false);
}

/* ---- As JSON ---- */

static void set_name(json_t *object, const char *key,
		     const struct tool_verify_report *report, size_t idx)
{
	const struct qcow2bm_checkpoint *checkpoint;
	if (idx == QCOW2BM_NOT_FOUND)
		return;
	checkpoint = qcow2bm_chain_checkpoint(report->chain, idx);
	json_object_set_new(object, key,
			    tool_json_name(checkpoint->name, checkpoint->name_bytes));
}

static json_t *finding_json(const struct tool_verify_report *report,
			    const struct qcow2bm_finding *finding)
{
	json_t *object = json_object();
	json_object_set_new(object, "code", json_string(finding->code));
	json_object_set_new(object, "severity",
			    json_string(qcow2bm_severity_name(finding->severity)));
	if (finding->layer_idx != QCOW2BM_NOT_FOUND) {
		const struct qcow2bm_layer *layer;
		layer = qcow2bm_chain_layer(report->chain, finding->layer_idx);
		json_object_set_new(object, "layer",
				    tool_json_number(finding->layer_idx));
		json_object_set_new(object, "filename", tool_json_text(layer->filename));
	}
	set_name(object, "checkpoint", report, finding->idx);
	set_name(object, "other-checkpoint", report, finding->other_idx);
	json_object_set_new(object, "sentence", tool_json_text(finding->sentence));
	json_object_set_new(object, "cure",
			    json_string(qcow2bm_chain_cure_name(finding->cure)));
	char *command = tool_verify_cure(report, finding);
	if (command != NULL)
		json_object_set_new(object, "command", tool_json_text(command));
	free(command);
	return object;
}

json_t *tool_verify_json(const struct tool_verify_report *report)
{
	json_t *object = json_object(), *checkpoints = json_array(),
	       *findings = json_array();
	json_object_set_new(object, "filename", tool_json_text(report->filename));
	json_object_set_new(object, "scheme",
			    json_string(qcow2bm_scheme_name(report->scheme)));
	json_object_set_new(object, "sound",
			    json_boolean(!tool_verify_has_problems(report)));
	for (size_t i = 0; i < qcow2bm_chain_count(report->chain); i++) {
		json_t *checkpoint = json_object();
		set_name(checkpoint, "name", report, i);
		json_object_set_new(
			checkpoint, "libvirt",
			json_boolean(qcow2bm_chain_suits_libvirt(report->chain, i)));
		json_array_append_new(checkpoints, checkpoint);
	}
	json_object_set_new(object, "checkpoints", checkpoints);
	for (size_t i = 0; i < report->count; i++)
		json_array_append_new(findings,
				      finding_json(report, report->findings[i]));
	json_object_set_new(object, "findings", findings);
	return object;
}
