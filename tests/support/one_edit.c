/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One edit of an image in memory. */
#include "one_edit.h"

#include "image/image.h"
#include "copies.h"

#include <stdlib.h>
#include <string.h>

static enum qcow2bm_code run_on(struct one_edit *edit, struct qcow2bm_image *image,
				stage_fn *stage, unsigned flags)
{
	struct qcow2bm_commit_options options = {
		.size = sizeof(struct qcow2bm_commit_options), .flags = flags};
	struct qcow2bm_edit *staged = NULL;
	enum qcow2bm_code code = qcow2bm_edit_begin(&staged, image, &edit->err);
	if (code == QCOW2BM_OK)
		code = stage(staged, &edit->err);
	if (code == QCOW2BM_OK)
		code = plan_copied(staged, flags, &edit->plan, NULL, &edit->err);
	if (code == QCOW2BM_OK)
		code = commit_copied(staged, &options, &edit->result, NULL, &edit->err);
	qcow2bm_edit_end(staged);
	return code;
}

enum qcow2bm_code one_edit_run(struct one_edit *edit, stage_fn *stage, unsigned flags)
{
	struct qcow2bm_image *image;
	inspect_free(&edit->inspect);
	record_log_free(&edit->log);
	memory_file_fill(&edit->before, edit->file.bytes, edit->file.length);
	memset(&edit->err, 0, sizeof(edit->err));
	memset(&edit->result, 0, sizeof(edit->result));
	struct q2_storage *storage =
		record_storage_open(memory_storage_open(&edit->file), &edit->log);
	storage->can_grow = !edit->is_device;
	enum qcow2bm_code code = q2_image_open(&image, storage, &edit->err);
	if (code == QCOW2BM_OK) {
		code = run_on(edit, image, stage, flags);
		qcow2bm_image_close(image);
	}
	edit->is_sound =
		inspect_load(&edit->inspect, edit->file.bytes, edit->file.length);
	return code;
}

void one_edit_free(struct one_edit *edit)
{
	inspect_free(&edit->inspect);
	record_log_free(&edit->log);
	memory_file_free(&edit->before);
	memory_file_free(&edit->file);
}

static bool has_same_bytes(const struct one_edit *edit)
{
	return edit->file.length == edit->before.length &&
	       memcmp(edit->file.bytes, edit->before.bytes, (size_t)edit->file.length) ==
		       0;
}

bool one_edit_is_untouched(const struct one_edit *edit)
{
	return edit->log.count == 0 && has_same_bytes(edit);
}

bool one_edit_is_settled(const struct one_edit *edit)
{
	size_t count = edit->log.count;
	const struct record_op *ops = edit->log.ops;
	bool is_written = false;
	for (size_t i = 0; i < count; i++)
		is_written |= ops[i].kind == RECORD_WRITE && ops[i].off == 0;
	return has_same_bytes(edit) && is_written && ops[count - 1].kind == RECORD_SYNC;
}

void one_edit_store(struct one_edit *edit, uint64_t off, unsigned bytes, uint64_t value)
{
	for (unsigned i = bytes; i-- > 0; value >>= 8)
		edit->file.bytes[off + i] = (uint8_t)value;
}

uint64_t one_edit_find(const struct one_edit *edit, enum inspect_kind kind)
{
	struct inspect inspect;
	if (!inspect_load(&inspect, edit->file.bytes, edit->file.length))
		abort();
	for (uint64_t c = 0; c < inspect.clusters; c++) {
		if (inspect.kinds[c] == kind) {
			inspect_free(&inspect);
			return c;
		}
	}
	abort();
}

uint64_t one_edit_load(const struct one_edit *edit, uint64_t off, unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | edit->file.bytes[off + i];
	return value;
}

static unsigned cluster_bits(const struct one_edit *edit)
{
	return (unsigned)one_edit_load(edit, 20, 4);
}

/* Reads no more than it must: the image may be broken elsewhere. */
uint64_t one_edit_entry_off(const struct one_edit *edit, size_t bitmap, uint64_t idx)
{
	uint64_t at = one_edit_load(edit, 100, 4);
	while (one_edit_load(edit, at, 4) != INSPECT_BITMAPS_EXTENSION)
		at += 8 + (one_edit_load(edit, at + 4, 4) + 7) / 8 * 8;
	for (at = one_edit_load(edit, at + 24, 8); bitmap > 0; bitmap--)
		at += (24 + one_edit_load(edit, at + 18, 2) +
		       one_edit_load(edit, at + 20, 4) + 7) /
		      8 * 8;
	return one_edit_load(edit, at, 8) + idx * 8;
}

uint64_t one_edit_refcount_off(const struct one_edit *edit, uint64_t cluster)
{
	unsigned order = (unsigned)one_edit_load(edit, 96, 4);
	unsigned shift = cluster_bits(edit) + 3 - order;
	uint64_t slot = one_edit_load(edit, 48, 8) + (cluster >> shift) * 8;
	uint64_t idx = cluster & (((uint64_t)1 << shift) - 1);
	return one_edit_load(edit, slot, 8) + (idx << (order - 3));
}

static unsigned refcount_bytes(const struct one_edit *edit)
{
	return 1u << (one_edit_load(edit, 96, 4) - 3);
}

uint64_t one_edit_refcount(const struct one_edit *edit, uint64_t cluster)
{
	return one_edit_load(edit, one_edit_refcount_off(edit, cluster),
			     refcount_bytes(edit));
}

void one_edit_count(struct one_edit *edit, uint64_t cluster, uint64_t refcount)
{
	one_edit_store(edit, one_edit_refcount_off(edit, cluster), refcount_bytes(edit),
		       refcount);
}

bool one_edit_is_written(const struct one_edit *edit, uint64_t cluster)
{
	uint64_t off = cluster << cluster_bits(edit);
	uint64_t end = off + ((uint64_t)1 << cluster_bits(edit));
	for (size_t i = 0; i < edit->log.count; i++) {
		const struct record_op *op = &edit->log.ops[i];
		if (op->kind != RECORD_SYNC && op->kind != RECORD_RESIZE &&
		    op->off < end && op->off + op->bytes > off)
			return true;
	}
	return false;
}
