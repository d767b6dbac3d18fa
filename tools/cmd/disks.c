/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disks that a chain command is about: their layers and the order of their checkpoints. */
#define _POSIX_C_SOURCE 200809L

#include "disks.h"

#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "../term/name.h"
#include "../term/watch.h"
#include "cut_off.h"
#include "layers.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

static int take_scheme(struct tool_disks *disks)
{
	bool is_delta = strcmp(optarg, "delta") == 0;
	if (!is_delta && strcmp(optarg, "nested") != 0)
		return tool_message_usage(disks->options.command,
					  "option --scheme: '%s' is not nested or delta",
					  optarg);
	disks->scheme = is_delta ? QCOW2BM_SCHEME_DELTA : QCOW2BM_SCHEME_NESTED;
	return TOOL_OPTIONS_GO_ON;
}

static void take_order(struct tool_disks *disks)
{
	char *rest = tool_memory_copy(optarg, strlen(optarg));
	disks->given =
		tool_memory_resize(disks->given, strlen(optarg) + 1, sizeof(char *));
	disks->given_count = 0;
	/* The first holds the memory of all. */
	for (char *name = rest; name != NULL; name = rest) {
		rest = strchr(name, ',');
		if (rest != NULL)
			*rest++ = '\0';
		disks->given[disks->given_count++] = name;
	}
}

