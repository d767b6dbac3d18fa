/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Speaks QMP over a pair of sockets that QEMU inherits. */
#define _POSIX_C_SOURCE 200809L
#include "qemu.h"

#include "steps.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t qemu;
static FILE *answers, *monitor;
static unsigned nodes;
static char node[16];
static char refusal[256];

static void become_qemu(int fd)
{
	char chardev[64];
	int null = open("/dev/null", O_RDWR);
	/* It must not outlive a test that is killed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	snprintf(chardev, sizeof(chardev), "socket,id=qmp,fd=%d", fd);
	execlp("qemu-system-x86_64", "qemu-system-x86_64", "-machine", "none",
	       "-nodefaults", "-display", "none", "-S", "-chardev", chardev, "-mon",
	       "chardev=qmp,mode=control", (char *)NULL);
	_exit(127);
}

void qemu_kill(void)
{
	if (qemu == 0)
		return;
	kill(qemu, SIGKILL);
	waitpid(qemu, NULL, 0);
	fclose(monitor);
	fclose(answers);
	qemu = 0;
}

/* The answer to one command, NULL where QEMU is gone: events and the greeting are passed over. */
static json_t *read_answer(void)
{
	static char line[1 << 16];
	while (fgets(line, sizeof(line), answers) != NULL) {
		json_t *answer = json_loads(line, 0, NULL);
		if (json_object_get(answer, "return") || json_object_get(answer, "error"))
			return answer;
		json_decref(answer);
	}
	return NULL;
}

static bool send_command(json_t *command)
{
	return command != NULL && json_dumpf(command, monitor, JSON_COMPACT) == 0 &&
	       fputc('\n', monitor) != EOF && fflush(monitor) == 0;
}

/* Damaged images can make QEMU abort: that ends its session as kill -9 does. */
static bool execute(const char *name, json_t *arguments)
{
	json_t *command = json_pack("{s:s, s:o}", "execute", name, "arguments",
				    arguments == NULL ? json_object() : arguments);
	json_t *answer = qemu != 0 && send_command(command) ? read_answer() : NULL;
	json_decref(command);
	if (answer == NULL) {
		qemu_kill();
		snprintf(refusal, sizeof(refusal), "QEMU is gone");
		return false;
	}
	const char *why = json_string_value(
		json_object_get(json_object_get(answer, "error"), "desc"));
	if (why != NULL)
		snprintf(refusal, sizeof(refusal), "%s", why);
	json_decref(answer);
	return why == NULL;
}

static void start(void)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		steps_stop("socketpair");
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fflush(NULL);
	qemu = fork();
	if (qemu < 0)
		steps_stop("fork");
	if (qemu == 0)
		become_qemu(ends[1]);
	close(ends[1]);
	answers = fdopen(ends[0], "r");
	monitor = fdopen(fcntl(ends[0], F_DUPFD_CLOEXEC, 3), "w");
	if (answers == NULL || monitor == NULL || !execute("qmp_capabilities", NULL))
		steps_stop("QEMU does not start");
}

/* The node that the guest writes to: the last one that was opened. */
static void name_node(void)
{
	snprintf(node, sizeof(node), "disk%u", nodes);
}

const char *qemu_node(void)
{
	return node;
}

bool qemu_open(const char *path)
{
	if (qemu == 0)
		start();
	nodes = 0;
	name_node();
	return execute("blockdev-add",
		       json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s}}", "driver", "qcow2",
				 "node-name", node, "discard", "unmap", "file", "driver",
				 "file", "filename", path, "discard", "unmap"));
}

bool qemu_snapshot(const char *path)
{
	char below[16];
	memcpy(below, node, sizeof(below));
	nodes++;
	name_node();
	bool opened =
		execute("blockdev-add",
			json_pack("{s:s, s:s, s:s, s:n, s:{s:s, s:s}}", "driver", "qcow2",
				  "node-name", node, "discard", "unmap", "backing",
				  "file", "driver", "file", "filename", path));
	if (opened && execute("blockdev-snapshot",
			      json_pack("{s:s, s:s}", "node", below, "overlay", node)))
		return true;
	if (opened)
		(void)execute("blockdev-del", json_pack("{s:s}", "node-name", node));
	nodes--;
	name_node();
	return false;
}

void qemu_close(void)
{
	for (;; nodes--) {
		name_node();
		if (!execute("blockdev-del", json_pack("{s:s}", "node-name", node)) &&
		    qemu != 0)
			steps_stop("QEMU does not close %s: %s", node, refusal);
		if (nodes == 0)
			return;
	}
}

bool qemu_command(const char *name, const char *arguments, ...)
{
	va_list values;
	va_start(values, arguments);
	json_t *packed = json_vpack_ex(NULL, 0, arguments, values);
	va_end(values);
	return execute(name, packed);
}

void qemu_io(const char *format, ...)
{
	char io[128], line[192];
	va_list values;
	va_start(values, format);
	vsnprintf(io, sizeof(io), format, values);
	va_end(values);
	snprintf(line, sizeof(line), "qemu-io %s \"%s\"", node, io);
	(void)qemu_command("human-monitor-command", "{s:s}", "command-line", line);
}

const char *qemu_refusal(void)
{
	return refusal;
}
