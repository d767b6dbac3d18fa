/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an edit does to each bitmap, with the bytes of the disk that are dirty before and after. */
#include "changes.h"

#include "../term/memory.h"
#include "../term/name.h"
#include "../term/size.h"
#include "inventory.h"
#include "promise.h"

#include <stdlib.h>
#include <string.h>

/* A bitmap before or after. */
struct state {
	bool is_there, is_counted;
	enum qcow2bm_state state;
	uint64_t dirty_bytes;
};

/* 65535 of them, as JSON values, would take many times as much. */
struct tool_change {
	struct qcow2bm_change change; /* its names are owned */
	struct qcow2bm_promise promise;
	struct state before, after;
};

static bool is_renamed(const struct qcow2bm_change *change)
{
	return change->kind == QCOW2BM_CHANGE_UPDATE &&
	       (change->old_name_bytes != change->new_name_bytes ||
		memcmp(change->old_name, change->new_name, change->new_name_bytes) != 0);
}

/* ---- Keeping ------------------------------------------------------------------------ */

static const char *copy_name(const char *name, size_t name_bytes)
{
	return name == NULL ? NULL : tool_memory_copy(name, name_bytes);
}

static void copy(struct tool_change *kept, const struct qcow2bm_change *shown)
{
	struct qcow2bm_change *change = &kept->change;
	*change = *shown;
	bool keeps_name = change->old_name != NULL && change->new_name != NULL &&
			  !is_renamed(change);
	change->old_name = copy_name(change->old_name, change->old_name_bytes);
	change->new_name = keeps_name
				   ? change->old_name
				   : copy_name(change->new_name, change->new_name_bytes);
	if (change->promise == NULL)
		return;
	kept->promise = *change->promise;
	change->promise = &kept->promise;
}

/* What `list` says of it now. */
static enum qcow2bm_code look_before(struct state *before, struct qcow2bm_image *image,
				     size_t idx, const struct qcow2bm_watch *watch,
				     struct qcow2bm_error *err)
{
	static const struct tool_inventory_order order = {.count_bits = true};
	struct tool_inventory_bitmap bitmap = {.problem = NULL};
	enum qcow2bm_code code =
		tool_inventory_take_one(&bitmap, image, idx, &order, watch, err);
	*before = (struct state){
		.is_there = true,
		.is_counted = code == QCOW2BM_OK && bitmap.measured,
		.state = bitmap.entry.state,
		.dirty_bytes = bitmap.measure.dirty_bytes,
	};
	free(bitmap.problem);
	return code;
}

/* What `list` will say of it. */
static enum qcow2bm_code look_after(struct tool_change *kept, struct qcow2bm_edit *edit,
				    size_t idx, const struct qcow2bm_watch *watch,
				    struct qcow2bm_error *err)
{
	const struct qcow2bm_change *change = &kept->change;
	struct state *after = &kept->after;
	after->is_there = true;
	after->state = change->enabled ? QCOW2BM_STATE_VALID : QCOW2BM_STATE_DISABLED;
	if (!change->content_changed && kept->before.is_counted) {
		after->is_counted = true;
		after->dirty_bytes = kept->before.dirty_bytes;
		return QCOW2BM_OK;
	}
	enum qcow2bm_code code =
		qcow2bm_edit_dirty_bytes(edit, idx, &after->dirty_bytes, watch, err);
	after->is_counted = code == QCOW2BM_OK;
	return code;
}

enum qcow2bm_code tool_changes_keep(struct tool_changes *kept, struct qcow2bm_edit *edit,
				    struct qcow2bm_image *image, size_t count,
				    const struct qcow2bm_watch *watch,
				    struct qcow2bm_error *err)
{
	*kept = (struct tool_changes){.count = count};
	kept->all = tool_memory_zeroed(count, sizeof(*kept->all));
	for (size_t i = 0; i < count; i++)
		copy(&kept->all[i], qcow2bm_edit_change(edit, i));
	for (size_t i = 0; i < count; i++) {
		struct tool_change *it = &kept->all[i];
		struct qcow2bm_error cause = {0};
		enum qcow2bm_code code = QCOW2BM_OK;
		if (it->change.old_idx != QCOW2BM_NOT_FOUND)
			code = look_before(&it->before, image, it->change.old_idx, watch,
					   &cause);
		if (code != QCOW2BM_EINTERRUPTED &&
		    it->change.kind != QCOW2BM_CHANGE_DELETE)
			code = look_after(it, edit, i, watch, &cause);
		if (code == QCOW2BM_EINTERRUPTED) {
			*err = cause;
			return code;
		}
	}
	return QCOW2BM_OK;
}

