/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finishing an edit of several images that was cut off, or taking it back. */
#include "resume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "../undo/record.h"
#include "others.h"
#include "states.h"

/* ---- What each holds ------------------------------------------------------------------- */

static bool is_state(const struct q2_state *state, const struct q2_intent_state *noted)
{
	return memcmp(state->extension, noted->extension, sizeof(noted->extension)) ==
		       0 &&
	       state->size == noted->directory_bytes &&
	       (state->size == 0 ||
		q2_undo_crc(0, state->bytes, state->size) == noted->directory_sum);
}

static enum qcow2bm_resume_held find_held(const struct q2_resume_image *resumed)
{
	const struct q2_intent_image *noted = resumed->noted;
	struct q2_state state;
	if (resumed->image == NULL ||
	    resumed->image->header.cluster_bits != noted->cluster_bits)
		return QCOW2BM_RESUME_NEITHER;
	q2_states_of_image(resumed->image, &state);
	if (is_state(&state, &noted->old_state))
		return QCOW2BM_RESUME_OLD;
	return is_state(&state, &noted->new_state) ? QCOW2BM_RESUME_NEW
						   : QCOW2BM_RESUME_NEITHER;
}

static enum qcow2bm_code open_image(struct q2_resume_image *resumed,
				    struct q2_storage *storage, struct qcow2bm_error *err)
{
	struct qcow2bm_error cause = {0};
	enum qcow2bm_code code = q2_image_open(&resumed->image, storage, &cause);
	if (code == QCOW2BM_ESYSTEM || code == QCOW2BM_ENOMEM ||
	    code == QCOW2BM_EINTERRUPTED)
		return q2_pass(err, &cause);
	if (code != QCOW2BM_OK)
		resumed->image = NULL;
	resumed->held = find_held(resumed);
	return QCOW2BM_OK;
}

static enum qcow2bm_code look_at_others(struct q2_resume *resume,
					struct qcow2bm_error *err)
{
	const struct q2_intent *intent = resume->intent;
	enum qcow2bm_code code = QCOW2BM_OK;
	resume->files = calloc(intent->file_count + 1, sizeof(*resume->files));
	if (resume->files == NULL)
		return q2_fail_memory(err, "other files");
	for (size_t i = 0; code == QCOW2BM_OK && i < intent->file_count; i++)
		code = q2_others_look(&intent->files[i], &resume->files[i], err);
	return code;
}

enum qcow2bm_code q2_resume_open(struct q2_resume *resume, const struct q2_intent *intent,
				 struct q2_storage *const *storages,
				 struct q2_watch *watch, struct qcow2bm_error *err)
{
	*resume = (struct q2_resume){.watch = watch, .intent = intent};
	resume->images = calloc(intent->count + 1, sizeof(*resume->images));
	enum qcow2bm_code code =
		resume->images == NULL ? q2_fail_memory(err, "the images") : QCOW2BM_OK;
	for (size_t i = 0; i < intent->count; i++) {
		if (code != QCOW2BM_OK) {
			q2_storage_close(storages[i]);
			continue;
		}
		struct q2_resume_image *resumed = &resume->images[resume->count];
		resumed->noted = &intent->images[i];
		code = open_image(resumed, storages[i], err);
		resume->count += code == QCOW2BM_OK;
	}
	if (code == QCOW2BM_OK)
		code = look_at_others(resume, err);
	if (code != QCOW2BM_OK)
		q2_resume_close(resume);
	return code;
}

void q2_resume_close(struct q2_resume *resume)
{
	for (size_t i = 0; i < resume->count; i++)
		qcow2bm_image_close(resume->images[i].image);
	free(resume->images);
	free(resume->files);
	*resume = (struct q2_resume){0};
}

/* ---- What is to be done ---------------------------------------------------------------- */

static size_t count_held(const struct q2_resume *resume, enum qcow2bm_resume_held held)
{
	size_t count = 0;
	for (size_t i = 0; i < resume->count; i++)
		count += resume->images[i].held == held;
	for (size_t i = 0; i < resume->intent->file_count; i++)
		count += resume->files[i] == held;
	return count;
}

