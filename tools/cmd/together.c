/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of every command that edits several images, all or none of them. */
#define _POSIX_C_SOURCE 200809L
#include "together.h"

#include "../report/json.h"
#include "../report/summary.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/output.h"
#include "../term/watch.h"
#include "cut_off.h"
#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void tool_together_add(struct tool_together *together, struct qcow2bm_edit *edit,
		       struct qcow2bm_image *image, const char *filename)
{
	size_t room = together->count + 1;
	together->list =
		tool_memory_resize(together->list, room, sizeof(*together->list));
	together->results =
		tool_memory_resize(together->results, room, sizeof(*together->results));
	together->images =
		tool_memory_resize(together->images, room, sizeof(*together->images));
	together->list[together->count] = (struct qcow2bm_together_edit){edit, filename};
	together->results[together->count] = NULL;
	together->images[together->count++] = image;
}

void tool_together_free(struct tool_together *together)
{
	free(together->list);
	free(together->results);
	free(together->images);
	for (size_t i = 0; together->savings != NULL && i < together->count; i++)
		tool_saving_free(&together->savings[i]);
	free(together->savings);
}

static const char *name_change(const struct qcow2bm_together_file *file)
{
	if (file->old_bytes == NULL)
		return "made";
	return file->new_bytes == NULL ? "removed" : "rewritten";
}

static json_t *list_files(const struct tool_together *together)
{
	json_t *files = json_array();
	for (size_t i = 0; i < together->file_count; i++) {
		const struct qcow2bm_together_file *file = &together->files[i];
		json_t *object = json_object();
		json_object_set_new(object, "filename", tool_json_text(file->filename));
		json_object_set_new(object, "change", json_string(name_change(file)));
		json_array_append_new(files, object);
	}
	return files;
}

static void add_files(struct tool_text *text, const struct tool_together *together)
{
	for (size_t i = 0; i < together->file_count; i++) {
		char *shown = tool_name_escape_text(together->files[i].filename,
						    TOOL_NAME_HUMAN);
		tool_text_print(text, "%s: would be %s\n", shown,
				name_change(&together->files[i]));
		free(shown);
	}
}

static int print_images(const struct tool_together *together, json_t *images)
{
	json_t *object = tool_json_document("edit");
	json_object_set_new(object, "images", images);
	if (together->file_count != 0)
		json_object_set_new(object, "files", list_files(together));
	if (together->disks != NULL)
		json_object_set(object, "disks", together->disks);
	return tool_output_json(object);
}

/* Keeps why nothing is done, and prints it. */
static int refuse(struct tool_together *together, const char *filename,
		  const struct qcow2bm_error *err)
{
	together->err = *err;
	together->failed = filename;
	return tool_message_fail(filename, err);
}

/* The edit number i as it would be done, with its changes, which are to be freed in any case. */
static int plan_one(struct tool_together *together, size_t i, unsigned flags,
		    struct qcow2bm_plan *plan, struct tool_changes *changes)
{
	const struct qcow2bm_together_edit *it = &together->list[i];
	const struct qcow2bm_plan *told;
	struct qcow2bm_error err = {0};
	struct tool_watch watch;
	*changes = (struct tool_changes){.count = 0};
	tool_watch_begin(&watch, together->options);
	enum qcow2bm_code code =
		qcow2bm_edit_plan(it->edit, flags, &told, &watch.watch, &err);
	if (code == QCOW2BM_OK) {
		*plan = *told;
		code = tool_changes_keep(changes, it->edit, together->images[i],
					 plan->changes, &watch.watch, &err);
	}
	int signal_number = tool_watch_leave(&watch);
	if (code == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	int status = refuse(together, it->filename, &err);
	return code == QCOW2BM_EINTERRUPTED ? TOOL_EXIT_SIGNAL + signal_number : status;
}

/* A plan, to the array or to the text. */
static int add_plan(struct tool_together *together, size_t i, json_t *images,
		    struct tool_text *text)
{
	const char *filename = together->list[i].filename;
	struct qcow2bm_plan plan;
	struct tool_changes changes;
	int status =
		plan_one(together, i, together->options->commit_flags, &plan, &changes);
	if (status == TOOL_EXIT_DONE && together->options->json)
		json_array_append_new(
			images,
			tool_summary_json(filename, tool_changes_json(&changes), &plan));
	else if (status == TOOL_EXIT_DONE)
		tool_summary_human(
			text, filename, &changes, &plan,
			qcow2bm_image_describe(together->images[i])->cluster_bytes);
	tool_changes_free(&changes);
	return status;
}

static int print_plans(struct tool_together *together)
{
	struct tool_text text = {0};
	json_t *images = json_array();
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < together->count && status == TOOL_EXIT_DONE; i++)
		status = add_plan(together, i, images, &text);
	if (status == TOOL_EXIT_DONE && !together->options->json) {
		add_files(&text, together);
		if (together->count + together->file_count == 0)
			tool_text_print(&text, "Nothing to do.\n");
		status = tool_output_text(&text);
	} else if (status == TOOL_EXIT_DONE) {
		status = print_images(together, json_incref(images));
	}
	tool_text_free(&text);
	json_decref(images);
	return status;
}

