/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan of an edit and the report of a commit, for a human and as JSON. */
#include "summary.h"

#include "../term/name.h"
#include "../term/size.h"

#include <inttypes.h>
#include <stdlib.h>

/* Where and what, the same for what was done and what would be. */
static json_t *begin(const char *filename, bool is_dry, json_t *changes)
{
	json_t *object = json_object();
	json_object_set_new(object, "filename", tool_json_text(filename));
	json_object_set_new(object, "dry-run", json_boolean(is_dry));
	json_object_set_new(object, "changes", changes);
	return object;
}

json_t *tool_summary_json(const char *filename, json_t *changes,
			  const struct qcow2bm_plan *plan)
{
	json_t *object = begin(filename, true, changes);
	json_object_set_new(object, "write-clusters",
			    tool_json_number(plan->write_clusters));
	json_object_set_new(object, "release-clusters",
			    tool_json_number(plan->release_clusters));
	json_object_set_new(object, "leak-clusters",
			    tool_json_number(plan->leak_clusters));
	json_object_set_new(object, "written-clusters",
			    tool_json_number(plan->write_clusters));
	json_object_set_new(object, "released-clusters",
			    tool_json_number(plan->release_clusters));
	json_object_set_new(object, "leaked-clusters",
			    tool_json_number(plan->leak_clusters));
	json_object_set_new(object, "refcount-clusters",
			    tool_json_number(plan->refcount_clusters));
	json_object_set_new(object, "read-bytes", tool_json_number(plan->read_bytes));
	json_object_set_new(object, "syncs", json_null());
	json_object_set_new(object, "undo-file", json_null());
	return object;
}

json_t *tool_summary_result(const char *filename, json_t *changes,
			    const struct qcow2bm_result *result)
{
	json_t *object = begin(filename, false, changes);
	json_object_set_new(object, "written-clusters",
			    tool_json_number(result->written_clusters));
	json_object_set_new(object, "released-clusters",
			    tool_json_number(result->released_clusters));
	json_object_set_new(object, "leaked-clusters",
			    tool_json_number(result->leaked_clusters));
	json_object_set_new(object, "refcount-clusters",
			    tool_json_number(result->refcount_clusters));
	json_object_set_new(object, "read-bytes",
			    tool_json_number(result->data_bytes_read));
	json_object_set_new(object, "syncs", tool_json_number(result->syncs));
	json_object_set_new(object, "undo-file", json_null());
	if (result->leaked_clusters != 0)
		json_object_set_new(object, "leak-reason",
				    tool_json_text(result->leak_reason));
	return object;
}

void tool_summary_human(struct tool_text *text, const char *filename,
			const struct tool_changes *changes,
			const struct qcow2bm_plan *plan, uint64_t cluster_bytes)
{
	char *shown = tool_name_escape_text(filename, TOOL_NAME_HUMAN);
	tool_text_print(text, "%s: nothing is changed now (dry run)\n", shown);
	free(shown);
	if (plan->changes == 0)
		tool_text_print(text, "  the image has this state already\n");
	tool_changes_human(text, changes);
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
