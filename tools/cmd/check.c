/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2bm check: what is wrong with the bitmaps of images, and what to do about it. */
#define _POSIX_C_SOURCE 200809L

#include "../report/check.h"
#include "../report/digest.h"
#include "../report/image_list.h"
#include "../report/old_bitmaps.h"
#include "../term/command.h"
#include "../term/image.h"
#include "../term/image_names.h"
#include "../term/message.h"
#include "../term/options.h"
#include "../term/output.h"
#include "../term/signals.h"
#include "../term/watch.h"

#include <string.h>

struct check {
	struct tool_options options;
	unsigned flags;
	bool carve;
	struct tool_text text;         /* of one image */
	struct tool_image_list images; /* in the JSON */
	struct qcow2bm_error failure;  /* of the image that is checked */
	int printed;                   /* an exit status */
	struct qcow2bm_report *report; /* of the image that is checked */
	/* What else its JSON has; of the digest two, taken before and after. */
	struct tool_old_bitmaps old_bitmaps;
	struct tool_digest digests[2];
	struct tool_json_list areas;
	bool has_printed;  /* the report of an image */
	bool printed_line; /* the last one was of one line */
	int signal_number; /* that came; 0: none */
	bool is_cut_off;   /* by it, and something is not checked */
};

/* Keeps why there is no report of the image, and prints it. */
static int fail(struct check *check, const char *filename,
		const struct qcow2bm_error *err)
{
	check->failure = *err;
	return tool_message_fail(filename, err);
}

