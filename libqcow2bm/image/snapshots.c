/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of internal snapshots: for the report, and for the L1 tables that it names. */
#include "snapshots.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"

#define PART_BYTES (64u << 10)

/* A part of the file, in which heads of entries are looked for. */
struct part {
	uint64_t off;
	size_t bytes;
	uint8_t buf[PART_BYTES];
};

static enum qcow2bm_code read_head(struct qcow2bm_image *image, struct part *part,
				   uint64_t off, const uint8_t **head,
				   struct qcow2bm_error *err)
{
	if (!q2_checked_within(off, Q2_SNAPSHOT_HEAD_BYTES, image->file_bytes))
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "the snapshot table reaches past the end of the file");
	enum qcow2bm_code code = QCOW2BM_OK;
	if (off < part->off || off + Q2_SNAPSHOT_HEAD_BYTES > part->off + part->bytes) {
		part->off = off;
		part->bytes = (size_t)q2_min_u64(PART_BYTES, image->file_bytes - off);
		code = q2_storage_read(image->storage, part->buf, part->bytes, off, err);
	}
	*head = part->buf + (off - part->off);
	return code;
}

/* The table has no length of its own: the heads of its entries tell, one after the other. */
static enum qcow2bm_code find_table_bytes(struct qcow2bm_image *image, uint64_t *bytes,
					  struct qcow2bm_error *err)
{
	*bytes = 0;
	struct part *part = malloc(sizeof(*part));
	if (part == NULL)
		return q2_fail_memory(err, "the snapshot table");
	part->off = part->bytes = 0;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (uint32_t i = 0; code == QCOW2BM_OK && i < image->header.nb_snapshots; i++) {
		const uint8_t *head = NULL;
		uint64_t off = image->header.snapshots_off + *bytes;
		code = read_head(image, part, off, &head, err);
		if (code != QCOW2BM_OK)
			break;
		*bytes += q2_snapshot_bytes(head);
		if (*bytes > Q2_SNAPSHOT_MAX_TABLE_BYTES)
			code = q2_fail(err, QCOW2BM_EIMAGE, off,
				       "the snapshot table has more than %u bytes",
				       Q2_SNAPSHOT_MAX_TABLE_BYTES);
	}
	free(part);
	return code;
}

enum qcow2bm_code q2_snapshots_load(struct qcow2bm_image *image,
				    struct qcow2bm_error *err)
{
	if (image->snapshot_table != NULL || image->header.nb_snapshots == 0)
		return QCOW2BM_OK;
	uint64_t bytes;
	enum qcow2bm_code code = find_table_bytes(image, &bytes, err);
	if (code != QCOW2BM_OK)
		return code;
	/* QEMU does not write the padding of the last entry: the file may end before it. */
	bytes = q2_min_u64(bytes, image->file_bytes - image->header.snapshots_off);
	assert(bytes != 0); /* the first entry has a head at least */
	uint8_t *table = malloc((size_t)bytes);
	if (table == NULL)
		return q2_fail_memory(err, "the snapshot table");
	code = q2_storage_read(image->storage, table, (size_t)bytes,
			       image->header.snapshots_off, err);
	if (code != QCOW2BM_OK) {
		free(table);
		return code;
	}
	image->snapshot_table = table;
	image->snapshot_table_bytes = (size_t)bytes;
	return QCOW2BM_OK;
}

/* Decodes entry after entry up to number `last`, and calls fn for each. Without fn it goes on behind
 * the one that was decoded last: whoever reads all of them reads each once. */
