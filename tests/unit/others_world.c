/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files of other programs that change together, for tests. */
#define _GNU_SOURCE

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "others_world.h"

void others_put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* NULL: it is not there. */
void others_holds(const char *path, const char *text)
{
	char bytes[64] = "";
	int fd = open(path, O_RDONLY);
	assert_int_equal(fd >= 0, text != NULL);
	if (fd < 0)
		return;
	ssize_t count = read(fd, bytes, sizeof(bytes) - 1);
	close(fd);
	assert_int_equal(count, strlen(text));
	assert_string_equal(bytes, text);
}

/* One to be rewritten, one to go, one to come. */
void others_open(struct others_world *world)
{
	static const char *const before[FILES] = {"old a", "old b", NULL};
	static const char *const after[FILES] = {"new a!", NULL, "new c"};
	*world = (struct others_world){.folder = "/tmp/test_others.XXXXXX"};
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->intent, sizeof(world->intent), "%s/intent", world->folder);
	for (size_t i = 0; i < FILES; i++) {
		snprintf(world->paths[i], sizeof(world->paths[i]), "%s/%zu",
			 world->folder, i);
		snprintf(world->temporaries[i], sizeof(world->temporaries[i]), "%s/.t%zu",
			 world->folder, i);
		if (before[i] != NULL)
			others_put(world->paths[i], before[i], 0640);
		world->files[i] = (struct qcow2bm_together_file){
			.filename = world->paths[i],
			.temporary = world->temporaries[i],
			.old_bytes = before[i],
			.old_count = before[i] == NULL ? 0 : strlen(before[i]),
			.new_bytes = after[i],
			.new_count = after[i] == NULL ? 0 : strlen(after[i]),
		};
	}
}

void others_close(struct others_world *world)
{
	for (size_t i = 0; i < FILES; i++) {
		others_holds(world->temporaries[i], NULL);
		(void)!unlink(world->paths[i]);
	}
	others_holds(world->intent, NULL);
	assert_int_equal(rmdir(world->folder), 0);
}

enum qcow2bm_code others_commit(struct others_world *world)
{
	struct qcow2bm_commit_options options = QCOW2BM_COMMIT_OPTIONS_INIT;
	options.files = world->files;
	options.file_count = FILES;
	memset(&world->err, 0, sizeof(world->err));
	return qcow2bm_together_commit(NULL, 0, world->intent, &options, NULL, NULL, NULL,
				       &world->err);
}

void others_is_old(const struct others_world *world)
{
	others_holds(world->paths[0], "old a");
	others_holds(world->paths[1], "old b");
	others_holds(world->paths[2], NULL);
}

void others_is_new(const struct others_world *world)
{
	others_holds(world->paths[0], "new a!");
	others_holds(world->paths[1], NULL);
	others_holds(world->paths[2], "new c");
}

mode_t others_mode(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}