static const char *last_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* "a.qcow2 is as before, b.qcow2 as after". */
static void list_held(const struct q2_resume *resume, char *text, size_t room)
{
	static const char *const words[] = {
		[QCOW2BM_RESUME_OLD] = "as before",
		[QCOW2BM_RESUME_NEW] = "as after",
		[QCOW2BM_RESUME_NEITHER] = "neither",
	};
	const struct q2_intent *intent = resume->intent;
	size_t at = 0;
	text[0] = '\0';
	for (size_t i = 0; i < intent->count + intent->file_count && at < room; i++) {
		bool is_image = i < intent->count;
		size_t other = i - intent->count;
		const char *path =
			is_image ? intent->images[i].path : intent->files[other].path;
		enum qcow2bm_resume_held held =
			is_image ? resume->images[i].held : resume->files[other];
		int more = snprintf(text + at, room - at, "%s%s %s%s", i == 0 ? "" : ", ",
				    last_name(path), i == 0 ? "is " : "", words[held]);
		at += more < 0 ? 0 : (size_t)more;
	}
}

static enum qcow2bm_code prove_all(struct q2_resume *resume,
				   enum qcow2bm_resume_held held, bool *is_proven,
				   struct qcow2bm_error *why, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	*is_proven = true;
	for (size_t i = 0; code == QCOW2BM_OK && *is_proven && i < resume->count; i++) {
		const struct q2_resume_image *resumed = &resume->images[i];
		struct qcow2bm_error one = {0};
		if (resumed->held != held)
			continue;
		code = held == QCOW2BM_RESUME_OLD
			       ? q2_resume_prove_forward(resumed, resume->watch,
							 is_proven, &one, err)
			       : q2_resume_prove_back(resumed, resume->watch, is_proven,
						      &one, err);
		if (code == QCOW2BM_OK && !*is_proven)
			(void)q2_fail(why, QCOW2BM_EINVAL, one.offset, "%.60s: %.100s",
				      last_name(resumed->noted->path), one.sentence);
	}
	return code;
}

static enum qcow2bm_code refuse(const struct q2_resume *resume,
				const struct qcow2bm_error *forward,
				const struct qcow2bm_error *back,
				struct qcow2bm_error *err)
{
	char held[160];
	list_held(resume, held, sizeof(held));
	if (forward == NULL)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "%s was changed since: %s",
			       resume->intent->file_count == 0 ? "an image"
							       : "an image or a file",
			       held);
	return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		       "%s; it cannot be finished (%.164s) nor taken back (%.164s)", held,
		       forward->sentence, back->sentence);
}

enum qcow2bm_code q2_resume_decide(struct q2_resume *resume,
				   enum qcow2bm_resume_outcome *outcome,
				   struct qcow2bm_error *err)
{
	struct qcow2bm_error forward = {0}, back = {0};
	bool is_proven = false;
	if (count_held(resume, QCOW2BM_RESUME_NEITHER) != 0)
		return refuse(resume, NULL, NULL, err);
	*outcome = QCOW2BM_RESUME_FINISHED;
	enum qcow2bm_code code =
		prove_all(resume, QCOW2BM_RESUME_OLD, &is_proven, &forward, err);
	if (code != QCOW2BM_OK || is_proven)
		return code;
	*outcome = QCOW2BM_RESUME_TAKEN_BACK;
	code = prove_all(resume, QCOW2BM_RESUME_NEW, &is_proven, &back, err);
	if (code != QCOW2BM_OK || is_proven)
		return code;
	return refuse(resume, &forward, &back, err);
}

/* ---- Doing it -------------------------------------------------------------------------- */

static enum qcow2bm_code write_and_sync(struct q2_resume *resume,
					struct q2_storage *storage, const uint8_t *bytes,
					size_t count, uint64_t off,
					struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	if (count != 0)
		code = q2_storage_write(storage, bytes, count, off, err);
	resume->syncs++;
	return code == QCOW2BM_OK ? q2_storage_sync(storage, err) : code;
}

