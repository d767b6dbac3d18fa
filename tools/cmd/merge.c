/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm merge: OR the bits of bitmaps into one. */
#include "../term/match.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "../term/operand.h"
#include "../term/size.h"
#include "several.h"

#include <stdlib.h>
#include <string.h>

enum { INTO = TOOL_OPT_OWN, CREATE, ENABLE, MATCH };

struct merge {
	struct tool_several several;
	struct tool_session *session; /* of the image at hand */
	int count;
	char **names; /* of the SOURCEs */
	const char *into;
	bool create;
	bool enable;
	uint64_t granularity_bytes; /* 0: that of the first source */
	char **source_files;        /* none: the image itself */
	size_t source_files_count;
	struct tool_match match;
	/* Of the image whose sources are staged: */
	const char *filename;
	struct qcow2bm_image *source; /* NULL: the session's own */
	const struct tool_operand *target;
};

static const struct qcow2bm_image *source_image(const struct merge *merge,
						const struct qcow2bm_image *source)
{
	return source != NULL ? source : merge->session->image;
}

/* The first source of an image: of this name, or, where it is NULL, that a pattern fits. */
static size_t find_source(const struct merge *merge, const struct qcow2bm_image *image,
			  const char *name)
{
	struct tool_operand operand;
	for (size_t i = 0; name == NULL && i < qcow2bm_bitmap_count(image); i++) {
		const struct qcow2bm_bitmap *entry = qcow2bm_bitmap_describe(image, i);
		if (tool_match_has(&merge->match, entry->name, entry->name_bytes))
			return i;
	}
	if (name == NULL)
		return QCOW2BM_NOT_FOUND;
	tool_operand_resolve(&operand, image, name);
	size_t idx = operand.idx;
	tool_operand_free(&operand);
	return idx;
}

/* The granularity of the first source; of the image's default when it is not there, which
 * staging the merge will complain of. */
static unsigned choose_granularity(const struct merge *merge,
				   const struct qcow2bm_image *source, const char *name)
{
	if (merge->granularity_bytes != 0)
		return tool_size_log2(merge->granularity_bytes);
	size_t idx = find_source(merge, source, name);
	return idx == QCOW2BM_NOT_FOUND
		       ? qcow2bm_image_default_granularity_bits(merge->session->image)
		       : qcow2bm_bitmap_describe(source, idx)->granularity_bits;
}

