/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm apply: what QMP would do to bitmaps, on images that no QEMU has open. */
#include "../qmp/stage.h"
#include "../report/json.h"
#include "../term/image.h"
#include "../term/input.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/output.h"
#include "cut_off.h"
#include "session.h"
#include "together.h"

#include <stdlib.h>
#include <string.h>

enum { NODE = TOOL_OPT_OWN };

struct apply {
	struct tool_options options;
	const char *filename;
	struct tool_qmp_disks disks;
	struct tool_qmp_script script;
	struct tool_qmp_fault fault;
};

/* ---- Nodes ------------------------------------------------------------------------------ */

/* The disk of this image, new unless the file has one already, maybe under another name: edited as two, it
 * would be torn. */
static size_t find_disk(struct tool_qmp_disks *disks, const char *filename)
{
	size_t disk = 0;
	while (disk < disks->count && strcmp(disks->list[disk].filename, filename) != 0 &&
	       !tool_session_is_same_file(disks->list[disk].filename, filename))
		disk++;
	if (disk == disks->count)
		disks->list[disks->count++] = (struct tool_qmp_disk){
			.filename = filename,
			.temporary = json_object(),
			.going = json_object(),
		};
	return disk;
}

/* Takes NODE=IMAGE. An image that is named twice is one disk. */
static int take_node(struct apply *apply)
{
	struct tool_qmp_disks *disks = &apply->disks;
	const char *equals = strchr(optarg, '=');
	if (equals == NULL || equals == optarg || equals[1] == '\0')
		return tool_message_usage(
			&tool_cmd_apply, "option --node: '%s' is not NODE=IMAGE", optarg);
	char *name = tool_memory_copy(optarg, (size_t)(equals - optarg));
	size_t disk = find_disk(disks, equals + 1);
	for (size_t i = 0; i < disks->node_count; i++)
		if (strcmp(disks->nodes[i].name, name) == 0) {
			free(name);
			return tool_message_usage(&tool_cmd_apply,
						  "option --node: a node is named twice");
		}
	disks->nodes[disks->node_count++] = (struct tool_qmp_node){name, disk};
	return TOOL_OPTIONS_GO_ON;
}

/* Opens the image for an edit; what a cut off edit has left is not to be built on. */
static enum qcow2bm_code open_disk(const struct apply *apply, struct tool_qmp_disk *disk,
				   struct qcow2bm_error *err)
{
	unsigned flags = apply->options.dry_run ? 0 : QCOW2BM_OPEN_WRITE;
	enum qcow2bm_code code = tool_cut_off_try_check(&apply->options, disk->filename,
							NULL, !apply->options.json, err);
	if (code == QCOW2BM_OK)
		code = tool_image_try_open(&apply->options, disk->filename, flags,
					   &disk->image, err);
	return code == QCOW2BM_OK ? qcow2bm_edit_begin(&disk->edit, disk->image, err)
				  : code;
}

static void free_apply(struct apply *apply)
{
	for (size_t i = 0; i < apply->disks.count; i++) {
		struct tool_qmp_disk *disk = &apply->disks.list[i];
		qcow2bm_edit_end(disk->edit);
		json_decref(disk->temporary);
		json_decref(disk->going);
	}
	/* Edits may have sources in other images. */
	for (size_t i = 0; i < apply->disks.count; i++)
		qcow2bm_image_close(apply->disks.list[i].image);
	for (size_t i = 0; i < apply->disks.node_count; i++)
		free((char *)apply->disks.nodes[i].name);
	free(apply->disks.list);
	free(apply->disks.nodes);
	tool_qmp_free(&apply->script);
	tool_text_free(&apply->fault.text);
}

/* ---- What is said ----------------------------------------------------------------------- */

/* One reply as QEMU prints it: the id first, where the command has one. */
static void add_reply(struct tool_text *text, const json_t *id, const char *key,
		      json_t *value)
{
	json_t *reply = json_object();
	if (id != NULL)
		json_object_set(reply, "id", (json_t *)id);
	json_object_set_new(reply, key, value);
	char *line = json_dumps(reply, JSON_ENCODE_ANY);
	if (line == NULL)
		tool_memory_fail();
	tool_text_print(text, "%s\n", line);
	free(line);
	json_decref(reply);
}

/* The one reply to all when nothing is done. */
static int print_error(const struct apply *apply, const char *sentence)
{
	const struct tool_qmp_fault *fault = &apply->fault;
	struct tool_text text = {0};
	const json_t *id = NULL;
	if (!apply->options.json)
		return TOOL_EXIT_DONE;
	if (fault->command != 0 && fault->command <= apply->script.count)
		id = apply->script.commands[fault->command - 1].id;
	json_t *error = json_object();
	json_object_set_new(error, "class", json_string(tool_qmp_class(fault)));
	json_object_set_new(error, "desc", tool_json_text(sentence));
	add_reply(&text, id, "error", error);
	return tool_output_text(&text);
}

/* The same for what an image is to blame for, or its file. */
static void print_failure(const struct apply *apply, const char *filename,
			  const struct qcow2bm_error *err)
{
	struct tool_text text = {0};
	char *sentence = tool_message_explain(filename, err);
	if (filename != NULL)
		tool_text_print(&text, "%s: ", filename);
	tool_text_print(&text, "%s", sentence);
	(void)print_error(apply, text.bytes);
	tool_text_free(&text);
	free(sentence);
}

