/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of an intent file. Its rules are checked whatever its sum says. */
#include "intent.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "../undo/record.h"

#define MAGIC "qcow2bm-intent\n"
#define MAGIC_BYTES 16 /* with its NUL */
#define FORMAT_VERSION 1
#define FORMAT_VERSION_FILES 2 /* one with other files besides the images */
#define NOTE_OFF 256
#define SUM_BYTES 4
#define MAX_CLUSTER ((uint64_t)1 << 47)
#define RUN_BYTES 16

/* Bytes that are read or written one after the other. */
struct cursor {
	uint8_t *bytes;
	const uint8_t *from;
	size_t size, at;
	bool is_short; /* there were not so many */
};

void q2_intent_free(struct q2_intent *intent)
{
	for (size_t i = 0; i < intent->count; i++) {
		free(intent->images[i].path);
		q2_clusters_free(&intent->images[i].written.set);
		q2_clusters_free(&intent->images[i].given_up.set);
		q2_clusters_free(&intent->images[i].used.set);
	}
	free(intent->images);
	for (size_t i = 0; i < intent->file_count; i++) {
		free(intent->files[i].path);
		free(intent->files[i].temporary);
		free(intent->files[i].old_bytes.bytes);
		free(intent->files[i].new_bytes.bytes);
	}
	free(intent->files);
	*intent = (struct q2_intent){0};
}

/* ---- Structs to bytes; without memory they are only counted ------------------------------ */

static void put(struct cursor *cursor, const void *bytes, size_t count)
{
	if (cursor->bytes != NULL && count != 0)
		memcpy(cursor->bytes + cursor->at, bytes, count);
	cursor->at += count;
}

static void put32(struct cursor *cursor, uint32_t value)
{
	uint8_t bytes[4];
	q2_be32_store(bytes, value);
	put(cursor, bytes, sizeof(bytes));
}

static void put64(struct cursor *cursor, uint64_t value)
{
	uint8_t bytes[8];
	q2_be64_store(bytes, value);
	put(cursor, bytes, sizeof(bytes));
}

static void put_state(struct cursor *cursor, const struct q2_intent_state *state,
		      uint32_t switch_bytes)
{
	put(cursor, state->extension, sizeof(state->extension));
	put64(cursor, state->directory_bytes);
	put32(cursor, state->directory_sum);
	put32(cursor, state->head_sum);
	put(cursor, state->bytes, switch_bytes);
}

static void put_stamp(struct cursor *cursor, const struct q2_stamp *stamp)
{
	put32(cursor, stamp->is_known);
	put64(cursor, stamp->boot);
	put64(cursor, stamp->device);
	put64(cursor, stamp->inode);
	put64(cursor, (uint64_t)stamp->mtime_s);
	put64(cursor, (uint64_t)stamp->ctime_s);
	put32(cursor, stamp->mtime_ns);
	put32(cursor, stamp->ctime_ns);
}

static void put_tidy(struct cursor *cursor, const struct q2_intent_tidy *tidy)
{
	put32(cursor, tidy->is_due);
	put64(cursor, tidy->off);
	put(cursor, tidy->from, sizeof(tidy->from));
	put(cursor, tidy->to, sizeof(tidy->to));
}

static void put_clusters(struct cursor *cursor, const struct q2_intent_clusters *clusters)
{
	put32(cursor, clusters->is_known);
	put32(cursor, clusters->sum);
	put64(cursor, clusters->set.count);
	for (size_t i = 0; i < clusters->set.count; i++) {
		put64(cursor, clusters->set.runs[i].first);
		put64(cursor, clusters->set.runs[i].count);
	}
}

static void put_path(struct cursor *cursor, const char *path)
{
	put32(cursor, (uint32_t)strlen(path));
	put(cursor, path, strlen(path));
}

static void put_image(struct cursor *cursor, const struct q2_intent_image *image)
{
	put_path(cursor, image->path);
	put_stamp(cursor, &image->stamp);
	put32(cursor, image->cluster_bits);
	put32(cursor, image->head_bytes);
	put64(cursor, image->switch_off);
	put32(cursor, image->switch_bytes);
	put_state(cursor, &image->old_state, image->switch_bytes);
	put_state(cursor, &image->new_state, image->switch_bytes);
	put32(cursor, image->lasts_forward);
	put32(cursor, image->lasts_back);
	put_tidy(cursor, &image->old_tidy);
	put_tidy(cursor, &image->new_tidy);
	put_clusters(cursor, &image->written);
	put_clusters(cursor, &image->given_up);
	put_clusters(cursor, &image->used);
}

