/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs every command on the image of every recipe, prints the table of verdicts, and says at the
 * end what was run, and what was wrong or broken. The work directory is where it is started.
 *
 * verdicts [--strace PROGRAM] [--judge PROGRAM] COMMANDS DIRECTORY RECIPE...
 *	COMMANDS   the file of commands, in whose head the words are explained
 *	DIRECTORY  what `base` of a recipe is found in; GOOD is the file good.qcow2 here
 *	--strace   looks at the files that commands open
 *	--judge    PROGRAM BEFORE AFTER: a second judge of edits, by its exit status
 */
#define _GNU_SOURCE
#include "hostile.h"
#include "verdict_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SECONDS 2.0
#define MAX_KIB (64 * 1024L)
#define MAX_COMMANDS 64

struct command {
	char *line; /* which the others are parts of */
	char *name, *kind, *statuses;
	char *words[HOSTILE_MAX_WORDS];
};

static struct command commands[MAX_COMMANDS];
static size_t command_count;
static const char *strace, *judge;

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

static void read_commands(const char *name)
{
	char *line = NULL;
	size_t room = 0;
	FILE *file = fopen(name, "r");
	if (file == NULL)
		hostile_stop("open", name);
	while (getline(&line, &room, file) >= 0) {
		struct command *command = &commands[command_count];
		char *word = strtok(line, " \t\n");
		if (word == NULL || word[0] == '#')
			continue;
		command->line = line;
		line = NULL;
		command->name = word;
		command->kind = strtok(NULL, " \t\n");
		command->statuses = strtok(NULL, " \t\n");
		command->words[0] = (char *)"qcow2bm";
		for (size_t i = 1; (word = strtok(NULL, " \t\n")) != NULL; i++)
			command->words[i] = word;
		if (command->words[1] == NULL || ++command_count == MAX_COMMANDS)
			hostile_stop("not understood, or too many", name);
	}
	free(line);
	fclose(file);
}

/* A bitmap's name as a recipe has it, with TEXT*N resolved; the program knows \xHH itself. */
static char *bitmap_name(const char *word)
{
	size_t bytes = strcspn(word, "*");
	size_t times = word[bytes] == '*' ? strtoul(word + bytes + 1, NULL, 0) : 1;
	char *name = calloc(bytes * times + 1, 1);
	if (name == NULL)
		abort();
	for (size_t i = 0; i < times; i++)
		memcpy(name + i * bytes, word, bytes);
	return name;
}

static void free_names(char *names[2])
{
	if (names[1] != names[0])
		free(names[1]);
	free(names[0]);
	names[0] = names[1] = NULL;
}

/* The first and the last bitmap of a recipe. */
static void find_names(const char *recipe, char *names[2])
{
	char *line = NULL;
	size_t room = 0;
	FILE *file = fopen(recipe, "r");
	if (file == NULL)
		hostile_stop("open", recipe);
	names[0] = names[1] = NULL;
	while (getline(&line, &room, file) >= 0) {
		char first[2048], last[2048];
		if (sscanf(line, "# names %2047s %2047s", first, last) == 2) {
			free_names(names);
			names[0] = bitmap_name(first);
			names[1] = bitmap_name(last);
		} else if (sscanf(line, "bitmap %2047s", last) == 1) {
			if (names[1] != names[0])
				free(names[1]);
			names[1] = bitmap_name(last);
			names[0] = names[0] == NULL ? names[1] : names[0];
		}
	}
	if (names[0] == NULL)
		names[0] = names[1] = bitmap_name("chk");
	free(line);
	fclose(file);
}

static void fill_words(struct run *run, const char *image, char *const names[2])
{
	const struct {
		const char *word, *value;
	} known[] = {{"IMAGE", image},
		     {"GOOD", "good.qcow2"},
		     {"FIRST", names[0]},
		     {"LAST", names[1]}};
	for (size_t i = 0; run->command->words[i] != NULL; i++) {
		run->words[i] = run->command->words[i];
		for (size_t j = 0; j < sizeof(known) / sizeof(known[0]); j++)
			if (strcmp(run->words[i], known[j].word) == 0)
				run->words[i] = (char *)known[j].value;
	}
}

static bool is_allowed(const char *statuses, int status)
{
	char wanted[16], all[64];
	snprintf(wanted, sizeof(wanted), ",%d,", status);
	snprintf(all, sizeof(all), ",%s,", statuses);
	return strstr(all, wanted) != NULL;
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

static void check_outcome(const struct run *run, const struct outcome *outcome)
{
	sum.runs++;
	bool refused = outcome->status == 1 || outcome->status == 63;
	sum.refused += refused;
	sum.done += !refused;
	if (!is_allowed(run->command->statuses, outcome->status))
		complain(&sum.wrong, run, "exit status %d: %s", outcome->status,
			 outcome->message);
	if (outcome->status == 1 && outcome->message[0] == '\0')
		complain(&sum.wrong, run, "refused without a sentence");
	if (outcome->status == 1 && outcome->printed_bytes != 0)
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
	fill_words(&run, edits ? "image.qcow2" : "built.qcow2", names);
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
	find_names(path, names);
	outcome_run(&outcome, make);
	if (outcome.status != 0)
		hostile_stop(outcome.message, path);
	outcome_free(&outcome);
	mapped_copy("built.qcow2", "image.qcow2");
	if (stat("built.qcow2", &built) != 0)
		hostile_stop("stat", "built.qcow2");
	for (size_t i = 0; i < command_count; i++)
		run_command(recipe, &commands[i], names, &built);
	verdict_table_print(recipe);
	sum.recipes++;
	free_names(names);
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
	}
	if (argc - at < 3) {
		fputs("usage: verdicts [--strace PROGRAM] [--judge PROGRAM] COMMANDS "
		      "DIRECTORY RECIPE...\n",
		      stderr);
		return 64;
	}
	read_commands(argv[at]);
	learn(argv[at + 1]);
	for (int i = at + 2; i < argc; i++)
		run_recipe(argv[i], argv[at + 1]);
	print_sum();
	for (size_t i = 0; i < command_count; i++)
		free(commands[i].line);
	return sum.wrong + sum.broken > 0;
}
