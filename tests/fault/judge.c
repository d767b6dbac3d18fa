/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The judge of runs with a fault: see judge.h. */
#define _POSIX_C_SOURCE 200809L

#include "judge.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define CHECK_EVERY 97 /* states, with qemu-img */

enum kind { KIND_OLD, KIND_NEW, KIND_NEITHER };

/* What is wrong; nothing is while the sentence is NULL. */
struct finding {
	enum verdict verdict;
	const char *sentence;
};

static const struct finding fine;

/* The image in one of its states. */
struct state {
	enum kind kind;
	bool leaks;
};

static struct finding find(enum verdict verdict, const char *sentence)
{
	return (struct finding){verdict, sentence};
}

/* ---- The state ---------------------------------------------------------------------- */

/* Whether a bitmap is gone that is there before and after. */
static bool has_lost(const struct trial *trial, const struct strict_image *state)
{
	for (size_t i = 0; i < trial->before.bitmap_count; i++) {
		char name[1024] = "";
		const struct strict_bitmap *bitmap = &trial->before.bitmaps[i];
		memcpy(name, bitmap->name, bitmap->name_bytes);
		if (strict_find(&trial->after, name) != NULL &&
		    strict_find(state, name) == NULL)
			return true;
	}
	return false;
}

static struct finding look(const struct trial *trial, const struct memory_file *file,
			   struct state *state)
{
	static char problem[256];
	struct strict_image image;
	struct finding finding = fine;
	bool is_sound = strict_read(&image, file->bytes, file->length);
	*state = (struct state){KIND_NEITHER, image.leaks > trial->before.leaks};
	snprintf(problem, sizeof(problem), "%s", image.problem);
	if (strict_same_bitmaps(&image, &trial->before))
		state->kind = KIND_OLD;
	else if (strict_same_bitmaps(&image, &trial->after))
		state->kind = KIND_NEW;
	if (!is_sound)
		finding = find(VERDICT_BROKEN, problem);
	else if (image.guest_sum != trial->before.guest_sum)
		finding = find(VERDICT_WRONG, "the guest's data or its tables changed");
	else if (image.header_sum != trial->before.header_sum)
		finding = find(VERDICT_WRONG, "the header or an extension changed");
	else if (state->kind == KIND_NEITHER && has_lost(trial, &image))
		finding = find(VERDICT_LOST, "a bitmap is lost");
	else if (state->kind == KIND_NEITHER)
		finding = find(VERDICT_WRONG, "neither the old bitmaps nor the new ones");
	strict_free(&image);
	return finding;
}

/* ---- The end of the program --------------------------------------------------------- */

static bool is_signal_mode(enum fault_mode mode)
{
	return mode == FAULT_KILL || mode == FAULT_HALF || mode == FAULT_TERM ||
	       mode == FAULT_INT;
}

static int signal_of(enum fault_mode mode)
{
	return mode == FAULT_TERM ? SIGTERM : mode == FAULT_INT ? SIGINT : SIGKILL;
}

static bool says(const struct outcome *outcome, const char *words)
{
	return strstr(outcome->message, words) != NULL;
}

/* What is missing then is a problem of the image to check. */
static bool checks_cut_file(const struct trial *trial, const struct outcome *outcome)
{
	return trial->injection.mode == FAULT_EOF && !trial->edits &&
	       (outcome->status == 2 || outcome->status == 3);
}

static const char *judge_status(const struct trial *trial, const struct outcome *outcome)
{
	enum fault_mode mode = trial->injection.mode;
	if (checks_cut_file(trial, outcome))
		return NULL;
	switch (outcome->status) {
	case 0:
	case 1:
		return NULL;
	case 4:
		return says(outcome, "outcome unknown") ? NULL
							: "status 4 without its sentence";
	case 5:
		return says(outcome, "leaked") || says(outcome, "report is lost")
			       ? NULL
			       : "status 5 without its sentence";
	default:
		return outcome->signal != 0 || outcome->status == 128 + signal_of(mode)
			       ? NULL
			       : "an exit status that nobody expects";
	}
}

/* Of a file that ends too early, list tells which bitmaps are cut off, a plan which clusters it
 * could not look at, and a repair what it mends beside. */
static bool tells_of_cut(const struct outcome *outcome)
{
	return strstr(outcome->output, "corrupt") != NULL ||
	       strstr(outcome->output, "image: repaired") != NULL ||
	       strstr(outcome->output, "released, 3 leaked") != NULL;
}

static const char *judge_output(const struct trial *trial, const struct outcome *outcome)
{
	if (outcome->status == 0 && trial->injection.mode == FAULT_EOF &&
	    tells_of_cut(outcome))
		return NULL;
	if (outcome->status == 0 && strcmp(outcome->output, trial->good.output) != 0)
		return "success with other output";
	/* Before it looks for old bitmaps, check says what it has found. */
	bool has_checked = strstr(outcome->output, " bitmaps, no problems\n") != NULL;
	if (checks_cut_file(trial, outcome) || (outcome->status == 1 && has_checked))
		return NULL;
	/* Done with leaks is done: its JSON tells of them. */
	if (outcome->status > 0 && outcome->status != 5 && outcome->output[0] != '\0')
		return "a failure with output";
	return NULL;
}