static int open_image(struct check *check, const char *filename,
		      struct qcow2bm_image **image)
{
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = tool_image_try_open(&check->options, filename,
						     QCOW2BM_OPEN_DAMAGED, image, &err);
	if (code == QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	int status = fail(check, filename, &err);
	return code == QCOW2BM_ENOTQCOW2 ? TOOL_EXIT_NOT_QCOW2 : status;
}

static int status_of(const struct qcow2bm_report *report)
{
	struct qcow2bm_totals totals = *qcow2bm_report_totals(report);
	if (totals.errors + totals.warnings != 0)
		return TOOL_EXIT_PROBLEMS;
	return totals.leaked_clusters != 0 ? TOOL_EXIT_LEAKS : TOOL_EXIT_DONE;
}

/* Ends a part of the work; what a signal cut off is not printed as if it were whole. */
static int end_watch(struct check *check, struct tool_watch *watch, const char *filename,
		     enum qcow2bm_code code, const struct qcow2bm_error *err)
{
	int signal_number = tool_watch_leave(watch);
	if (signal_number != 0)
		check->signal_number = signal_number;
	check->is_cut_off |= code == QCOW2BM_EINTERRUPTED;
	return code == QCOW2BM_OK ? TOOL_EXIT_DONE : fail(check, filename, err);
}

static int carve(struct check *check, const char *filename, struct qcow2bm_image *image,
		 const struct qcow2bm_report *report, json_t *value)
{
	struct tool_text *text = check->options.json ? NULL : &check->text;
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	tool_watch_begin(&watch, &check->options);
	enum qcow2bm_code code =
		tool_old_bitmaps_run(filename, image, report, text, value,
				     &check->old_bitmaps, &watch.watch, &err);
	return end_watch(check, &watch, filename, code, &err);
}

static int make_digest(struct check *check, struct tool_digest *digest,
		       const char *filename, struct qcow2bm_image *image)
{
	struct tool_watch watch;
	struct qcow2bm_error err = {0};
	tool_watch_begin(&watch, &check->options);
	enum qcow2bm_code code = tool_digest_make(digest, image, &watch.watch, &err);
	return end_watch(check, &watch, filename, code, &err);
}

/* Reports; *value is the report as JSON, if that is wanted. */
static int report_image(struct check *check, const char *filename,
			struct qcow2bm_image *image, const struct qcow2bm_report *report,
			json_t **value)
{
	int status = status_of(report);
	if (check->options.json) {
		*value = tool_check_json(filename, image, report);
	} else if (!check->options.quiet || status != TOOL_EXIT_DONE) {
		tool_check_human(&check->text, filename, image, report);
	}
	return status;
}

static int run_check(struct check *check, const char *filename,
		     struct qcow2bm_image *image, json_t **value)
{
	struct qcow2bm_error err = {0};
	/* A signal ends this check, and the program when the reports that are finished are
	 * printed. */
	enum qcow2bm_code code =
		tool_image_check(&check->options, image, check->flags, &check->report,
				 &check->signal_number, &err);
	check->is_cut_off = code == QCOW2BM_EINTERRUPTED;
	if (code != QCOW2BM_OK)
		return fail(check, filename, &err);
	int status = report_image(check, filename, image, check->report, value);
	int carved = check->carve ? carve(check, filename, image, check->report, *value)
				  : TOOL_EXIT_DONE;
	return carved == TOOL_EXIT_DONE ? status : carved;
}

/* Between two digests of the metadata, for who must prove that nothing was written. */
static int run_between_digests(struct check *check, const char *filename,
			       struct qcow2bm_image *image, json_t **value)
{
	struct tool_digest *before = &check->digests[0], *after = &check->digests[1];
	int status = make_digest(check, before, filename, image);
	if (status != TOOL_EXIT_DONE)
		return status;
	status = run_check(check, filename, image, value);
	if (*value == NULL || check->is_cut_off)
		return status;
	int digested = make_digest(check, after, filename, image);
	if (digested != TOOL_EXIT_DONE)
		return digested;
	bool is_same = strcmp(before->hex, after->hex) == 0;
	json_object_set_new(*value, "metadata",
			    tool_digest_json(before, after, &check->areas));
	if (is_same)
		return status;
	tool_message(filename, "the metadata changed while it was read");
	return TOOL_EXIT_FAILED;
}

/* What a signal that comes from now on has still to print. */
static void leave_end(const struct check *check)
{
	const char *end = tool_image_list_end(&check->images);
	tool_signals_leave(end, strlen(end));
}

/* Prints the finished report of an image, of which no signal loses a part: what comes meanwhile is
 * heard afterwards, and ends the document. */
static void print_json(struct check *check, json_t *value,
		       const struct qcow2bm_image *image)
{
	struct tool_json_list lists[3] = {
		[1] = check->old_bitmaps.list,
		[2] = check->areas,
	};
	const struct tool_check_problems problems = {image, check->report};
	tool_check_set_problems(value, &lists[0], &problems);
	struct tool_signals signals;
	tool_signals_block(&signals);
	int status = tool_image_list_print(&check->images, value, lists, 3);
	if (check->printed == TOOL_EXIT_DONE)
		check->printed = status;
	if (check->signal_number == 0)
		tool_signals_unblock(&signals);
}

/* Tells in the JSON of an image that there is no report of. */
static void print_failure(struct check *check, const char *filename)
{
	struct tool_signals signals;
	tool_signals_block(&signals);
	tool_image_list_fail(&check->images, &check->text, filename, &check->failure);
	if (check->text.used != 0 && check->printed == TOOL_EXIT_DONE)
		check->printed = tool_output_bytes(check->text.bytes, check->text.used);
	tool_text_free(&check->text);
	if (check->images.count != 0)
		leave_end(check);
	if (check->signal_number == 0)
		tool_signals_unblock(&signals);
}

static int check_open(struct check *check, const char *filename,
		      struct qcow2bm_image *image, json_t **value)
{
	return check->carve && check->options.json
		       ? run_between_digests(check, filename, image, value)
		       : run_check(check, filename, image, value);
}

static int check_image(struct check *check, const char *filename)
{
	struct qcow2bm_image *image = NULL;
	json_t *value = NULL;
	check->failure.code = QCOW2BM_OK;
	int status = open_image(check, filename, &image);
	if (status == TOOL_EXIT_DONE)
		status = check_open(check, filename, image, &value);
	if (value != NULL)
		print_json(check, value, image);
	else if (check->images.has_failures && check->failure.code != QCOW2BM_OK)
		print_failure(check, filename);
	qcow2bm_report_free(check->report);
	check->report = NULL;
	tool_old_bitmaps_free(&check->old_bitmaps);
	tool_digest_free(&check->digests[0]);
	tool_digest_free(&check->digests[1]);
	qcow2bm_image_close(image);
	return status;
}

static bool is_one_line(const struct tool_text *text)
{
	return memchr(text->bytes, '\n', text->used) == text->bytes + text->used - 1;
}

/* Of one image, with an empty line between two that are not of one line each. */
static int print_report(struct check *check)
{
	int status = TOOL_EXIT_DONE;
	if (check->text.used == 0)
		return status;
	bool is_line = is_one_line(&check->text);
	if (check->has_printed && !(is_line && check->printed_line))
		status = tool_output_bytes("\n", 1);
	check->has_printed = true;
	check->printed_line = is_line;
	return status == TOOL_EXIT_DONE ? tool_output_text(&check->text) : status;
}

/* Goes on with the next image where one cannot be checked; the worst exit status counts. */
static int check_images(struct check *check, const struct tool_image_names *names)
{
	int status = TOOL_EXIT_DONE;
	check->images =
		tool_image_list_begin("check", &check->options, names->is_several);
	for (size_t i = 0; i < names->count; i++) {
		check->is_cut_off |= check->signal_number != 0;
		if (check->is_cut_off)
			break;
		status = tool_exit_worse(status, check_image(check, names->list[i]));
		/* What is finished is out before the next check, whatever becomes of that. */
		if (check->printed == TOOL_EXIT_DONE && !check->options.json)
			check->printed = print_report(check);
	}
	if (check->images.count != 0) {
		const char *end = tool_image_list_end(&check->images);
		/* Once, and not again by a signal that comes now. */
		tool_signals_leave(NULL, 0);
		if (check->printed == TOOL_EXIT_DONE)
			check->printed = tool_output_bytes(end, strlen(end));
	}
	tool_text_free(&check->text);
	if (check->is_cut_off)
		return TOOL_EXIT_SIGNAL + check->signal_number;
	return check->printed != TOOL_EXIT_DONE ? check->printed : status;
}

static int run(int argc, char **argv)
{
	enum { QUICK = TOOL_OPT_OWN, CARVE };
	static const struct option long_options[] = {
		{"quick", no_argument, NULL, QUICK},
		{"carve", no_argument, NULL, CARVE},
		{"progress", no_argument, NULL, TOOL_OPT_PROGRESS},
		TOOL_OPTIONS_READ,
	};
	struct check check = {
		.options = {.command = &tool_cmd_check, .takes_lines = true}};
	int opt;
	while ((opt = getopt_long(argc, argv, TOOL_OPTIONS_READ_LETTERS, long_options,
				  NULL)) != -1) {
		if (opt == QUICK) {
			check.flags |= QCOW2BM_CHECK_QUICK;
			continue;
		}
		if (opt == CARVE) {
			check.carve = true;
			continue;
		}
		int status = tool_options_take(&check.options, opt, argv);
		if (status != TOOL_OPTIONS_GO_ON)
			return status;
	}
	if (optind == argc)
		return tool_message_usage(check.options.command,
					  "operand IMAGE is missing");
	if (check.carve && (check.flags & QCOW2BM_CHECK_QUICK))
		return tool_message_usage(check.options.command,
					  "--carve wants the whole check, not --quick");
	struct tool_image_names names;
	int status = tool_image_names_take(&names, argc - optind, argv + optind);
	if (status == TOOL_EXIT_DONE)
		status = check_images(&check, &names);
	tool_image_names_free(&names);
	return status;
}

const struct tool_command tool_cmd_check = {
	.name = "check",
	.synopsis = "[OPTION]... IMAGE...",
	.summary = "Check the bitmaps of qcow2 images, and who refers to their clusters",
	.help = "Reads only. Looks at every entry of the bitmap directory, however damaged, at tables\n"
		"and at the place of data; then counts all references in the image to find clusters\n"
		"that two things use, refcounts that are wrong, and leaks. Says what is wrong, whether\n"
		"the guest's data is safe, and what to type next. The manual page lists all codes.\n"
		"\n" TOOL_HELP_IMAGE_LIST "\n"
		"Options:\n"
		"      --quick            look at the bitmaps alone: count no other references\n"
		"      --carve            look for old bitmaps in clusters that are free or leaked;\n"
		"                         as JSON with SHA-256 of the metadata, before and after\n"
		"      --progress         show progress (by itself on a terminal after a second)\n"
		"      --output FORMAT    human (default), json, or jsonl: a line for each image,\n"
		"                         as soon as it is done\n" TOOL_HELP_READ "\n"
		"Examples:\n"
		"  qcow2bm check disk.qcow2\n"
		"  qcow2bm check @images.txt\n"
		"  qcow2bm check --output=json *.qcow2 | jq '.images[].problems[].code'\n"
		"\n"
		"Exit status: 0 no problems, 1 could not check, 2 problems, 3 only leaks, 6 busy,\n"
		"63 not a qcow2 image, 64 usage, 128+n interrupted by signal n, the reports that were\n"
		"finished printed; of several images the first of 2, 1, 6, 63, 3.\n",
	.run = run,
};
