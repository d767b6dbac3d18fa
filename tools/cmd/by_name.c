/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Editing commands that do one thing to each bitmap that is named. */
#include "by_name.h"

#include "../term/message.h"

#include <stdlib.h>

struct by_name {
	struct tool_several several;
	tool_by_name_fn *fn;
	int count;
	char **names;
	struct tool_match match;
	struct tool_session *session; /* of the image at hand */
};

static int stage_name(const struct by_name *by_name, struct tool_session *session,
		      const char *name)
{
	struct tool_operand operand;
	struct qcow2bm_error err = {0};
	int status = TOOL_EXIT_DONE;
	tool_operand_resolve(&operand, session->image, name);
	if (by_name->fn(session->edit, operand.bytes, operand.count, &err) != QCOW2BM_OK)
		status = tool_session_refuse_operand(
			session, session->options.command->name, name, &operand, &err);
	tool_operand_free(&operand);
	return status;
}

static int stage_match(void *opaque, const struct qcow2bm_image *image, size_t idx)
{
	const struct by_name *by_name = opaque;
	const struct tool_session *session = by_name->session;
	struct qcow2bm_bitmap entry = *qcow2bm_bitmap_describe(image, idx);
	struct qcow2bm_error err = {0};
	if (by_name->fn(session->edit, entry.name, entry.name_bytes, &err) == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	return tool_session_refuse(session, session->options.command->name, entry.name,
				   entry.name_bytes, &err);
}

static int stage(void *opaque, struct tool_session *session)
{
	struct by_name *by_name = opaque;
	int status = TOOL_EXIT_DONE;
	by_name->session = session;
	for (int i = 0; i < by_name->count && status == TOOL_EXIT_DONE; i++)
		status = stage_name(by_name, session, by_name->names[i]);
	return status == TOOL_EXIT_DONE
		       ? tool_match_each(&by_name->match, session->filename,
					 session->image, stage_match, by_name)
		       : status;
}

static int take_options(struct by_name *by_name, int argc, char **argv)
{
	enum { MATCH = TOOL_OPT_OWN };
	static const struct option long_options[] = {
		{"match", required_argument, NULL, MATCH},
		TOOL_SEVERAL_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_EDIT_LETTERS TOOL_SEVERAL_LETTERS,
				  long_options, NULL)) != -1)
		if (opt == MATCH)
			tool_match_add(&by_name->match, optarg);
		else
			status = tool_several_take(&by_name->several, opt, argv);
	return status;
}

int tool_by_name_run(const struct tool_command *command, int argc, char **argv,
		     tool_by_name_fn *fn)
{
	struct by_name by_name = {.fn = fn};
	by_name.several = (struct tool_several){
		.options = {.command = command}, .stage = stage, .opaque = &by_name};
	int status = take_options(&by_name, argc, argv);
	int images = tool_several_operands(&by_name.several);
	by_name.count = argc - optind - images;
	by_name.names = argv + optind + images;
	if (status == TOOL_OPTIONS_GO_ON &&
	    (by_name.count < 0 || (by_name.count == 0 && by_name.match.count == 0)))
		status = tool_message_usage(
			command, images == 0 ? "operand NAME... or --match is wanted"
					     : "operands IMAGE and NAME... are wanted");
	if (status == TOOL_OPTIONS_GO_ON)
		status = tool_several_run(&by_name.several, argv + optind);
	else
		free(by_name.several.images);
	tool_match_free(&by_name.match);
	return status;
}
