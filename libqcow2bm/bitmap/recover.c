/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recovering a bitmap that a crash left in-use: which bits it gets, and what they promise. */
#include <stdlib.h>

#include "../base/error.h"
#include "../base/options.h"
#include "../edit/edit.h"
#include "../format/table.h"
#include "../image/directory.h"
#include "promise.h"
#include "recover.h"

static enum qcow2bm_code refuse(struct qcow2bm_error *err, enum qcow2bm_code code,
				const struct q2_bitmap *bitmap, const char *sentence)
{
	return q2_fail(err, code, bitmap->off, "%s", sentence);
}

/* Its entry is sound but for where its table is. */
bool q2_recover_is_sound_without_table(const struct qcow2bm_image *image,
				       const struct q2_bitmap *bitmap)
{
	struct q2_directory_entry entry = bitmap->entry;
	size_t same;
	q2_directory_find(&image->directory, entry.name, entry.name_bytes, &same);
	if (same != 1 || !(entry.flags & Q2_DIRECTORY_FLAG_IN_USE))
		return false;
	entry.table_off = q2_header_cluster_bytes(&image->header);
	entry.table_entries = 1;
	return q2_directory_entry_check(&entry, &image->header, bitmap->off, NULL) ==
	       QCOW2BM_OK;
}

/* The staged bitmap of this name, which must be in-use, or recovered in this edit already. */
static enum qcow2bm_code find_in_use(const struct qcow2bm_edit *edit, const char *name,
				     size_t name_bytes, enum qcow2bm_recovery method,
				     struct q2_staged **staged, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = edit->image;
	struct qcow2bm_error why = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	*staged = q2_edit_find(edit, name, name_bytes);
	size_t idx = *staged == NULL ? QCOW2BM_NOT_FOUND : (*staged)->committed_idx;
	if (*staged == NULL || (idx != Q2_EDIT_NOT_COMMITTED && !(*staged)->is_recovered))
		code = q2_edit_check_usable(image, idx, name, name_bytes, &why);
	if (code == QCOW2BM_EINUSE ||
	    (code == QCOW2BM_EIMAGE &&
	     (method == QCOW2BM_RECOVER_FULL || method == QCOW2BM_RECOVER_AUTO) &&
	     q2_recover_is_sound_without_table(image, &image->directory.bitmaps[idx])))
		return QCOW2BM_OK;
	if (code != QCOW2BM_OK)
		return q2_pass(err, &why);
	return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
		       "it is not marked in-use: there is nothing to recover");
}

static bool is_supported(unsigned granularity_bits)
{
	return granularity_bits >= Q2_DIRECTORY_MIN_GRANULARITY_BITS &&
	       granularity_bits <= Q2_DIRECTORY_MAX_GRANULARITY_BITS;
}

enum qcow2bm_code q2_recover_check_shape(const struct qcow2bm_image *image,
					 const struct q2_bitmap *bitmap,
					 struct q2_table_shape *shape,
					 struct qcow2bm_error *err)
{
	*shape = q2_table_shape(image->header.virtual_bytes,
				bitmap->entry.granularity_bits,
				image->header.cluster_bits);
	if (!is_supported(bitmap->entry.granularity_bits))
		return refuse(err, QCOW2BM_EUNSUPPORTED, bitmap,
			      "QEMU refuses images with its granularity; drop it");
	if (shape->entries == 0)
		return refuse(err, QCOW2BM_EUNSUPPORTED, bitmap,
			      "a disk of 0 bytes cannot have bitmaps; delete it");
	if (shape->entries > Q2_TABLE_MAX_BITMAP_BYTES >> image->header.cluster_bits)
		return q2_fail(
			err, QCOW2BM_ELIMIT, bitmap->off,
			"the disk has grown: the bitmap would take %llu bytes, QEMU allows %llu; delete it",
			(unsigned long long)shape->bytes, Q2_TABLE_MAX_BITMAP_BYTES);
	return QCOW2BM_OK;
}

/* The bits that the method gives: those stored, with the layer's, or all. A table that does not
 * fit the disk is made anew. */
