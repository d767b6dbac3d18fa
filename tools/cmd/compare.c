/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm compare: whether two disks hold the same, as `qemu-img compare` tells, and where not. */
#define _POSIX_C_SOURCE 200809L

#include "../report/extents.h"
#include "../term/message.h"
#include "../term/output.h"
#include "../term/watch.h"
#include "compare_side.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct compare {
	struct tool_options options;
	struct tool_compare_side sides[2];
	struct tool_compare_opening opening;
	bool all; /* print all ranges */
	struct tool_watch watch;
	const struct qcow2bm_comparison *result;
};

/* The side that disk `idx` of the result is: of a disk and a manifest the disk comes first there. */
static const struct tool_compare_side *side_of(const struct compare *compare, size_t idx)
{
	bool are_swapped = compare->sides[0].manifest != NULL;
	return &compare->sides[are_swapped ? 1 - idx : idx];
}

/* What qemu-img says of a failure, and what is known besides. */
static int tell_failure(const struct compare *compare, const struct qcow2bm_error *err)
{
	const struct qcow2bm_comparison *result = compare->result;
	if (result == NULL || result->failed_disk == QCOW2BM_NOT_FOUND) {
		tool_message_fail(NULL, err);
		return TOOL_COMPARE_CANNOT_OPEN;
	}
	const char *filename = side_of(compare, result->failed_disk)->filename;
	char *sentence = tool_message_sentence(err);
	if (result->failed_reading)
		tool_message(NULL, "Error while reading offset %" PRIu64 " of %s: %s",
			     result->failed_at, filename, sentence);
	else
		tool_message(NULL, "Sector allocation test failed for %s: %s", filename,
			     sentence);
	free(sentence);
	return result->failed_reading ? TOOL_COMPARE_CANNOT_READ
				      : TOOL_COMPARE_CANNOT_MAP;
}

static void warn_of_cut_files(const struct compare *compare)
{
	for (size_t i = 0; i < 2; i++)
		if (compare->result != NULL && compare->result->is_past_end[i] &&
		    !compare->options.quiet)
			tool_message(side_of(compare, i)->filename,
				     "warning: data lies past the end of the file, and "
				     "reads as zeros: the file may have been cut");
}

static enum qcow2bm_code run_comparison(struct compare *compare, unsigned flags,
					qcow2bm_extent_fn *fn, void *opaque,
					const struct qcow2bm_watch *watch,
					struct qcow2bm_error *err)
{
	struct qcow2bm_compare_options options = QCOW2BM_COMPARE_OPTIONS_INIT;
	options.flags = flags | (compare->opening.strict ? QCOW2BM_COMPARE_STRICT : 0u);
	options.threads = compare->options.threads;
	const struct tool_compare_side *a = side_of(compare, 0), *b = side_of(compare, 1);
	return b->manifest == NULL
		       ? qcow2bm_disk_compare(a->disk, b->disk, &options, fn, opaque,
					      &compare->result, watch, err)
		       : qcow2bm_old_compare(b->manifest, a->disk, &options, fn, opaque,
					     &compare->result, watch, err);
}

static enum qcow2bm_code read_ranges(void *opaque, qcow2bm_extent_fn *fn, void *fn_opaque,
				     const struct qcow2bm_watch *watch,
				     struct qcow2bm_error *err)
{
	return run_comparison(opaque, 0, fn, fn_opaque, watch, err);
}

static bool have_other_sizes(const struct compare *compare)
{
	return compare->sides[0].bytes != compare->sides[1].bytes;
}

/* The words of qemu-img, in its order: sizes are looked at where the shorter disk ends. */
static int print_verdict(const struct compare *compare)
{
	const struct qcow2bm_comparison *result = compare->result;
	uint64_t a = compare->sides[0].bytes;
	uint64_t b = compare->sides[1].bytes;
	uint64_t both = a < b ? a : b;
	bool is_status = result->first_status <= result->first &&
			 result->first_status != QCOW2BM_NO_OFFSET;
	struct tool_text text = {0};
	if (is_status)
		tool_text_print(
			&text, "Strict mode: Offset %" PRIu64 " block status mismatch!\n",
			result->first_status);
	else if (a != b && result->first >= both)
		tool_text_print(&text, "Warning: Image size mismatch!\n");
	bool is_same = !is_status && result->first == QCOW2BM_NO_OFFSET;
	if (is_same)
		tool_text_print(&text, "Images are identical.\n");
	else if (!is_status)
		tool_text_print(&text, "Content mismatch at offset %" PRIu64 "!\n",
				result->first);
	const struct tool_compare_side *manifest = side_of(compare, 1);
	if (!is_same && manifest->manifest != NULL)
		tool_text_print(
			&text,
			"It is one of the %" PRIu64
			" bytes from there on: the manifest is as coarse as that.\n",
			(uint64_t)1 << qcow2bm_old_describe(manifest->manifest)
					       ->granularity_bits);
	int status = TOOL_EXIT_DONE;
	if (compare->options.quiet)
		tool_text_free(&text);
	else
		status = tool_output_text(&text);
	return status != TOOL_EXIT_DONE ? TOOL_COMPARE_CANNOT_OPEN
	       : is_same                ? TOOL_COMPARE_SAME
					: TOOL_COMPARE_DIFFERENT;
}

