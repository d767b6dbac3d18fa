/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A command that edits several images, was killed in the middle, and is typed again. */
#define _XOPEN_SOURCE 700
#include "cut_off.h"

#include "../term/input.h"
#include "../term/memory.h"
#include "../term/message.h"
#include "../term/sum.h"
#include "../term/text.h"
#include "../term/word.h"
#include "resume.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct note {
	uint8_t bytes[TOOL_SUM_BYTES + 1]; /* 1 behind the sum: it goes on */
};

/* Of the command that runs. */
static uint8_t command[TOOL_SUM_BYTES];
static bool is_known;

/* What it has found, and main() resumes. */
static struct {
	struct tool_options options;
	char *path; /* NULL: nothing */
	bool goes_on;
} found;
static bool is_resumed; /* no more than once */

void tool_cut_off_begin(int argc, char **argv)
{
	char folder[PATH_MAX];
	struct tool_sum sum;
	tool_input_begin();
	is_known = getcwd(folder, sizeof(folder)) != NULL;
	if (!is_known)
		return;
	tool_sum_begin(&sum);
	tool_sum_add(&sum, folder, strlen(folder) + 1);
	for (int i = 0; i < argc; i++)
		tool_sum_add(&sum, argv[i], strlen(argv[i]) + 1);
	tool_sum_end(&sum, command);
}

static void make_note(struct note *note)
{
	uint8_t inputs[TOOL_SUM_BYTES];
	struct tool_sum sum;
	tool_input_sum(inputs);
	tool_sum_begin(&sum);
	tool_sum_add(&sum, command, sizeof(command));
	tool_sum_add(&sum, inputs, sizeof(inputs));
	tool_sum_end(&sum, note->bytes);
	note->bytes[TOOL_SUM_BYTES] = 0;
}

void tool_cut_off_note(struct qcow2bm_commit_options *options, bool goes_on)
{
	static struct note note;
	make_note(&note);
	note.bytes[TOOL_SUM_BYTES] = goes_on;
	options->note = note.bytes;
	options->note_bytes = is_known ? sizeof(note.bytes) : 0;
}

/* What the command names may be another file by now. */
static bool has_image(const struct qcow2bm_cut_off *cut_off, const char *filename)
{
	bool is_there = cut_off->filename_count == 0;
	char *path = realpath(filename, NULL);
	for (size_t i = 0; path != NULL && i < cut_off->filename_count; i++)
		is_there |= strcmp(path, cut_off->filenames[i]) == 0;
	free(path);
	return is_there;
}

struct search {
	const struct tool_options *options;
	const char *filename;
};

/* One that has begun must be this command's own; one that has not is nobody's any more. */
static void take(void *opaque, const struct qcow2bm_cut_off *cut_off)
{
	const struct search *search = opaque;
	struct note note;
	const uint8_t *noted = cut_off->note;
	make_note(&note);
	bool is_own = is_known && cut_off->note_bytes == sizeof(note.bytes) &&
		      memcmp(noted, note.bytes, TOOL_SUM_BYTES) == 0 &&
		      has_image(cut_off, search->filename);
	if (cut_off->is_begun && !is_own)
		return;
	found.options = *search->options;
	found.path = tool_memory_copy(cut_off->intent_path, strlen(cut_off->intent_path));
	found.goes_on = is_own && noted[TOOL_SUM_BYTES] != 0;
}

/* Looks for one that main() is to resume. EBUSY: it still goes on, as long as the user would wait. */
static enum qcow2bm_code find(const struct tool_options *options, const char *filename,
			      const char *intent_path, struct qcow2bm_error *err)
{
	struct search search = {options, filename};
	const struct timespec pause = {.tv_nsec = 100000000};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (uint64_t left = (uint64_t)10 * options->wait_seconds;; left--) {
		if (found.path == NULL)
			code = qcow2bm_together_look(filename, intent_path, take, &search,
						     err);
		if (code != QCOW2BM_EBUSY || left == 0)
			return code;
		nanosleep(&pause, NULL);
	}
}

static enum qcow2bm_code fail(struct qcow2bm_error *err, const char *sentence,
			      const char *path)
{
	*err = (struct qcow2bm_error){.code = QCOW2BM_ESYSTEM,
				      .sys_errno = EEXIST,
				      .offset = QCOW2BM_NO_OFFSET};
	snprintf(err->sentence, sizeof(err->sentence), sentence, path);
	return err->code;
}

/* EEXIST where its file is there. */
static enum qcow2bm_code check_file(const char *filename, const char *intent_path,
				    struct qcow2bm_error *err)
{
	struct stat st;
	struct tool_text command_line = {0};
	if (intent_path == NULL)
		return qcow2bm_together_check(filename, err);
	if (lstat(intent_path, &st) != 0)
		return QCOW2BM_OK;
	tool_word_add_file(&command_line, intent_path);
	enum qcow2bm_code code =
		fail(err,
		     "a change of these files was cut off; this finishes it, or takes it "
		     "back: qcow2bm chain resume%.380s",
		     command_line.bytes);
	tool_text_free(&command_line);
	return code;
}

enum qcow2bm_code tool_cut_off_try_check(const struct tool_options *options,
					 const char *filename, const char *intent_path,
					 bool may_resume, struct qcow2bm_error *err)
{
	struct qcow2bm_error why = {0};
	enum qcow2bm_code code = check_file(filename, intent_path, err);
	if (code != QCOW2BM_ESYSTEM || err->sys_errno != EEXIST || !may_resume ||
	    options->dry_run || is_resumed)
		return code;
	if (find(options, filename, intent_path, &why) == QCOW2BM_EBUSY) {
		*err = why;
		return why.code;
	}
	if (found.path != NULL)
		return fail(err,
			    "this edit was cut off: what it left ('%.300s') comes first",
			    found.path);
	/* It may have come to its end meanwhile. */
	return check_file(filename, intent_path, err);
}

int tool_cut_off_check(const struct tool_options *options, const char *filename,
		       const char *intent_path, bool may_resume)
{
	struct qcow2bm_error err = {0};
	return tool_cut_off_try_check(options, filename, intent_path, may_resume, &err) ==
			       QCOW2BM_OK
		       ? TOOL_EXIT_DONE
		       : tool_message_fail(filename, &err);
}

static bool is_over(const struct tool_resume *resume)
{
	return resume->outcome == QCOW2BM_RESUME_FINISHED && !found.goes_on;
}

static const char *describe(const struct tool_resume *resume)
{
	switch (resume->outcome) {
	case QCOW2BM_RESUME_FINISHED:
		return "that step is finished; the command goes on";
	case QCOW2BM_RESUME_TAKEN_BACK:
		return "that is taken back; the command begins anew";
	default:
		return "no image had been changed; the command begins anew";
	}
}

static int begin_anew(struct tool_resume *resume)
{
	if (!resume->options.quiet)
		tool_message(resume->filename, "%s", describe(resume));
	tool_resume_forget(resume);
	return resume->leaked_clusters == 0 ? TOOL_EXIT_DONE : TOOL_EXIT_LEAKED;
}

bool tool_cut_off_resume(int *status)
{
	if (found.path == NULL)
		return false;
	struct tool_resume resume = {
		.options = found.options, .filename = found.path, .is_own = true};
	tool_message_forget();
	*status = tool_resume_run(&resume);
	bool is_done = *status == TOOL_EXIT_DONE;
	bool is_anew = is_done && !is_over(&resume);
	if (is_anew)
		*status = begin_anew(&resume);
	else if (is_done)
		*status = tool_resume_report(&resume);
	free(found.path);
	found.path = NULL;
	is_resumed = true;
	return is_anew;
}
