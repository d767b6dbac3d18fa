/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan of an edit and the report of a commit, for a human and as JSON. */
#include "summary.h"

#include "../term/memory.h"
#include "../term/name.h"
#include "../term/size.h"
#include "promise.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_renamed(const struct qcow2bm_change *change)
{
	return change->kind == QCOW2BM_CHANGE_UPDATE &&
	       (change->old_name_bytes != change->new_name_bytes ||
		memcmp(change->old_name, change->new_name, change->new_name_bytes) != 0);
}

/* What happens to one bitmap: the name it has now, what it will be, where its bits come from. */
static json_t *change_json(const struct qcow2bm_change *change)
{
	bool added = change->kind == QCOW2BM_CHANGE_ADD;
	json_t *object = json_object();
	json_object_set_new(object, "action",
			    json_string(qcow2bm_change_name(change->kind)));
	json_object_set_new(
		object, "name",
		added ? tool_json_name(change->new_name, change->new_name_bytes)
		      : tool_json_name(change->old_name, change->old_name_bytes));
	if (change->kind == QCOW2BM_CHANGE_DELETE)
		return object;
	if (is_renamed(change))
		json_object_set_new(
			object, "new-name",
			tool_json_name(change->new_name, change->new_name_bytes));
	json_object_set_new(object, "granularity",
			    tool_json_number((uint64_t)1 << change->granularity_bits));
	json_object_set_new(object, "enabled", json_boolean(change->enabled));
	json_object_set_new(object, "content-changed",
			    json_boolean(change->content_changed));
	json_object_set_new(
		object, "sources",
		tool_json_number(change->content_changed ? change->sources : 0));
	if (change->promise != NULL)
		tool_promise_json(object, change->promise);
	return object;
}

json_t *tool_summary_changes(const struct qcow2bm_edit *edit, size_t changes)
{
	json_t *array = json_array();
	for (size_t i = 0; i < changes; i++) {
		struct qcow2bm_change change = *qcow2bm_edit_change(edit, i);
		json_array_append_new(array, change_json(&change));
	}
	return array;
}

/* ---- What is kept of 65535 changes: as values they would take many times as much ---- */

struct tool_summary_change {
	struct qcow2bm_change change; /* its names are owned */
	struct qcow2bm_promise promise;
};

static const char *copy_name(const char *name, size_t name_bytes)
{
	return name == NULL ? NULL : tool_memory_copy(name, name_bytes);
}

void tool_summary_keep(struct tool_summary_kept *kept, const struct qcow2bm_edit *edit,
		       size_t changes)
{
	kept->all = tool_memory_zeroed(changes, sizeof(*kept->all));
	kept->count = changes;
	for (size_t i = 0; i < changes; i++) {
		struct qcow2bm_change *change = &kept->all[i].change;
		*change = *qcow2bm_edit_change(edit, i);
		bool keeps_name = change->old_name != NULL && change->new_name != NULL &&
				  !is_renamed(change);
		change->old_name = copy_name(change->old_name, change->old_name_bytes);
		change->new_name =
			keeps_name ? change->old_name
				   : copy_name(change->new_name, change->new_name_bytes);
		if (change->promise == NULL)
			continue;
		kept->all[i].promise = *change->promise;
		change->promise = &kept->all[i].promise;
	}
}

void tool_summary_drop(struct tool_summary_kept *kept)
{
	for (size_t i = 0; i < kept->count; i++) {
		const struct qcow2bm_change *change = &kept->all[i].change;
		if (change->new_name != change->old_name)
			free((char *)change->new_name);
		free((char *)change->old_name);
	}
	free(kept->all);
	*kept = (struct tool_summary_kept){.count = 0};
}

static json_t *make_change(const void *opaque, size_t number)
{
	const struct tool_summary_kept *kept = opaque;
	return change_json(&kept->all[number].change);
}

void tool_summary_set_kept(json_t *report, struct tool_summary_kept *kept)
{
	kept->list = (struct tool_json_list){
		.count = kept->count, .make = make_change, .opaque = kept};
	tool_json_set_list(report, "changes", &kept->list);
}

/* ---- Reports ---- */

