/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Edits of several images as one: all are prepared, and an intent file says so, before the first is
 * switched over.
 */
#include "together.h"

#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "intend.h"
#include "intent_file.h"
#include "others.h"

static const struct qcow2bm_result **result_of(const struct q2_together *together,
					       size_t i)
{
	return together->results == NULL ? NULL : &together->results[i];
}

static bool is_nothing(const struct q2_together *together, size_t i)
{
	return together->edits[i].edit->commit->is_nothing;
}

/* ---- Prepare --------------------------------------------------------------------------- */

/* What is over already is not touched. The last one first: two names may be one file. */
static void roll_back(const struct q2_together *together, size_t count)
{
	for (size_t i = count; i-- > 0;)
		if (together->edits[i].edit->commit != NULL)
			(void)!qcow2bm_edit_roll_back(together->edits[i].edit,
						      result_of(together, i), NULL);
}

/* The results of those that it does not come to are there, too. */
static void clear_results(struct q2_together *together)
{
	static const struct qcow2bm_result nothing;
	for (size_t i = 0; together->results != NULL && i < together->count; i++)
		together->results[i] = &nothing;
}

static enum qcow2bm_code prepare(struct q2_together *together, struct qcow2bm_error *err)
{
	clear_results(together);
	for (size_t i = 0; i < together->count; i++) {
		enum qcow2bm_code code = qcow2bm_edit_prepare(
			together->edits[i].edit, together->options,
			result_of(together, i), together->watch, err);
		if (code == QCOW2BM_OK)
			continue;
		together->failed = i;
		roll_back(together, i);
		return code;
	}
	return QCOW2BM_OK;
}

/* ---- The intent file ------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of files with a name in common only the last would be as noted: resume would find neither state. */
static enum qcow2bm_code check_names(const struct q2_intent *intent,
				     struct qcow2bm_error *err)
{
	size_t count = 2 * intent->file_count;
	const char **names = calloc(count + 1, sizeof(*names));
	enum qcow2bm_code code = QCOW2BM_OK;
	if (names == NULL)
		return q2_fail_memory(err, "other files");
	for (size_t i = 0; i < intent->file_count; i++) {
		names[2 * i] = intent->files[i].path;
		names[2 * i + 1] = intent->files[i].temporary;
	}
	qsort(names, count, sizeof(*names), compare_names);
	for (size_t i = 1; code == QCOW2BM_OK && i < count; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			code = q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
				       "'%.300s' is named twice", names[i]);
	free(names);
	return code;
}

/* Of the edits that change something, and of all other files. */
static enum qcow2bm_code intend(struct q2_together *together, size_t changing,
				struct qcow2bm_error *err)
{
	const struct q2_intent_place *place = together->place;
	struct q2_intent *intent = together->intent;
	enum qcow2bm_code code = QCOW2BM_OK;
	intent->images = calloc(changing + 1, sizeof(*intent->images));
	intent->files = calloc(together->file_count + 1, sizeof(*intent->files));
	if (intent->images == NULL || intent->files == NULL)
		return q2_fail_memory(err, "the intent file");
	if (together->note_bytes != 0)
		memcpy(intent->note, together->note, together->note_bytes);
	intent->note_bytes = (uint32_t)together->note_bytes;
	for (size_t i = 0; code == QCOW2BM_OK && i < together->count; i++) {
		const struct qcow2bm_together_edit *edit = &together->edits[i];
		struct q2_intent_image *noted = &intent->images[intent->count];
		if (edit->edit->commit == NULL)
			continue;
		intent->count++;
		code = place->resolve(place->opaque, edit->filename, &noted->path, err);
		if (code == QCOW2BM_OK)
			code = q2_intend(noted, edit->edit, err);
		if (code != QCOW2BM_OK)
			together->failed = i;
	}
	for (size_t i = 0; code == QCOW2BM_OK && i < together->file_count; i++)
		code = q2_others_note(&intent->files[intent->file_count++],
				      &together->files[i], err);
	return code == QCOW2BM_OK ? check_names(intent, err) : code;
}

static enum qcow2bm_code store(const struct q2_together *together,
			       const struct q2_intent *intent, struct qcow2bm_error *err)
{
	const struct q2_intent_place *place = together->place;
	struct q2_storage *file;
	enum qcow2bm_code code = place->create(place->opaque, &file, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_intent_store(intent, file, err);
	q2_storage_close(file);
	/* One that stays is not complete, or says what is so: that all images are old. */
	if (code != QCOW2BM_OK)
		(void)place->remove(place->opaque, NULL);
	return code;
}

/* While all can still be rolled back: a disk that is full is seen here. */
static enum qcow2bm_code write_others(const struct q2_together *together,
				      struct qcow2bm_error *err)
{
	const struct q2_intent *intent = together->intent;
	struct qcow2bm_error cause = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < intent->file_count; i++)
		code = q2_others_write(&intent->files[i], QCOW2BM_RESUME_NEW, &cause);
	if (code == QCOW2BM_OK)
		return code;
	for (size_t i = 0; i < intent->file_count; i++)
		q2_others_clean(&intent->files[i]);
	(void)together->place->remove(together->place->opaque, NULL);
	return q2_pass(err, &cause);
}

