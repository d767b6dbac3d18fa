/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The edits of edit_cases.c: their words, staged on an image and committed. */
#include "edit_cases.h"

#include "build_image.h"
#include "copies.h"
#include "edit/edit.h"
#include "guest/differ.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Another image with the same disk and a bitmap x, for merge-from. */
static struct qcow2bm_image *open_other(struct memory_file *file)
{
	struct build_bitmap bitmap = {
		.name = "x", .name_bytes = 1, .granularity_bits = 11};
	const struct build build = {.seed = 99,
				    .cluster_bits = 12,
				    .refcount_order = 4,
				    .virtual_bytes = EDIT_CASE_DISK_BYTES,
				    .bitmap_count = 1,
				    .bitmaps = &bitmap};
	uint8_t bits[EDIT_CASE_DISK_BYTES / 2048 + 1] = {[3] = 1, [700] = 1};
	bitmap.bits = bits;
	build_image(&build, file);
	struct qcow2bm_image *image = NULL;
	if (q2_image_open(&image, memory_storage_open(file), NULL) != QCOW2BM_OK)
		abort();
	return image;
}

static enum qcow2bm_code recover(struct qcow2bm_edit *edit, const char *name,
				 enum qcow2bm_recovery method, struct qcow2bm_error *err)
{
	const struct qcow2bm_recover_options options = {
		.size = sizeof(struct qcow2bm_recover_options),
		.method = method,
		.accept_unsafe = true};
	return qcow2bm_edit_recover(edit, name, strlen(name), &options, NULL, NULL, err);
}

static struct q2_differ_old old;
static struct qcow2bm_differ differ = {.olds = &old, .count = 1};

/* What differs from an older state: single granules, whole clusters of bits, and the end. It stays
 * until the edit has ended. */
static enum qcow2bm_code compare(struct qcow2bm_edit *edit, const char *name,
				 struct qcow2bm_error *err)
{
	const struct qcow2bm_recover_options options = {
		.size = sizeof(struct qcow2bm_recover_options)};
	struct q2_differences *it = &old.differences;
	uint64_t bytes = edit->image->header.virtual_bytes;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (it->pages == NULL || differ.virtual_bytes != bytes) {
		q2_differences_close(it);
		code = q2_differences_open(it, bytes, 9, err);
		if (code == QCOW2BM_OK)
			code = q2_differences_set(it, 3, 5, err);
		if (code == QCOW2BM_OK)
			code = q2_differences_set(it, 70, 5000, err);
		if (code == QCOW2BM_OK)
			code = q2_differences_set(it, it->bits - 1, it->bits, err);
		if (code != QCOW2BM_OK)
			q2_differences_close(it);
	}
	differ.virtual_bytes = bytes;
	differ.image = edit->image;
	return code != QCOW2BM_OK
		       ? code
		       : qcow2bm_edit_recover_compared(edit, name, strlen(name), &differ,
						       0, QCOW2BM_BASE_UNTOLD, &options,
						       NULL, err);
}

/* The last whole entry of a. */
static int choose_carved(void *opaque, const struct qcow2bm_carved *carved)
{
	struct qcow2bm_carved_options *options = opaque;
	if (carved->name[0] == 'a' && carved->state == QCOW2BM_CARVED_INTACT) {
		options->directory_offset = carved->directory_offset;
		options->idx = carved->idx;
	}
	return 0;
}

/* Where the old bitmap stands, into *options. */
static enum qcow2bm_code find_carved(struct qcow2bm_image *image,
				     struct qcow2bm_report **report,
				     struct qcow2bm_carved_options *options,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = qcow2bm_image_check(image, NULL, report, NULL, err);
	return code == QCOW2BM_OK ? qcow2bm_image_carve(image, *report, choose_carved,
							options, NULL, err)
				  : code;
}

bool edit_case_carved(struct memory_file *file, char place[EDIT_CASE_PLACE])
{
	struct qcow2bm_carved_options options = {.size = sizeof(options)};
	struct qcow2bm_report *report = NULL;
	struct qcow2bm_image *image;
	if (q2_image_open(&image, memory_storage_open(file), NULL) != QCOW2BM_OK)
		return false;
	enum qcow2bm_code code = find_carved(image, &report, &options, NULL);
	snprintf(place, EDIT_CASE_PLACE, "%llu:%u",
		 (unsigned long long)options.directory_offset, (unsigned)options.idx);
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
	return code == QCOW2BM_OK && options.directory_offset != 0;
}

