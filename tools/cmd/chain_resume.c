/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm chain resume: finish an edit of several images that was cut off, or take it back. */
#define _POSIX_C_SOURCE 200809L
#include "../term/message.h"
#include "chain.h"
#include "resume.h"

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"dry-run", no_argument, NULL, 'n'},
		TOOL_OPTIONS_COMMON,
		{NULL, 0, NULL, 0},
	};
	struct tool_resume resume = {.options = {.command = &tool_chain_resume}};
	int opt;
	while ((opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS, long_options,
				  NULL)) != -1) {
		int status = tool_options_take(&resume.options, opt, argv);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
	}
	if (argc - optind != 1)
		return tool_message_usage(&tool_chain_resume, "one FILE is wanted");
	resume.filename = argv[optind];
	int status = tool_resume_run(&resume);
	return status == TOOL_EXIT_DONE ? tool_resume_report(&resume) : status;
}

const struct tool_command tool_chain_resume = {
	.name = "chain resume",
	.synopsis = "[OPTION]... FILE",
	.summary = "Finish an edit of several images that was cut off",
	.help = "FILE is the .NAME.qcow2bm-intent that the edit left beside its first image. It says\n"
		"what each image had and was to have. The edit is finished in all images, where it\n"
		"is proven that this is still right; else it is taken back in all; then FILE is\n"
		"removed. It is refused when an image was changed since. Cut off itself, the same\n"
		"command gets through. FILE says which images to open: its owner is trusted. The\n"
		"command that was cut off does the same, typed again in the same folder.\n"
		"\n"
		"Options:\n"
		"  -n, --dry-run          say what would be done and change nothing\n"
		"      --output FORMAT    human (default) or json\n"
		"      --color WHEN       auto (default: on a terminal), always or never\n"
		"      --no-lock          take no locks: you vouch that nobody has an image open\n"
		"      --wait SECONDS     retry for so long while an image is busy (default: fail)\n"
		"  -q, --quiet            no report and no warnings\n"
		"  -h, --help             show this text\n"
		"\n"
		"Examples:\n"
		"  qcow2bm chain resume .disk.qcow2.qcow2bm-intent\n"
		"\n"
		"Exit status: 0 done, 1 refused or failed and the images are as they were, 4 a write\n"
		"failed on the way (do it again), 5 done but clusters leaked or the report is lost,\n"
		"6 busy, 64 usage, 128+n interrupted by signal n and the images are as they were.\n",
	.run = run,
};
