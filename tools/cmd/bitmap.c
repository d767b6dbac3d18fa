/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm bitmap: takes what `qemu-img bitmap` takes and does the same, as one session. */
#include "../term/image_opts.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/name.h"
#include "../term/size.h"
#include "finish.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
	ADD = TOOL_OPT_OWN,
	REMOVE,
	REMOVE_ALL,
	CLEAR,
	ENABLE,
	DISABLE,
	MERGE,
	IMAGE_OPTS,
	OBJECT
};

struct action {
	int what;           /* ADD .. MERGE */
	const char *source; /* MERGE: the other bitmap */
};

struct bitmap {
	struct tool_session session;
	struct action *actions; /* in the order of the command line */
	size_t action_count;
	bool named; /* some action needs the operand BITMAP */
	bool adds, merges;
	const char *granularity_text;
	uint64_t granularity_bytes; /* 0: the image's default */
	const char *format;
	const char *source_filename, *source_format;
	bool image_opts;
	const char *name;
	struct qcow2bm_image *source_image; /* NULL: the image of the edit */
};

static const char *action_word(const struct action *action)
{
	static const char *const words[] = {
		[ADD - TOOL_OPT_OWN] = "add",
		[REMOVE - TOOL_OPT_OWN] = "remove",
		[CLEAR - TOOL_OPT_OWN] = "clear",
		[REMOVE_ALL - TOOL_OPT_OWN] = "remove-all",
		[ENABLE - TOOL_OPT_OWN] = "enable",
		[DISABLE - TOOL_OPT_OWN] = "disable",
		[MERGE - TOOL_OPT_OWN] = "merge",
	};
	return words[action->what - TOOL_OPT_OWN];
}

/* Callers of qemu-img look for its phrases: "Operation add on bitmap A failed: Bitmap ...". */
static void complain(const struct bitmap *bitmap, const struct action *action,
		     const char *sentence)
{
	const char *name = bitmap->name != NULL ? bitmap->name : "";
	char *shown = tool_name_escape(name, strlen(name), TOOL_NAME_HUMAN);
	tool_message(bitmap->session.filename, "Operation %s on bitmap %s failed: %c%s",
		     action_word(action), shown, toupper((unsigned char)sentence[0]),
		     sentence + 1);
	free(shown);
}

static int could_not_open(const char *filename, const struct qcow2bm_error *err)
{
	char *sentence = tool_message_sentence(err);
	tool_message(NULL, "Could not open '%s': %s", filename, sentence);
	free(sentence);
	return tool_message_status(err->code);
}

/* Deletes what the directory holds, less what was removed before, and what was added before. */
static enum qcow2bm_code remove_all(const struct bitmap *bitmap,
				    struct qcow2bm_error *err)
{
	for (size_t i = 0; i <= qcow2bm_bitmap_count(bitmap->session.image); i++) {
		struct qcow2bm_bitmap entry = {.name = bitmap->name};
		if (i < qcow2bm_bitmap_count(bitmap->session.image))
			entry = *qcow2bm_bitmap_describe(bitmap->session.image, i);
		else if (bitmap->name != NULL)
			entry.name_bytes = strlen(bitmap->name);
		else
			break;
		struct qcow2bm_error found = {0};
		enum qcow2bm_code code = qcow2bm_edit_delete(
			bitmap->session.edit, entry.name, entry.name_bytes, &found);
		if (code == QCOW2BM_OK || code == QCOW2BM_ENOTFOUND)
			continue;
		*err = found;
		return code;
	}
	return QCOW2BM_OK;
}

/* One action of the command line, in their order. */
static enum qcow2bm_code stage_action(const struct bitmap *bitmap,
				      const struct action *action,
				      struct qcow2bm_error *err)
{
	struct qcow2bm_edit *edit = bitmap->session.edit;
	const char *name = bitmap->name;
	size_t name_bytes = name != NULL ? strlen(name) : 0;
	unsigned bits = qcow2bm_image_default_granularity_bits(bitmap->session.image);
	if (bitmap->granularity_bytes != 0)
		bits = tool_size_log2(bitmap->granularity_bytes);
	switch (action->what) {
	case ADD:
		return qcow2bm_edit_add(edit, name, name_bytes, bits, true, err);
	case REMOVE:
		return qcow2bm_edit_delete(edit, name, name_bytes, err);
	case CLEAR:
		return qcow2bm_edit_clear(edit, name, name_bytes, err);
	case ENABLE:
		return qcow2bm_edit_enable(edit, name, name_bytes, err);
	case DISABLE:
		return qcow2bm_edit_disable(edit, name, name_bytes, err);
	case MERGE:
		return qcow2bm_edit_merge(edit, name, name_bytes, bitmap->source_image,
					  action->source, strlen(action->source), err);
	default:
		return remove_all(bitmap, err);
	}
}

