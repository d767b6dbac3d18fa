/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * matrix [all]: every command with every fault at every place, each end judged. Without
 * `all`: a few commands, at every third place or so. Works in the current directory;
 * PRELOAD_FAULT and QCOW2BM say where these are. QEMU_IMG, where it is set, checks a sample.
 */
#define _POSIX_C_SOURCE 200809L

#include "../support/edit_cases.h"
#include "judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
	const char *image;
	bool is_quick; /* without `all` too */
	const char *words[INJECT_MAX_WORDS];
};

#define PLACE "OFFSET:N" /* of the old bitmap that the image has */

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
	{"enabled.qcow2", false, {"add", "image", "n"}},
	{"enabled.qcow2",
	 false,
	 {"merge", "--into", "chk-2026-11-15", "image", "chk-2026-11-08"}},
	{"chain-top.qcow2", false, {"clear", "image", "chk-2026-11-01"}},
	{"mixed.qcow2", false, {"rename", "image", "chk-2026-11-03", "n"}},
	{"snapshots.qcow2", false, {"delete", "image", "chk-2026-11-01"}},
	{"zstd.qcow2", false, {"disable", "image", "chk-2026-11-02"}},
	{"in-use.qcow2", false, {"recover", "--full", "image"}},
	{"mixed.qcow2", false, {"recover", "--full", "image", "chk-2026-11-01"}},
	{"carved",
	 false,
	 {"recover", "--carved", PLACE, "--as", "n", "--unsafe", "image"}},
	{"enabled.qcow2",
	 true,
	 {"recover", "--old-format=raw", "--compare", "source", "image",
	  "chk-2026-11-15"}},
	{"small", false, {"repair", "--no-save", "--drop=a", "image"}},
	{"in-use.qcow2", false, {"repair", "--no-save", "--drop-in-use", "image"}},
	{"small", false, {"repair", "--continue", "--no-save", "--drop=a", "image"}},
	{"in-use.qcow2", false, {"recover", "--continue", "--full", "image"}},
	{"small", true, {"check", "image"}},
	{"snapshots.qcow2", false, {"check", "--output=json", "image"}},
	{"small", false, {"check", "--carve", "image"}},
	{"small", true, {"list", "image"}},
	{"many.qcow2", false, {"list", "--output=json", "--no-count", "image"}},
	{"snapshots.qcow2", false, {"info", "image"}},
	{"small", false, {"info", "--output=json", "image"}},
	{"small", true, {"map", "image", "b"}},
	{"small", false, {"map", "--output=json", "image", "a"}},
	{"small", false, {"merge", "-n", "--into", "c", "image", "a"}},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct sums {
	const char *verb;
	struct tally tally;
};

/* ---- Trying ------------------------------------------------------------------------- */

static bool is_signal_mode(enum fault_mode mode)
{
	return mode == FAULT_KILL || mode == FAULT_HALF || mode == FAULT_TERM ||
	       mode == FAULT_INT;
}

static void complain(const struct command *command, const struct trial *trial,
		     const struct outcome *outcome, const char *wrong)
{
	static const char *const mode_words[] = FAULT_MODE_WORDS;
	if (tally_bad(&trial->tally) > 3)
		return;
	printf("WRONG: %s:", command->image);
	for (size_t i = 0; i < INJECT_MAX_WORDS && command->words[i] != NULL; i++)
		printf(" %s", command->words[i]);
	printf(": %s at %" PRIu64 " to %" PRIu64 ": exit %d, signal %d: %s\n  %s",
	       mode_words[trial->injection.mode], trial->injection.at,
	       trial->injection.until, outcome->status, outcome->signal, wrong,
	       outcome->message);
}

