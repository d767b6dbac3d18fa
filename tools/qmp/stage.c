/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP's actions on the edits of the images that nodes stand for, in the order in which QEMU does them. */
#include "stage.h"

#include "../term/message.h"

#include <stdlib.h>
#include <string.h>

/* Where an action stands, for whoever wrote it. */
struct where {
	const struct tool_qmp_command *command;
	const struct tool_qmp_action *action;
	struct tool_qmp_fault *fault;
};

static bool fail_at(const struct where *where, const char *sentence)
{
	size_t number = (size_t)(where->action - where->command->actions);
	if (!where->command->is_transaction)
		return tool_qmp_fail(where->fault, "%s: %s", where->action->type,
				     sentence);
	return tool_qmp_fail(where->fault, "actions[%zu], %s: %s", number,
			     where->action->type, sentence);
}

/* A failure of the library. */
static bool check(const struct where *where, const struct tool_qmp_disk *disk,
		  enum qcow2bm_code code, const struct qcow2bm_error *err)
{
	struct tool_text text = {0};
	if (code == QCOW2BM_OK)
		return true;
	char *sentence = tool_message_explain(disk->filename, err);
	tool_text_print(&text, "%s: %s", disk->filename, sentence);
	(void)fail_at(where, text.bytes);
	tool_text_free(&text);
	free(sentence);
	return false;
}

static struct tool_qmp_disk *find_disk(const struct tool_qmp_disks *disks,
				       const char *name, const struct where *where)
{
	for (size_t i = 0; i < disks->node_count; i++)
		if (strcmp(disks->nodes[i].name, name) == 0)
			return &disks->list[disks->nodes[i].disk];
	struct tool_text text = {0};
	tool_text_print(&text,
			"Cannot find device='%.100s' nor node-name='%.100s': which image "
			"it is, --node %.100s=IMAGE tells",
			name, name, name);
	(void)fail_at(where, text.bytes);
	tool_text_free(&text);
	return NULL;
}

/* QEMU keeps what a transaction removes until all of it is done: so long nothing can be done with
 * it, nor can another get its name. */
static bool check_not_going(const struct tool_qmp_disk *disk, const char *name,
			    const struct where *where)
{
	struct tool_text text = {0};
	if (json_object_get(disk->going, name) == NULL)
		return true;
	tool_text_print(
		&text,
		"Bitmap '%.200s' is removed by this transaction, and cannot be used "
		"in it any more",
		name);
	(void)fail_at(where, text.bytes);
	tool_text_free(&text);
	return false;
}

static unsigned log2_of(uint32_t bytes)
{
	unsigned bits = 0;
	while (bytes >> bits > 1)
		bits++;
	return bits;
}

static bool stage_add(struct tool_qmp_disk *disk, const struct where *where)
{
	const struct tool_qmp_action *action = where->action;
	struct qcow2bm_error err = {0};
	unsigned bits = action->has_granularity
				? log2_of(action->granularity_bytes)
				: qcow2bm_image_default_granularity_bits(disk->image);
	if (!check(where, disk,
		   qcow2bm_edit_add(disk->edit, action->name, strlen(action->name), bits,
				    !action->is_disabled, &err),
		   &err))
		return false;
	if (!action->is_persistent)
		json_object_set_new(disk->temporary, action->name, json_true());
	return true;
}

static bool merge_one(const struct tool_qmp_disk *disk, const struct tool_qmp_disk *from,
		      const char *source, const struct where *where)
{
	const char *name = where->action->name;
	struct qcow2bm_error err = {0};
	if (!check_not_going(from, source, where))
		return false;
	enum qcow2bm_code code = qcow2bm_edit_merge_staged(
		disk->edit, name, strlen(name), from->edit, source, strlen(source), &err);
	/* The target is usable; EINVAL: the two do not fit each other. */
	return check(where, code == QCOW2BM_EINVAL ? disk : from, code, &err);
}

