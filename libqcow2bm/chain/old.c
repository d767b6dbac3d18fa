/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening an older state of a disk, and what it tells of checkpoints. */
#define _POSIX_C_SOURCE 200809L

#include "old.h"

#include "../base/error.h"
#include "../base/options.h"
#include "changed.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC_BYTES 16u

static unsigned storage_flags(unsigned flags)
{
	return (flags & QCOW2BM_OPEN_FORCE_SHARE ? Q2_STORAGE_FORCE_SHARE : 0u) |
	       (flags & QCOW2BM_OPEN_NO_LOCK ? Q2_STORAGE_NO_LOCK : 0u);
}

/* The magic number of a manifest may be there by the guest's hand, or the manifest have lost its end: who asks
 * has to know. */
static enum qcow2bm_code refuse_either(struct qcow2bm_error *err)
{
	return q2_fail(
		err, QCOW2BM_EUNSUPPORTED, 0,
		"it begins as a manifest does and is as long as a raw disk may be: "
		"whether it is raw or a manifest has to be said");
}

/* What the file begins as. */
static enum qcow2bm_code find_kind(struct q2_storage *storage,
				   enum qcow2bm_old_kind *kind, struct qcow2bm_error *err)
{
	uint8_t magic[MAGIC_BYTES] = {0};
	uint64_t length;
	enum qcow2bm_code code = q2_storage_length(storage, &length, err);
	if (code == QCOW2BM_OK && length >= sizeof(magic))
		code = q2_storage_read(storage, magic, sizeof(magic), 0, err);
	if (code == QCOW2BM_OK && q2_manifest_has_magic(magic) &&
	    !q2_manifest_is_length(length))
		return refuse_either(err);
	if (q2_manifest_has_magic(magic))
		*kind = QCOW2BM_OLD_MANIFEST;
	else if (memcmp(magic, "QFI\xfb", 4) == 0)
		*kind = QCOW2BM_OLD_QCOW2;
	else
		*kind = QCOW2BM_OLD_RAW;
	return code;
}

enum qcow2bm_code qcow2bm_old_probe(const char *filename, enum qcow2bm_old_kind *kind,
				    struct qcow2bm_error *err)
{
	struct q2_storage *storage;
	enum qcow2bm_code code =
		q2_file_open(&storage, filename, Q2_STORAGE_NO_LOCK, 0, NULL, err);
	if (code != QCOW2BM_OK)
		return code;
	code = find_kind(storage, kind, err);
	q2_storage_close(storage);
	return code;
}

static void note_written(struct qcow2bm_old *old, struct q2_storage *storage)
{
	struct q2_stamp stamp;
	q2_storage_stamp(storage, false, &stamp);
	old->info.written_seconds = stamp.mtime_s > 0 ? (uint64_t)stamp.mtime_s : 0;
}