static void put_bytes(struct cursor *cursor, const struct q2_intent_bytes *bytes)
{
	put32(cursor, bytes->is_there);
	put32(cursor, (uint32_t)bytes->count);
	put(cursor, bytes->bytes, bytes->count);
}

static void put_file(struct cursor *cursor, const struct q2_intent_file *file)
{
	put_path(cursor, file->path);
	put_path(cursor, file->temporary);
	put32(cursor, file->mode);
	put32(cursor, file->user);
	put32(cursor, file->group);
	put_bytes(cursor, &file->old_bytes);
	put_bytes(cursor, &file->new_bytes);
}

static void put_all(struct cursor *cursor, const struct q2_intent *intent, size_t size)
{
	static const uint8_t zeros[Q2_INTENT_HEAD_BYTES];
	put(cursor, MAGIC, MAGIC_BYTES);
	put32(cursor, intent->file_count == 0 ? FORMAT_VERSION : FORMAT_VERSION_FILES);
	put32(cursor, (uint32_t)intent->count);
	put64(cursor, size);
	put32(cursor, (uint32_t)intent->file_count);
	put32(cursor, intent->note_bytes);
	put(cursor, zeros, NOTE_OFF - cursor->at);
	put(cursor, intent->note, intent->note_bytes);
	put(cursor, zeros, Q2_INTENT_HEAD_BYTES - cursor->at);
	for (size_t i = 0; i < intent->count; i++)
		put_image(cursor, &intent->images[i]);
	for (size_t i = 0; i < intent->file_count; i++)
		put_file(cursor, &intent->files[i]);
	put32(cursor,
	      cursor->bytes == NULL ? 0 : q2_undo_crc(0, cursor->bytes, cursor->at));
}

enum qcow2bm_code q2_intent_encode(const struct q2_intent *intent, uint8_t **bytes,
				   size_t *size, struct qcow2bm_error *err)
{
	struct cursor counting = {0}, cursor = {0};
	put_all(&counting, intent, 0);
	if (counting.at > Q2_INTENT_MAX_BYTES || intent->count > Q2_INTENT_MAX_IMAGES ||
	    intent->file_count > Q2_INTENT_MAX_FILES)
		return q2_fail(err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
			       "the intent file would be longer than %u bytes",
			       Q2_INTENT_MAX_BYTES);
	cursor.bytes = malloc(counting.at);
	if (cursor.bytes == NULL)
		return q2_fail_memory(err, "the intent file");
	put_all(&cursor, intent, counting.at);
	*bytes = cursor.bytes;
	*size = counting.at;
	return QCOW2BM_OK;
}

/* ---- Bytes to structs ---------------------------------------------------------------- */

static const uint8_t *take(struct cursor *cursor, size_t count)
{
	static const uint8_t nothing[Q2_SWITCH_MAX_BYTES];
	cursor->is_short |= count > cursor->size - cursor->at;
	if (cursor->is_short)
		return nothing;
	cursor->at += count;
	return cursor->from + cursor->at - count;
}

static uint32_t take32(struct cursor *cursor)
{
	return q2_be32_load(take(cursor, 4));
}

static uint64_t take64(struct cursor *cursor)
{
	return q2_be64_load(take(cursor, 8));
}

/* switch_bytes has been checked. */
static void take_state(struct cursor *cursor, uint32_t switch_bytes,
		       struct q2_intent_state *state)
{
	memcpy(state->extension, take(cursor, sizeof(state->extension)),
	       sizeof(state->extension));
	state->directory_bytes = take64(cursor);
	state->directory_sum = take32(cursor);
	state->head_sum = take32(cursor);
	memcpy(state->bytes, take(cursor, switch_bytes), switch_bytes);
}

static void take_stamp(struct cursor *cursor, struct q2_stamp *stamp)
{
	stamp->is_known = take32(cursor) != 0;
	stamp->boot = take64(cursor);
	stamp->device = take64(cursor);
	stamp->inode = take64(cursor);
	stamp->mtime_s = (int64_t)take64(cursor);
	stamp->ctime_s = (int64_t)take64(cursor);
	stamp->mtime_ns = take32(cursor);
	stamp->ctime_ns = take32(cursor);
}

/* Inside one sector of the header's cluster. */
static bool take_tidy(struct cursor *cursor, uint32_t cluster_bits,
		      struct q2_intent_tidy *tidy)
{
	tidy->is_due = take32(cursor) != 0;
	tidy->off = take64(cursor);
	memcpy(tidy->from, take(cursor, sizeof(tidy->from)), sizeof(tidy->from));
	memcpy(tidy->to, take(cursor, sizeof(tidy->to)), sizeof(tidy->to));
	return tidy->off <= ((uint64_t)1 << cluster_bits) - sizeof(tidy->to) &&
	       q2_is_aligned(tidy->off, sizeof(tidy->to));
}