json_t *tool_summary_json(const char *filename, json_t *changes,
			  const struct qcow2bm_plan *plan)
{
	json_t *object = json_object();
	json_object_set_new(object, "filename", tool_json_text(filename));
	json_object_set_new(object, "dry-run", json_true());
	json_object_set_new(object, "changes", changes);
	json_object_set_new(object, "write-clusters",
			    tool_json_number(plan->write_clusters));
	json_object_set_new(object, "release-clusters",
			    tool_json_number(plan->release_clusters));
	json_object_set_new(object, "leak-clusters",
			    tool_json_number(plan->leak_clusters));
	json_object_set_new(object, "refcount-clusters",
			    tool_json_number(plan->refcount_clusters));
	json_object_set_new(object, "read-bytes", tool_json_number(plan->read_bytes));
	return object;
}

json_t *tool_summary_result(const char *filename, json_t *changes,
			    const struct qcow2bm_result *result)
{
	json_t *object = json_object();
	json_object_set_new(object, "filename", tool_json_text(filename));
	json_object_set_new(object, "changes", changes);
	json_object_set_new(object, "written-clusters",
			    tool_json_number(result->written_clusters));
	json_object_set_new(object, "released-clusters",
			    tool_json_number(result->released_clusters));
	json_object_set_new(object, "leaked-clusters",
			    tool_json_number(result->leaked_clusters));
	if (result->leaked_clusters != 0)
		json_object_set_new(object, "leak-reason",
				    tool_json_text(result->leak_reason));
	return object;
}

/* The rest of the line. */
static void add_content(struct tool_text *text, const struct qcow2bm_change *change)
{
	if (change->promise != NULL) {
		tool_text_print(text, "%s",
				change->kind == QCOW2BM_CHANGE_ADD ? ", "
								   : ", recover, ");
		tool_promise_add(text, change->promise);
		return;
	}
	if (change->content_changed && change->sources != 0)
		tool_text_print(text, ", bits of %zu bitmap%s", change->sources,
				change->sources == 1 ? "" : "s");
	else if (change->content_changed && change->kind == QCOW2BM_CHANGE_UPDATE)
		tool_text_print(text, ", clear");
	tool_text_add(text, "\n", 1);
}

/* The same as a line for people. */
static void add_change(struct tool_text *text, const struct qcow2bm_change *change)
{
	bool added = change->kind == QCOW2BM_CHANGE_ADD;
	char *name = added ? tool_name_escape(change->new_name, change->new_name_bytes,
					      TOOL_NAME_HUMAN)
			   : tool_name_escape(change->old_name, change->old_name_bytes,
					      TOOL_NAME_HUMAN);
	if (added) {
		char size[TOOL_SIZE_TEXT];
		tool_size_format((uint64_t)1 << change->granularity_bits, size);
		tool_text_print(text, "  add '%s': granularity %s, %s", name, size,
				change->enabled ? "recording" : "paused");
	} else if (change->kind == QCOW2BM_CHANGE_DELETE) {
		tool_text_print(text, "  delete '%s'", name);
	} else {
		tool_text_print(text, "  change '%s'", name);
	}
	free(name);
	if (is_renamed(change)) {
		char *new_name = tool_name_escape(
			change->new_name, change->new_name_bytes, TOOL_NAME_HUMAN);
		tool_text_print(text, ", rename to '%s'", new_name);
		free(new_name);
	}
	if (change->kind == QCOW2BM_CHANGE_UPDATE && change->flag_changed)
		tool_text_print(text, ", %s", change->enabled ? "recording" : "paused");
	add_content(text, change);
}

void tool_summary_human(struct tool_text *text, const char *filename,
			const struct qcow2bm_edit *edit, const struct qcow2bm_plan *plan,
			uint64_t cluster_bytes)
{
	char *shown = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s: nothing is changed now (dry run)\n", shown);
	free(shown);
	if (plan->changes == 0)
		tool_text_print(text, "  the image has this state already\n");
	for (size_t i = 0; i < plan->changes; i++) {
		struct qcow2bm_change change = *qcow2bm_edit_change(edit, i);
		add_change(text, &change);
	}
	tool_summary_clusters(text, plan, cluster_bytes);
}

void tool_summary_clusters(struct tool_text *text, const struct qcow2bm_plan *plan,
			   uint64_t cluster_bytes)
{
	char size[TOOL_SIZE_TEXT], data[TOOL_SIZE_TEXT];
	tool_size_format(plan->write_clusters * cluster_bytes, size);
	tool_size_format(plan->read_bytes, data);
	tool_text_print(text,
			"clusters: %" PRIu64 " written at most (%s), %" PRIu64
			" added for refcounts, %" PRIu64 " released, %" PRIu64 " leaked\n"
			"bitmap data: %s read at most\n",
			plan->write_clusters, size, plan->refcount_clusters,
			plan->release_clusters, plan->leak_clusters, data);
}
