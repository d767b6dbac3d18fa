/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm compare: whether two disks hold the same, as `qemu-img compare` tells, and where not. */
#define _POSIX_C_SOURCE 200809L

#include "../report/extents.h"
#include "../term/image_opts.h"
#include "../term/message.h"
#include "../term/output.h"
#include "../term/size.h"
#include "../term/watch.h"
#include "layers.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* qemu-img's statuses. */
enum { SAME = 0, DIFFERENT = 1, CANNOT_OPEN = 2, CANNOT_MAP = 3, CANNOT_READ = 4 };

struct side {
	const char *filename; /* as it was given */
	const char *format;   /* "": as it begins */
	const char *snapshot;
	struct qcow2bm_chain *chain;
	struct qcow2bm_disk *disk;
};

struct compare {
	struct tool_options options;
	struct side sides[2];
	bool image_opts;
	bool strict;
	bool all; /* print all ranges */
	uint64_t threads;
	struct tool_watch watch;
	const struct qcow2bm_comparison *result;
};

static int could_not_open(const struct side *side, const char *sentence, int status)
{
	tool_message(NULL, "Could not open '%s': %s", side->filename, sentence);
	return status == TOOL_EXIT_BUSY ? status : CANNOT_OPEN;
}

/* Opens the layers in the local file `path`, and the disk that they are. */
static int open_path(const struct compare *compare, struct side *side, const char *path)
{
	struct qcow2bm_error err = {0};
	struct qcow2bm_disk_options options = QCOW2BM_DISK_OPTIONS_INIT;
	options.snapshot = side->snapshot;
	/* qemu-img's strict mode tells holes that it looks for from data. */
	options.finds_holes = !compare->strict;
	if (tool_layers_try_open(&side->chain, &compare->options, path, side->format, 0,
				 &err) == QCOW2BM_OK &&
	    qcow2bm_disk_open(&side->disk, side->chain, &options, &err) == QCOW2BM_OK)
		return SAME;
	char *sentence = tool_message_sentence(&err);
	int status = could_not_open(side, sentence, tool_message_status(err.code));
	free(sentence);
	return status;
}

static bool is_about_layers(const char *key)
{
	return strncmp(key, "backing", 7) == 0 || strncmp(key, "data-file", 9) == 0;
}

/* Whether the list KEY=VALUE,... names other layers than the image does; two commas are one in a value. */
static bool list_names_layers(const char *text)
{
	while (text != NULL && !is_about_layers(text)) {
		text = strchr(text, ',');
		while (text != NULL && text[1] == ',')
			text = strchr(text + 2, ',');
		text = text == NULL ? NULL : text + 1;
	}
	return text != NULL;
}

/* Whether the options in "json:{...}" name other layers than the image does. */
static bool json_names_layers(const char *name)
{
	const char *key;
	json_t *value;
	bool names_layers = false;
	if (strncmp(name, "json:", 5) != 0)
		return false;
	json_t *object = json_loads(name + 5, 0, NULL);
	json_object_foreach(object, key, value) names_layers |= is_about_layers(key);
	json_decref(object);
	return names_layers;
}

static int open_side(const struct compare *compare, struct side *side)
{
	char problem[TOOL_IMAGE_OPTS_PROBLEM];
	char *path = compare->image_opts
			     ? tool_image_opts_parse(side->filename, false, problem)
			     : tool_image_opts_resolve(side->filename, false, problem);
	if (path == NULL)
		return could_not_open(side, problem, CANNOT_OPEN);
	bool names_layers = compare->image_opts ? list_names_layers(side->filename)
						: json_names_layers(side->filename);
	int status = names_layers ? could_not_open(side,
						   "options of other layers (backing, "
						   "data-file) are not taken here",
						   CANNOT_OPEN)
				  : open_path(compare, side, path);
	free(path);
	return status;
}

/* What qemu-img says of a failure, and what is known besides. */
static int tell_failure(const struct compare *compare, const struct qcow2bm_error *err)
{
	const struct qcow2bm_comparison *result = compare->result;
	if (result == NULL || result->failed_disk == QCOW2BM_NOT_FOUND) {
		tool_message_fail(NULL, err);
		return CANNOT_OPEN;
	}
	const char *filename = compare->sides[result->failed_disk].filename;
	char *sentence = tool_message_sentence(err);
	if (result->failed_reading)
		tool_message(NULL, "Error while reading offset %" PRIu64 " of %s: %s",
			     result->failed_at, filename, sentence);
	else
		tool_message(NULL, "Sector allocation test failed for %s: %s", filename,
			     sentence);
	free(sentence);
	return result->failed_reading ? CANNOT_READ : CANNOT_MAP;
}

static void warn_of_cut_files(const struct compare *compare)
{
	for (int i = 0; i < 2; i++)
		if (compare->result != NULL && compare->result->is_past_end[i] &&
		    !compare->options.quiet)
			tool_message(compare->sides[i].filename,
				     "warning: data lies past the end of the file, and "
				     "reads as zeros: the file may have been cut");
}

