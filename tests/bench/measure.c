/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * measure COMMAND...: runs it with its standard output on /dev/null and prints the wall time
 * in microseconds and the peak memory in KiB of it, or of the largest of its children. Static
 * and small: a child's peak begins with the memory of its parent.
 */
#define _GNU_SOURCE /* wait4() */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec start, end;
	struct rusage usage;
	int status, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (argc < 2 || null < 0) {
		fputs("usage: measure COMMAND [ARGUMENT]...\n", stderr);
		return 64;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	pid_t child = fork();
	if (child == 0) {
		dup2(null, STDOUT_FILENO);
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child) {
		perror("measure");
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "measure: %s failed (wait status %#x)\n", argv[1],
			(unsigned)status);
		return 1;
	}
	printf("%lld %ld\n",
	       (long long)(end.tv_sec - start.tv_sec) * 1000000 +
		       (end.tv_nsec - start.tv_nsec) / 1000,
	       usage.ru_maxrss);
	return 0;
}
