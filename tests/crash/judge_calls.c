/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Judges every state that a power cut could have left while a program edited an image.
 *
 * judge_calls BEFORE LOG AFTER STEP BITMAP
 *	LOG is what preload_record noted while the image went from BEFORE to AFTER by a command
 *	about BITMAP. Prints, in one line: states; old; new; of other bitmaps at least one lost:
 *	gone, changed or marked in-use; others whole, but BITMAP neither old nor new; image
 *	broken, or more than bitmaps changed; leaks, of old and new; states shown to qemu-img,
 *	which are every STEPth (0: none); of these refused; corrupt.
 * Exits with 0, 1 when something went wrong, 2 when LOG does not lead from BEFORE to AFTER.
 */
#define _GNU_SOURCE
#include "../support/crash_states.h"
#include "../support/preload_record.h"
#include "../support/strict_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { DONE, TROUBLE, NOT_RECORDED };

#define STATE_FILE "state.qcow2"
#define STRICT_IN_USE 1u

struct trial {
	struct record_log log;
	struct memory_file after_file;
	struct strict_image before, after;
	const char *bitmap;
	uint64_t step;
	uint64_t states, old, new, lost, wrong, broken, leaks;
	uint64_t shown, refused, corrupt;
};

static void give_up(const char *what, const char *detail)
{
	fprintf(stderr, "judge_calls: %s: %s\n", what, detail);
	exit(TROUBLE);
}

/* ---- The log ------------------------------------------------------------------------ */

static void add_op(struct record_log *log, const struct noted_call *call,
		   const uint8_t *data)
{
	static const enum record_kind kinds[] = {
		[NOTED_WRITE] = RECORD_WRITE,
		[NOTED_RESIZE] = RECORD_RESIZE,
		[NOTED_DISCARD] = RECORD_DISCARD,
		[NOTED_SYNC] = RECORD_SYNC,
	};
	struct record_op *ops = realloc(log->ops, (log->count + 1) * sizeof(*ops));
	if (ops == NULL)
		abort();
	log->ops = ops;
	struct record_op *op = &ops[log->count++];
	*op = (struct record_op){
		.kind = kinds[call->kind], .off = call->off, .bytes = call->bytes};
	if (call->kind == NOTED_WRITE) {
		op->data = strict_alloc(call->bytes, 1);
		memcpy(op->data, data, call->bytes);
	}
}

static void load(struct memory_file *file, const char *path)
{
	if (!memory_file_load(file, path))
		give_up(path, "cannot be read");
}

static void load_log(struct record_log *log, const char *path)
{
	struct memory_file file = {0};
	struct noted_call call;
	load(&file, path);
	for (uint64_t at = 0; at < file.length;) {
		if (file.length - at < sizeof(call))
			give_up(path, "is cut off");
		memcpy(&call, file.bytes + at, sizeof(call));
		at += sizeof(call);
		uint64_t bytes = call.kind == NOTED_WRITE ? call.bytes : 0;
		if (call.kind > NOTED_SYNC || bytes > file.length - at)
			give_up(path, "is no log");
		add_op(log, &call, file.bytes + at);
		at += bytes;
	}
	memory_file_free(&file);
}

/* Whether the log leads to the file that the program left. */
static bool is_recorded(const struct trial *trial)
{
	struct memory_file file = {0};
	record_log_replay(&trial->log, trial->log.count, &file);
	bool is_same = file.length == trial->after_file.length &&
		       memcmp(file.bytes, trial->after_file.bytes, file.length) == 0;
	memory_file_free(&file);
	return is_same;
}

/* ---- QEMU --------------------------------------------------------------------------- */

static void save_state(const struct memory_file *file)
{
	FILE *out = fopen(STATE_FILE, "wb");
	if (out == NULL || fwrite(file->bytes, 1, file->length, out) != file->length ||
	    fclose(out) != 0)
		give_up(STATE_FILE, strerror(errno));
}

static size_t count_words(const char *text, const char *word)
{
	size_t count = 0;
	for (; (text = strstr(text, word)) != NULL; text++)
		count++;
	return count;
}

static size_t count_in_use(const struct strict_image *state)
{
	size_t count = 0;
	for (size_t i = 0; i < state->bitmap_count; i++)
		count += state->bitmaps[i].flags & STRICT_IN_USE;
	return count;
}