/* The changes of each image, before the commit empties its edit; NULL unless they are to be printed. */
static int describe(struct tool_together *together, json_t **list)
{
	*list = NULL;
	if (!together->options->json || together->has_own_report)
		return TOOL_EXIT_DONE;
	*list = json_array();
	unsigned flags = together->options->commit_flags | QCOW2BM_COMMIT_TRUST_REFCOUNTS;
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < together->count && status == TOOL_EXIT_DONE; i++) {
		struct qcow2bm_plan plan;
		struct tool_changes changes;
		status = plan_one(together, i, flags, &plan, &changes);
		if (status == TOOL_EXIT_DONE)
			json_array_append_new(*list, tool_changes_json(&changes));
		tool_changes_free(&changes);
	}
	if (status == TOOL_EXIT_DONE)
		return status;
	json_decref(*list);
	*list = NULL;
	return status;
}

/* What is known of the images after an error at a switch. */
static const char *describe_unknown(const struct tool_together *together)
{
	return together->count == 1 && together->file_count == 0
		       ? "the image is whole, but whether it has the old or the new state is "
			 "not known: look with 'qcow2bm list'"
		       : "each image is whole, with the old state or the new: when the disk "
			 "works, 'qcow2bm chain resume' with that file brings all of them to "
			 "one";
}

/* Of each image that may change. */
static int begin_saving(struct tool_together *together)
{
	int status = TOOL_EXIT_DONE;
	together->savings =
		tool_memory_zeroed(together->count + 1, sizeof(*together->savings));
	for (size_t i = 0; i < together->count && status == TOOL_EXIT_DONE; i++)
		status = tool_saving_begin(&together->savings[i], together->images[i],
					   together->list[i].filename,
					   together->options->save, together->count == 1);
	for (size_t i = 0; status != TOOL_EXIT_DONE && i < together->count; i++)
		tool_saving_drop(&together->savings[i]);
	return status;
}

static void end_saving(struct tool_together *together)
{
	for (size_t i = 0; i < together->count; i++)
		tool_saving_end(&together->savings[i]);
}

/* While something may be left of the edit, the undo files stay. */
static void give_up_saving(struct tool_together *together,
			   const struct qcow2bm_error *err)
{
	for (size_t i = 0; i < together->count && err->code != QCOW2BM_EUNKNOWN; i++)
		if (together->results[i] == NULL ||
		    together->results[i]->leaked_clusters == 0)
			tool_saving_drop(&together->savings[i]);
}

static int report_failure(struct tool_together *together, size_t failed,
			  const struct qcow2bm_error *err, int signal_number)
{
	const char *filename =
		failed < together->count ? together->list[failed].filename : NULL;
	char *sentence = tool_message_sentence(err);
	together->err = *err;
	together->failed = filename;
	if (err->code == QCOW2BM_EUNKNOWN)
		tool_message(filename, "%s; %s", sentence, describe_unknown(together));
	else if (err->code == QCOW2BM_EINTERRUPTED)
		tool_message(filename, "interrupted; the images are as they were");
	else
		tool_message(filename, "%s; the images are as they were", sentence);
	free(sentence);
	return err->code == QCOW2BM_EINTERRUPTED ? TOOL_EXIT_SIGNAL + signal_number
						 : tool_message_status(err->code);
}