static enum qcow2bm_code
decode_up_to(struct qcow2bm_image *image, unsigned last,
	     enum qcow2bm_code (*fn)(void *, uint64_t, uint32_t, struct qcow2bm_error *),
	     void *opaque, struct q2_snapshot *snapshot, struct qcow2bm_error *err)
{
	bool goes_on = fn == NULL && image->next_snapshot <= last;
	size_t at = goes_on ? image->next_snapshot_at : 0;
	unsigned idx = goes_on ? image->next_snapshot : 0;
	do {
		size_t entry_bytes;
		enum qcow2bm_code code = q2_snapshot_decode(
			snapshot, image->snapshot_table + at,
			image->snapshot_table_bytes - at, image->header.virtual_bytes,
			&entry_bytes, image->header.snapshots_off + at, err);
		if (code == QCOW2BM_OK && fn != NULL)
			code = fn(opaque, snapshot->l1_table_off, snapshot->l1_entries,
				  err);
		if (code != QCOW2BM_OK)
			return code;
		at += entry_bytes;
	} while (idx++ < last);
	image->next_snapshot = idx;
	image->next_snapshot_at = at;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_snapshots_each_l1(struct qcow2bm_image *image,
				       enum qcow2bm_code (*fn)(void *, uint64_t, uint32_t,
							       struct qcow2bm_error *),
				       void *opaque, struct qcow2bm_error *err)
{
	if (image->header.nb_snapshots == 0)
		return QCOW2BM_OK;
	enum qcow2bm_code code = q2_snapshots_load(image, err);
	if (code != QCOW2BM_OK)
		return code;
	struct q2_snapshot snapshot;
	return decode_up_to(image, image->header.nb_snapshots - 1, fn, opaque, &snapshot,
			    err);
}

static bool is_text(const uint8_t *bytes, size_t count, const char *text)
{
	return count == strlen(text) && memcmp(bytes, text, count) == 0;
}

/* The first snapshot of this ID, or, with `by_name`, of this name. */
static enum qcow2bm_code find_by(struct qcow2bm_image *image, bool by_name,
				 const char *wanted, struct q2_snapshot *snapshot,
				 bool *is_found, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	*is_found = false;
	for (unsigned i = 0; i < image->header.nb_snapshots && !*is_found; i++) {
		code = decode_up_to(image, i, NULL, NULL, snapshot, err);
		if (code != QCOW2BM_OK)
			break;
		*is_found =
			by_name ? is_text(snapshot->name, snapshot->name_bytes, wanted)
				: is_text(snapshot->id, snapshot->id_bytes, wanted);
	}
	return code;
}

enum qcow2bm_code q2_snapshots_find(struct qcow2bm_image *image, const char *id_or_name,
				    struct q2_snapshot *snapshot,
				    struct qcow2bm_error *err)
{
	bool is_found = false;
	enum qcow2bm_code code = q2_snapshots_load(image, err);
	for (int by_name = 0; code == QCOW2BM_OK && !is_found && by_name < 2; by_name++)
		code = find_by(image, by_name, id_or_name, snapshot, &is_found, err);
	if (code == QCOW2BM_OK && !is_found)
		return q2_fail(err, QCOW2BM_ENOTFOUND, QCOW2BM_NO_OFFSET,
			       "there is no internal snapshot '%.100s'", id_or_name);
	return code;
}

static char *terminated(char **slot, const uint8_t *bytes, size_t count)
{
	free(*slot);
	*slot = malloc(count + 1);
	if (*slot != NULL) {
		memcpy(*slot, bytes, count);
		(*slot)[count] = '\0';
	}
	return *slot;
}

enum qcow2bm_code qcow2bm_image_snapshot(struct qcow2bm_image *image, unsigned idx,
					 const struct qcow2bm_snapshot **snapshot,
					 struct qcow2bm_error *err)
{
	if (idx >= image->header.nb_snapshots)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "there is no snapshot number %u", idx);
	enum qcow2bm_code code = q2_snapshots_load(image, err);
	struct q2_snapshot raw;
	if (code == QCOW2BM_OK)
		code = decode_up_to(image, idx, NULL, NULL, &raw, err);
	if (code != QCOW2BM_OK)
		return code;
	const char *id = terminated(&image->snapshot_id, raw.id, raw.id_bytes);
	const char *name = terminated(&image->snapshot_name, raw.name, raw.name_bytes);
	if (id == NULL || name == NULL)
		return q2_fail_memory(err, "a snapshot");
	image->snapshot = (struct qcow2bm_snapshot){
		.id = id,
		.name = name,
		.vm_state_bytes = raw.vm_state_bytes,
		.date_seconds = raw.date_sec,
		.date_nanoseconds = raw.date_nsec,
		.vm_clock_nanoseconds = raw.vm_clock_nsec,
		.disk_bytes = raw.disk_bytes,
		.icount = raw.icount,
	};
	*snapshot = &image->snapshot;
	return QCOW2BM_OK;
}
