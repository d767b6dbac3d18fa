/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs commands on the images of recipes that are small and want much of the program, and prints for
 * each the most that one took: processor seconds, memory above that of `qcow2bm --version`. What
 * takes more than the bounds, or ends with a status that is not allowed to it, is wrong.
 *
 * limits_run SECONDS MIB COMMANDS... -- RECIPE...
 *	MIB        0: memory is not looked at
 *	# without NAME...  in a recipe: commands that are not run on it
 */
#define _GNU_SOURCE
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_COMMANDS 128

static struct command commands[MAX_COMMANDS];
static size_t command_count, wrong;
static unsigned max_seconds;
static long max_kib, least_kib;

struct cost {
	int status;
	double seconds; /* of the processor */
	long kib;
};

static void become(char **words)
{
	struct rlimit limit = {max_seconds, max_seconds};
	int null = open("/dev/null", O_RDWR), err = creat("err", 0666);
	if (null < 0 || err < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(err, 2) < 0 || setrlimit(RLIMIT_CPU, &limit) != 0)
		_exit(126);
	execvp(words[0], words);
	_exit(127);
}

/* What is printed may be long: nobody keeps it. */
static struct cost run(char **words)
{
	int status;
	struct rusage usage;
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		hostile_stop("fork", words[0]);
	if (child == 0)
		become(words);
	if (wait4(child, &status, 0, &usage) < 0)
		hostile_stop("wait", words[0]);
	return (struct cost){
		.status =
			WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
		.seconds =
			(double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
		.kib = usage.ru_maxrss > least_kib ? usage.ru_maxrss - least_kib : 0,
	};
}

/* Whether a line "# without" of the recipe names the command. */
static bool is_left_out(const char *recipe, const char *name)
{
	char *line = NULL;
	size_t room = 0;
	bool found = false;
	FILE *file = fopen(recipe, "r");
	if (file == NULL)
		hostile_stop("open", recipe);
	while (getline(&line, &room, file) >= 0) {
		if (strncmp(line, "# without ", 10) != 0)
			continue;
		for (char *word = strtok(line + 10, " \n"); word != NULL;
		     word = strtok(NULL, " \n"))
			found |= strcmp(word, name) == 0;
	}
	free(line);
	fclose(file);
	return found;
}

static void judge(const char *recipe, const struct command *command,
		  const struct cost *cost)
{
	bool slow = cost->status == 128 + SIGKILL || cost->status == 128 + SIGXCPU ||
		    cost->seconds > max_seconds;
	if (slow)
		printf("%s: %s: took more than %u seconds\n", recipe, command->name,
		       max_seconds);
	else if (!command_allows(command, cost->status))
		printf("%s: %s: exit status %d\n", recipe, command->name, cost->status);
	else if (max_kib != 0 && cost->kib > max_kib)
		printf("%s: %s: took %ld KiB of memory\n", recipe, command->name,
		       cost->kib);
	else
		return;
	wrong++;
}

static void run_recipe(const char *path)
{
	char *make[] = {(char *)"make_image", (char *)path, (char *)"built.qcow2", NULL};
	char *names[2];
	const char *recipe = strrchr(path, '/') + 1;
	struct cost most = {0};
	const char *slowest = "", *largest = "";
	if (run(make).status != 0)
		hostile_stop("make_image", path);
	recipe_find_names(path, names);
	for (size_t i = 0; i < command_count; i++) {
		char *words[HOSTILE_MAX_WORDS] = {NULL};
		bool edits = strcmp(commands[i].kind, "edit") == 0 ||
			     strcmp(commands[i].kind, "mend") == 0;
		if (is_left_out(path, commands[i].name))
			continue;
		if (edits)
			mapped_copy("built.qcow2", "image.qcow2");
		if (unlink("undo-file") != 0 && errno != ENOENT)
			hostile_stop("unlink", "undo-file");
		command_fill(&commands[i], words, edits ? "image.qcow2" : "built.qcow2",
			     names);
		struct cost cost = run(words);
		judge(recipe, &commands[i], &cost);
		if (cost.seconds >= most.seconds) {
			most.seconds = cost.seconds;
			slowest = commands[i].name;
		}
		if (cost.kib >= most.kib) {
			most.kib = cost.kib;
			largest = commands[i].name;
		}
	}
	printf("%-26s %6.2f s %-14s %6.1f MiB %s\n", recipe, most.seconds, slowest,
	       (double)most.kib / 1024, largest);
	recipe_free_names(names);
}

int main(int argc, char **argv)
{
	char *version[] = {(char *)"qcow2bm", (char *)"--version", NULL};
	int at = 3;
	if (argc < 5)
		return 64;
	max_seconds = (unsigned)atoi(argv[1]);
	max_kib = 1024 * atol(argv[2]);
	for (; at < argc && strcmp(argv[at], "--") != 0; at++)
		command_count =
			commands_read(commands, command_count, MAX_COMMANDS, argv[at]);
	least_kib = run(version).kib;
	for (at++; at < argc; at++)
		run_recipe(argv[at]);
	commands_free(commands, command_count);
	return wrong != 0;
}
