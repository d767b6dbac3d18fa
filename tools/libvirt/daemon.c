/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a libvirt daemon runs that has a folder of checkpoints in memory. */
#define _XOPEN_SOURCE 700 /* realpath() */
#include "daemon.h"

#include "../term/memory.h"
#include "../term/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder that holds those of all domains, and the pid files of the daemons that read it. */
struct place {
	const char *folder;   /* behind a prefix */
	const char *pid_file; /* behind the same prefix */
};

static const struct place places[] = {
	{"/var/lib/libvirt/qemu/checkpoint", "/run/libvirt/qemu/driver.pid"},
	{"/var/lib/libvirt/qemu/checkpoint", "/run/libvirtd.pid"},
	{"/var/lib/libvirt/qemu/checkpoint", "/run/virtqemud.pid"},
	/* qemu:///embed?root=PREFIX */
	{"/lib/qemu/checkpoint", "/run/qemu/driver.pid"},
};

/* qemu:///session: the pid file is at a place of the user's. */
static const char session_folder[] = "/.config/libvirt/qemu/lib/checkpoint";

static bool is_locked(const char *pid_file, pid_t *pid)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	int fd = open(pid_file, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	bool is_held = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	if (is_held)
		*pid = lock.l_pid > 0 ? lock.l_pid : 0;
	return is_held;
}

/* The length of `path` without `end`, or 0 when it does not end so. */
static bool strip(const char *path, const char *end, size_t *left)
{
	size_t bytes = strlen(path), more = strlen(end);
	*left = bytes - more;
	return bytes >= more && strcmp(path + *left, end) == 0;
}

static bool is_session_running(const char *all, pid_t *pid)
{
	char pid_file[128];
	struct stat st;
	size_t left;
	if (!strip(all, session_folder, &left) || stat(all, &st) != 0)
		return false;
	snprintf(pid_file, sizeof(pid_file), "/run/user/%lu/libvirt/qemu/run/driver.pid",
		 (unsigned long)st.st_uid);
	return is_locked(pid_file, pid);
}

/* The folder that holds `folder`, which need not be there; to be freed. */
static char *find_parent(const char *folder)
{
	size_t bytes = strlen(folder);
	while (bytes > 1 && folder[bytes - 1] == '/')
		bytes--;
	while (bytes > 0 && folder[bytes - 1] != '/')
		bytes--;
	char *parent =
		bytes == 0 ? tool_memory_copy(".", 1) : tool_memory_copy(folder, bytes);
	char *real = realpath(folder, NULL);
	if (real != NULL) {
		free(parent);
		parent = real;
		*strrchr(parent, '/') = '\0';
		return parent;
	}
	real = realpath(parent, NULL);
	free(parent);
	return real;
}

bool tool_daemon_is_running(const char *folder, pid_t *pid)
{
	char *all = find_parent(folder);
	bool is_running = false;
	*pid = 0;
	for (size_t i = 0; all != NULL && i < sizeof(places) / sizeof(*places); i++) {
		struct tool_text pid_file = {0};
		size_t left;
		if (is_running || !strip(all, places[i].folder, &left))
			continue;
		tool_text_add(&pid_file, all, left);
		tool_text_print(&pid_file, "%s", places[i].pid_file);
		is_running = is_locked(pid_file.bytes, pid);
		tool_text_free(&pid_file);
	}
	if (all != NULL && !is_running)
		is_running = is_session_running(all, pid);
	free(all);
	return is_running;
}