static int print_returns(const struct apply *apply)
{
	struct tool_text text = {0};
	for (size_t i = 0; i < apply->script.count; i++)
		add_reply(&text, apply->script.commands[i].id, "return", json_object());
	return tool_output_text(&text);
}

/* What is wrong with the input, or cannot be done on these images. */
static int report_fault(const struct apply *apply)
{
	struct tool_text text = {0};
	if (apply->fault.command != 0)
		tool_text_print(&text, "command %zu: ", apply->fault.command);
	tool_text_print(&text, "%s", apply->fault.text.bytes);
	tool_message(apply->filename, "%s", text.bytes);
	(void)print_error(apply, text.bytes);
	tool_text_free(&text);
	return TOOL_EXIT_FAILED;
}

/* ---- The command ------------------------------------------------------------------------ */

static int open_disks(struct apply *apply)
{
	for (size_t i = 0; i < apply->disks.count; i++) {
		struct tool_qmp_disk *disk = &apply->disks.list[i];
		struct qcow2bm_error err = {0};
		if (open_disk(apply, disk, &err) == QCOW2BM_OK)
			continue;
		print_failure(apply, disk->filename, &err);
		return tool_message_fail(disk->filename, &err);
	}
	return TOOL_EXIT_DONE;
}

static int finish(struct apply *apply)
{
	struct tool_together together = {.options = &apply->options,
					 .has_own_report = true};
	for (size_t i = 0; i < apply->disks.count; i++) {
		const struct tool_qmp_disk *disk = &apply->disks.list[i];
		tool_together_add(&together, disk->edit, disk->image, disk->filename);
	}
	int status = tool_together_finish(&together);
	if (together.err.code != QCOW2BM_OK)
		print_failure(apply, together.failed, &together.err);
	else if (apply->options.json && !apply->options.dry_run &&
		 print_returns(apply) != TOOL_EXIT_DONE) {
		tool_message(NULL, "the edit is done, only its report is lost");
		status = TOOL_EXIT_LEAKED;
	}
	tool_together_free(&together);
	return status;
}

static int apply_file(struct apply *apply, const char *filename)
{
	struct tool_text input = {0};
	apply->filename = strcmp(filename, "-") == 0 ? "standard input" : filename;
	int status = tool_input_read(filename, TOOL_QMP_MAX_BYTES, &input);
	if (status == TOOL_EXIT_DONE &&
	    !tool_qmp_parse(&apply->script, input.bytes, input.used, &apply->fault))
		status = report_fault(apply);
	tool_text_free(&input);
	if (status == TOOL_EXIT_DONE)
		status = open_disks(apply);
	if (status == TOOL_EXIT_DONE &&
	    !tool_qmp_stage(&apply->disks, &apply->script, &apply->fault))
		status = report_fault(apply);
	return status == TOOL_EXIT_DONE ? finish(apply) : status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"node", required_argument, NULL, NODE},
		TOOL_OPTIONS_EDIT,
	};
	struct apply apply = {.options = {.command = &tool_cmd_apply}};
	int opt, status = TOOL_OPTIONS_GO_ON;
	apply.disks.list = tool_memory_zeroed((size_t)argc, sizeof(*apply.disks.list));
	apply.disks.nodes = tool_memory_zeroed((size_t)argc, sizeof(*apply.disks.nodes));
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1)
		status = opt == NODE ? take_node(&apply)
				     : tool_options_take(&apply.options, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON && argc - optind != 1)
		status = tool_message_usage(&tool_cmd_apply, "one FILE is wanted");
	if (status == TOOL_OPTIONS_GO_ON)
		status = apply_file(&apply, argv[optind]);
	free_apply(&apply);
	return status;
}

const struct tool_command tool_cmd_apply = {
	.name = "apply",
	.synopsis = "[OPTION]... [--node NODE=IMAGE]... FILE",
	.summary = "Do to bitmaps what QMP would do, offline",
	.help = "FILE, or - for standard input, has commands of QMP: a stream of them, a\n"
		"transaction, or a list of actions alone. Those on dirty bitmaps are done, in\n"
		"order, as QEMU does them: block-dirty-bitmap-add, -remove, -clear, -enable,\n"
		"-disable and -merge, also with the x- of QEMU 3 and the x-vz- of Virtuozzo. All\n"
		"of FILE is done, in all images, or nothing. A bitmap that is added and not\n"
		"persistent can be merged from, and goes at the end. What needs a QEMU that runs\n"
		"is refused.\n"
		"\n"
		"Options:\n"
		"      --node NODE=IMAGE  the image of the node or device of that name; repeated\n" TOOL_HELP_EDIT
		"\n"
		"With --output=json, and without --dry-run, the output is QMP's: a return for\n"
		"each command, or one error.\n"
		"\n"
		"Examples:\n"
		"  qcow2bm apply --node vda=disk.qcow2 transaction.json\n"
		"  qcow2bm apply -n --node vda=a.qcow2 --node vdb=b.qcow2 - <commands\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
