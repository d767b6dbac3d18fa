/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An edit of two images that was cut off between them. */
#define _POSIX_C_SOURCE 200809L

#include "cut_off.h"

#include "edit/together.h"
#include "edit_cases.h"
#include "image/image.h"

#include <errno.h>
#include <string.h>

/* From the intent file on no write of the second image works. */
static enum qcow2bm_code create(void *opaque, struct q2_storage **file,
				struct qcow2bm_error *err)
{
	struct cut_off *cut = opaque;
	(void)err;
	cut->fault = (struct fault_plan){
		.kinds = FAULT_WRITE, .at = 1, .from_then_on = true, .sys_errno = EIO};
	*file = memory_storage_open(&cut->file);
	return QCOW2BM_OK;
}

static enum qcow2bm_code discard(void *opaque, struct qcow2bm_error *err)
{
	(void)opaque;
	(void)err;
	return QCOW2BM_OK;
}

static enum qcow2bm_code resolve(void *opaque, const char *filename, char **path,
				 struct qcow2bm_error *err)
{
	(void)opaque;
	(void)err;
	*path = strdup(filename);
	return QCOW2BM_OK;
}

static bool stage(struct cut_off *cut, size_t i, const char *words,
		  struct qcow2bm_image **image, struct qcow2bm_together_edit *edit)
{
	if (!edit_case_image("small", &cut->images[i]))
		return false;
	struct q2_storage *storage = memory_storage_open(&cut->images[i]);
	if (i == 1)
		storage = fault_storage_open(storage, &cut->fault);
	edit->filename = i == 0 ? "/d/a" : "/d/b";
	return q2_image_open(image, storage, NULL) == QCOW2BM_OK &&
	       qcow2bm_edit_begin(&edit->edit, *image, NULL) == QCOW2BM_OK &&
	       edit_case_stage(edit->edit, NULL, words, NULL) == QCOW2BM_OK;
}

bool cut_off_make(struct cut_off *cut, const char *first, const char *second)
{
	struct qcow2bm_image *images[CUT_OFF_IMAGES] = {NULL};
	struct qcow2bm_together_edit edits[CUT_OFF_IMAGES] = {{NULL, NULL}};
	struct q2_intent_place place = {"/d/i", cut, create, discard, resolve};
	struct q2_together together = {
		.edits = edits, .count = CUT_OFF_IMAGES, .place = &place};
	memset(cut, 0, sizeof(*cut));
	bool is_made = stage(cut, 0, first, &images[0], &edits[0]) &&
		       stage(cut, 1, second, &images[1], &edits[1]) &&
		       q2_together_commit(&together, NULL) == QCOW2BM_EUNKNOWN;
	for (size_t i = 0; i < CUT_OFF_IMAGES; i++) {
		qcow2bm_edit_end(edits[i].edit);
		qcow2bm_image_close(images[i]);
	}
	return is_made;
}

void cut_off_free(struct cut_off *cut)
{
	memory_file_free(&cut->file);
	for (size_t i = 0; i < CUT_OFF_IMAGES; i++)
		memory_file_free(&cut->images[i]);
}