/* Stages all actions; the first that fails is named as qemu-img names it. */
static int stage(const struct bitmap *bitmap)
{
	for (size_t i = 0; i < bitmap->action_count; i++) {
		const struct action *action = &bitmap->actions[i];
		struct qcow2bm_error err = {0};
		if (action->what == ADD && bitmap->granularity_bytes != 0 &&
		    !tool_session_is_granularity(bitmap->granularity_bytes)) {
			complain(
				bitmap, action,
				"granularity must be power of 2 and at least 512, at most 2G");
			return TOOL_EXIT_FAILED;
		}
		if (stage_action(bitmap, action, &err) == QCOW2BM_OK)
			continue;
		char *sentence = tool_message_sentence(&err);
		complain(bitmap, action, sentence);
		free(sentence);
		return tool_message_status(err.code);
	}
	return TOOL_EXIT_DONE;
}

static int open_image(struct bitmap *bitmap, const char *filename)
{
	struct qcow2bm_error err = {0};
	if (tool_session_try_open(&bitmap->session, filename, &err) == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	if (bitmap->session.image == NULL)
		return could_not_open(filename, &err);
	struct qcow2bm_image_info info = *qcow2bm_image_describe(bitmap->session.image);
	complain(bitmap, bitmap->actions,
		 info.version == 2 ? "cannot store dirty bitmaps in qcow2 v2 files"
				   : err.sentence);
	return tool_message_status(err.code);
}

/* Opens the image that -b names. */
static int open_source(struct bitmap *bitmap)
{
	if (bitmap->source_filename == NULL)
		return TOOL_EXIT_DONE;
	char problem[TOOL_IMAGE_OPTS_PROBLEM];
	char *path = tool_image_opts_resolve(bitmap->source_filename, false, problem);
	if (path == NULL) {
		tool_message(NULL, "Could not open '%s': %s", bitmap->source_filename,
			     problem);
		return TOOL_EXIT_FAILED;
	}
	int status = TOOL_EXIT_DONE;
	struct qcow2bm_error err = {0};
	if (tool_session_try_open_source(&bitmap->session, path, &bitmap->source_image,
					 &err) != QCOW2BM_OK)
		status = could_not_open(path, &err);
	free(path);
	return status;
}

/* One edit for all actions: all are done or none. */
static int edit_image(struct bitmap *bitmap, const char *filename)
{
	char problem[TOOL_IMAGE_OPTS_PROBLEM];
	char *path = bitmap->image_opts
			     ? tool_image_opts_parse(filename, true, problem)
			     : tool_image_opts_resolve(filename, true, problem);
	if (path == NULL) {
		tool_message(NULL, "Could not open '%s': %s", filename, problem);
		return TOOL_EXIT_FAILED;
	}
	int status = open_image(bitmap, path);
	if (status == TOOL_EXIT_DONE)
		status = open_source(bitmap);
	if (status == TOOL_EXIT_DONE)
		status = stage(bitmap);
	if (status == TOOL_EXIT_DONE)
		status = tool_finish_run(&bitmap->session);
	status = tool_session_close(&bitmap->session, status);
	free(path);
	return status;
}

/* What is wrong with the options as a whole, in qemu-img's words; NULL when nothing is. */
static const char *find_fault(struct bitmap *bitmap, int operands)
{
	if (bitmap->action_count == 0)
		return "Need at least one of --add, --remove, --clear, --enable, --disable, or "
		       "--merge (or --remove-all)";
	if (operands != 2 && (operands != 1 || bitmap->named))
		return "Expecting filename and bitmap name";
	if (bitmap->granularity_text != NULL && !bitmap->adds)
		return "granularity only supported with --add";
	if (bitmap->granularity_text != NULL &&
	    !tool_size_parse(bitmap->granularity_text, &bitmap->granularity_bytes))
		return "Invalid granularity specified (option -g): digits and one of k M G T P E";
	if (bitmap->source_format != NULL && bitmap->source_filename == NULL)
		return "-F only supported with -b";
	if (bitmap->source_filename != NULL && !bitmap->merges)
		return "Merge bitmap source file only supported with --merge";
	if (bitmap->image_opts && bitmap->format != NULL)
		return "--image-opts and --format are mutually exclusive";
	return NULL;
}

/* Refuses what qemu-img refuses, in its words. */
static int run_actions(struct bitmap *bitmap, int count, char **operands)
{
	const char *fault = find_fault(bitmap, count);
	if (fault != NULL)
		return tool_message_usage(&tool_cmd_bitmap, "%s", fault);
	const char *formats[] = {bitmap->format, bitmap->source_format};
	for (int i = 0; i < 2; i++) {
		if (formats[i] == NULL || strcmp(formats[i], "qcow2") == 0)
			continue;
		tool_message(
			i == 0 ? operands[0] : bitmap->source_filename,
			"Can't store persistent bitmaps in format '%s': Operation not supported",
			formats[i]);
		return TOOL_EXIT_FAILED;
	}
	bitmap->name = count == 2 ? operands[1] : NULL;
	return edit_image(bitmap, operands[0]);
}

static void add_action(struct bitmap *bitmap, int what)
{
	bitmap->actions[bitmap->action_count++] = (struct action){what, optarg};
	bitmap->named |= what != REMOVE_ALL;
	bitmap->adds |= what == ADD;
	bitmap->merges |= what == MERGE;
}

static int take_option(struct bitmap *bitmap, int opt, char **argv)
{
	switch (opt) {
	case ADD:
	case REMOVE:
	case REMOVE_ALL:
	case CLEAR:
	case ENABLE:
	case DISABLE:
	case MERGE:
		add_action(bitmap, opt);
		break;
	case IMAGE_OPTS:
		bitmap->image_opts = true;
		break;
	case OBJECT: /* LUKS images need no key: bitmaps are not encrypted */
		break;
	case 'b':
		bitmap->source_filename = optarg;
		break;
	case 'F':
		bitmap->source_format = optarg;
		break;
	case 'f':
		bitmap->format = optarg;
		break;
	case 'g':
		bitmap->granularity_text = optarg;
		break;
	default:
		return tool_options_take(&bitmap->session.options, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"add", no_argument, NULL, ADD},
		{"remove", no_argument, NULL, REMOVE},
		{"remove-all", no_argument, NULL, REMOVE_ALL},
		{"clear", no_argument, NULL, CLEAR},
		{"enable", no_argument, NULL, ENABLE},
		{"disable", no_argument, NULL, DISABLE},
		{"merge", required_argument, NULL, MERGE},
		{"granularity", required_argument, NULL, 'g'},
		{"source-file", required_argument, NULL, 'b'},
		{"source-format", required_argument, NULL, 'F'},
		{"format", required_argument, NULL, 'f'},
		{"image-opts", no_argument, NULL, IMAGE_OPTS},
		{"object", required_argument, NULL, OBJECT},
		TOOL_OPTIONS_EDIT,
	};
	struct bitmap bitmap = {.session = {.options = {.command = &tool_cmd_bitmap}}};
	bitmap.actions = tool_memory_zeroed((size_t)argc, sizeof(struct action));
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_EDIT_LETTERS "b:F:f:g:",
				  long_options, NULL)) != -1)
		status = take_option(&bitmap, opt, argv);
	if (status == TOOL_OPTIONS_GO_ON)
		status = run_actions(&bitmap, argc - optind, argv + optind);
	free(bitmap.actions);
	/* qemu-img has one status for every failure, a mistake on the command line included. */
	return status == TOOL_EXIT_USAGE ? TOOL_EXIT_FAILED : status;
}