static bool stage_merge(const struct tool_qmp_disks *disks,
			const struct tool_qmp_disk *disk, const struct where *where)
{
	const struct tool_qmp_action *action = where->action;
	/* The target must be usable though nothing is merged into it. */
	if (!merge_one(disk, disk, action->name, where))
		return false;
	for (size_t i = 0; i < action->source_count; i++) {
		const struct tool_qmp_source *source = &action->sources[i];
		const struct tool_qmp_disk *from = find_disk(disks, source->node, where);
		if (from == NULL || !merge_one(disk, from, source->name, where))
			return false;
	}
	return true;
}

typedef enum qcow2bm_code stage_fn(struct qcow2bm_edit *edit, const char *name,
				   size_t name_bytes, struct qcow2bm_error *err);

static bool stage_by_name(struct tool_qmp_disk *disk, stage_fn *stage,
			  const struct where *where)
{
	const char *name = where->action->name;
	struct qcow2bm_error err = {0};
	return check(where, disk, stage(disk->edit, name, strlen(name), &err), &err);
}

static bool stage_action(const struct tool_qmp_disks *disks, const struct where *where)
{
	struct tool_qmp_disk *disk = find_disk(disks, where->action->node, where);
	if (disk == NULL)
		return false;
	if (where->action->verb == TOOL_QMP_ADD)
		return stage_add(disk, where);
	if (!check_not_going(disk, where->action->name, where))
		return false;
	switch (where->action->verb) {
	case TOOL_QMP_REMOVE:
		json_object_set_new(disk->going, where->action->name, json_true());
		return true;
	case TOOL_QMP_CLEAR:
		return stage_by_name(disk, qcow2bm_edit_clear, where);
	case TOOL_QMP_ENABLE:
		return stage_by_name(disk, qcow2bm_edit_enable, where);
	case TOOL_QMP_DISABLE:
		return stage_by_name(disk, qcow2bm_edit_disable, where);
	default:
		return stage_merge(disks, disk, where);
	}
}

/* What the command's actions removed goes, once all of them are staged. */
static bool remove_going(const struct tool_qmp_disks *disks, struct where *where)
{
	for (size_t i = 0; i < where->command->action_count; i++) {
		where->action = &where->command->actions[i];
		if (where->action->verb != TOOL_QMP_REMOVE)
			continue;
		struct tool_qmp_disk *disk = find_disk(disks, where->action->node, where);
		if (!stage_by_name(disk, qcow2bm_edit_delete, where))
			return false;
		json_object_del(disk->going, where->action->name);
		json_object_del(disk->temporary, where->action->name);
	}
	return true;
}

static bool stage_command(const struct tool_qmp_disks *disks,
			  const struct tool_qmp_command *command,
			  struct tool_qmp_fault *fault)
{
	struct where where = {.command = command, .fault = fault};
	for (size_t i = 0; i < command->action_count; i++) {
		where.action = &command->actions[i];
		if (!stage_action(disks, &where))
			return false;
	}
	return remove_going(disks, &where);
}

static bool remove_temporary(const struct tool_qmp_disk *disk,
			     struct tool_qmp_fault *fault)
{
	const char *name;
	json_t *value;
	json_object_foreach(disk->temporary, name, value)
	{
		struct qcow2bm_error err = {0};
		if (qcow2bm_edit_delete(disk->edit, name, strlen(name), &err) !=
		    QCOW2BM_OK)
			return tool_qmp_fail(fault, "%s: %s", disk->filename,
					     err.sentence);
	}
	return true;
}

bool tool_qmp_stage(struct tool_qmp_disks *disks, const struct tool_qmp_script *script,
		    struct tool_qmp_fault *fault)
{
	for (size_t i = 0; i < script->count; i++) {
		fault->command = i + 1;
		if (!stage_command(disks, &script->commands[i], fault))
			return false;
	}
	fault->command = 0;
	for (size_t i = 0; i < disks->count; i++)
		if (!remove_temporary(&disks->list[i], fault))
			return false;
	return true;
}
