/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm libvirt check: whether checkpoints and bitmaps of a domain agree. */
#include "../report/libvirt.h"
#include "../term/message.h"
#include "../term/output.h"
#include "libvirt.h"
#include "libvirt_open.h"

static int print(const struct tool_libvirt *libvirt)
{
	struct tool_flaws flaws;
	tool_flaws_find(&flaws, &libvirt->world);
	const struct tool_libvirt_report report = {libvirt->domain_name, &libvirt->world,
						   &flaws};
	struct tool_text text = {0};
	int status;
	if (libvirt->disks.options.json) {
		status = tool_output_json(tool_libvirt_json(&report));
	} else {
		tool_libvirt_human(&text, &report);
		status = tool_output_text(&text);
	}
	if (status == TOOL_EXIT_DONE && tool_flaws_has_problems(&flaws))
		status = TOOL_EXIT_PROBLEMS;
	tool_flaws_free(&flaws);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		TOOL_LIBVIRT_OPTIONS,
		TOOL_OPTIONS_READ,
	};
	struct tool_libvirt libvirt = {
		.disks = {.options = {.command = &tool_libvirt_check}}};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS, long_options,
				  NULL)) != -1)
		status = tool_libvirt_take(&libvirt, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON) {
		status = tool_libvirt_open(&libvirt, argc - optind,
					   libvirt.checkpoints != NULL);
		if (status == TOOL_EXIT_DONE)
			status = print(&libvirt);
	}
	tool_libvirt_close(&libvirt);
	return status;
}

const struct tool_command tool_libvirt_check = {
	.name = "libvirt check",
	.synopsis = "[OPTION]... --domain NAME",
	.summary = "Tell whether checkpoints and bitmaps agree, and what helps",
	.help = "Holds the files of a domain's checkpoints against the bitmaps in all layers of its\n"
		"disks: what libvirt would pass over when it starts, files, names and parents that\n"
		"contradict each other, checkpoints without a bitmap, bitmaps without a checkpoint.\n"
		"Each finding has a code, which stays, and a command that helps. Of a domain's XML\n"
		"nothing is shown but targets and paths of disks. The layers are those that libvirt\n"
		"uses: where the XML names another base than the image, the XML counts.\n"
		"\n"
		"Options:\n" TOOL_HELP_LIBVIRT
		"      --output FORMAT    human (default) or json\n" TOOL_HELP_READ "\n"
		"Examples:\n"
		"  qcow2bm libvirt check --domain vm\n"
		"  qcow2bm libvirt check --checkpoints DIR --disk vda=disk.qcow2\n"
		"\n"
		"Exit status: 0 they agree, 1 failed, 2 problems (errors or warnings), 6 busy,\n"
		"64 usage.\n",
	.run = run,
};
