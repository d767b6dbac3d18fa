/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain export: what changed since a checkpoint as a bitmap that qemu-nbd serves. */
#define _XOPEN_SOURCE 700
#include "../term/message.h"
#include "../term/watch.h"
#include "chain.h"
#include "disks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct export
{
	struct tool_disks disks;
	const char *as;
	const char *socket;
};

enum { AS = TOOL_DISKS_OWN, SERVE };

/* What is exported may be more than was asked for, and never less. */
static void warn_of_superset(const struct export *export, size_t idx)
{
	const struct tool_disk *disk = &export->disks.list[0];
	const struct qcow2bm_since *since;
	struct qcow2bm_error err = {0};
	if (!export->disks.options.quiet &&
	    qcow2bm_chain_explain(disk->chain, idx, &since, &err) == QCOW2BM_OK &&
	    since->is_superset)
		tool_message(disk->filename,
			     "warning: the order of the checkpoints is not known (%s): "
			     "this is what changed since the oldest of them",
			     disk->order->gap);
}

static int make(const struct export *export, const char *overlay, const char *bitmap)
{
	const struct tool_disk *disk = &export->disks.list[0];
	size_t idx;
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	int status = tool_disks_find(disk, export->disks.names[0], &idx);
	if (status != TOOL_EXIT_DONE)
		return status;
	char *path = realpath(disk->filename, NULL);
	if (path == NULL) {
		tool_message(disk->filename, "%s", strerror(errno));
		return TOOL_EXIT_FAILED;
	}
	warn_of_superset(export, idx);
	tool_watch_begin(&watch, &export->disks.options);
	enum qcow2bm_code code =
		qcow2bm_chain_export(disk->chain, idx, overlay, path, bitmap,
				     strlen(bitmap), &watch.watch, &err);
	/* A server that begins with signals blocked could not be stopped. */
	int signal_number = tool_watch_leave(&watch);
	free(path);
	if (code == QCOW2BM_OK)
		return signal_number == 0 || export->socket == NULL
			       ? TOOL_EXIT_DONE
			       : TOOL_EXIT_SIGNAL + signal_number;
	status = tool_message_fail(overlay, &err);
	return code == QCOW2BM_EINTERRUPTED ? TOOL_EXIT_SIGNAL + signal_number : status;
}

/* The server that is there already, which reads and does not write. */
static int serve(const struct export *export, const char *overlay, const char *bitmap)
{
	execlp("qemu-nbd", "qemu-nbd", "-r", "-t", "-f", "qcow2", "-B", bitmap, "-k",
	       export->socket, "--", overlay, (char *)NULL);
	tool_message(NULL, "qemu-nbd: %s", strerror(errno));
	return TOOL_EXIT_FAILED;
}

static int export_one(struct export *export, char **operands)
{
	const char *bitmap = export->as != NULL ? export->as : export->disks.names[0];
	int status = tool_disks_open(&export->disks, 1, operands);
	if (status == TOOL_EXIT_DONE)
		status = make(export, operands[1], bitmap);
	return status;
}

static int check(const struct export *export, int operands)
{
	const struct tool_command *command = &tool_chain_export;
	if (export->disks.name_count != 1)
		return tool_message_usage(command, "one checkpoint is wanted: -c NAME");
	if (operands != 2)
		return tool_message_usage(command,
					  "operands IMAGE and OVERLAY are wanted");
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"as", required_argument, NULL, AS},
		{"serve", required_argument, NULL, SERVE},
		TOOL_DISKS_OPTIONS,
		{"progress", no_argument, NULL, TOOL_OPT_PROGRESS},
		TOOL_OPTIONS_READ,
	};
	struct export export = {.disks = {.options = {.command = &tool_chain_export}}};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_READ_LETTERS TOOL_DISKS_LETTERS,
				  long_options, NULL)) != -1)
		if (opt == AS)
			export.as = optarg;
		else if (opt == SERVE)
			export.socket = optarg;
		else
			status = tool_disks_take(&export.disks, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = check(&export, argc - optind);
	if (status == TOOL_OPTIONS_GO_ON)
		status = export_one(&export, argv + optind);
	const char *bitmap = export.as != NULL || export.disks.name_count == 0
				     ? export.as
				     : export.disks.names[0];
	tool_disks_close(&export.disks);
	if (status == TOOL_EXIT_DONE && export.socket != NULL)
		status = serve(&export, argv[optind + 1], bitmap);
	return status;
}

const struct tool_command tool_chain_export = {
	.name = "chain export",
	.synopsis = "[OPTION]... -c NAME IMAGE OVERLAY",
	.summary = "Make an overlay with one bitmap for a backup program",
	.help = "OVERLAY, a new file that only its owner can read, is an empty overlay of IMAGE\n"
		"with one bitmap: what changed since checkpoint NAME, over all layers. `qemu-nbd -r\n"
		"-B NAME OVERLAY` serves it. Where layers are of different sizes, what lies behind the\n"
		"end of a smaller one below counts as changed. Refused where changes may be missing.\n"
		"\n"
		"Options:\n" TOOL_HELP_DISKS
		"      --as BITMAP        name of the bitmap, instead of NAME\n"
		"      --serve SOCKET     become qemu-nbd, which serves it on this UNIX socket\n"
		"      --progress         show progress (by itself on a terminal after a second)\n" TOOL_HELP_READ
		"\n"
		"Examples:\n"
		"  qcow2bm chain export -c chk-2026-11-08 disk.qcow2 /var/tmp/backup.qcow2\n"
		"\n" TOOL_HELP_READ_EXITS,
	.run = run,
};