static enum qcow2bm_code write_intent(struct q2_together *together, size_t changing,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = intend(together, changing, err);
	if (code == QCOW2BM_OK)
		code = store(together, together->intent, err);
	return code == QCOW2BM_OK ? write_others(together, err) : code;
}

/* ---- Switch ---------------------------------------------------------------------------- */

/* Nothing is finished, and nothing that was prepared is given back: both states are whole in each of
 * the images. */
static void abandon(const struct q2_together *together)
{
	for (size_t i = 0; i < together->count; i++)
		q2_phases_abandon(together->edits[i].edit);
}

/* Brings what the others hold already to stable storage, while all can still be rolled back. */
static enum qcow2bm_code settle(struct q2_together *together, struct qcow2bm_error *err)
{
	for (size_t i = 0; i < together->count; i++) {
		struct qcow2bm_edit *edit = together->edits[i].edit;
		if (!is_nothing(together, i))
			continue;
		enum qcow2bm_code code =
			qcow2bm_edit_switch(edit, result_of(together, i), err);
		if (code == QCOW2BM_OK)
			code = qcow2bm_edit_finish(edit, result_of(together, i), err);
		if (code == QCOW2BM_OK)
			continue;
		together->failed = i;
		roll_back(together, together->count);
		return code;
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code switch_over(struct q2_together *together, bool has_intent,
				     struct qcow2bm_error *err)
{
	for (size_t i = 0; i < together->count; i++) {
		struct qcow2bm_edit *edit = together->edits[i].edit;
		struct qcow2bm_error cause = {0};
		if (edit->commit == NULL ||
		    qcow2bm_edit_switch(edit, result_of(together, i), &cause) ==
			    QCOW2BM_OK)
			continue;
		together->failed = i;
		abandon(together);
		if (!has_intent)
			return q2_pass(err, &cause);
		return q2_fail_for(err, cause.code, &cause,
				   "%.330s; then resume '%.150s'", cause.sentence,
				   together->place->path);
	}
	return QCOW2BM_OK;
}

/* Behind the images: what their bitmaps are no more, nothing tells of any more then. */
static enum qcow2bm_code switch_others(struct q2_together *together,
				       struct qcow2bm_error *err)
{
	for (size_t i = 0; i < together->intent->file_count; i++) {
		struct qcow2bm_error cause = {0};
		if (q2_others_switch(&together->intent->files[i], QCOW2BM_RESUME_NEW,
				     &cause) == QCOW2BM_OK)
			continue;
		abandon(together);
		return q2_fail_for(err, QCOW2BM_EUNKNOWN, &cause,
				   "%.330s; then resume '%.150s'", cause.sentence,
				   together->place->path);
	}
	return QCOW2BM_OK;
}

/* A failure comes when all is switched. The results of images tell that; without any the code has to. */
static enum qcow2bm_code remove_intent(const struct q2_together *together,
				       struct qcow2bm_error *err)
{
	const struct q2_intent_place *place = together->place;
	struct qcow2bm_error cause = {0};
	if (together->count != 0)
		return place->remove(place->opaque, err);
	if (place->remove(place->opaque, &cause) == QCOW2BM_OK)
		return QCOW2BM_OK;
	return q2_fail_for(err, QCOW2BM_EUNKNOWN, &cause,
			   "all files are changed, but %.310s; then resume '%.150s'",
			   cause.sentence, place->path);
}

static enum qcow2bm_code finish(struct q2_together *together, bool has_intent,
				struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < together->count; i++)
		if (together->edits[i].edit->commit != NULL)
			code = qcow2bm_edit_finish(together->edits[i].edit,
						   result_of(together, i), err);
	return code == QCOW2BM_OK && has_intent ? remove_intent(together, err) : code;
}

static enum qcow2bm_code switch_all(struct q2_together *together, size_t changing,
				    struct qcow2bm_error *err)
{
	bool has_intent = changing > 1 || together->file_count != 0;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (has_intent)
		code = write_intent(together, changing, err);
	if (code != QCOW2BM_OK) {
		/* What had nothing to change has settled, and says so: but nothing is done. */
		clear_results(together);
		roll_back(together, together->count);
		return code;
	}
	code = switch_over(together, has_intent, err);
	if (code == QCOW2BM_OK)
		code = switch_others(together, err);
	return code == QCOW2BM_OK ? finish(together, has_intent, err) : code;
}

enum qcow2bm_code q2_together_commit(struct q2_together *together,
				     struct qcow2bm_error *err)
{
	struct q2_intent intent = {0};
	size_t changing = 0;
	together->intent = &intent;
	together->failed = SIZE_MAX;
	enum qcow2bm_code code = prepare(together, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < together->count; i++)
		changing += !is_nothing(together, i);
	if (code == QCOW2BM_OK)
		code = settle(together, err);
	if (code == QCOW2BM_OK)
		code = switch_all(together, changing, err);
	q2_intent_free(&intent);
	together->intent = NULL;
	return code;
}