void tool_changes_free(struct tool_changes *kept)
{
	for (size_t i = 0; i < kept->count; i++) {
		const struct qcow2bm_change *change = &kept->all[i].change;
		if (change->new_name != change->old_name)
			free((char *)change->new_name);
		free((char *)change->old_name);
	}
	free(kept->all);
	*kept = (struct tool_changes){.count = 0};
}

/* ---- JSON --------------------------------------------------------------------------- */

/* As `list` has them; null for one that is not there. */
static json_t *state_json(const struct state *state)
{
	if (!state->is_there)
		return json_null();
	json_t *object = json_object();
	json_object_set_new(object, "state",
			    json_string(qcow2bm_state_name(state->state)));
	if (state->is_counted)
		json_object_set_new(object, "dirty-bytes",
				    tool_json_number(state->dirty_bytes));
	return object;
}

/* What there is to say of one that stays or comes. */
static void set_new_state(json_t *object, const struct qcow2bm_change *change)
{
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
}

/* What happens to one bitmap: the name it has now, what it will be, where its bits come from. */
static json_t *change_json(const struct tool_change *kept)
{
	const struct qcow2bm_change *change = &kept->change;
	bool added = change->kind == QCOW2BM_CHANGE_ADD;
	json_t *object = json_object();
	json_object_set_new(object, "action",
			    json_string(qcow2bm_change_name(change->kind)));
	json_object_set_new(
		object, "name",
		added ? tool_json_name(change->new_name, change->new_name_bytes)
		      : tool_json_name(change->old_name, change->old_name_bytes));
	if (change->kind != QCOW2BM_CHANGE_DELETE)
		set_new_state(object, change);
	json_object_set_new(object, "before", state_json(&kept->before));
	json_object_set_new(object, "after", state_json(&kept->after));
	if (change->promise != NULL)
		tool_promise_json(object, change->promise);
	return object;
}

json_t *tool_changes_json(const struct tool_changes *kept)
{
	json_t *array = json_array();
	for (size_t i = 0; i < kept->count; i++)
		json_array_append_new(array, change_json(&kept->all[i]));
	return array;
}

static json_t *make_change(const void *opaque, size_t number)
{
	const struct tool_changes *kept = opaque;
	return change_json(&kept->all[number]);
}

void tool_changes_set_list(json_t *report, struct tool_changes *kept)
{
	kept->list = (struct tool_json_list){
		.count = kept->count, .make = make_change, .opaque = kept};
	tool_json_set_list(report, "changes", &kept->list);
}

/* ---- For people --------------------------------------------------------------------- */

static void add_size(struct tool_text *text, const char *before,
		     const struct state *state)
{
	char size[TOOL_SIZE_TEXT] = "unknown";
	if (state->is_counted)
		tool_size_format(state->dirty_bytes, size);
	tool_text_print(text, "%s%s", before, size);
}

static void add_dirty(struct tool_text *text, const struct tool_change *kept)
{
	if (kept->before.is_there)
		add_size(text, ", dirty: ", &kept->before);
	if (kept->after.is_there)
		add_size(text,
			 kept->before.is_there ? " -> " : ", dirty: ", &kept->after);
}

/* The rest of the line. */
static void add_content(struct tool_text *text, const struct tool_change *kept)
{
	const struct qcow2bm_change *change = &kept->change;
	bool is_recovered = change->promise != NULL;
	if (change->content_changed && change->sources != 0 && !is_recovered)
		tool_text_print(text, ", bits of %zu bitmap%s", change->sources,
				change->sources == 1 ? "" : "s");
	else if (change->content_changed && change->kind == QCOW2BM_CHANGE_UPDATE &&
		 !is_recovered)
		tool_text_print(text, ", clear");
	add_dirty(text, kept);
	if (is_recovered) {
		tool_text_print(text, "%s",
				change->kind == QCOW2BM_CHANGE_ADD ? ", "
								   : ", recover, ");
		tool_promise_add(text, change->promise);
	} else {
		tool_text_add(text, "\n", 1);
	}
}

static void add_change(struct tool_text *text, const struct tool_change *kept)
{
	const struct qcow2bm_change *change = &kept->change;
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
	add_content(text, kept);
}

void tool_changes_human(struct tool_text *text, const struct tool_changes *kept)
{
	for (size_t i = 0; i < kept->count; i++)
		add_change(text, &kept->all[i]);
}