static json_t *result_json(const struct tool_together *together, size_t i,
			   json_t *changes)
{
	json_t *object = tool_summary_result(together->list[i].filename,
					     json_incref(json_array_get(changes, i)),
					     together->results[i]);
	if (together->savings[i].path != NULL)
		json_object_set_new(object, "undo-file",
				    tool_json_text(together->savings[i].path));
	return object;
}

static int report_success(const struct tool_together *together, json_t *changes)
{
	int status = TOOL_EXIT_DONE;
	json_t *images = json_array();
	for (size_t i = 0; i < together->count; i++) {
		const struct qcow2bm_result *result = together->results[i];
		if (result->leak_reason[0] != '\0') {
			status = TOOL_EXIT_LEAKED;
			if (!together->options->quiet)
				tool_message(together->list[i].filename,
					     "done, but %" PRIu64 " clusters leaked: %s",
					     result->leaked_clusters,
					     result->leak_reason);
		}
		if (changes != NULL)
			json_array_append_new(images, result_json(together, i, changes));
	}
	if (changes == NULL) {
		json_decref(images);
		return status;
	}
	json_decref(changes);
	if (print_images(together, images) == TOOL_EXIT_DONE)
		return status;
	tool_message(NULL, "the edit is done, only its report is lost");
	return TOOL_EXIT_LEAKED;
}

/* All images are switched over, and other files, though something failed afterwards: the file that says
 * what they are to hold is still there. */
static bool is_done(const struct tool_together *together, const struct qcow2bm_error *err)
{
	if (err->code == QCOW2BM_EUNKNOWN)
		return false;
	for (size_t i = 0; i < together->count; i++)
		if (together->results[i] == NULL || !together->results[i]->switched)
			return false;
	return together->count != 0;
}

static int commit(struct tool_together *together)
{
	json_t *changes;
	int status = describe(together, &changes);
	if (status != TOOL_EXIT_DONE)
		return status;
	status = begin_saving(together);
	if (status != TOOL_EXIT_DONE) {
		json_decref(changes);
		return status;
	}
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	size_t failed = SIZE_MAX;
	struct qcow2bm_commit_options options = QCOW2BM_COMMIT_OPTIONS_INIT;
	options.flags = together->options->commit_flags;
	options.files = together->files;
	options.file_count = together->file_count;
	tool_cut_off_note(&options, together->goes_on);
	tool_watch_begin(&watch, together->options);
	enum qcow2bm_code code = qcow2bm_together_commit(
		together->list, together->count,
		together->count == 0 ? together->intent_path : NULL, &options,
		together->results, &failed, &watch.watch, &err);
	int signal_number = tool_watch_end(&watch);
	if (code == QCOW2BM_OK || is_done(together, &err))
		end_saving(together);
	if (code == QCOW2BM_OK)
		return report_success(together, changes);
	if (is_done(together, &err)) {
		tool_message(NULL, "done, but %s: remove it by hand", err.sentence);
		(void)report_success(together, changes);
		return TOOL_EXIT_LEAKED;
	}
	json_decref(changes);
	give_up_saving(together, &err);
	return report_failure(together, failed, &err, signal_number);
}

/* Two edits of one file, which --no-lock lets through, would each take the free clusters of the other. */
static int check_apart(struct tool_together *together)
{
	for (size_t i = 0; i < together->count; i++)
		for (size_t k = 0; k < i; k++) {
			const char *one = together->list[k].filename;
			const char *other = together->list[i].filename;
			struct qcow2bm_error err = {.code = QCOW2BM_EINVAL,
						    .offset = QCOW2BM_NO_OFFSET};
			if (!tool_session_is_same_file(one, other))
				continue;
			snprintf(
				err.sentence, sizeof(err.sentence),
				"two of the disks have it as a layer (here '%.200s'), and "
				"it cannot be edited twice at once: name one disk",
				one);
			return refuse(together, other, &err);
		}
	return TOOL_EXIT_DONE;
}

int tool_together_finish(struct tool_together *together)
{
	int status = check_apart(together);
	if (status != TOOL_EXIT_DONE)
		return status;
	if (together->options->dry_run)
		return print_plans(together);
	return together->count + together->file_count != 0 || together->options->json
		       ? commit(together)
		       : TOOL_EXIT_DONE;
}