static enum qcow2bm_code open_chain(struct qcow2bm_old *old,
				    const struct qcow2bm_old_options *options,
				    struct qcow2bm_error *err)
{
	const struct qcow2bm_chain_options chain_options = {
		.size = sizeof(chain_options),
		.flags = options->flags,
		.wait_seconds = options->wait_seconds,
		.resolve = options->resolve,
		.opaque = options->opaque,
		.threads = options->threads,
	};
	const struct qcow2bm_order *order;
	/* Not both at once: one lock of a file is enough. */
	q2_storage_close(old->storage);
	old->storage = NULL;
	enum qcow2bm_code code =
		qcow2bm_chain_open(&old->chain, old->filename, &chain_options, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_chain_find_order(old->chain, NULL, &order, err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_disk_open(&old->disk, old->chain, NULL, err);
	if (code != QCOW2BM_OK)
		return code;
	old->info.checkpoints = old->chain->checkpoint_count;
	old->info.virtual_bytes = old->chain->layers[0].virtual_bytes;
	note_written(old, old->chain->layers[0].image->storage);
	return QCOW2BM_OK;
}

static enum qcow2bm_code open_raw(struct qcow2bm_old *old, unsigned threads,
				  struct qcow2bm_error *err)
{
	const struct q2_guest_source source = {.raw = old->storage};
	enum qcow2bm_code code = q2_guest_disk_open(&old->disk, &source, 1, NULL, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_guest_disk_use_threads(old->disk, threads);
	old->info.virtual_bytes = q2_guest_disk_bytes(old->disk);
	note_written(old, old->storage);
	return QCOW2BM_OK;
}

static enum qcow2bm_code open_manifest(struct qcow2bm_old *old,
				       const struct qcow2bm_old_options *options,
				       struct qcow2bm_error *err)
{
	struct q2_watch watch;
	enum qcow2bm_code code =
		q2_watch_begin(&watch, options->watch, "nothing was changed", err);
	if (code == QCOW2BM_OK)
		code = q2_manifest_file_open(&old->manifest, old->storage, &watch, err);
	if (code != QCOW2BM_OK)
		return code;
	const struct q2_manifest_header *header = &old->manifest.header;
	struct q2_manifest_name file = q2_manifest_first_name(old->manifest.header_bytes);
	old->info.checkpoints = header->name_count;
	old->info.virtual_bytes = header->disk_bytes;
	old->info.written_seconds = header->written_seconds;
	old->info.granularity_bits = header->granularity_bits;
	old->info.made_seconds = header->made_seconds;
	old->info.hash = header->hash == Q2_MANIFEST_SHA256 ? "sha-256" : "xxh3-128";
	old->info.filename = (const char *)file.bytes;
	old->info.filename_bytes = file.count;
	if (header->flags & Q2_MANIFEST_HAS_TOTAL)
		old->info.total = old->manifest.total;
	return QCOW2BM_OK;
}

static enum qcow2bm_code open_file(struct qcow2bm_old *old,
				   const struct qcow2bm_old_options *options,
				   struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_file_open(&old->storage, old->filename, storage_flags(options->flags),
			     options->wait_seconds, NULL, err);
	old->info.kind = options->kind;
	if (code == QCOW2BM_OK && options->kind == QCOW2BM_OLD_ANY)
		code = find_kind(old->storage, &old->info.kind, err);
	if (code != QCOW2BM_OK)
		return code;
	if (old->info.kind == QCOW2BM_OLD_QCOW2)
		return open_chain(old, options, err);
	return old->info.kind == QCOW2BM_OLD_RAW ? open_raw(old, options->threads, err)
						 : open_manifest(old, options, err);
}

enum qcow2bm_code qcow2bm_old_open(struct qcow2bm_old **result, const char *filename,
				   const struct qcow2bm_old_options *given,
				   struct qcow2bm_error *err)
{
	struct qcow2bm_old_options options = QCOW2BM_OLD_OPTIONS_INIT;
	enum qcow2bm_code code = q2_options_take(&options, sizeof(options), given,
						 "the options of an older state", err);
	if (code == QCOW2BM_OK && options.kind > QCOW2BM_OLD_MANIFEST)
		code = q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "there is no such kind of an older state");
	if (code != QCOW2BM_OK)
		return code;
	struct qcow2bm_old *old = calloc(1, sizeof(*old));
	if (old != NULL)
		old->filename = strdup(filename);
	if (old == NULL || old->filename == NULL) {
		free(old);
		return q2_fail_memory(err, "an older state of a disk");
	}
	code = open_file(old, &options, err);
	if (code == QCOW2BM_OK)
		*result = old;
	else
		qcow2bm_old_close(old);
	return code;
}

void qcow2bm_old_close(struct qcow2bm_old *old)
{
	if (old == NULL)
		return;
	q2_manifest_file_close(&old->manifest);
	q2_guest_disk_close(old->disk);
	qcow2bm_chain_close(old->chain);
	q2_storage_close(old->storage);
	free(old->filename);
	free(old);
}

const struct qcow2bm_old_info *qcow2bm_old_describe(const struct qcow2bm_old *old)
{
	return &old->info;
}

/* ---- Checkpoints ---- */

static void show_of_chain(struct qcow2bm_old *old, size_t idx)
{
	const struct q2_checkpoint *checkpoint = &old->chain->checkpoints[idx];
	struct q2_changed changed;
	/* What cannot be read is not known. */
	if (q2_changed_count(old->chain, idx, &changed, NULL, NULL) != QCOW2BM_OK)
		changed.is_known = false;
	old->shown = (struct qcow2bm_old_checkpoint){
		.name = (const char *)checkpoint->name,
		.name_bytes = checkpoint->name_bytes,
		.is_known = changed.is_known,
		.dirty_bytes = changed.is_known ? changed.bytes : 0,
	};
}

/* Who asks for one checkpoint after the other steps from name to name. */
static struct q2_manifest_name name_of(struct qcow2bm_old *old, size_t idx)
{
	struct q2_manifest_name *name = &old->name;
	if (name->bytes == NULL || idx < old->name_idx) {
		*name = q2_manifest_first_name(old->manifest.header_bytes);
		*name = q2_manifest_next_name(name);
		old->name_idx = 0;
	}
	for (; old->name_idx < idx; old->name_idx++)
		*name = q2_manifest_next_name(name);
	return *name;
}

static void show_of_manifest(struct qcow2bm_old *old, size_t idx)
{
	struct q2_manifest_name name = name_of(old, idx);
	old->shown = (struct qcow2bm_old_checkpoint){
		.name = (const char *)name.bytes,
		.name_bytes = name.count,
		.is_known = (name.flags & Q2_MANIFEST_IS_KNOWN) != 0,
		.dirty_bytes = name.dirty_bytes,
	};
}

const struct qcow2bm_old_checkpoint *qcow2bm_old_checkpoint(struct qcow2bm_old *old,
							    size_t idx)
{
	old->shown = (struct qcow2bm_old_checkpoint){.name = ""};
	if (idx < old->info.checkpoints && old->chain != NULL)
		show_of_chain(old, idx);
	else if (idx < old->info.checkpoints)
		show_of_manifest(old, idx);
	return &old->shown;
}

/* The number of the checkpoint, or QCOW2BM_NOT_FOUND. */
static size_t find(struct qcow2bm_old *old, const char *name, size_t name_bytes)
{
	if (old->chain != NULL)
		return qcow2bm_chain_find(old->chain, name, name_bytes);
	struct q2_checkpoint_name own =
		q2_checkpoints_split((const uint8_t *)name, name_bytes);
	for (size_t i = 0; i < old->info.checkpoints; i++) {
		struct q2_manifest_name it = name_of(old, i);
		if (it.count == own.own_bytes &&
		    memcmp(it.bytes, own.own, own.own_bytes) == 0)
			return i;
	}
	return QCOW2BM_NOT_FOUND;
}

enum qcow2bm_base qcow2bm_old_judge(struct qcow2bm_old *old, const char *name,
				    size_t name_bytes)
{
	if (old->info.checkpoints == 0)
		return QCOW2BM_BASE_UNTOLD;
	size_t idx = find(old, name, name_bytes);
	if (idx == QCOW2BM_NOT_FOUND)
		return QCOW2BM_BASE_OTHER;
	const struct qcow2bm_old_checkpoint *it = qcow2bm_old_checkpoint(old, idx);
	return it->is_known && it->dirty_bytes == 0 ? QCOW2BM_BASE_SAME
						    : QCOW2BM_BASE_LATER;
}
