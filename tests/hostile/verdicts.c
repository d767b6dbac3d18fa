/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs every command on the image of every recipe, prints the table of verdicts, and says at the
 * end what was run, and what was wrong or broken. The work directory is where it is started.
 *
 * verdicts [--share N] [--strace PROGRAM] [--judge PROGRAM] COMMANDS DIRECTORY RECIPE...
 *	COMMANDS   the file of commands, in whose head the words are explained
 *	DIRECTORY  what `base` of a recipe is found in; GOOD is the file good.qcow2 here
 *	--share    runs one command in N on each recipe, of each N recipes another one
 *	--strace   looks at the files that commands open
 *	--judge    PROGRAM BEFORE AFTER: a second judge of edits, by its exit status
 */
#define _GNU_SOURCE
#include "commands.h"
#include "hostile.h"
#include "verdict_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SECONDS 2.0
#define MAX_KIB (64 * 1024L)
#define MAX_COMMANDS 128

static struct command commands[MAX_COMMANDS];
static size_t command_count;
static const char *strace, *judge;
static unsigned long share = 1;

static struct {
	size_t recipes, runs, refused, done, judged, wrong, broken, traced;
	double slowest;
	char slowest_run[256];
	long least_kib, peak_kib;
	char peak_run[256];
} sum;

/* One recipe on one command. */
struct run {
	const char *recipe;
	const struct command *command;
	char *words[HOSTILE_MAX_WORDS];
};