static bool take_clusters(struct cursor *cursor, struct q2_intent_clusters *clusters,
			  struct qcow2bm_error *err)
{
	clusters->is_known = take32(cursor) != 0;
	clusters->sum = take32(cursor);
	uint64_t count = take64(cursor), end = 0;
	if (cursor->is_short || count > (cursor->size - cursor->at) / RUN_BYTES)
		return false;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t first = take64(cursor), clusters_of_run = take64(cursor);
		if (first < end || clusters_of_run == 0 || first > MAX_CLUSTER ||
		    clusters_of_run > MAX_CLUSTER)
			return false;
		end = first + clusters_of_run;
		if (q2_clusters_add(&clusters->set, first, clusters_of_run, err) !=
		    QCOW2BM_OK)
			return false;
	}
	return q2_clusters_sort(&clusters->set, NULL, err) == QCOW2BM_OK;
}

static bool take_path(struct cursor *cursor, char **path, struct qcow2bm_error *err)
{
	uint32_t count = take32(cursor);
	if (count >= Q2_INTENT_MAX_PATH || count > cursor->size - cursor->at)
		return false;
	const uint8_t *bytes = take(cursor, count);
	if (cursor->is_short || count == 0 || bytes[0] != '/' ||
	    memchr(bytes, '\0', count) != NULL)
		return false;
	*path = malloc((size_t)count + 1);
	if (*path == NULL) {
		(void)q2_fail_memory(err, "the intent file");
		return false;
	}
	memcpy(*path, bytes, count);
	(*path)[count] = '\0';
	return true;
}

/* The switch is inside one sector, and stands in the header or in a directory that stays where it
 * is. */
static bool is_sane_switch(const struct q2_intent_image *image)
{
	struct q2_bitmaps_extension extension;
	uint64_t off = image->switch_off, bytes = image->switch_bytes;
	uint64_t head = (uint64_t)1 << image->cluster_bits;
	if (bytes == 0 || bytes > Q2_SWITCH_MAX_BYTES || off > INT64_MAX ||
	    off / Q2_SWITCH_MAX_BYTES != (off + bytes - 1) / Q2_SWITCH_MAX_BYTES)
		return false;
	if (q2_checked_within(off, bytes, head))
		return true;
	q2_bitmaps_extension_decode(&extension, image->old_state.extension,
				    Q2_EXTENSION_BITMAPS_BYTES);
	return memcmp(image->old_state.extension, image->new_state.extension,
		      sizeof(image->old_state.extension)) == 0 &&
	       off >= extension.directory_off &&
	       q2_checked_within(off - extension.directory_off, bytes,
				 extension.directory_bytes);
}

static bool take_image(struct cursor *cursor, struct q2_intent_image *image,
		       struct qcow2bm_error *err)
{
	if (!take_path(cursor, &image->path, err))
		return false;
	take_stamp(cursor, &image->stamp);
	image->cluster_bits = take32(cursor);
	image->head_bytes = take32(cursor);
	image->switch_off = take64(cursor);
	image->switch_bytes = take32(cursor);
	if (image->cluster_bits < 9 || image->cluster_bits > 21 ||
	    image->head_bytes > 1u << image->cluster_bits ||
	    image->switch_bytes > Q2_SWITCH_MAX_BYTES)
		return false;
	take_state(cursor, image->switch_bytes, &image->old_state);
	take_state(cursor, image->switch_bytes, &image->new_state);
	image->lasts_forward = take32(cursor) != 0;
	image->lasts_back = take32(cursor) != 0;
	return take_tidy(cursor, image->cluster_bits, &image->old_tidy) &&
	       take_tidy(cursor, image->cluster_bits, &image->new_tidy) &&
	       take_clusters(cursor, &image->written, err) &&
	       take_clusters(cursor, &image->given_up, err) &&
	       take_clusters(cursor, &image->used, err) && !cursor->is_short &&
	       is_sane_switch(image);
}

static bool take_bytes(struct cursor *cursor, struct q2_intent_bytes *bytes,
		       struct qcow2bm_error *err)
{
	bytes->is_there = take32(cursor) != 0;
	bytes->count = take32(cursor);
	if (bytes->count > Q2_INTENT_MAX_FILE_BYTES ||
	    bytes->count > cursor->size - cursor->at)
		return false;
	const uint8_t *from = take(cursor, bytes->count);
	if (cursor->is_short || (!bytes->is_there && bytes->count != 0))
		return false;
	bytes->bytes = malloc(bytes->count + 1);
	if (bytes->bytes == NULL) {
		(void)q2_fail_memory(err, "the intent file");
		return false;
	}
	memcpy(bytes->bytes, from, bytes->count);
	return true;
}