static void try_one(const struct command *command, struct trial *trial,
		    enum fault_mode mode, uint64_t at, uint64_t until)
{
	static struct outcome outcome;
	const char *wrong;
	trial->injection.mode = mode;
	trial->injection.at = at;
	trial->injection.until = until;
	inject(&trial->injection, &outcome);
	if (outcome.report.faults != 0) {
		wrong = judge(trial, &outcome);
	} else {
		wrong = "the fault did not happen";
		trial->tally.bad[VERDICT_OTHER]++;
	}
	if (wrong != NULL)
		complain(command, trial, &outcome, wrong);
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
static void try_mode(const struct command *command, struct trial *trial,
		     enum fault_mode mode, uint64_t step)
{
	uint64_t calls = count_calls(trial, mode);
	for (uint64_t at = 1 + (uint64_t)mode % step; at <= calls; at += step) {
		try_one(command, trial, mode, at, at);
		if (!is_signal_mode(mode))
			try_one(command, trial, mode, at,
				mode == FAULT_EINTR ? at + 50 : UINT64_MAX);
	}
}

/* The words of the command, with the place in them that PLACE stands for. */
static bool fill_words(struct trial *trial, const struct command *command,
		       struct memory_file *image)
{
	static const char *words[INJECT_MAX_WORDS];
	static char place[EDIT_CASE_PLACE];
	memcpy(words, command->words, sizeof(words));
	trial->injection.words = words;
	for (size_t i = 0; i < INJECT_MAX_WORDS && words[i] != NULL; i++)
		if (strcmp(words[i], PLACE) == 0) {
			if (!edit_case_carved(image, place))
				return false;
			words[i] = place;
		}
	return true;
}

static bool begin(struct trial *trial, const struct command *command,
		  struct memory_file *image)
{
	memset(trial, 0, sizeof(*trial));
	if (!edit_case_image(command->image, image) ||
	    !fill_words(trial, command, image)) {
		printf("no image %s\n", command->image);
		return false;
	}
	trial->injection.image = image;
	for (size_t i = 0; i < INJECT_MAX_WORDS && command->words[i] != NULL; i++)
		if (strcmp(command->words[i], INJECT_SOURCE) == 0)
			trial->injection.source = image;
	inject(&trial->injection, &trial->good);
	strict_read(&trial->before, image->bytes, image->length);
	strict_read(&trial->after, trial->good.image.bytes, trial->good.image.length);
	trial->edits = !strict_same_bitmaps(&trial->before, &trial->after);
	trial->qemu_can_check = getenv("QEMU_IMG") != NULL && judge_asks_qemu();
	if (trial->good.status == 0 &&
	    trial->before.problems + trial->after.problems == 0 &&
	    trial->before.leaks == trial->after.leaks)
		return true;
	printf("%s %s: exit %d without a fault: %s%s%s\n", command->image,
	       command->words[0], trial->good.status, trial->good.message,
	       trial->before.problem, trial->after.problem);
	return false;
}

static void end(struct trial *trial)
{
	strict_free(&trial->before);
	strict_free(&trial->after);
	inject_free(&trial->good);
}

/* ---- All commands ------------------------------------------------------------------- */

/* Where the command is counted: with all others of its verb. */
static struct tally *find_tally(struct sums *sums, size_t *count, const char *verb)
{
	for (size_t i = 0; i < *count; i++)
		if (strcmp(sums[i].verb, verb) == 0)
			return &sums[i].tally;
	sums[*count].verb = verb;
	return &sums[(*count)++].tally;
}

static void print_table(const struct sums *sums, size_t count)
{
	struct tally total = {.done = 0};
	for (size_t i = 0; i < count; i++)
		tally_add(&total, &sums[i].tally);
	tally_print_faults(NULL, NULL);
	for (size_t i = 0; i < count; i++)
		tally_print_faults(sums[i].verb, &sums[i].tally);
	tally_print_faults("total", &total);
	printf("\n");
	tally_print_ends(NULL, NULL);
	for (size_t i = 0; i < count; i++)
		tally_print_ends(sums[i].verb, &sums[i].tally);
	tally_print_ends("total", &total);
}

int main(int argc, char **argv)
{
	static struct trial trial;
	static struct sums sums[COMMANDS];
	struct memory_file image = {0};
	size_t count = 0;
	uint64_t checked = 0, bad = 0;
	bool all = argc > 1 && strcmp(argv[1], "all") == 0;
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!all && !commands[i].is_quick)
			continue;
		if (!begin(&trial, &commands[i], &image))
			return 1;
		for (enum fault_mode mode = 0; mode < FAULT_MODES; mode++)
			try_mode(&commands[i], &trial, mode, all ? 1 : 3);
		tally_add(find_tally(sums, &count, commands[i].words[0]), &trial.tally);
		checked += trial.checked;
		bad += tally_bad(&trial.tally);
		end(&trial);
	}
	memory_file_free(&image);
	print_table(sums, count);
	printf("%" PRIu64 " of these states were checked by qemu-img too\n", checked);
	return bad != 0;
}
