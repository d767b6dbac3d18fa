/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * matrix calls|memory [all]: every command with every fault at every place, each end judged.
 * Without `all`: a few commands, at every third place or so. Works in the current directory;
 * PRELOAD_FAULT and QCOW2BM say where these are. QEMU_IMG, where it is set, checks a sample.
 */
#define _POSIX_C_SOURCE 200809L

#include "../support/edit_cases.h"
#include "../support/strict_reader.h"
#include "inject.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define CHECK_EVERY 97 /* states, with qemu-img */

struct command {
	const char *image;
	bool is_quick; /* without `all` too */
	const char *words[INJECT_MAX_WORDS];
};

static const struct command commands[] = {
	{"small", true, {"add", "image", "n"}},
	{"small", false, {"add", "--disable", "-g", "4k", "image", "n", "m"}},
	{"small", false, {"delete", "image", "a"}},
	{"small", true, {"delete", "image", "a", "b"}},
	{"small", false, {"delete", "--all", "image"}},
	{"small", false, {"rename", "image", "a", "n"}},
	{"small", false, {"clear", "image", "a"}},
	{"small", false, {"clear", "--output=json", "image", "b"}},
	{"small", false, {"enable", "image", "c"}},
	{"small", false, {"disable", "image", "a", "b"}},
	{"small", true, {"merge", "--into", "c", "image", "a", "b"}},
	{"small", false, {"merge", "--create", "--into", "n", "image", "a", "b"}},
	{"small", false, {"merge", "-b", "source", "--into", "b", "image", "a"}},
	{"small", false, {"bitmap", "--add", "--merge", "a", "image", "n"}},
	{"small", false, {"bitmap", "--remove", "image", "b"}},
	{"none", true, {"add", "image", "n"}},
	{"none-backing", false, {"add", "image", "n"}},
	{"none-at-496", false, {"add", "image", "n"}},
	{"none-autoclear", false, {"add", "image", "n"}},
	{"one", true, {"delete", "image", "a"}},
	{"one-first", false, {"delete", "image", "a"}},
	{"payload-at-504", false, {"disable", "image", "a"}},
	{"payload-at-504-backing", false, {"rename", "image", "a", "n"}},
	{"autoclear", false, {"clear", "image", "a"}},
	{"block", false, {"merge", "--into", "a", "image", "b"}},
	{"blocks", false, {"merge", "--into", "a", "image", "b"}},
	{"table", true, {"merge", "--into", "a", "image", "b"}},
	{"refcount-order-0", false, {"merge", "--into", "a", "image", "b"}},
	{"everything", false, {"merge", "--into", "a", "image", "b"}},
	{"many.qcow2", false, {"delete", "--match", "chk-2026-09-0*", "image"}},
	{"small", true, {"list", "image"}},
	{"many.qcow2", false, {"list", "--output=json", "--no-count", "image"}},
	{"snapshots.qcow2", false, {"info", "image"}},
	{"small", false, {"info", "--output=json", "image"}},
	{"small", true, {"map", "image", "b"}},
	{"small", false, {"map", "--output=json", "image", "a"}},
	{"small", false, {"merge", "-n", "--into", "c", "image", "a"}},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char *const mode_words[] = FAULT_MODE_WORDS;

struct counts {
	uint64_t faults, done, old, unknown, leaked, signal_old, signal_new, wrong;
};

struct trial {
	const struct command *command;
	struct injection injection;
	struct memory_file image;
	struct outcome good; /* without a fault */
	struct strict_image before, after;
	bool edits;
	bool qemu_can_check; /* no key and no backing file is missing */
	struct counts counts;
	uint64_t checked; /* by qemu-img, over all trials */
};

enum kind { KIND_OLD, KIND_NEW, KIND_NEITHER };

/* ---- Judging ------------------------------------------------------------------------ */

static enum kind kind_of(const struct trial *trial, const struct memory_file *file,
			 const char **wrong, bool *leaks)
{
	struct strict_image state;
	enum kind kind = KIND_NEITHER;
	static char problem[256];
	bool is_sound = strict_read(&state, file->bytes, file->length);
	snprintf(problem, sizeof(problem), "%s", state.problem);
	*leaks = state.leaks > trial->before.leaks;
	if (!is_sound)
		*wrong = problem;
	else if (state.guest_sum != trial->before.guest_sum)
		*wrong = "the guest's data or its tables changed";
	else if (state.header_sum != trial->before.header_sum)
		*wrong = "the header or an extension changed";
	else if (strict_same_bitmaps(&state, &trial->before))
		kind = KIND_OLD;
	else if (strict_same_bitmaps(&state, &trial->after))
		kind = KIND_NEW;
	else
		*wrong = "the bitmaps are neither the old ones nor the new ones";
	strict_free(&state);
	return kind;
}

static bool is_signal_mode(enum fault_mode mode)
{
	return mode == FAULT_KILL || mode == FAULT_HALF || mode == FAULT_TERM ||
	       mode == FAULT_INT;
}

static int signal_of(enum fault_mode mode)
{
	return mode == FAULT_TERM ? SIGTERM : mode == FAULT_INT ? SIGINT : SIGKILL;
}

/* A wrong end of the program itself, or NULL. */
static const char *judge_end(const struct trial *trial, const struct outcome *outcome)
{
	enum fault_mode mode = trial->injection.mode;
	bool must_not_show = mode == FAULT_EINTR || mode == FAULT_SHORT;
	if (outcome->signal == SIGALRM)
		return "it hangs";
	if (outcome->signal != 0 &&
	    !(is_signal_mode(mode) && outcome->signal == signal_of(mode)))
		return "a signal ended it";
	if (outcome->signal == 0 && outcome->status != 0 && outcome->message[0] == '\0')
		return "it failed without a sentence";
	if (outcome->status > 0 && must_not_show)
		return "what should be done again is a failure";
	/* Of a file that ends too early, list tells which bitmaps are cut off, and a plan
	 * which clusters it could not look at. */
	if (outcome->status == 0 && mode == FAULT_EOF &&
	    (strstr(outcome->output, "corrupt") != NULL ||
	     strstr(outcome->output, "released, 3 leaked") != NULL))
		return NULL;
	if (outcome->status == 0 && strcmp(outcome->output, trial->good.output) != 0)
		return "success with other output";
	/* Done with leaks is done: its JSON tells of them. */
	if (outcome->status > 0 && outcome->status != 5 && outcome->output[0] != '\0')
		return "a failure with output";
	switch (outcome->status) {
	case 0:
	case 1:
		return NULL;
	case 4:
		return strstr(outcome->message, "outcome unknown") != NULL
			       ? NULL
			       : "status 4 without its sentence";
	case 5:
		return strstr(outcome->message, "leaked") != NULL ||
				       strstr(outcome->message, "report is lost") != NULL
			       ? NULL
			       : "status 5 without its sentence";
	default:
		return outcome->signal != 0 ||
				       outcome->status == 128 + signal_of(mode)
			       ? NULL
			       : "an exit status that nobody expects";
	}
}

/* A wrong state for that end, or NULL. `seen` is what readers find, `kept` what a power cut
 * would leave. */
static const char *judge_state(const struct trial *trial, const struct outcome *outcome,
			       enum kind seen, enum kind kept, bool leaks)
{
	bool all_new = seen == KIND_NEW && kept == KIND_NEW;
	bool all_old = seen == KIND_OLD && kept == KIND_OLD;
	if (!trial->edits)
		return outcome->image.length == trial->image.length &&
				       memcmp(outcome->image.bytes, trial->image.bytes,
					      trial->image.length) == 0
			       ? NULL
			       : "a reading command wrote";
	switch (outcome->status) {
	case 0:
		if (seen != KIND_NEW)
			return "success without the new state";
		if (!all_new)
			return "success, but the new state is not durable";
		return leaks ? "success, but clusters leaked" : NULL;
	case 5:
		if (!all_new)
			return "status 5, but the new state is not there or not durable";
		return leaks || strstr(outcome->message, "report is lost") != NULL
			       ? NULL
			       : "status 5 without leaks";
	case 4:
		return NULL;
	case 1:
		return all_old ? NULL : "failure, but the old state is not there any more";
	default:
		if (trial->injection.mode == FAULT_TERM || trial->injection.mode == FAULT_INT)
			return all_old ? NULL : "interrupted, but not the old state";
		return NULL; /* killed: either */
	}
}

static bool is_sound_for_qemu(void)
{
	char line[4200];
	snprintf(line, sizeof(line), "%s check -q -f qcow2 %s >qemu 2>&1", getenv("QEMU_IMG"),
		 INJECT_IMAGE);
	int status = system(line);
	return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3);
}