/* No mode makes what is written a program of its owner's. */
static bool take_file(struct cursor *cursor, struct q2_intent_file *file,
		      struct qcow2bm_error *err)
{
	if (!take_path(cursor, &file->path, err) ||
	    !take_path(cursor, &file->temporary, err))
		return false;
	file->mode = take32(cursor);
	file->user = take32(cursor);
	file->group = take32(cursor);
	return (file->mode & ~0777u) == 0 && strcmp(file->path, file->temporary) != 0 &&
	       take_bytes(cursor, &file->old_bytes, err) &&
	       take_bytes(cursor, &file->new_bytes, err);
}

static bool are_zeros(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static enum qcow2bm_code fail_damaged(struct qcow2bm_error *err)
{
	return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
		       "the intent file breaks its own rules, though its sum is right");
}

static enum qcow2bm_code take_all(struct q2_intent *intent, struct cursor *cursor,
				  size_t count, size_t file_count,
				  struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {0};
	bool is_taken = true;
	intent->images = calloc(count + 1, sizeof(*intent->images));
	intent->files = calloc(file_count + 1, sizeof(*intent->files));
	if (intent->images == NULL || intent->files == NULL)
		return q2_fail_memory(err, "the intent file");
	while (is_taken && intent->count < count)
		is_taken = take_image(cursor, &intent->images[intent->count++], &cause);
	while (is_taken && intent->file_count < file_count)
		is_taken =
			take_file(cursor, &intent->files[intent->file_count++], &cause);
	if (cause.code != QCOW2BM_OK)
		return q2_pass(err, &cause);
	return is_taken && cursor->at == cursor->size ? QCOW2BM_OK : fail_damaged(err);
}

/* The rest may be anything, but what is no intent file at all must never be taken for one: the caller
 * removes those that were not completed. */
static enum qcow2bm_code check_head(const uint8_t *bytes, size_t size,
				    struct qcow2bm_error *err)
{
	if (size <= Q2_INTENT_HEAD_BYTES && are_zeros(bytes, size))
		return QCOW2BM_OK;
	if (size < Q2_INTENT_HEAD_BYTES || memcmp(bytes, MAGIC, MAGIC_BYTES) != 0)
		return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
			       "the file is no intent file of qcow2bm");
	uint32_t version = q2_be32_load(bytes + MAGIC_BYTES);
	if (version != FORMAT_VERSION && version != FORMAT_VERSION_FILES)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			       "the intent file is of version %u, which is not known",
			       version);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_intent_decode(struct q2_intent *intent, const uint8_t *bytes,
				   size_t size, bool *is_whole, struct qcow2bm_error *err)
{
	*intent = (struct q2_intent){0};
	*is_whole = false;
	enum qcow2bm_code code = check_head(bytes, size, err);
	if (code != QCOW2BM_OK || size < Q2_INTENT_HEAD_BYTES + SUM_BYTES)
		return code;
	uint32_t count = q2_be32_load(bytes + MAGIC_BYTES + 4);
	if (q2_be64_load(bytes + MAGIC_BYTES + 8) != size ||
	    q2_be32_load(bytes + size - SUM_BYTES) !=
		    q2_undo_crc(0, bytes, size - SUM_BYTES))
		return QCOW2BM_OK;
	uint32_t file_count = 0;
	if (q2_be32_load(bytes + MAGIC_BYTES) == FORMAT_VERSION_FILES)
		file_count = q2_be32_load(bytes + MAGIC_BYTES + 16);
	uint32_t note_bytes = q2_be32_load(bytes + MAGIC_BYTES + 20);
	if ((count == 0 && file_count == 0) || count > Q2_INTENT_MAX_IMAGES ||
	    file_count > Q2_INTENT_MAX_FILES || note_bytes > Q2_INTENT_MAX_NOTE)
		return fail_damaged(err);
	intent->note_bytes = note_bytes;
	memcpy(intent->note, bytes + NOTE_OFF, note_bytes);
	struct cursor cursor = {
		.from = bytes, .size = size - SUM_BYTES, .at = Q2_INTENT_HEAD_BYTES};
	code = take_all(intent, &cursor, count, file_count, err);
	*is_whole = code == QCOW2BM_OK;
	if (code != QCOW2BM_OK)
		q2_intent_free(intent);
	return code;
}
