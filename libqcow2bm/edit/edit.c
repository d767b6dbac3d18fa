/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Staging: what an edit knows before it is planned. */
#include "edit.h"

#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "../clusters/soundness.h"
#include "../image/directory.h"

enum qcow2bm_code q2_edit_check_bits(const struct qcow2bm_image *image,
				     struct qcow2bm_error *err)
{
	uint64_t features = image->header.incompatible_features;
	if (features & Q2_INCOMPATIBLE_CORRUPT)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			       "the image is marked corrupt" QCOW2BM_SEE_CHECK);
	if (features & Q2_INCOMPATIBLE_DIRTY)
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			"the image is marked dirty: its refcounts are not up to date" QCOW2BM_SEE_CHECK);
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_known(const struct qcow2bm_image *image,
				     struct qcow2bm_error *err)
{
	if (image->must_reopen)
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the last commit left open what the image holds; open it again");
	if (image->pending != Q2_PENDING_NOTHING)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "an edit of the image is prepared, but not finished");
	return QCOW2BM_OK;
}

bool q2_edit_is_believed(const struct qcow2bm_image *image)
{
	return !image->has_bitmaps_extension || image->is_tolerant ||
	       image->header.autoclear_features & Q2_AUTOCLEAR_BITMAPS;
}

/* Refuses an image that no edit may change, each reason with its own sentence. */
static enum qcow2bm_code check_editable(const struct qcow2bm_image *image,
					struct qcow2bm_error *err)
{
	const struct q2_header *header = &image->header;
	enum qcow2bm_code code = check_known(image, err);
	if (code != QCOW2BM_OK)
		return code;
	if (header->version < 3)
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			"a version 2 image cannot have bitmaps; upgrade it with qemu-img amend -o compat=v3");
	/* A repair may change the header, and looks at these bits itself. */
	code = image->is_tolerant ? QCOW2BM_OK : q2_edit_check_bits(image, err);
	if (code != QCOW2BM_OK)
		return code;
	if (!image->has_bitmaps_extension && !image->is_tolerant &&
	    (header->autoclear_features & Q2_AUTOCLEAR_BITMAPS))
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, Q2_HEADER_AUTOCLEAR_OFF,
			"autoclear bit 0 is set, but there is no bitmaps extension: what stood there may be damaged" QCOW2BM_SEE_CHECK);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_edit_enter(const struct qcow2bm_edit *edit,
				struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_generation_check(edit->generation, "the edit was staged", err);
	return code == QCOW2BM_OK ? check_known(edit->image, err) : code;
}

static enum qcow2bm_code check_source(const struct q2_edit_source *source,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_generation_check(source->generation,
						     "a source of bits was staged", err);
	if (code == QCOW2BM_OK && source->image->pending == Q2_PENDING_SWITCHED)
		code = q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"the image of a source of bits is switched over to another state");
	return code;
}

enum qcow2bm_code q2_edit_check_sources_of(const struct q2_staged *staged,
					   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t k = 0; code == QCOW2BM_OK && k < staged->source_count; k++)
		code = check_source(&staged->sources[k], err);
	return code;
}

enum qcow2bm_code q2_edit_check_sources(const struct qcow2bm_edit *edit,
					struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < edit->count; i++)
		code = q2_edit_check_sources_of(&edit->staged[i], err);
	return code;
}

static void forget_staged(struct qcow2bm_edit *edit)
{
	for (size_t i = 0; i < edit->count; i++) {
		free(edit->staged[i].new_name);
		q2_edit_cut_sources(&edit->staged[i], 0);
		free(edit->staged[i].sources);
	}
	free(edit->staged);
	q2_new_names_free(&edit->new_names);
	free(edit->changed);
	free(edit->shown);
	q2_clusters_free(&edit->repair.low);
	q2_clusters_free(&edit->repair.high);
	q2_clusters_free(&edit->repair.leaked);
	q2_generation_drop(edit->generation);
	*edit = (struct qcow2bm_edit){
		.image = edit->image, .plan = edit->plan, .result = edit->result};
}