/* Writes the state that it shall hold; one that it holds already once more, since that may be in
 * memory only. When something else stands there the image holds the state by other bytes. */
static enum qcow2bm_code bring(struct q2_resume *resume, struct q2_resume_image *resumed,
			       enum qcow2bm_resume_held wanted, struct qcow2bm_error *err)
{
	const struct q2_intent_image *noted = resumed->noted;
	const struct q2_intent_state *state =
		wanted == QCOW2BM_RESUME_NEW ? &noted->new_state : &noted->old_state;
	struct q2_storage *storage = resumed->image->storage;
	bool is_there = true;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (resumed->held == wanted)
		code = q2_resume_is_at_switch(resumed, state->bytes, &is_there, err);
	if (code != QCOW2BM_OK)
		return code;
	size_t count = is_there ? noted->switch_bytes : 0;
	/* After a failed write or sync nobody knows what is on disk: once more, or give up. */
	if (write_and_sync(resume, storage, state->bytes, count, noted->switch_off,
			   NULL) != QCOW2BM_OK)
		code = write_and_sync(resume, storage, state->bytes, count,
				      noted->switch_off, err);
	if (code == QCOW2BM_OK)
		resumed->held = wanted;
	return code;
}

static enum qcow2bm_code tidy(struct q2_resume *resume,
			      const struct q2_resume_image *resumed,
			      struct qcow2bm_error *err)
{
	const struct q2_intent_tidy *tidy = resumed->held == QCOW2BM_RESUME_NEW
						    ? &resumed->noted->new_tidy
						    : &resumed->noted->old_tidy;
	struct q2_storage *storage = resumed->image->storage;
	uint8_t now[sizeof(tidy->from)];
	if (!tidy->is_due)
		return QCOW2BM_OK;
	enum qcow2bm_code code =
		q2_storage_read(storage, now, sizeof(now), tidy->off, err);
	if (code != QCOW2BM_OK || memcmp(now, tidy->from, sizeof(now)) != 0)
		return code;
	return write_and_sync(resume, storage, tidy->to, sizeof(tidy->to), tidy->off,
			      err);
}

/* One that holds it already may hold it in memory only: the same again. */
static enum qcow2bm_code bring_other(struct q2_resume *resume, size_t i,
				     enum qcow2bm_resume_held wanted,
				     struct qcow2bm_error *err)
{
	const struct q2_intent_file *noted = &resume->intent->files[i];
	enum qcow2bm_code code = q2_others_write(noted, wanted, err);
	if (code == QCOW2BM_OK)
		code = q2_others_switch(noted, wanted, err);
	if (code != QCOW2BM_OK)
		return code;
	resume->files[i] = wanted;
	q2_others_clean(noted);
	return code;
}

enum qcow2bm_code q2_resume_do(struct q2_resume *resume,
			       enum qcow2bm_resume_outcome outcome,
			       struct qcow2bm_error *err)
{
	enum qcow2bm_resume_held wanted = outcome == QCOW2BM_RESUME_FINISHED
						  ? QCOW2BM_RESUME_NEW
						  : QCOW2BM_RESUME_OLD;
	struct qcow2bm_error cause = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < resume->count; i++)
		code = bring(resume, &resume->images[i], wanted, &cause);
	for (size_t i = 0; code == QCOW2BM_OK && i < resume->count; i++)
		code = tidy(resume, &resume->images[i], &cause);
	for (size_t i = 0; code == QCOW2BM_OK && i < resume->intent->file_count; i++)
		code = bring_other(resume, i, wanted, &cause);
	if (code != QCOW2BM_OK)
		return q2_fail_for(
			err, QCOW2BM_EUNKNOWN, &cause,
			"outcome unknown: %.300s; both states are whole; do it again when the disk works",
			cause.sentence);
	for (size_t i = 0; i < resume->count; i++)
		resume->leaked_clusters += q2_resume_count_leaked(&resume->images[i]);
	return QCOW2BM_OK;
}