static const char *check_with_qemu(struct trial *trial)
{
	if (!trial->qemu_can_check || trial->counts.faults % CHECK_EVERY != 0)
		return NULL;
	trial->checked++;
	return is_sound_for_qemu() ? NULL : "qemu-img check finds more than leaks";
}

static void complain(struct trial *trial, const struct outcome *outcome, const char *wrong)
{
	if (trial->counts.wrong++ >= 3)
		return;
	printf("WRONG: %s:", trial->command->image);
	for (size_t i = 0; i < INJECT_MAX_WORDS && trial->command->words[i] != NULL; i++)
		printf(" %s", trial->command->words[i]);
	printf(": %s at %" PRIu64 " to %" PRIu64 ": exit %d, signal %d: %s\n  %s",
	       mode_words[trial->injection.mode], trial->injection.at,
	       trial->injection.until, outcome->status, outcome->signal, wrong,
	       outcome->message);
}

static void count(struct trial *trial, const struct outcome *outcome, enum kind seen)
{
	struct counts *counts = &trial->counts;
	counts->faults++;
	counts->done += outcome->status == 0;
	counts->old += outcome->status == 1;
	counts->unknown += outcome->status == 4;
	counts->leaked += outcome->status == 5;
	if (outcome->status == -1 || outcome->status >= 128) {
		counts->signal_new += trial->edits && seen == KIND_NEW;
		counts->signal_old += !trial->edits || seen == KIND_OLD;
	}
}