enum qcow2bm_code q2_edit_restart(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	forget_staged(edit);
	const struct q2_directory *directory = &edit->image->directory;
	enum qcow2bm_code code = q2_generation_take(edit->image, &edit->generation, err);
	if (code != QCOW2BM_OK)
		return code;
	edit->room = directory->count + 1;
	edit->staged = calloc(edit->room, sizeof(*edit->staged));
	if (edit->staged == NULL) {
		edit->room = 0;
		return q2_fail_memory(err, "an edit");
	}
	for (size_t i = 0; i < directory->count; i++) {
		const struct q2_directory_entry *entry = &directory->bitmaps[i].entry;
		edit->staged[i] = (struct q2_staged){
			.committed_idx = i,
			.flags = entry->flags,
			.granularity_bits = entry->granularity_bits,
			.keeps_bits = true,
		};
	}
	edit->count = edit->live = directory->count;
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_edit_begin(struct qcow2bm_edit **result,
				     struct qcow2bm_image *image,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = check_editable(image, err);
	if (code == QCOW2BM_OK && !q2_edit_is_believed(image))
		code = q2_fail(
			err, QCOW2BM_EUNSUPPORTED, Q2_HEADER_AUTOCLEAR_OFF,
			"autoclear bit 0 is unset although there are bitmaps: a program without bitmap support wrote to the image, or an edit was cut off" QCOW2BM_SEE_CHECK);
	return code == QCOW2BM_OK ? q2_edit_begin_anew(result, image, err) : code;
}

enum qcow2bm_code q2_edit_begin_anew(struct qcow2bm_edit **result,
				     struct qcow2bm_image *image,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = check_editable(image, err);
	if (code != QCOW2BM_OK)
		return code;
	struct qcow2bm_edit *edit = calloc(1, sizeof(*edit));
	if (edit == NULL)
		return q2_fail_memory(err, "an edit");
	edit->image = image;
	code = q2_edit_restart(edit, err);
	if (code != QCOW2BM_OK) {
		q2_edit_forget(edit);
		return code;
	}
	*result = edit;
	return QCOW2BM_OK;
}

void q2_edit_forget(struct qcow2bm_edit *edit)
{
	forget_staged(edit);
	free(edit);
}

const uint8_t *q2_edit_name(const struct qcow2bm_edit *edit,
			    const struct q2_staged *staged, size_t *name_bytes)
{
	if (staged->new_name != NULL) {
		*name_bytes = staged->new_name_bytes;
		return staged->new_name;
	}
	const struct q2_directory_entry *entry =
		&edit->image->directory.bitmaps[staged->committed_idx].entry;
	*name_bytes = entry->name_bytes;
	return entry->name;
}

/* The bitmap that is looked for among added and renamed ones. */
struct wanted {
	const struct qcow2bm_edit *edit;
	const void *name;
	size_t name_bytes;
	struct q2_staged *found;
};

static bool has_name(void *opaque, size_t number)
{
	struct wanted *wanted = opaque;
	struct q2_staged *staged = &wanted->edit->staged[number];
	if (staged->is_deleted || staged->new_name == NULL ||
	    staged->new_name_bytes != wanted->name_bytes ||
	    memcmp(staged->new_name, wanted->name, wanted->name_bytes) != 0)
		return false;
	wanted->found = staged;
	return true;
}

/* Added and renamed bitmaps: those that the committed directory cannot find. */
static struct q2_staged *find_new(const struct qcow2bm_edit *edit, const void *name,
				  size_t name_bytes)
{
	struct wanted wanted = {edit, name, name_bytes, NULL};
	q2_new_names_find(&edit->new_names, name, name_bytes, has_name, &wanted);
	return wanted.found;
}

struct q2_staged *q2_edit_find(const struct qcow2bm_edit *edit, const void *name,
			       size_t name_bytes)
{
	size_t same;
	size_t idx = q2_directory_find(&edit->image->directory, name, name_bytes, &same);
	/* Entries with one name stand in the order of their places. */
	for (size_t i = idx; idx != QCOW2BM_NOT_FOUND && i < edit->image->directory.count;
	     i++) {
		struct q2_staged *staged = &edit->staged[i];
		const struct q2_directory_entry *entry =
			&edit->image->directory.bitmaps[i].entry;
		if (same == 0)
			break;
		if (entry->name_bytes != name_bytes ||
		    (name_bytes != 0 && memcmp(entry->name, name, name_bytes) != 0))
			continue;
		same--;
		if (!staged->is_deleted && staged->new_name == NULL)
			return staged;
	}
	return find_new(edit, name, name_bytes);
}

enum qcow2bm_code q2_edit_check_usable(struct qcow2bm_image *image, size_t idx,
				       const char *name, size_t name_bytes,
				       struct qcow2bm_error *err)
{
	int shown = name_bytes > 200 ? 200 : (int)name_bytes;
	if (idx == QCOW2BM_NOT_FOUND)
		return q2_fail(err, QCOW2BM_ENOTFOUND, QCOW2BM_NO_OFFSET,
			       "dirty bitmap '%.*s' not found", shown, name);
	const struct q2_bitmap *bitmap = &image->directory.bitmaps[idx];
	if (bitmap->entry.extra_bytes != 0 &&
	    !(bitmap->entry.flags & Q2_DIRECTORY_FLAG_EXTRA_COMPATIBLE))
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, bitmap->off,
			"bitmap '%.*s' has extra data that is not marked compatible: it must be left as it is",
			shown, name);
	enum qcow2bm_code code = q2_soundness_judge_bits(image, idx, err);
	if (code != QCOW2BM_OK)
		return code;
	if (image->directory.evidence != NULL)
		return q2_fail(
			err, QCOW2BM_EIMAGE, bitmap->off,
			"bitmap '%.*s' is corrupt, as are all of this image (%s)" QCOW2BM_SEE_CHECK,
			shown, name, bitmap->problem);
	if (bitmap->problem != NULL)
		return q2_fail(err, QCOW2BM_EIMAGE, bitmap->off,
			       "bitmap '%.*s' is corrupt (%s)" QCOW2BM_SEE_CHECK, shown,
			       name, bitmap->problem);
	if (bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE)
		return q2_fail(
			err, QCOW2BM_EINUSE, bitmap->off,
			"bitmap '%.*s' is inconsistent and cannot be used: it is marked in-use, so changes may be missing from it; recover it, or delete it and let the next backup be a full one" QCOW2BM_SEE_CHECK,
			shown, name);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_edit_find_usable(const struct qcow2bm_edit *edit, const char *name,
				      size_t name_bytes, struct q2_staged **staged,
				      struct qcow2bm_error *err)
{
	*staged = NULL;
	enum qcow2bm_code code = q2_edit_enter(edit, err);
	if (code != QCOW2BM_OK)
		return code;
	*staged = q2_edit_find(edit, name, name_bytes);
	if (*staged != NULL && ((*staged)->committed_idx == Q2_EDIT_NOT_COMMITTED ||
				(*staged)->is_recovered))
		return QCOW2BM_OK;
	return q2_edit_check_usable(edit->image,
				    *staged == NULL ? QCOW2BM_NOT_FOUND
						    : (*staged)->committed_idx,
				    name, name_bytes, err);
}

enum qcow2bm_code q2_edit_check_new_name(const struct qcow2bm_edit *edit,
					 const char *name, size_t name_bytes,
					 struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_edit_enter(edit, err);
	if (code != QCOW2BM_OK)
		return code;
	if (name_bytes == 0)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "bitmap name cannot be empty");
	if (name_bytes > Q2_DIRECTORY_MAX_NAME_BYTES)
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"name length exceeds maximum (%u characters): it has %zu bytes",
			Q2_DIRECTORY_MAX_NAME_BYTES, name_bytes);
	if (memchr(name, '\0', name_bytes) != NULL)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "bitmap name contains a NUL byte");
	if (q2_edit_find(edit, name, name_bytes) != NULL)
		return q2_fail(err, QCOW2BM_EEXIST, QCOW2BM_NO_OFFSET,
			       "bitmap already exists: %.*s",
			       name_bytes > 200 ? 200 : (int)name_bytes, name);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_edit_set_name(struct qcow2bm_edit *edit, struct q2_staged *staged,
				   const char *name, size_t name_bytes,
				   struct qcow2bm_error *err)
{
	uint8_t *copy = malloc(name_bytes);
	if (copy == NULL)
		return q2_fail_memory(err, "a bitmap name");
	memcpy(copy, name, name_bytes);
	enum qcow2bm_code code = q2_new_names_note(&edit->new_names, name, name_bytes,
						   (size_t)(staged - edit->staged), err);
	if (code != QCOW2BM_OK) {
		free(copy);
		return code;
	}
	free(staged->new_name);
	staged->new_name = copy;
	staged->new_name_bytes = (uint16_t)name_bytes;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_edit_append(struct qcow2bm_edit *edit, const char *name,
				 size_t name_bytes, struct q2_staged **result,
				 struct qcow2bm_error *err)
{
	if (edit->live >= Q2_DIRECTORY_MAX_BITMAPS)
		return q2_fail(err, QCOW2BM_ELIMIT, QCOW2BM_NO_OFFSET,
			       "the image has %zu bitmaps already, QEMU's maximum",
			       edit->live);
	if (edit->count == edit->room) {
		size_t room = edit->room * 2 + 8;
		struct q2_staged *grown = realloc(edit->staged, room * sizeof(*grown));
		if (grown == NULL)
			return q2_fail_memory(err, "an edit");
		edit->staged = grown;
		edit->room = room;
	}
	struct q2_staged *staged = &edit->staged[edit->count];
	*staged = (struct q2_staged){.committed_idx = Q2_EDIT_NOT_COMMITTED};
	enum qcow2bm_code code = q2_edit_set_name(edit, staged, name, name_bytes, err);
	if (code != QCOW2BM_OK)
		return code;
	edit->count++;
	edit->live++;
	*result = staged;
	return QCOW2BM_OK;
}

void q2_edit_delete(struct qcow2bm_edit *edit, struct q2_staged *staged)
{
	staged->is_deleted = true;
	q2_edit_clear_sources(staged);
	edit->live--;
}

static bool is_same_source(const struct q2_edit_source *a, const struct q2_edit_source *b)
{
	return a->generation == b->generation && a->image == b->image &&
	       a->idx == b->idx && a->kind == b->kind && a->table_off == b->table_off &&
	       a->passed_bits == b->passed_bits && a->from_bytes == b->from_bytes &&
	       a->differences == b->differences;
}

enum qcow2bm_code q2_edit_add_source(struct q2_staged *staged,
				     const struct q2_edit_source *source,
				     struct qcow2bm_error *err)
{
	struct q2_edit_source added = *source;
	struct q2_edit_source *grown =
		realloc(staged->sources, (staged->source_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return q2_fail_memory(err, "an edit");
	staged->sources = grown;
	enum qcow2bm_code code =
		q2_generation_take(source->image, &added.generation, err);
	if (code != QCOW2BM_OK)
		return code;
	for (size_t i = 0; i < staged->source_count; i++)
		if (is_same_source(&grown[i], &added)) {
			q2_generation_drop(added.generation);
			return QCOW2BM_OK;
		}
	grown[staged->source_count++] = added;
	return QCOW2BM_OK;
}

void q2_edit_cut_sources(struct q2_staged *staged, size_t count)
{
	while (staged->source_count > count)
		q2_generation_drop(staged->sources[--staged->source_count].generation);
}

enum qcow2bm_code q2_edit_add_bitmap(struct qcow2bm_edit *edit, struct q2_staged *staged,
				     struct qcow2bm_image *image, size_t idx,
				     struct qcow2bm_error *err)
{
	const struct q2_edit_source source = {.image = image, .idx = idx};
	/* The table of one that is recovered may not fit the disk: it is read as another's. */
	if (image != edit->image || idx != staged->committed_idx || staged->is_recovered)
		return q2_edit_add_source(staged, &source, err);
	staged->keeps_bits = true;
	return QCOW2BM_OK;
}

void q2_edit_clear_sources(struct q2_staged *staged)
{
	q2_edit_cut_sources(staged, 0);
	free(staged->sources);
	staged->sources = NULL;
	staged->keeps_bits = false;
}

bool q2_edit_changes_entry(const struct qcow2bm_edit *edit,
			   const struct q2_staged *staged)
{
	const struct q2_directory_entry *entry =
		&edit->image->directory.bitmaps[staged->committed_idx].entry;
	if (staged->flags != entry->flags)
		return true;
	return staged->new_name != NULL &&
	       (staged->new_name_bytes != entry->name_bytes ||
		memcmp(staged->new_name, entry->name, entry->name_bytes) != 0);
}

bool q2_edit_is_changed(const struct qcow2bm_edit *edit, const struct q2_staged *staged)
{
	if (staged->committed_idx == Q2_EDIT_NOT_COMMITTED)
		return !staged->is_deleted;
	return staged->is_deleted || q2_edit_changes_content(staged) ||
	       q2_edit_changes_entry(edit, staged);
}