/* The target: a new bitmap, whose name is taken as it stands, or one that is there. */
static int stage_target(struct merge *merge, const struct qcow2bm_image *first_source,
			const char *first_name, struct tool_operand *target)
{
	tool_operand_resolve(target, merge->session->image, merge->into);
	if (!merge->create)
		return target->idx != QCOW2BM_NOT_FOUND
			       ? TOOL_EXIT_DONE
			       : tool_missing_bitmap(merge->session->filename,
						     merge->session->image, merge->into);
	target->count = strlen(merge->into);
	memcpy(target->bytes, merge->into, target->count);
	unsigned bits = choose_granularity(merge, first_source, first_name);
	struct qcow2bm_error err = {0};
	if (qcow2bm_edit_add(merge->session->edit, target->bytes, target->count, bits,
			     merge->enable, &err) == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	return tool_session_refuse(merge->session, "add", target->bytes, target->count,
				   &err);
}

static enum qcow2bm_code stage_merge(const struct merge *merge, const char *name,
				     size_t name_bytes, struct qcow2bm_error *err)
{
	return qcow2bm_edit_merge(merge->session->edit, merge->target->bytes,
				  merge->target->count, merge->source, name, name_bytes,
				  err);
}

/* EINVAL: the target and the source do not fit each other. */
static int refuse(const struct merge *merge, const char *name, size_t name_bytes,
		  const struct qcow2bm_error *err)
{
	const struct tool_operand *target = merge->target;
	bool is_source = merge->source != NULL && err->code != QCOW2BM_EINVAL &&
			 qcow2bm_edit_merge(merge->session->edit, target->bytes,
					    target->count, NULL, target->bytes,
					    target->count, NULL) == QCOW2BM_OK;
	return tool_session_refuse_in(is_source ? merge->filename
						: merge->session->filename,
				      "merge", name, name_bytes, err);
}

static int stage_name(struct merge *merge, const char *name)
{
	struct tool_operand source;
	struct qcow2bm_error err = {0};
	const struct qcow2bm_image *image = source_image(merge, merge->source);
	int status = TOOL_EXIT_DONE;
	tool_operand_resolve(&source, image, name);
	enum qcow2bm_code code = stage_merge(merge, source.bytes, source.count, &err);
	if (code == QCOW2BM_ENOTFOUND)
		status = tool_missing_bitmap(merge->filename, image, name);
	else if (code != QCOW2BM_OK)
		status = refuse(merge, source.bytes, source.count, &err);
	tool_operand_free(&source);
	return status;
}

/* What is merged into is itself no source, though the pattern fits. */
static int stage_match(void *opaque, const struct qcow2bm_image *image, size_t idx)
{
	struct merge *merge = opaque;
	struct qcow2bm_bitmap entry = *qcow2bm_bitmap_describe(image, idx);
	struct qcow2bm_error err = {0};
	if ((merge->source == NULL && idx == merge->target->idx) ||
	    stage_merge(merge, entry.name, entry.name_bytes, &err) == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	return refuse(merge, entry.name, entry.name_bytes, &err);
}

/* Those of one image. */
static int stage_sources(struct merge *merge)
{
	int status = TOOL_EXIT_DONE;
	for (int i = 0; i < merge->count && status == TOOL_EXIT_DONE; i++)
		status = stage_name(merge, merge->names[i]);
	return status == TOOL_EXIT_DONE
		       ? tool_match_each(&merge->match, merge->filename,
					 source_image(merge, merge->source), stage_match,
					 merge)
		       : status;
}

static int open_sources(struct merge *merge, struct qcow2bm_image **images)
{
	for (size_t i = 0; i < merge->source_files_count; i++) {
		struct qcow2bm_error err = {0};
		const char *filename = merge->source_files[i];
		if (tool_session_try_open_source(merge->session, filename, &images[i],
						 &err) != QCOW2BM_OK)
			return tool_message_fail(filename, &err);
	}
	return TOOL_EXIT_DONE;
}

static int stage(void *opaque, struct tool_session *session)
{
	struct merge *merge = opaque;
	size_t places = merge->source_files_count != 0 ? merge->source_files_count : 1;
	struct qcow2bm_image **images =
		tool_memory_zeroed(places, sizeof(struct qcow2bm_image *));
	struct tool_operand target = {0};
	merge->session = session;
	int status = open_sources(merge, images);
	if (status == TOOL_EXIT_DONE)
		status =
			stage_target(merge, source_image(merge, images[0]),
				     merge->count != 0 ? merge->names[0] : NULL, &target);
	merge->target = &target;
	for (size_t i = 0; i < places && status == TOOL_EXIT_DONE; i++) {
		merge->source = images[i];
		merge->filename =
			images[i] != NULL ? merge->source_files[i] : session->filename;
		status = stage_sources(merge);
	}
	tool_operand_free(&target);
	free(images);
	return status;
}

/* Returns TOOL_OPTIONS_GO_ON or the status to exit with. */
static int check_usage(const struct merge *merge)
{
	if (merge->into == NULL)
		return tool_message_usage(&tool_cmd_merge, "option --into is missing");
	if (!merge->create && merge->granularity_bytes != 0)
		return tool_message_usage(&tool_cmd_merge,
					  "option -g is for --create only");
	if (!merge->create && merge->enable)
		return tool_message_usage(&tool_cmd_merge,
					  "option --enable is for --create only");
	if (merge->count < 0 || (merge->count == 0 && merge->match.count == 0))
		return tool_message_usage(&tool_cmd_merge,
					  "operands IMAGE and SOURCE... are wanted");
	return TOOL_OPTIONS_GO_ON;
}

static int take_option(struct merge *merge, int opt, char **argv)
{
	switch (opt) {
	case INTO:
		merge->into = optarg;
		break;
	case CREATE:
		merge->create = true;
		break;
	case ENABLE:
		merge->enable = true;
		break;
	case MATCH:
		tool_match_add(&merge->match, optarg);
		break;
	case 'b':
		merge->source_files[merge->source_files_count++] = optarg;
		break;
	case 'g':
		return tool_session_take_granularity(&tool_cmd_merge,
						     &merge->granularity_bytes);
	default:
		return tool_several_take(&merge->several, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"into", required_argument, NULL, INTO},
		{"create", no_argument, NULL, CREATE},
		{"enable", no_argument, NULL, ENABLE},
		{"match", required_argument, NULL, MATCH},
		{"source-file", required_argument, NULL, 'b'},
		{"granularity", required_argument, NULL, 'g'},
		TOOL_SEVERAL_OPTIONS,
		TOOL_OPTIONS_EDIT,
	};
	struct merge merge = {.into = NULL};
	merge.several = (struct tool_several){.options = {.command = &tool_cmd_merge},
					      .stage = stage,
					      .opaque = &merge};
	merge.source_files = tool_memory_zeroed((size_t)argc, sizeof(char *));
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv,
				  TOOL_OPTIONS_EDIT_LETTERS TOOL_SEVERAL_LETTERS "b:g:",
				  long_options, NULL)) != -1)
		status = take_option(&merge, opt, argv);
	int images = tool_several_operands(&merge.several);
	merge.count = argc - optind - images;
	merge.names = argv + optind + images;
	if (status == TOOL_OPTIONS_GO_ON)
		status = check_usage(&merge);
	merge.several.sources = merge.source_files;
	merge.several.source_count = merge.source_files_count;
	if (status == TOOL_OPTIONS_GO_ON)
		status = tool_several_run(&merge.several, argv + optind);
	else
		free(merge.several.images);
	free(merge.source_files);
	tool_match_free(&merge.match);
	return status;
}

const struct tool_command tool_cmd_merge = {
	.name = "merge",
	.synopsis = "[OPTION]... --into NAME IMAGE [SOURCE]...",
	.summary = "Merge bitmaps into one",
	.help = "What is dirty in any SOURCE becomes dirty in NAME; the SOURCEs stay as they are.\n"
		"Granularities may differ: then every byte that is dirty in a source is dirty in NAME.\n"
		"\n"
		"Options:\n"
		"      --into NAME        the bitmap that is merged into\n"
		"      --create           NAME is new: it gets the granularity of the first SOURCE\n"
		"                         and does not record\n"
		"      --enable           with --create: NAME records\n"
		"  -g, --granularity SIZE  with --create: bytes of the disk per bit, 512 to 2G\n"
		"      --match GLOB       also SOURCEs whose name, as `list` shows it, matches, without\n"
		"                         NAME itself; repeatable. * ? [abc] as in a shell\n"
		"  -b, --source-file FILE  the SOURCEs are in this image; repeated: every SOURCE is\n"
		"                         taken from each FILE\n" TOOL_HELP_SEVERAL
		"\n" TOOL_HELP_NAMES "\n"
		"Examples:\n"
		"  qcow2bm merge --into chk-1 disk.qcow2 chk-2 chk-3\n"
		"  qcow2bm merge --create --into sum -b base.qcow2 -b top.qcow2 top.qcow2 chk-1\n"
		"\n" TOOL_HELP_EDIT_EXITS,
	.run = run,
};