static enum qcow2bm_code run_comparison(struct compare *compare, unsigned flags,
					qcow2bm_extent_fn *fn, void *opaque,
					const struct qcow2bm_watch *watch,
					struct qcow2bm_error *err)
{
	struct qcow2bm_compare_options options = QCOW2BM_COMPARE_OPTIONS_INIT;
	options.flags = flags | (compare->strict ? QCOW2BM_COMPARE_STRICT : 0u);
	options.threads = (unsigned)compare->threads;
	return qcow2bm_disk_compare(compare->sides[0].disk, compare->sides[1].disk,
				    &options, fn, opaque, &compare->result, watch, err);
}

static enum qcow2bm_code read_ranges(void *opaque, qcow2bm_extent_fn *fn, void *fn_opaque,
				     const struct qcow2bm_watch *watch,
				     struct qcow2bm_error *err)
{
	return run_comparison(opaque, 0, fn, fn_opaque, watch, err);
}

static bool have_other_sizes(const struct compare *compare)
{
	return qcow2bm_disk_bytes(compare->sides[0].disk) !=
	       qcow2bm_disk_bytes(compare->sides[1].disk);
}

/* The words of qemu-img, in its order: sizes are looked at where the shorter disk ends. */
static int print_verdict(const struct compare *compare)
{
	const struct qcow2bm_comparison *result = compare->result;
	uint64_t a = qcow2bm_disk_bytes(compare->sides[0].disk);
	uint64_t b = qcow2bm_disk_bytes(compare->sides[1].disk);
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
	int status = TOOL_EXIT_DONE;
	if (compare->options.quiet)
		tool_text_free(&text);
	else
		status = tool_output_text(&text);
	return status != TOOL_EXIT_DONE ? CANNOT_OPEN : is_same ? SAME : DIFFERENT;
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
			       ? CANNOT_OPEN
		       : result->failed_reading ? CANNOT_READ
						: CANNOT_MAP;
	bool is_same = result->first == QCOW2BM_NO_OFFSET &&
		       result->first_status == QCOW2BM_NO_OFFSET;
	return is_same && !(compare->strict && have_other_sizes(compare)) ? SAME
									  : DIFFERENT;
}

/* Sizes that differ are enough for the strict mode, where no ranges are wanted. */
static int print(struct compare *compare)
{
	struct tool_text text = {0};
	if (compare->all || compare->options.json)
		return print_ranges(compare);
	if (!compare->strict || !have_other_sizes(compare))
		return print_first(compare);
	tool_text_print(&text, "Strict mode: Image size mismatch!\n");
	if (compare->options.quiet)
		tool_text_free(&text);
	return tool_output_text(&text) == TOOL_EXIT_DONE ? DIFFERENT : CANNOT_OPEN;
}

static int compare_disks(struct compare *compare)
{
	int status = open_side(compare, &compare->sides[0]);
	if (status == SAME)
		status = open_side(compare, &compare->sides[1]);
	if (status == SAME) {
		status = print(compare);
		warn_of_cut_files(compare);
	}
	for (int i = 0; i < 2; i++) {
		qcow2bm_disk_close(compare->sides[i].disk);
		qcow2bm_chain_close(compare->sides[i].chain);
	}
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
	if (strcmp(optarg, "qcow2") != 0 && strcmp(optarg, "raw") != 0)
		return tool_message_usage(compare->options.command,
					  "option -%c: '%s' is not qcow2 or raw", letter,
					  optarg);
	compare->sides[side].format = optarg;
	return TOOL_OPTIONS_GO_ON;
}

static int take_threads(struct compare *compare)
{
	if (tool_size_parse(optarg, &compare->threads) && compare->threads >= 1 &&
	    compare->threads <= 1024)
		return TOOL_OPTIONS_GO_ON;
	return tool_message_usage(compare->options.command,
				  "option --threads: '%s' is not 1 to 1024", optarg);
}

enum { IMAGE_OPTS = TOOL_OPT_OWN, OBJECT, ALL, SNAPSHOT, OTHER_SNAPSHOT, THREADS };

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
		compare->strict = true;
		break;
	case IMAGE_OPTS:
		compare->image_opts = true;
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
	case THREADS:
		return take_threads(compare);
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
		{"threads", required_argument, NULL, THREADS},
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
	return compare_disks(&compare);
}

const struct tool_command tool_cmd_compare = {
	.name = "compare",
	.synopsis = "[OPTION]... IMAGE IMAGE",
	.summary = "Tell whether two disks hold the same, and where they differ",
	.help = "Takes what `qemu-img compare` takes and says what it says. Each IMAGE is a disk,\n"
		"qcow2 or raw, with its backing files and external data files; a name in an image\n"
		"is relative to the folder of that image. The shorter disk goes on as zeros.\n"
		"Unallocated and zero ranges are compared without being read.\n"
		"\n"
		"Options:\n"
		"  -f FORMAT, -F FORMAT   of the first and of the second IMAGE: qcow2 or raw (as the\n"
		"                         file begins)\n"
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
		"\n"
		"Exit status: 0 the same, 1 different, 2 cannot open, 3 cannot read the tables,\n"
		"4 cannot read the data, 6 busy, 64 usage.\n",
	.run = run,
};