static int print_first(struct compare *compare)
{
	struct qcow2bm_error err = {0};
	tool_watch_begin(&compare->watch, &compare->options);
	enum qcow2bm_code code = run_comparison(compare, QCOW2BM_COMPARE_FIRST, NULL,
						NULL, &compare->watch.watch, &err);
	int signal_number = tool_watch_leave(&compare->watch);
	if (signal_number != 0)
		return tool_watch_status(NULL, code, signal_number, &err);
	return code == QCOW2BM_OK ? print_verdict(compare) : tell_failure(compare, &err);
}

/* All ranges, as map prints them. A failure is told once, in qemu-img's words. */
static int print_ranges(struct compare *compare)
{
	const struct tool_extents_order order = {
		.read = read_ranges,
		.opaque = compare,
		.is_comparison = true,
		.json = compare->options.json,
		.watch = &compare->watch,
	};
	tool_watch_begin(&compare->watch, &compare->options);
	int status = tool_extents_print(&order, NULL);
	const struct qcow2bm_comparison *result = compare->result;
	if (status > TOOL_EXIT_SIGNAL)
		return status;
	if (status != TOOL_EXIT_DONE)
		return result == NULL || result->failed_disk == QCOW2BM_NOT_FOUND
			       ? TOOL_COMPARE_CANNOT_OPEN
		       : result->failed_reading ? TOOL_COMPARE_CANNOT_READ
						: TOOL_COMPARE_CANNOT_MAP;
	bool is_same = result->first == QCOW2BM_NO_OFFSET &&
		       result->first_status == QCOW2BM_NO_OFFSET;
	return is_same && !(compare->opening.strict && have_other_sizes(compare))
		       ? TOOL_COMPARE_SAME
		       : TOOL_COMPARE_DIFFERENT;
}

/* Sizes that differ are enough for the strict mode, where no ranges are wanted. */
static int print(struct compare *compare)
{
	struct tool_text text = {0};
	if (compare->all || compare->options.json)
		return print_ranges(compare);
	if (!compare->opening.strict || !have_other_sizes(compare))
		return print_first(compare);
	tool_text_print(&text, "Strict mode: Image size mismatch!\n");
	if (compare->options.quiet)
		tool_text_free(&text);
	return tool_output_text(&text) == TOOL_EXIT_DONE ? TOOL_COMPARE_DIFFERENT
							 : TOOL_COMPARE_CANNOT_OPEN;
}

static int compare_sides(struct compare *compare)
{
	if (compare->sides[0].manifest == NULL || compare->sides[1].manifest == NULL) {
		int status = print(compare);
		warn_of_cut_files(compare);
		return status;
	}
	tool_message(compare->sides[1].filename,
		     "it is a manifest, too: one of the two has to be a disk");
	return TOOL_COMPARE_CANNOT_OPEN;
}

static int open_and_compare(struct compare *compare)
{
	compare->opening.options = &compare->options;
	int status = tool_compare_side_open(&compare->sides[0], &compare->opening);
	if (status == TOOL_COMPARE_SAME)
		status = tool_compare_side_open(&compare->sides[1], &compare->opening);
	if (status == TOOL_COMPARE_SAME)
		status = compare_sides(compare);
	for (int i = 0; i < 2; i++)
		tool_compare_side_close(&compare->sides[i]);
	return status;
}

static bool is_cache_mode(const char *text)
{
	static const char *const modes[] = {"none", "writeback", "writethrough",
					    "directsync", "unsafe"};
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(text, modes[i]) == 0)
			return true;
	return false;
}

static int take_format(struct compare *compare, int side, int letter)
{
	if (strcmp(optarg, "qcow2") != 0 && strcmp(optarg, "raw") != 0 &&
	    strcmp(optarg, "manifest") != 0)
		return tool_message_usage(
			compare->options.command,
			"option -%c: '%s' is not qcow2, raw or manifest", letter, optarg);
	compare->sides[side].format = optarg;
	return TOOL_OPTIONS_GO_ON;
}

