/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening a disk of layers that are open: its active state, or a snapshot of the top one. */
#include "parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "../clusters/l1.h"
#include "../image/snapshots.h"

/* QEMU counts a raw disk in whole sectors. */
static enum qcow2bm_code open_raw(struct q2_guest_layer *layer,
				  const struct q2_guest_source *source,
				  struct qcow2bm_error *err)
{
	layer->data = source->raw;
	layer->finds_holes = true;
	enum qcow2bm_code code =
		q2_storage_length(source->raw, &layer->holes.length, err);
	if (code == QCOW2BM_OK)
		layer->bytes = q2_round_up(layer->holes.length, 512);
	return code;
}

static enum qcow2bm_code open_image(struct q2_guest_layer *layer,
				    const struct q2_guest_source *source,
				    const struct q2_guest_options *options,
				    struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = source->image;
	bool is_external = q2_image_has_data_file(image);
	layer->image = image;
	layer->data = is_external ? source->data_file : image->storage;
	layer->bytes = image->header.virtual_bytes;
	layer->form = q2_l2_form(&image->header);
	layer->l1_off = image->header.l1_table_off;
	layer->l1_entries = image->header.l1_entries;
	layer->table_holes =
		(struct q2_holes){.storage = image->storage, .length = image->file_bytes};
	layer->finds_holes = options->finds_holes;
	layer->asks_for_holes = !options->finds_holes;
	return layer->data == NULL
		       ? QCOW2BM_OK
		       : q2_storage_length(layer->data, &layer->holes.length, err);
}

/* The disk as it was when the snapshot was made, in its size of then. Layers below are as they are. */
static enum qcow2bm_code take_snapshot(struct q2_guest_layer *layer, const char *wanted,
				       struct qcow2bm_error *err)
{
	struct q2_snapshot snapshot;
	if (layer->image == NULL)
		return q2_fail(err, QCOW2BM_ENOTFOUND, QCOW2BM_NO_OFFSET,
			       "a raw image has no internal snapshots");
	enum qcow2bm_code code = q2_snapshots_find(layer->image, wanted, &snapshot, err);
	if (code != QCOW2BM_OK)
		return code;
	if (!q2_is_aligned(snapshot.l1_table_off,
			   (uint64_t)1 << layer->form.cluster_bits))
		return q2_fail(
			err, QCOW2BM_EIMAGE, snapshot.l1_table_off,
			"the L1 table of the snapshot is at %llu, not at a multiple "
			"of the cluster size" QCOW2BM_SEE_CHECK,
			(unsigned long long)snapshot.l1_table_off);
	layer->l1_off = snapshot.l1_table_off;
	layer->l1_entries = snapshot.l1_entries;
	layer->bytes = snapshot.disk_bytes & ~(uint64_t)511;
	return code;
}

static enum qcow2bm_code count_table(void *opaque, const struct q2_l1_table *table,
				     const struct q2_l1_entry *entry,
				     struct qcow2bm_error *err)
{
	uint64_t *count = opaque;
	(void)table;
	(void)entry;
	(void)err;
	++*count;
	return QCOW2BM_OK;
}

/* Each L2 table has a cluster of its own: a file that names more of them than it has clusters names some
 * again and again, and its reader would be busy for ever. What else is wrong is for who reads it. */
static enum qcow2bm_code check_tables(const struct q2_guest_layer *layer,
				      struct qcow2bm_error *err)
{
	static const struct q2_faults nobody = {.fn = NULL};
	const struct q2_l1_table table = {.off = layer->l1_off,
					  .entries = layer->l1_entries};
	uint64_t count = 0;
	if (layer->image == NULL ||
	    q2_l1_read(layer->image, &table, NULL, &nobody, count_table, &count, NULL) !=
		    QCOW2BM_OK ||
	    count <= q2_shift_up(layer->image->file_bytes, layer->form.cluster_bits))
		return QCOW2BM_OK;
	struct qcow2bm_error why = {0};
	q2_fail(&why, QCOW2BM_EIMAGE, layer->l1_off,
		"the L1 table names %llu L2 tables, more than the file has "
		"clusters" QCOW2BM_SEE_CHECK,
		(unsigned long long)count);
	return q2_guest_layer_blame(layer, err, &why);
}

static enum qcow2bm_code open_layer(struct q2_guest_layer *layer,
				    const struct q2_guest_source *source,
				    const struct q2_guest_options *options,
				    struct qcow2bm_error *err)
{
	struct qcow2bm_error why = {0};
	layer->filename = source->filename;
	enum qcow2bm_code code = source->image == NULL
					 ? open_raw(layer, source, &why)
					 : open_image(layer, source, options, &why);
	layer->holes.storage = layer->data;
	return code == QCOW2BM_OK ? code : q2_guest_layer_blame(layer, err, &why);
}

enum qcow2bm_code q2_guest_disk_open(struct qcow2bm_disk **result,
				     const struct q2_guest_source *layers, size_t count,
				     const struct q2_guest_options *options,
				     struct qcow2bm_error *err)
{
	static const struct q2_guest_options none = {.snapshot = NULL};
	assert(count != 0);
	struct qcow2bm_disk *disk = calloc(1, sizeof(*disk));
	if (disk == NULL)
		return q2_fail_memory(err, "a disk");
	disk->layers = calloc(count, sizeof(*disk->layers));
	enum qcow2bm_code code = QCOW2BM_OK;
	if (disk->layers == NULL)
		code = q2_fail_memory(err, "a disk");
	options = options == NULL ? &none : options;
	for (; code == QCOW2BM_OK && disk->count < count; disk->count++)
		code = open_layer(&disk->layers[disk->count], &layers[disk->count],
				  options, err);
	if (code == QCOW2BM_OK && options->snapshot != NULL)
		code = take_snapshot(&disk->layers[0], options->snapshot, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < count; i++)
		code = check_tables(&disk->layers[i], err);
	if (code != QCOW2BM_OK) {
		q2_guest_disk_close(disk);
		return code;
	}
	const struct qcow2bm_image *lowest = layers[count - 1].image;
	disk->lacks_backing = lowest != NULL && lowest->backing_filename != NULL;
	disk->bytes = disk->layers[0].bytes;
	*result = disk;
	return QCOW2BM_OK;
}

void q2_guest_disk_use_threads(struct qcow2bm_disk *disk, unsigned threads)
{
	if (threads != disk->threads) {
		q2_crew_close(disk->crew);
		disk->crew = NULL;
	}
	disk->threads = threads;
}

void q2_guest_disk_close(struct qcow2bm_disk *disk)
{
	if (disk == NULL)
		return;
	q2_crew_close(disk->crew);
	q2_guest_fetcher_free(&disk->fetcher);
	for (size_t i = 0; i < disk->count; i++)
		q2_guest_layer_free(&disk->layers[i]);
	free(disk->layers);
	free(disk);
}
