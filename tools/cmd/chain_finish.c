/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of every chain command that edits: print the plan, or commit all layers of all disks. */
#define _POSIX_C_SOURCE 200809L
#include "chain_finish.h"

#include "../report/summary.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/output.h"
#include "../term/watch.h"

#include <inttypes.h>
#include <stdlib.h>

/* The edits of all layers of all disks that change something. */
struct edits {
	struct qcow2bm_together_edit *list;
	const struct qcow2bm_result **results;
	uint64_t *cluster_bytes;
	size_t count;
};

static void collect(struct edits *edits, const struct tool_disks *disks)
{
	size_t most = 0;
	for (size_t i = 0; i < disks->count; i++)
		most += qcow2bm_chain_layer_count(disks->list[i].chain);
	edits->list = tool_memory_zeroed(most + 1, sizeof(*edits->list));
	edits->results = tool_memory_zeroed(most + 1, sizeof(*edits->results));
	edits->cluster_bytes = tool_memory_zeroed(most + 1, sizeof(uint64_t));
	for (size_t i = 0; i < disks->count; i++) {
		const struct qcow2bm_chain *chain = disks->list[i].chain;
		for (size_t k = 0; k < qcow2bm_chain_layer_count(chain); k++) {
			struct qcow2bm_edit *edit = qcow2bm_chain_edit(chain, k);
			if (edit == NULL)
				continue;
			const struct qcow2bm_layer *layer = qcow2bm_chain_layer(chain, k);
			edits->cluster_bytes[edits->count] =
				qcow2bm_image_describe(layer->image)->cluster_bytes;
			edits->list[edits->count++] =
				(struct qcow2bm_together_edit){edit, layer->filename};
		}
	}
}

static void free_edits(struct edits *edits)
{
	free(edits->list);
	free(edits->results);
	free(edits->cluster_bytes);
}

static int print_images(json_t *images)
{
	json_t *object = json_object();
	json_object_set_new(object, "images", images);
	return tool_output_json(object);
}

static int print_plans(const struct tool_disks *disks, const struct edits *edits)
{
	struct tool_text text = {0};
	json_t *images = json_array();
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < edits->count && status == TOOL_EXIT_DONE; i++) {
		const struct qcow2bm_together_edit *it = &edits->list[i];
		const struct qcow2bm_plan *plan;
		struct qcow2bm_error err = {0};
		if (qcow2bm_edit_plan(it->edit, disks->options.commit_flags, &plan, NULL,
				      &err) != QCOW2BM_OK)
			status = tool_message_fail(it->filename, &err);
		else if (disks->options.json)
			json_array_append_new(
				images,
				tool_summary_json(
					it->filename,
					tool_summary_changes(it->edit, plan->changes),
					plan));
		else
			tool_summary_human(&text, it->filename, it->edit, plan,
					   edits->cluster_bytes[i]);
	}
	if (status == TOOL_EXIT_DONE && !disks->options.json) {
		if (edits->count == 0)
			tool_text_print(&text, "Nothing to do.\n");
		status = tool_output_text(&text);
	} else if (status == TOOL_EXIT_DONE) {
		status = print_images(json_incref(images));
	}
	tool_text_free(&text);
	json_decref(images);
	return status;
}

/* The changes of each image, before the commit empties its edit; NULL unless JSON is asked for. */
static int describe(const struct tool_disks *disks, const struct edits *edits,
		    json_t **changes)
{
	*changes = NULL;
	if (!disks->options.json)
		return TOOL_EXIT_DONE;
	*changes = json_array();
	for (size_t i = 0; i < edits->count; i++) {
		const struct qcow2bm_plan *plan;
		struct qcow2bm_error err = {0};
		if (qcow2bm_edit_plan(edits->list[i].edit,
				      disks->options.commit_flags |
					      QCOW2BM_COMMIT_TRUST_REFCOUNTS,
				      &plan, NULL, &err) != QCOW2BM_OK) {
			json_decref(*changes);
			return tool_message_fail(edits->list[i].filename, &err);
		}
		json_array_append_new(*changes, tool_summary_changes(edits->list[i].edit,
								     plan->changes));
	}
	return TOOL_EXIT_DONE;
}