enum { IMAGE_OPTS = TOOL_OPT_OWN, OBJECT, ALL, SNAPSHOT, OTHER_SNAPSHOT };

static int take_option(struct compare *compare, int opt, char **argv)
{
	switch (opt) {
	case 'f':
		return take_format(compare, 0, opt);
	case 'F':
		return take_format(compare, 1, opt);
	case 'T': /* whatever it is, the page cache is used */
		if (!is_cache_mode(optarg))
			return tool_message_usage(compare->options.command,
						  "Invalid source cache option: %s",
						  optarg);
		break;
	case 'p':
		compare->options.progress = true;
		break;
	case 's':
		compare->opening.strict = true;
		break;
	case IMAGE_OPTS:
		compare->opening.image_opts = true;
		break;
	case OBJECT: /* keys: encrypted data is not read */
		break;
	case ALL:
		compare->all = true;
		break;
	case SNAPSHOT:
		compare->sides[0].snapshot = optarg;
		break;
	case OTHER_SNAPSHOT:
		compare->sides[1].snapshot = optarg;
		break;
	default:
		return tool_options_take(&compare->options, opt, argv);
	}
	return TOOL_OPTIONS_GO_ON;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"strict", no_argument, NULL, 's'},
		{"progress", no_argument, NULL, 'p'},
		{"image-opts", no_argument, NULL, IMAGE_OPTS},
		{"object", required_argument, NULL, OBJECT},
		{"all", no_argument, NULL, ALL},
		{"snapshot", required_argument, NULL, SNAPSHOT},
		{"other-snapshot", required_argument, NULL, OTHER_SNAPSHOT},
		{"threads", required_argument, NULL, TOOL_OPT_THREADS},
		TOOL_OPTIONS_READ,
	};
	struct compare compare = {.options = {.command = &tool_cmd_compare},
				  .sides = {{.format = ""}, {.format = ""}}};
	int opt, status = TOOL_OPTIONS_GO_ON;
	while (status == TOOL_OPTIONS_GO_ON &&
	       (opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS "f:F:T:ps",
				  long_options, NULL)) != -1)
		status = take_option(&compare, opt, argv);
	if (status != TOOL_OPTIONS_GO_ON)
		return status;
	if (argc - optind != 2)
		return tool_message_usage(&tool_cmd_compare,
					  "Expecting two image file names");
	compare.sides[0].filename = argv[optind];
	compare.sides[1].filename = argv[optind + 1];
	return open_and_compare(&compare);
}

const struct tool_command tool_cmd_compare = {
	.name = "compare",
	.synopsis = "[OPTION]... IMAGE IMAGE",
	.summary = "Tell whether two disks hold the same, and where they differ",
	.help = "Takes what `qemu-img compare` takes and says what it says. Each IMAGE is a disk,\n"
		"qcow2 or raw, with its backing files and external data files; a name in an image\n"
		"is relative to the folder of that image. The shorter disk goes on as zeros.\n"
		"Unallocated and zero ranges are compared without being read. One of the two may\n"
		"be the manifest that digest made of a disk: what differs is told in whole granules\n"
		"of it then.\n"
		"\n"
		"Options:\n"
		"  -f KIND, -F KIND       of the first and of the second IMAGE: qcow2, raw or manifest\n"
		"                         (as the file begins)\n"
		"  -s, --strict           sizes, and what is allocated or zero, must be the same, too\n"
		"      --all              print all ranges that differ, in bytes, as map does\n"
		"      --output FORMAT    human (default) or json: all ranges, the same (0) and those\n"
		"                         that differ (1)\n"
		"      --snapshot NAME, --other-snapshot NAME\n"
		"                         of the first and of the second IMAGE this internal snapshot\n"
		"      --threads N        read with so many threads (as many as there are processors)\n"
		"      --image-opts       each IMAGE is a list of options: driver=qcow2,file.filename=X\n"
		"  -p, --progress         show progress\n"
		"  -T CACHE, --object X   taken for qemu-img's sake, and without effect\n"
		"  -U, --force-share      read although another process may be writing\n"
		"      --no-lock          take no locks: you vouch that nobody writes\n"
		"      --wait SECONDS     retry for so long while an image is busy\n"
		"  -q, --quiet            print nothing but errors\n"
		"  -h, --help             show this text\n"
		"\n"
		"Examples:\n"
		"  qcow2bm compare disk.qcow2 restored.raw\n"
		"  qcow2bm compare --output=json disk.qcow2 backup.qcow2\n"
		"  qcow2bm compare full.manifest restored.raw\n"
		"\n"
		"Exit status: 0 the same, 1 different, 2 cannot open, 3 cannot read the tables,\n"
		"4 cannot read the data, 6 busy, 64 usage.\n",
	.run = run,
};