static void judge(struct trial *trial, const struct outcome *outcome)
{
	const char *wrong = NULL;
	bool seen_leaks = false, kept_leaks = false;
	enum kind seen = kind_of(trial, &outcome->image, &wrong, &seen_leaks);
	enum kind kept = KIND_NEITHER;
	if (wrong == NULL)
		kept = kind_of(trial, &outcome->durable, &wrong, &kept_leaks);
	if (wrong == NULL)
		wrong = judge_end(trial, outcome);
	if (wrong == NULL)
		wrong = judge_state(trial, outcome, seen, kept, seen_leaks || kept_leaks);
	count(trial, outcome, seen);
	if (wrong == NULL)
		wrong = check_with_qemu(trial);
	if (wrong != NULL)
		complain(trial, outcome, wrong);
}

/* ---- Trying ------------------------------------------------------------------------- */

static void try_one(struct trial *trial, enum fault_mode mode, uint64_t at, uint64_t until)
{
	static struct outcome outcome;
	trial->injection.mode = mode;
	trial->injection.at = at;
	trial->injection.until = until;
	inject(&trial->injection, &outcome);
	if (outcome.report.faults != 0)
		judge(trial, &outcome);
	else
		complain(trial, &outcome, "the fault did not happen");
	inject_free(&outcome);
}

static uint64_t count_calls(struct trial *trial, enum fault_mode mode)
{
	static struct outcome outcome;
	trial->injection.mode = mode;
	trial->injection.at = trial->injection.until = 0;
	inject(&trial->injection, &outcome);
	uint64_t calls = outcome.report.calls;
	inject_free(&outcome);
	return calls;
}

/* Once, and from there on. An interrupted call that is never not interrupted is no fault. */
static void try_mode(struct trial *trial, enum fault_mode mode, uint64_t step)
{
	uint64_t calls = count_calls(trial, mode);
	for (uint64_t at = 1 + (uint64_t)mode % step; at <= calls; at += step) {
		try_one(trial, mode, at, at);
		if (!is_signal_mode(mode))
			try_one(trial, mode, at,
				mode == FAULT_EINTR ? at + 50 : UINT64_MAX);
	}
}