/* The bitmaps that QEMU lists must be those that the strict reader finds. */
static void compare_lists(const struct strict_image *state)
{
	char text[16384];
	FILE *in = popen(
		"qemu-img info --output=json -f qcow2 " STATE_FILE " 2>/dev/null", "r");
	if (in == NULL)
		give_up("qemu-img info", strerror(errno));
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	if (pclose(in) != 0)
		give_up("qemu-img info", "fails where check does not");
	if (count_words(text, "\"granularity\"") != state->bitmap_count ||
	    count_words(text, "\"in-use\"") != count_in_use(state))
		give_up("qemu-img info lists other bitmaps than the strict reader", text);
}

static void show_to_qemu(struct trial *trial, const struct memory_file *file,
			 const struct strict_image *state)
{
	save_state(file);
	int status = system("qemu-img check -q -f qcow2 " STATE_FILE " >check.log 2>&1");
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	trial->shown++;
	trial->refused += code == 1;
	trial->corrupt += code == 2;
	if (code == 0 || code == 3)
		compare_lists(state);
	else if (state->problems == 0 && state->header_sum == trial->before.header_sum)
		give_up("a state", "sound to the strict reader, but not to qemu-img");
}

/* ---- One state ---------------------------------------------------------------------- */

/* Whether each bitmap of `before` that the command is not about is what it was. */
static bool has_others(const struct trial *trial, const struct strict_image *state)
{
	for (size_t i = 0; i < trial->before.bitmap_count; i++) {
		struct strict_image was = {.bitmaps = &trial->before.bitmaps[i],
					   .bitmap_count = 1};
		struct strict_image is = {.bitmap_count = 0};
		char name[1024] = "";
		memcpy(name, was.bitmaps->name, was.bitmaps->name_bytes);
		if (strcmp(name, trial->bitmap) == 0)
			continue;
		const struct strict_bitmap *found = strict_find(state, name);
		if (found == NULL)
			return false;
		struct strict_bitmap copy = *found;
		is.bitmaps = &copy;
		is.bitmap_count = 1;
		if (!strict_same_bitmaps(&was, &is))
			return false;
	}
	return true;
}

static bool is_broken(const struct trial *trial, const struct strict_image *state)
{
	return state->problems != 0 || state->guest_sum != trial->before.guest_sum ||
	       state->header_sum != trial->before.header_sum;
}

static void judge(void *opaque, const struct crash_state *shown)
{
	struct trial *trial = opaque;
	struct strict_image state;
	strict_read(&state, shown->file->bytes, shown->file->length);
	bool is_old = strict_same_bitmaps(&state, &trial->before);
	bool is_new = strict_same_bitmaps(&state, &trial->after);
	if (is_broken(trial, &state))
		trial->broken++;
	else if (is_old || is_new)
		trial->leaks += state.leaks > trial->before.leaks;
	else if (has_others(trial, &state))
		trial->wrong++;
	else
		trial->lost++;
	trial->old += !is_broken(trial, &state) && is_old;
	trial->new += !is_broken(trial, &state) && is_new;
	if (trial->step != 0 && trial->states % trial->step == 0)
		show_to_qemu(trial, shown->file, &state);
	trial->states++;
	strict_free(&state);
}

/* What must hold for the counts to mean anything. */
static void check_ends(const struct trial *trial)
{
	if (trial->before.problems != 0)
		give_up("before", trial->before.problem);
	if (is_broken(trial, &trial->after))
		give_up("after", "broken, or more than bitmaps changed");
	if (strict_same_bitmaps(&trial->before, &trial->after))
		give_up(trial->bitmap, "the command changed nothing");
	if (!has_others(trial, &trial->after))
		give_up(trial->bitmap, "the command changed another bitmap");
}

int main(int argc, char **argv)
{
	static const struct crash_limits limits = {.all = 4000, .sample = 200};
	struct trial trial = {0};
	if (argc != 6)
		give_up("usage", "judge_calls BEFORE LOG AFTER STEP BITMAP");
	load(&trial.log.before, argv[1]);
	load_log(&trial.log, argv[2]);
	load(&trial.after_file, argv[3]);
	trial.step = strtoull(argv[4], NULL, 10);
	trial.bitmap = argv[5];
	int status = NOT_RECORDED;
	if (is_recorded(&trial)) {
		strict_read(&trial.before, trial.log.before.bytes,
			    trial.log.before.length);
		strict_read(&trial.after, trial.after_file.bytes,
			    trial.after_file.length);
		check_ends(&trial);
		crash_states_visit(&trial.log, &limits, judge, &trial);
		printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		       " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		       trial.states, trial.old, trial.new, trial.lost, trial.wrong,
		       trial.broken, trial.leaks, trial.shown, trial.refused,
		       trial.corrupt);
		status = DONE;
	}
	strict_free(&trial.before);
	strict_free(&trial.after);
	record_log_free(&trial.log);
	memory_file_free(&trial.after_file);
	return status;
}