static void complain(size_t *count, const struct run *run, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void complain(size_t *count, const struct run *run, const char *format, ...)
{
	va_list args;
	++*count;
	fprintf(stderr, "%s: %s: ", run->recipe, run->command->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* The images of 65535 bitmaps alone, which cost most of what they may, cost more with what the
 * sanitizers add to every allocation; without them, they keep the limits, too. */
static int sanitizer_cost(void)
{
#if defined(__SANITIZE_ADDRESS__)
	struct stat status;
	if (stat("built.qcow2", &status) != 0)
		hostile_stop("stat", "built.qcow2");
	return status.st_size > 16 << 20 ? 4 : 1;
#else
	return 1;
#endif
}

/* What an image may cost beside the 64 MiB: a KiB for each bitmap, none of which takes less than
 * 512 bytes of the file. */
static long need_kib(void)
{
	struct stat status;
	if (stat("built.qcow2", &status) != 0)
		hostile_stop("stat", "built.qcow2");
	return (long)(sanitizer_cost() * 2 * status.st_size / 1024);
}

static void measure(const struct run *run, const struct outcome *outcome)
{
	long kib =
		outcome->peak_kib > sum.least_kib ? outcome->peak_kib - sum.least_kib : 0;
	if (outcome->seconds > sum.slowest) {
		sum.slowest = outcome->seconds;
		snprintf(sum.slowest_run, sizeof(sum.slowest_run), "%s, %s", run->recipe,
			 run->command->name);
	}
	if (kib > sum.peak_kib) {
		sum.peak_kib = kib;
		snprintf(sum.peak_run, sizeof(sum.peak_run), "%s, %s", run->recipe,
			 run->command->name);
	}
	if (outcome->seconds > sanitizer_cost() * MAX_SECONDS)
		complain(&sum.wrong, run, "took %.1f seconds", outcome->seconds);
	if (kib > MAX_KIB + need_kib())
		complain(&sum.wrong, run, "took %ld KiB of memory", kib);
}

/* To compare, 1 is an answer: the disks differ. */
static bool is_refused(const struct run *run, const struct outcome *outcome)
{
	bool is_answer = strcmp(run->command->words[1], "compare") == 0;
	return outcome->status == 63 || (outcome->status == 1 && !is_answer);
}

static void check_outcome(const struct run *run, const struct outcome *outcome)
{
	sum.runs++;
	bool refused = is_refused(run, outcome);
	sum.refused += refused;
	sum.done += !refused;
	if (!command_allows(run->command, outcome->status))
		complain(&sum.wrong, run, "exit status %d: %s", outcome->status,
			 outcome->message);
	if (refused && outcome->status == 1 && outcome->message[0] == '\0')
		complain(&sum.wrong, run, "refused without a sentence");
	if (refused && outcome->status == 1 && outcome->printed_bytes != 0)
		complain(&sum.wrong, run, "refused, but printed: %s", outcome->printed);
	measure(run, outcome);
}

static void check_reading(const struct run *run, const struct stat *built)
{
	struct stat now;
	if (stat("built.qcow2", &now) != 0)
		hostile_stop("stat", "built.qcow2");
	if (now.st_mtim.tv_sec != built->st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != built->st_mtim.tv_nsec ||
	    now.st_ctim.tv_nsec != built->st_ctim.tv_nsec ||
	    !mapped_is_same("built.qcow2", "image.qcow2"))
		complain(&sum.broken, run, "reading changed the image");
}

static void check_edit(const struct run *run, int status)
{
	bool mends = strcmp(run->command->kind, "mend") == 0;
	if (mapped_is_same("built.qcow2", "image.qcow2"))
		return;
	sum.judged++;
	if (status != 0 && status != 5)
		complain(&sum.broken, run, "refused, but bytes were changed");
	else if (!judge_edit("built.qcow2", "image.qcow2", mends ? NULL : run->words,
			     status))
		complain(&sum.broken, run, "it is worse than before");
	if (judge != NULL) {
		char *words[] = {(char *)judge, (char *)"built.qcow2",
				 (char *)"image.qcow2", NULL};
		struct outcome outcome;
		outcome_run(&outcome, words);
		if (outcome.status != 0)
			complain(&sum.broken, run, "judge: %d: %s%s", outcome.status,
				 outcome.printed, outcome.message);
		outcome_free(&outcome);
	}
}

static void check_opened(const struct run *run)
{
	if (strace == NULL || strcmp(run->command->kind, "follow") == 0)
		return;
	const char *opened = opened_check(strace, run->words);
	sum.traced++;
	if (opened != NULL)
		complain(&sum.wrong, run, "opened %s", opened);
}

static void run_command(const char *recipe, const struct command *command,
			char *const names[2], const struct stat *built)
{
	bool edits =
		strcmp(command->kind, "edit") == 0 || strcmp(command->kind, "mend") == 0;
	struct run run = {.recipe = recipe, .command = command};
	struct outcome outcome;
	command_fill(command, run.words, edits ? "image.qcow2" : "built.qcow2", names);
	outcome_run(&outcome, run.words);
	check_outcome(&run, &outcome);
	if (edits)
		check_edit(&run, outcome.status);
	else
		check_reading(&run, built);
	verdict_table_add(command->name, &outcome, strcmp(command->kind, "show") == 0);
	outcome_free(&outcome);
	if (edits && !mapped_is_same("built.qcow2", "image.qcow2"))
		mapped_copy("built.qcow2", "image.qcow2");
	check_opened(&run);
	if (edits && strace != NULL)
		mapped_copy("built.qcow2", "image.qcow2");
}

static void run_recipe(const char *path, const char *directory)
{
	char *make[] = {(char *)"make_image", (char *)path, (char *)"built.qcow2",
			(char *)directory, NULL};
	char *names[2], *recipe = strdup(strrchr(path, '/') + 1);
	struct outcome outcome;
	struct stat built;
	recipe[strcspn(recipe, ".")] = '\0';
	recipe_find_names(path, names);
	outcome_run(&outcome, make);
	if (outcome.status != 0)
		hostile_stop(outcome.message, path);
	outcome_free(&outcome);
	mapped_copy("built.qcow2", "image.qcow2");
	if (stat("built.qcow2", &built) != 0)
		hostile_stop("stat", "built.qcow2");
	for (size_t i = sum.recipes % share; i < command_count; i += share)
		run_command(recipe, &commands[i], names, &built);
	verdict_table_print(recipe);
	sum.recipes++;
	recipe_free_names(names);
	free(recipe);
}

/* What the program and its sanitizers need by themselves, and the files that they open. */
static void learn(const char *directory)
{
	char dated[4096];
	char *version[] = {(char *)"qcow2bm", (char *)"--version", NULL};
	char *list[] = {(char *)"qcow2bm", (char *)"list", (char *)"--output=json",
			(char *)"good.qcow2", NULL};
	struct outcome outcome;
	outcome_run(&outcome, version);
	if (outcome.status != 0)
		hostile_stop(outcome.message, "qcow2bm --version");
	sum.least_kib = outcome.peak_kib;
	outcome_free(&outcome);
	if (strace == NULL)
		return;
	opened_learn(strace, list);
	/* the C library's time zone, for the dates of snapshots */
	snprintf(dated, sizeof(dated), "%s/snapshots.qcow2", directory);
	list[1] = (char *)"info";
	list[2] = (char *)"--";
	list[3] = dated;
	opened_learn(strace, list);
}

static void print_sum(void)
{
	fprintf(stderr,
		"recipes              %6zu\n"
		"runs                 %6zu\n"
		"  refused            %6zu\n"
		"  done               %6zu\n"
		"edits judged         %6zu\n"
		"opened files looked at in %zu\n"
		"wrong                %6zu\n"
		"broken               %6zu\n"
		"slowest              %6.3f s of the processor (%s)\n"
		"largest memory       %6.1f MiB above qcow2bm --version, %.1f MiB (%s)\n",
		sum.recipes, sum.runs, sum.refused, sum.done, sum.judged, sum.traced,
		sum.wrong, sum.broken, sum.slowest, sum.slowest_run,
		(double)sum.peak_kib / 1024, (double)sum.least_kib / 1024, sum.peak_run);
}

int main(int argc, char **argv)
{
	int at = 1;
	for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
		if (strcmp(argv[at], "--strace") == 0)
			strace = argv[at + 1];
		else if (strcmp(argv[at], "--judge") == 0)
			judge = argv[at + 1];
		else if (strcmp(argv[at], "--share") == 0)
			share = strtoul(argv[at + 1], NULL, 10);
	}
	if (argc - at < 3 || share == 0) {
		fputs("usage: verdicts [--share N] [--strace PROGRAM] [--judge PROGRAM] "
		      "COMMANDS DIRECTORY RECIPE...\n",
		      stderr);
		return 64;
	}
	command_count = commands_read(commands, 0, MAX_COMMANDS, argv[at]);
	learn(argv[at + 1]);
	for (int i = at + 2; i < argc; i++)
		run_recipe(argv[i], argv[at + 1]);
	print_sum();
	commands_free(commands, command_count);
	return sum.wrong + sum.broken > 0;
}