static enum qcow2bm_code stage_content(struct qcow2bm_edit *edit,
				       struct q2_staged *staged,
				       const struct q2_table_shape *shape,
				       enum qcow2bm_recovery method,
				       struct qcow2bm_error *err)
{
	const struct q2_directory_entry *entry =
		&edit->image->directory.bitmaps[staged->committed_idx].entry;
	const struct q2_edit_source own = {.image = edit->image,
					   .idx = staged->committed_idx};
	struct q2_edit_source more = {.image = edit->image, .kind = Q2_SOURCE_ALLOCATED};
	bool fits = entry->table_entries == shape->entries;
	if (method == QCOW2BM_RECOVER_STORED)
		return QCOW2BM_OK;
	if (method == QCOW2BM_RECOVER_FULL)
		more.kind = Q2_SOURCE_EVERYTHING;
	enum qcow2bm_code code = q2_edit_add_source(staged, &more, err);
	if (code == QCOW2BM_OK && method == QCOW2BM_RECOVER_ALLOCATED && !fits)
		code = q2_edit_add_source(staged, &own, err);
	if (code == QCOW2BM_OK)
		staged->keeps_bits = method == QCOW2BM_RECOVER_ALLOCATED && fits;
	else
		q2_edit_cut_sources(staged, 0);
	return code;
}

uint32_t q2_recover_new_flags(uint32_t flags, enum qcow2bm_recording recording)
{
	flags &= ~Q2_DIRECTORY_FLAG_IN_USE;
	if (recording == QCOW2BM_RECORDING_ON)
		flags |= Q2_DIRECTORY_FLAG_AUTO;
	if (recording == QCOW2BM_RECORDING_OFF)
		flags &= ~Q2_DIRECTORY_FLAG_AUTO;
	return flags;
}

static enum qcow2bm_code decide(struct qcow2bm_edit *edit, struct q2_staged *staged,
				const struct qcow2bm_recover_options *options,
				struct qcow2bm_promise *promise,
				struct qcow2bm_error *err)
{
	const struct q2_bitmap *bitmap =
		&edit->image->directory.bitmaps[staged->committed_idx];
	const char *doubt = NULL;
	enum qcow2bm_code code =
		options->method == QCOW2BM_RECOVER_AUTO
			? q2_promise_choose(edit, staged, options->assumed, promise, err)
			: q2_promise_judge(edit, staged, options->method,
					   options->assumed, promise, &doubt, err);
	if (code == QCOW2BM_OK && doubt != NULL && !options->accept_unsafe)
		return refuse(err, QCOW2BM_EINUSE, bitmap, doubt);
	return code;
}

/* Stages one recovery; what was decided goes into *promise. */
static enum qcow2bm_code stage(struct qcow2bm_edit *edit, struct q2_staged *staged,
			       const struct qcow2bm_recover_options *options,
			       struct qcow2bm_promise *promise, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = edit->image;
	struct q2_table_shape shape;
	enum qcow2bm_code code = q2_recover_check_shape(
		image, &image->directory.bitmaps[staged->committed_idx], &shape, err);
	if (code == QCOW2BM_OK)
		code = decide(edit, staged, options, promise, err);
	if (code == QCOW2BM_OK)
		code = stage_content(edit, staged, &shape, promise->method, err);
	if (code != QCOW2BM_OK)
		return code;
	staged->is_recovered = true;
	staged->ignores_table = promise->method == QCOW2BM_RECOVER_FULL;
	staged->promise = *promise;
	staged->flags = q2_recover_new_flags(staged->flags, options->recording);
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_edit_recover(struct qcow2bm_edit *edit, const char *name,
				       size_t name_bytes,
				       const struct qcow2bm_recover_options *given,
				       const struct qcow2bm_promise **promise,
				       const struct qcow2bm_watch *watch,
				       struct qcow2bm_error *err)
{
	struct qcow2bm_recover_options known = QCOW2BM_RECOVER_OPTIONS_INIT;
	const struct qcow2bm_recover_options *options = &known;
	struct q2_watch own;
	struct q2_staged *staged;
	edit->promise = (struct qcow2bm_promise){.conditions = 0};
	if (promise != NULL)
		*promise = &edit->promise;
	if (q2_options_take(&known, sizeof(known), given, "the options of a recovery",
			    err) != QCOW2BM_OK)
		return QCOW2BM_EINVAL;
	if (options->method > QCOW2BM_RECOVER_FULL &&
	    options->method != QCOW2BM_RECOVER_AUTO)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "there is no such way to recover a bitmap that is in-use");
	enum qcow2bm_code code = q2_edit_enter(edit, err);
	if (code != QCOW2BM_OK)
		return code;
	if (edit->image->storage->writer == Q2_WRITER_LIVE)
		return q2_fail(err, QCOW2BM_EBUSY, QCOW2BM_NO_OFFSET,
			       "a running program has the image open for writing");
	code = q2_storage_watch(edit->image->storage, &own, watch, err);
	if (code == QCOW2BM_OK)
		code = find_in_use(edit, name, name_bytes, options->method, &staged, err);
	if (code == QCOW2BM_OK)
		code = stage(edit, staged, options, &edit->promise, err);
	q2_storage_unwatch(edit->image->storage);
	return code;
}