static int report_failure(const struct edits *edits, size_t failed,
			  const struct qcow2bm_error *err, int signal_number)
{
	const char *filename =
		failed < edits->count ? edits->list[failed].filename : NULL;
	char *sentence = tool_message_sentence(err);
	if (err->code == QCOW2BM_EUNKNOWN)
		tool_message(
			filename,
			"%s; each image is whole, with the old state or the new: when "
			"the disk works, 'qcow2bm chain resume' with that file brings all "
			"of them to one",
			sentence);
	else if (err->code == QCOW2BM_EINTERRUPTED)
		tool_message(filename, "interrupted; the images are as they were");
	else
		tool_message(filename, "%s; the images are as they were", sentence);
	free(sentence);
	return err->code == QCOW2BM_EINTERRUPTED ? TOOL_EXIT_SIGNAL + signal_number
						 : tool_message_status(err->code);
}

static int report_success(const struct tool_disks *disks, const struct edits *edits,
			  json_t *changes)
{
	int status = TOOL_EXIT_DONE;
	json_t *images = json_array();
	for (size_t i = 0; i < edits->count; i++) {
		const struct qcow2bm_result *result = edits->results[i];
		if (result->leak_reason[0] != '\0') {
			status = TOOL_EXIT_LEAKED;
			if (!disks->options.quiet)
				tool_message(edits->list[i].filename,
					     "done, but %" PRIu64 " clusters leaked: %s",
					     result->leaked_clusters,
					     result->leak_reason);
		}
		if (changes != NULL)
			json_array_append_new(
				images,
				tool_summary_result(
					edits->list[i].filename,
					json_incref(json_array_get(changes, i)), result));
	}
	if (changes == NULL) {
		json_decref(images);
		return status;
	}
	json_decref(changes);
	if (print_images(images) == TOOL_EXIT_DONE)
		return status;
	tool_message(NULL, "the edit is done, only its report is lost");
	return TOOL_EXIT_LEAKED;
}

/* All images are switched over, though something failed afterwards: the file that says what they are
 * to hold is still there. */
static bool is_done(const struct edits *edits)
{
	for (size_t i = 0; i < edits->count; i++)
		if (edits->results[i] == NULL || !edits->results[i]->switched)
			return false;
	return edits->count != 0;
}

static int commit(const struct tool_disks *disks, struct edits *edits)
{
	json_t *changes;
	int status = describe(disks, edits, &changes);
	if (status != TOOL_EXIT_DONE)
		return status;
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	size_t failed = SIZE_MAX;
	struct qcow2bm_commit_options options = QCOW2BM_COMMIT_OPTIONS_INIT;
	options.flags = disks->options.commit_flags;
	tool_watch_begin(&watch, &disks->options);
	enum qcow2bm_code code =
		qcow2bm_together_commit(edits->list, edits->count, NULL, &options,
					edits->results, &failed, &watch.watch, &err);
	int signal_number = tool_watch_end(&watch);
	if (code == QCOW2BM_OK)
		return report_success(disks, edits, changes);
	if (is_done(edits)) {
		tool_message(NULL, "done, but %s: remove it by hand", err.sentence);
		(void)report_success(disks, edits, changes);
		return TOOL_EXIT_LEAKED;
	}
	json_decref(changes);
	return report_failure(edits, failed, &err, signal_number);
}

int tool_chain_finish(struct tool_disks *disks)
{
	struct edits edits = {0};
	int status = TOOL_EXIT_DONE;
	collect(&edits, disks);
	if (disks->options.dry_run)
		status = print_plans(disks, &edits);
	else if (edits.count != 0 || disks->options.json)
		status = commit(disks, &edits);
	free_edits(&edits);
	return status;
}

/* Stages for each name on each disk. */
static int stage_all(struct tool_disks *disks, tool_chain_stage_fn *stage)
{
	for (size_t k = 0; k < disks->name_count; k++) {
		size_t found = 0;
		for (size_t i = 0; i < disks->count; i++) {
			const struct tool_disk *disk = &disks->list[i];
			struct qcow2bm_error err = {0};
			size_t idx = tool_disks_look_up(disk, disks->names[k]);
			if (idx == QCOW2BM_NOT_FOUND)
				continue;
			found++;
			if (stage(disk->chain, idx, &err) != QCOW2BM_OK)
				return tool_message_fail(disk->filename, &err);
		}
		if (found == 0) {
			tool_message(disks->list[0].filename, "checkpoint '%s' not found",
				     disks->names[k]);
			return TOOL_EXIT_FAILED;
		}
	}
	return TOOL_EXIT_DONE;
}

static int edit_all(struct tool_disks *disks, int count, char **filenames,
		    tool_chain_stage_fn *stage)
{
	int status = tool_disks_open(disks, count, filenames);
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
