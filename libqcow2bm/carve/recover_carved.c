/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bringing back a deleted bitmap from clusters that nothing uses. */
#include "../base/error.h"
#include "../base/options.h"
#include "../edit/edit.h"
#include "carve.h"

static int copy(void *opaque, const struct qcow2bm_carved *carved)
{
	struct qcow2bm_carved *found = opaque;
	*found = *carved;
	return 0;
}

/* The report must be of this image as it is, and without errors. */
static enum qcow2bm_code check_report(const struct qcow2bm_edit *edit,
				      const struct qcow2bm_report *report,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_edit_enter(edit, err);
	if (code == QCOW2BM_OK)
		code = q2_check_is_about(report, edit->image, err);
	if (code != QCOW2BM_OK)
		return code;
	if (edit->image->storage->writer == Q2_WRITER_LIVE)
		return q2_fail(err, QCOW2BM_EBUSY, QCOW2BM_NO_OFFSET,
			       "a running program has the image open for writing");
	/* An owner that was overlooked would be the owner of what is read here. */
	if (report->totals.errors != 0 || report->is_partial)
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			"the image has errors, so what its free clusters hold is not known" QCOW2BM_SEE_CHECK);
	return QCOW2BM_OK;
}

/* Why nothing can be brought back of it; NULL: it can. */
static const char *find_loss(const struct qcow2bm_carved *carved)
{
	switch (carved->state) {
	case QCOW2BM_CARVED_INTACT:
		return NULL;
	case QCOW2BM_CARVED_BLANK:
		return "its table reads as zeros: no bit was ever set, or its room was given back; there is nothing to bring back (a new bitmap is the same)";
	case QCOW2BM_CARVED_TABLE_PAST_END:
		return "its table lies past the end of the file";
	case QCOW2BM_CARVED_TABLE_REUSED:
		return "something else has the clusters of its table now";
	case QCOW2BM_CARVED_TABLE_DAMAGED:
		return "its table was written over";
	case QCOW2BM_CARVED_DATA_PAST_END:
		return "some of its data lies past the end of the file";
	case QCOW2BM_CARVED_DATA_REUSED:
		return "something else has clusters of its data now";
	case QCOW2BM_CARVED_DATA_DAMAGED:
		return "some of its data was written over";
	case QCOW2BM_CARVED_DATA_BLANK:
		return "some of its data reads as zeros: its room was given back";
	case QCOW2BM_CARVED_NOT_JUDGED:
		break;
	}
	return "there is more of it than can be looked at";
}

/* Whether the bits can be those of a bitmap of this disk. */
static enum qcow2bm_code check_remains(const struct qcow2bm_carved *carved,
				       const struct qcow2bm_carved_options *options,
				       struct qcow2bm_error *err)
{
	const char *loss = find_loss(carved);
	if (loss != NULL)
		return q2_fail(err, QCOW2BM_EIMAGE, carved->entry_offset,
			       "it is lost: %s", loss);
	if (!carved->fits_disk)
		return q2_fail(
			err, QCOW2BM_EIMAGE, carved->entry_offset,
			"its bits are those of a disk of another size (its table has %u entr%s)",
			carved->table_entries, q2_ies(carved->table_entries));
	if (carved->extra_bytes != 0)
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, carved->entry_offset,
			"it has %u byte%s of extra data, whose meaning is not known",
			carved->extra_bytes, q2_s(carved->extra_bytes));
	if (!options->accept_unsafe)
		return q2_fail(
			err, QCOW2BM_EINUSE, carved->entry_offset,
			"unsafe: its clusters were nobody's, so the guest or another bitmap may have written over parts of it; and what the guest wrote since %s is not in it",
			carved->in_use ? "the session began in which it was deleted"
				       : "it was deleted");
	return QCOW2BM_OK;
}

/* Stages a new bitmap with the carved one's bits. */
static enum qcow2bm_code stage(struct qcow2bm_edit *edit,
			       const struct qcow2bm_carved *carved,
			       enum qcow2bm_recording recording, const char *name,
			       size_t name_bytes, struct qcow2bm_error *err)
{
	const struct q2_edit_source source = {
		.image = edit->image,
		.kind = Q2_SOURCE_CARVED,
		.table_off = carved->table_offset,
		.table_entries = carved->table_entries,
		.granularity_bits = (uint8_t)carved->granularity_bits,
		.directory_off = carved->directory_offset,
		.directory_bytes = carved->entry_offset - carved->directory_offset +
				   Q2_DIRECTORY_ENTRY_MIN_BYTES + carved->name_bytes,
	};
	bool is_enabled = recording == QCOW2BM_RECORDING_ON ||
			  (recording == QCOW2BM_RECORDING_KEEP && carved->recording);
	struct q2_staged *staged;
	enum qcow2bm_code code = q2_edit_append(edit, name, name_bytes, &staged, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_edit_add_source(staged, &source, err);
	if (code != QCOW2BM_OK) {
		q2_edit_delete(edit, staged);
		return code;
	}
	staged->granularity_bits = source.granularity_bits;
	staged->flags = is_enabled ? Q2_DIRECTORY_FLAG_AUTO : 0;
	staged->is_recovered = true;
	staged->promise = (struct qcow2bm_promise){
		.method = QCOW2BM_RECOVER_CARVED,
		.guarantee = QCOW2BM_GUARANTEE_UNSAFE,
	};
	return QCOW2BM_OK;
}

enum qcow2bm_code qcow2bm_edit_recover_carved(struct qcow2bm_edit *edit,
					      const struct qcow2bm_report *report,
					      const struct qcow2bm_carved_options *given,
					      const char *name, size_t name_bytes,
					      const struct qcow2bm_watch *watch,
					      struct qcow2bm_error *err)
{
	struct qcow2bm_carved carved = {0};
	struct qcow2bm_carved_options known = QCOW2BM_CARVED_OPTIONS_INIT;
	const struct qcow2bm_carved_options *options = &known;
	struct q2_watch own;
	enum qcow2bm_code code = check_report(edit, report, err);
	if (code == QCOW2BM_OK)
		code = q2_options_take(&known, sizeof(known), given,
				       "the options of a carved bitmap", err);
	if (code == QCOW2BM_OK)
		code = q2_edit_check_new_name(edit, name, name_bytes, err);
	if (code == QCOW2BM_OK)
		code = q2_storage_watch(edit->image->storage, &own, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	code = q2_carve_find(edit->image, report, options->directory_offset, options->idx,
			     copy, &carved, err);
	q2_storage_unwatch(edit->image->storage);
	if (code == QCOW2BM_OK)
		code = check_remains(&carved, options, err);
	return code == QCOW2BM_OK
		       ? stage(edit, &carved, options->recording, name, name_bytes, err)
		       : code;
}