int tool_disks_take(struct tool_disks *disks, int opt, char **argv)
{
	switch (opt) {
	case 'c':
		disks->names = tool_memory_resize(disks->names, disks->name_count + 1,
						  sizeof(char *));
		disks->names[disks->name_count++] = optarg;
		break;
	case TOOL_DISKS_SCHEME:
		return take_scheme(disks);
	case TOOL_DISKS_ORDER:
		take_order(disks);
		break;
	default:
		return tool_options_take(&disks->options, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

int tool_disks_check_cut_off(const struct tool_disks *disks,
			     const struct qcow2bm_chain *chain)
{
	int status = TOOL_EXIT_DONE;
	for (size_t k = 0;
	     status == TOOL_EXIT_DONE && k < qcow2bm_chain_layer_count(chain); k++)
		status = tool_cut_off_check(&disks->options,
					    qcow2bm_chain_layer(chain, k)->filename, NULL,
					    disks->is_editing);
	return status;
}

static void begin_watch(struct tool_watch *watch, const struct tool_disks *disks)
{
	tool_watch_continue(watch, &disks->options, &disks->progress);
	if (disks->is_editing) /* the edit has a line of its own */
		watch->progress = (struct tool_progress){.wanted = false};
}

/* What changed since each may have to be read for it. */
static int find_order(struct tool_disks *disks, struct tool_disk *disk, size_t all)
{
	struct tool_watch watch;
	const struct qcow2bm_order_options options = {
		.size = sizeof(options),
		.scheme = disks->scheme,
		.names = (const char *const *)disks->given,
		.name_count = disks->given_count,
		.watch = &watch.watch,
	};
	begin_watch(&watch, disks);
	tool_watch_part(&watch, disks->count - 1, 2 * (uint64_t)all);
	enum qcow2bm_code code =
		qcow2bm_chain_find_order(disk->chain, &options, &disk->order, &disk->err);
	int signal_number = tool_watch_leave(&watch);
	disks->progress = watch.progress;
	return tool_watch_status(disk->filename, code, signal_number, &disk->err);
}

static int open_disk(struct tool_disks *disks, struct tool_disk *disk, size_t all)
{
	unsigned flags =
		disks->is_editing && !disks->options.dry_run ? TOOL_LAYERS_EDIT : 0u;
	if (tool_layers_try_open(&disk->chain, &disks->options, disk->filename, "qcow2",
				 flags, &disk->err) != QCOW2BM_OK)
		return tool_message_fail(disk->filename, &disk->err);
	/* What it left may be half of what was meant: nothing is to be believed or built on. */
	int status = tool_disks_check_cut_off(disks, disk->chain);
	return status == TOOL_EXIT_DONE ? find_order(disks, disk, all) : status;
}

/* Whether a file is a layer of the disk. */
static bool has_layer(const struct tool_disk *disk, const char *filename)
{
	for (size_t k = 0;
	     disk->chain != NULL && k < qcow2bm_chain_layer_count(disk->chain); k++)
		if (tool_session_is_same_file(
			    qcow2bm_chain_layer(disk->chain, k)->filename, filename))
			return true;
	return false;
}

/* An image that is edited is no layer of another disk: one edit would not know of the other. */
static int check_apart(const struct tool_disks *disks, const struct tool_disk *disk)
{
	for (const struct tool_disk *other = disks->list;
	     disks->is_editing && other != disk; other++) {
		if (!has_layer(other, disk->filename) &&
		    !has_layer(disk, other->filename))
			continue;
		tool_message(
			disk->filename,
			"it is the same disk as '%s', or one is a layer of the other: "
			"name each disk once",
			other->filename);
		return TOOL_EXIT_FAILED;
	}
	return TOOL_EXIT_DONE;
}

int tool_disks_fail(struct tool_disks *disks, struct tool_disk *disk, int status)
{
	if (!disks->is_report || !disks->images.is_several || status == TOOL_EXIT_DONE ||
	    status > TOOL_EXIT_SIGNAL)
		return status;
	qcow2bm_chain_close(disk->chain);
	disk->chain = NULL;
	disks->status = tool_exit_worse(disks->status, status);
	return TOOL_EXIT_DONE;
}

int tool_disks_open(struct tool_disks *disks, int count, char **filenames)
{
	if (count == 0)
		return tool_message_usage(disks->options.command,
					  "operand IMAGE is missing");
	disks->list = tool_memory_zeroed((size_t)count, sizeof(*disks->list));
	int status = TOOL_EXIT_DONE;
	for (int i = 0; i < count && status == TOOL_EXIT_DONE; i++) {
		struct tool_disk *disk = &disks->list[disks->count++];
		disk->filename = filenames[i];
		/* Once before it is opened, where its own locks would be in the way. */
		status = check_apart(disks, disk);
		if (status == TOOL_EXIT_DONE)
			status = open_disk(disks, disk, (size_t)count);
		if (status == TOOL_EXIT_DONE)
			status = check_apart(disks, disk);
		status = tool_disks_fail(disks, disk, status);
	}
	return status;
}

int tool_disks_open_all(struct tool_disks *disks, int count, char **operands)
{
	int status = tool_image_names_take(&disks->images, count, operands);
	return status == TOOL_EXIT_DONE ? tool_disks_open(disks, (int)disks->images.count,
							  disks->images.list)
					: status;
}

size_t tool_disks_look_up(const struct tool_disk *disk, const char *name)
{
	char *bytes = tool_memory_copy(name, strlen(name));
	size_t idx =
		qcow2bm_chain_find(disk->chain, bytes, tool_name_unescape(name, bytes));
	free(bytes);
	if (idx == QCOW2BM_NOT_FOUND)
		idx = qcow2bm_chain_find(disk->chain, name, strlen(name));
	return idx;
}

int tool_disks_find(const struct tool_disk *disk, const char *name, size_t *idx)
{
	*idx = tool_disks_look_up(disk, name);
	if (*idx != QCOW2BM_NOT_FOUND)
		return TOOL_EXIT_DONE;
	return tool_missing_checkpoint(disk->filename, disk->chain, name);
}

/* Verifies `disks`, without those that failed. */
static enum qcow2bm_code verify(const struct tool_disk *disks, size_t disk_count,
				struct qcow2bm_findings **findings,
				const struct qcow2bm_watch *watch,
				struct qcow2bm_error *err)
{
	size_t count = 0;
	struct qcow2bm_chain **chains =
		tool_memory_zeroed(disk_count + 1, sizeof(struct qcow2bm_chain *));
	for (size_t i = 0; i < disk_count; i++)
		if (disks[i].chain != NULL)
			chains[count++] = disks[i].chain;
	enum qcow2bm_code code = QCOW2BM_OK;
	*findings = NULL;
	if (count != 0)
		code = qcow2bm_chain_verify(chains, count, findings, watch, err);
	free(chains);
	return code;
}

/* One that cannot be read to its end lets none of them be verified: found by looking at each alone. */
static int leave_out_unreadable(struct tool_disks *disks,
				const struct qcow2bm_watch *watch)
{
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < disks->count && status == TOOL_EXIT_DONE; i++) {
		struct tool_disk *disk = &disks->list[i];
		struct qcow2bm_findings *findings;
		enum qcow2bm_code code = verify(disk, 1, &findings, watch, &disk->err);
		qcow2bm_findings_free(findings);
		if (code == QCOW2BM_EINTERRUPTED)
			return status;
		if (code != QCOW2BM_OK)
			status = tool_disks_fail(
				disks, disk,
				tool_message_fail(disk->filename, &disk->err));
	}
	return status;
}

int tool_disks_verify(struct tool_disks *disks, struct qcow2bm_findings **findings)
{
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	int status = TOOL_EXIT_DONE;
	begin_watch(&watch, disks);
	tool_watch_part(&watch, 1, 2);
	enum qcow2bm_code code =
		verify(disks->list, disks->count, findings, &watch.watch, &err);
	if (code != QCOW2BM_OK && code != QCOW2BM_EINTERRUPTED && disks->is_report &&
	    disks->images.is_several) {
		status = leave_out_unreadable(disks, &watch.watch);
		code = verify(disks->list, disks->count, findings, &watch.watch, &err);
	}
	int signal_number = tool_watch_leave(&watch);
	return status != TOOL_EXIT_DONE ? status
					: tool_watch_status(disks->list[0].filename, code,
							    signal_number, &err);
}

void tool_disks_close_images(struct tool_disks *disks)
{
	for (size_t i = 0; i < disks->count; i++)
		qcow2bm_chain_close(disks->list[i].chain);
	free(disks->list);
	disks->list = NULL;
	disks->count = 0;
}

void tool_disks_close(struct tool_disks *disks)
{
	tool_disks_close_images(disks);
	free(disks->names);
	if (disks->given != NULL)
		free(disks->given[0]);
	free(disks->given);
	tool_image_names_free(&disks->images);
}