/* Where the program's own allocations fail it ends on the spot, and gives nothing back. */
static bool leaves_memory(const struct trial *trial, const struct outcome *outcome)
{
	bool ended_there = says(outcome, "qcow2bm: out of memory");
	return outcome->signal == 0 && !ended_there &&
	       outcome->report.blocks > trial->good.report.blocks;
}

static struct finding judge_end(const struct trial *trial, const struct outcome *outcome)
{
	enum fault_mode mode = trial->injection.mode;
	bool must_not_show = mode == FAULT_EINTR || mode == FAULT_SHORT;
	if (outcome->signal == SIGALRM)
		return find(VERDICT_HANG, "it hangs");
	if (outcome->signal != 0 &&
	    !(is_signal_mode(mode) && outcome->signal == signal_of(mode)))
		return find(VERDICT_OTHER, "a signal ended it");
	if (outcome->signal == 0 && outcome->status != 0 && outcome->message[0] == '\0' &&
	    !checks_cut_file(trial, outcome))
		return find(VERDICT_OTHER, "it failed without a sentence");
	if (outcome->status > 0 && must_not_show)
		return find(VERDICT_OTHER, "what should be done again is a failure");
	if (leaves_memory(trial, outcome))
		return find(VERDICT_MEMORY, "memory is left behind");
	const char *wrong = judge_output(trial, outcome);
	return find(VERDICT_OTHER, wrong != NULL ? wrong : judge_status(trial, outcome));
}

/* ---- The state for that end --------------------------------------------------------- */

static bool is_untouched(const struct trial *trial, const struct outcome *outcome)
{
	const struct memory_file *before = trial->injection.image;
	return outcome->image.length == before->length &&
	       memcmp(outcome->image.bytes, before->bytes, before->length) == 0;
}

static struct finding judge_success(const struct outcome *outcome, bool is_new,
				    bool is_durable, bool leaks)
{
	if (!is_new)
		return find(VERDICT_FALSE_SUCCESS, "success without the new state");
	if (!is_durable)
		return find(VERDICT_FALSE_SUCCESS,
			    "success, but the new state is not durable");
	if (outcome->status == 0 && leaks)
		return find(VERDICT_OTHER, "success, but clusters leaked");
	if (outcome->status == 5 && !leaks && !says(outcome, "report is lost"))
		return find(VERDICT_OTHER, "status 5 without leaks");
	return fine;
}

/* `seen` is what readers find, `kept` what a power cut would leave. */
static struct finding judge_state(const struct trial *trial,
				  const struct outcome *outcome, const struct state *seen,
				  const struct state *kept)
{
	enum fault_mode mode = trial->injection.mode;
	bool is_old = seen->kind == KIND_OLD && kept->kind == KIND_OLD;
	if (!trial->edits)
		return is_untouched(trial, outcome)
			       ? fine
			       : find(VERDICT_WRONG, "a reading command wrote");
	if (outcome->status == 0 || outcome->status == 5)
		return judge_success(outcome, seen->kind == KIND_NEW,
				     kept->kind == KIND_NEW, seen->leaks || kept->leaks);
	if (outcome->status == 1 && !is_old)
		return find(VERDICT_OTHER, "failure, but the old state is gone");
	if (outcome->status != 4 && (mode == FAULT_TERM || mode == FAULT_INT) && !is_old)
		return find(VERDICT_OTHER, "interrupted, but not the old state");
	return fine;
}

bool judge_asks_qemu(void)
{
	char line[4200];
	snprintf(line, sizeof(line), "%s check -q -f qcow2 %s >qemu 2>&1",
		 getenv("QEMU_IMG"), INJECT_IMAGE);
	int status = system(line);
	return WIFEXITED(status) &&
	       (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3);
}

static struct finding check_with_qemu(struct trial *trial)
{
	if (!trial->qemu_can_check || tally_faults(&trial->tally) % CHECK_EVERY != 0)
		return fine;
	trial->checked++;
	return judge_asks_qemu()
		       ? fine
		       : find(VERDICT_BROKEN, "qemu-img check finds more than leaks");
}

/* ---- All of it ---------------------------------------------------------------------- */

static void count(struct trial *trial, const struct outcome *outcome,
		  const struct state *seen, const struct state *kept)
{
	struct tally *tally = &trial->tally;
	tally->faults[trial->injection.mode]++;
	tally->done += outcome->status == 0;
	tally->refused += outcome->status == 1;
	tally->unknown += outcome->status == 4;
	tally->leaked += outcome->status == 5;
	tally->signalled += outcome->status == -1 || outcome->status >= 128;
	tally->old += seen->kind == KIND_OLD;
	tally->new += seen->kind == KIND_NEW;
	tally->leaks += seen->leaks || kept->leaks;
}

const char *judge(struct trial *trial, const struct outcome *outcome)
{
	struct state seen, kept = {KIND_NEITHER, false};
	struct finding finding = look(trial, &outcome->image, &seen);
	if (finding.sentence == NULL)
		finding = look(trial, &outcome->durable, &kept);
	count(trial, outcome, &seen, &kept);
	if (finding.sentence == NULL)
		finding = judge_end(trial, outcome);
	if (finding.sentence == NULL)
		finding = judge_state(trial, outcome, &seen, &kept);
	if (finding.sentence == NULL)
		finding = check_with_qemu(trial);
	trial->tally.bad[finding.verdict] += finding.sentence != NULL;
	return finding.sentence;
}