static bool begin(struct trial *trial, const struct command *command)
{
	memset(trial, 0, sizeof(*trial));
	trial->command = command;
	if (!edit_case_image(command->image, &trial->image)) {
		printf("no image %s\n", command->image);
		return false;
	}
	trial->injection.words = command->words;
	trial->injection.image = &trial->image;
	for (size_t i = 0; i < INJECT_MAX_WORDS && command->words[i] != NULL; i++)
		if (strcmp(command->words[i], INJECT_SOURCE) == 0)
			trial->injection.source = &trial->image;
	inject(&trial->injection, &trial->good);
	strict_read(&trial->before, trial->image.bytes, trial->image.length);
	strict_read(&trial->after, trial->good.image.bytes, trial->good.image.length);
	trial->edits = !strict_same_bitmaps(&trial->before, &trial->after);
	trial->qemu_can_check = getenv("QEMU_IMG") != NULL && is_sound_for_qemu();
	if (trial->good.status == 0 && trial->before.problems + trial->after.problems == 0 &&
	    trial->before.leaks == trial->after.leaks)
		return true;
	printf("%s %s: exit %d without a fault: %s%s%s\n", command->image, command->words[0],
	       trial->good.status, trial->good.message, trial->before.problem,
	       trial->after.problem);
	return false;
}

static void end(struct trial *trial)
{
	strict_free(&trial->before);
	strict_free(&trial->after);
	inject_free(&trial->good);
	memory_file_free(&trial->image);
}

static void print_counts(const char *title, const struct counts *counts)
{
	printf("%-58.58s %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " %6" PRIu64
	       " %6" PRIu64 " %6" PRIu64 " %6" PRIu64 "\n",
	       title, counts->faults, counts->done, counts->old, counts->unknown,
	       counts->leaked, counts->signal_old, counts->signal_new, counts->wrong);
	fflush(stdout);
}

static void print_row(const struct trial *trial)
{
	char title[128];
	size_t used = (size_t)snprintf(title, sizeof(title), "%s:", trial->command->image);
	for (size_t i = 0; i < INJECT_MAX_WORDS && trial->command->words[i] != NULL; i++)
		if (used < sizeof(title) && strcmp(trial->command->words[i], "image") != 0)
			used += (size_t)snprintf(title + used, sizeof(title) - used, " %s",
						 trial->command->words[i]);
	print_counts(title, &trial->counts);
}

static void add(struct counts *total, const struct counts *counts)
{
	total->faults += counts->faults;
	total->done += counts->done;
	total->old += counts->old;
	total->unknown += counts->unknown;
	total->leaked += counts->leaked;
	total->signal_old += counts->signal_old;
	total->signal_new += counts->signal_new;
	total->wrong += counts->wrong;
}

int main(int argc, char **argv)
{
	struct counts total = {0};
	uint64_t checked = 0;
	bool memory = argc > 1 && strcmp(argv[1], "memory") == 0;
	bool all = argc > 2 && strcmp(argv[2], "all") == 0;
	printf("%-58s %6s %6s %6s %6s %6s %6s %6s %6s\n", "image: command", "faults", "0:new",
	       "1:old", "4:?", "5:new", "sigold", "signew", "wrong");
	for (size_t i = 0; i < COMMANDS; i++) {
		static struct trial trial;
		if (!all && !commands[i].is_quick)
			continue;
		if (!begin(&trial, &commands[i]))
			return 1;
		enum fault_mode first = memory ? FAULT_MEMORY : FAULT_EIO;
		enum fault_mode last = memory ? FAULT_MEMORY : FAULT_INT;
		for (enum fault_mode mode = first; mode <= last; mode++)
			try_mode(&trial, mode, all ? 1 : 3);
		print_row(&trial);
		add(&total, &trial.counts);
		checked += trial.checked;
		end(&trial);
	}
	print_counts("total", &total);
	printf("%" PRIu64 " states were checked by qemu-img\n", checked);
	return total.wrong != 0;
}