static enum qcow2bm_code bring_back(struct qcow2bm_edit *edit, const char *name,
				    struct qcow2bm_error *err)
{
	struct qcow2bm_carved_options options = {
		.size = sizeof(struct qcow2bm_carved_options), .accept_unsafe = true};
	struct qcow2bm_report *report = NULL;
	enum qcow2bm_code code = find_carved(edit->image, &report, &options, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_recover_carved(edit, report, &options, name,
						   strlen(name), NULL, err);
	qcow2bm_report_free(report);
	return code;
}

static enum qcow2bm_code stage(struct qcow2bm_edit *edit, struct qcow2bm_image *other,
			       const char *words, struct qcow2bm_error *err)
{
	char verb[16], name[64], more[64] = "";
	if (sscanf(words, " %15s %63[^, ] %63[^, ]", verb, name, more) < 2)
		abort();
	size_t bytes = strlen(name), more_bytes = strlen(more);
	if (strcmp(verb, "add") == 0)
		return qcow2bm_edit_add(edit, name, bytes, 9, true, err);
	if (strcmp(verb, "delete") == 0)
		return qcow2bm_edit_delete(edit, name, bytes, err);
	if (strcmp(verb, "rename") == 0)
		return qcow2bm_edit_rename(edit, name, bytes, more, more_bytes, err);
	if (strcmp(verb, "stored") == 0)
		return recover(edit, name, QCOW2BM_RECOVER_STORED, err);
	if (strcmp(verb, "allocated") == 0)
		return recover(edit, name, QCOW2BM_RECOVER_ALLOCATED, err);
	if (strcmp(verb, "full") == 0)
		return recover(edit, name, QCOW2BM_RECOVER_FULL, err);
	if (strcmp(verb, "compared") == 0)
		return compare(edit, name, err);
	if (strcmp(verb, "carved") == 0)
		return bring_back(edit, name, err);
	if (strcmp(verb, "clear") == 0)
		return qcow2bm_edit_clear(edit, name, bytes, err);
	if (strcmp(verb, "enable") == 0)
		return qcow2bm_edit_enable(edit, name, bytes, err);
	if (strcmp(verb, "disable") == 0)
		return qcow2bm_edit_disable(edit, name, bytes, err);
	if (strcmp(verb, "merge") == 0)
		return qcow2bm_edit_merge(edit, name, bytes, NULL, more, more_bytes, err);
	if (strcmp(verb, "merge-from") == 0)
		return qcow2bm_edit_merge(edit, name, bytes, other, more, more_bytes,
					  err);
	abort();
}

enum qcow2bm_code edit_case_stage(struct qcow2bm_edit *edit, struct qcow2bm_image *other,
				  const char *words, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	while (code == QCOW2BM_OK && words != NULL) {
		code = stage(edit, other, words, err);
		words = strchr(words, ',');
		if (words != NULL)
			words++;
	}
	return code;
}

struct qcow2bm_image *edit_case_other(const char *edit, struct memory_file *file)
{
	return strstr(edit, "merge-from") != NULL ? open_other(file) : NULL;
}

enum qcow2bm_code edit_case_run_with(struct q2_storage *storage,
				     struct qcow2bm_image *other, const char *edit,
				     edit_case_commit *commit,
				     const struct qcow2bm_watch *watch,
				     struct qcow2bm_result *result,
				     struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = NULL;
	struct qcow2bm_edit *staged = NULL;
	memset(result, 0, sizeof(*result));
	enum qcow2bm_code code = q2_image_open(&image, storage, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_edit_begin(&staged, image, err);
	if (code == QCOW2BM_OK)
		code = edit_case_stage(staged, other, edit, err);
	if (code == QCOW2BM_OK)
		code = commit(staged, NULL, result, watch, err);
	qcow2bm_edit_end(staged);
	q2_differences_close(&old.differences);
	qcow2bm_image_close(image);
	return code;
}

enum qcow2bm_code edit_case_run_by(struct q2_storage *storage, const char *edit,
				   edit_case_commit *commit,
				   const struct qcow2bm_watch *watch,
				   struct qcow2bm_result *result,
				   struct qcow2bm_error *err)
{
	struct memory_file other_file = {0};
	struct qcow2bm_image *other = edit_case_other(edit, &other_file);
	enum qcow2bm_code code =
		edit_case_run_with(storage, other, edit, commit, watch, result, err);
	qcow2bm_image_close(other);
	memory_file_free(&other_file);
	return code;
}

enum qcow2bm_code edit_case_run(struct q2_storage *storage, const char *edit,
				const struct qcow2bm_watch *watch,
				struct qcow2bm_result *result, struct qcow2bm_error *err)
{
	return edit_case_run_by(storage, edit, commit_copied, watch, result, err);
}