const struct tool_command tool_cmd_bitmap = {
	.name = "bitmap",
	.synopsis = "ACTION... [OPTION]... FILE BITMAP",
	.summary = "Do what `qemu-img bitmap` does, all actions or none",
	.help = "Takes the command line of `qemu-img bitmap`; its actions are done in order as one\n"
		"session. BITMAP and SOURCE are taken as they stand.\n"
		"\n"
		"Actions:\n"
		"      --add              add BITMAP, recording\n"
		"      --remove           delete it\n"
		"      --remove-all       delete every bitmap; alone it needs no operand BITMAP\n"
		"      --clear            make every bit clean\n"
		"      --enable           let QEMU record into it\n"
		"      --disable          stop recording\n"
		"      --merge SOURCE     OR the bits of SOURCE into it\n"
		"\n"
		"Options:\n"
		"  -g, --granularity SIZE  bytes of the disk per bit for --add\n"
		"  -b, --source-file FILE  the image that SOURCE is in\n"
		"  -F, --source-format FMT  its format: qcow2\n"
		"  -f, --format FMT       the format of FILE: qcow2\n"
		"      --image-opts       FILE is driver=qcow2,file.driver=file,file.filename=PATH,\n"
		"                         in any nesting that names a local file\n"
		"      --object DEF       accepted and not used\n" TOOL_HELP_EDIT "\n"
		"Examples:\n"
		"  qcow2bm bitmap --add -g 64k disk.qcow2 chk-1\n"
		"  qcow2bm bitmap --add --disable --merge chk-1 disk.qcow2 copy\n"
		"\n"
		"Exit status: as the other commands have, but 1 for a usage error, as qemu-img.\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
