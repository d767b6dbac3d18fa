/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the disk of a chain once, with older states of it beside it. */
#include "../guest/differ.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "old.h"

#include <stdlib.h>

#define DEFAULT_GRANULARITY_BITS 16u

/* As fine as the finest bitmap of all layers: for those that are coarser that is made coarser. */
static unsigned find_granularity(const struct qcow2bm_chain *chain)
{
	unsigned bits = 0;
	for (size_t k = 0; k < chain->layer_count; k++) {
		const struct qcow2bm_image *image = chain->layers[k].image;
		for (size_t i = 0; image != NULL && i < image->directory.count; i++) {
			unsigned own = image->directory.bitmaps[i].entry.granularity_bits;
			if (own >= Q2_DIRECTORY_MIN_GRANULARITY_BITS &&
			    own <= Q2_DIRECTORY_MAX_GRANULARITY_BITS &&
			    (bits == 0 || own < bits))
				bits = own;
		}
	}
	return bits == 0 ? DEFAULT_GRANULARITY_BITS : bits;
}

static enum qcow2bm_code prepare(struct qcow2bm_differ *differ,
				 const struct qcow2bm_chain *chain,
				 struct qcow2bm_old *const *olds,
				 struct qcow2bm_error *err)
{
	unsigned disk_bits = find_granularity(chain);
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < differ->count; i++) {
		struct q2_differ_old *it = &differ->olds[i];
		it->disk.disk = olds[i]->disk;
		it->virtual_bytes = olds[i]->info.virtual_bytes;
		it->is_manifest = olds[i]->disk == NULL;
		it->is_size_unsure = olds[i]->info.kind == QCOW2BM_OLD_RAW;
		if (it->is_manifest)
			it->manifest = &olds[i]->manifest;
		code = q2_differences_open(
			&it->differences, differ->virtual_bytes,
			it->is_manifest ? olds[i]->info.granularity_bits : disk_bits,
			err);
	}
	return code;
}

/* Whether the guest of the chain writes to it: to its top layer, or to the data file of that. */
static bool is_written(const struct qcow2bm_chain *chain,
		       const struct q2_storage *storage)
{
	const struct q2_layer *top = &chain->layers[0];
	const struct q2_storage *own =
		top->image == NULL ? top->raw : top->image->storage;
	return q2_storage_is_same(own, storage) ||
	       q2_storage_is_same(top->data_file, storage);
}

/* The name of the file of the older state that the guest writes to, or NULL. */
static const char *find_written(const struct qcow2bm_chain *chain,
				const struct qcow2bm_old *old)
{
	if (is_written(chain, old->storage))
		return old->filename;
	for (size_t i = 0; old->chain != NULL && i < old->chain->layer_count; i++) {
		const struct q2_layer *layer = &old->chain->layers[i];
		if (is_written(chain, layer->raw) ||
		    is_written(chain, layer->data_file) ||
		    (layer->image != NULL && is_written(chain, layer->image->storage)))
			return layer->filename;
	}
	return NULL;
}

/* A disk that is compared with itself is the same all over, whatever was written to it. A lower layer of
 * it is what it was when the layer above was made. */
static enum qcow2bm_code check_olds(const struct qcow2bm_chain *chain,
				    struct qcow2bm_old *const *olds, size_t count,
				    struct qcow2bm_error *err)
{
	for (size_t i = 0; i < count; i++) {
		const char *written = find_written(chain, olds[i]);
		if (written == NULL)
			continue;
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"'%.150s' reads '%.150s', which this disk's guest writes to: the disk would be compared with itself; an older state is a copy from before, or a layer below",
			olds[i]->filename, written);
	}
	return QCOW2BM_OK;
}

/* The older states may be closed from now on. */
static void forget_olds(struct qcow2bm_differ *differ)
{
	for (size_t i = 0; i < differ->count; i++) {
		differ->olds[i].disk.disk = NULL;
		differ->olds[i].manifest = NULL;
	}
}

static enum qcow2bm_code find(struct qcow2bm_differ *differ, struct qcow2bm_chain *chain,
			      struct qcow2bm_old *const *olds, struct q2_watch *watch,
			      struct qcow2bm_error *err)
{
	struct qcow2bm_disk *disk;
	enum qcow2bm_code code = qcow2bm_disk_open(&disk, chain, NULL, err);
	if (code != QCOW2BM_OK)
		return code;
	code = check_olds(chain, olds, differ->count, err);
	if (code == QCOW2BM_OK)
		code = q2_differ_find(disk, differ->olds, differ->count, watch, err);
	q2_guest_disk_close(disk);
	return code;
}

enum qcow2bm_code qcow2bm_chain_differ(struct qcow2bm_chain *chain,
				       struct qcow2bm_old *const *olds, size_t count,
				       struct qcow2bm_differ **result,
				       const struct qcow2bm_watch *caller,
				       struct qcow2bm_error *err)
{
	struct q2_watch watch;
	enum qcow2bm_code code = q2_layers_check(chain, err);
	if (code == QCOW2BM_OK)
		code = q2_watch_begin(&watch, caller, "nothing was changed", err);
	if (code != QCOW2BM_OK)
		return code;
	struct qcow2bm_differ *differ = calloc(1, sizeof(*differ));
	if (differ != NULL)
		differ->olds = calloc(count + 1, sizeof(*differ->olds));
	if (differ == NULL || differ->olds == NULL) {
		free(differ);
		return q2_fail_memory(err, "the differences of a disk");
	}
	differ->count = count;
	differ->image = chain->layers[0].image;
	differ->virtual_bytes = chain->layers[0].virtual_bytes;
	code = prepare(differ, chain, olds, err);
	if (code == QCOW2BM_OK)
		code = find(differ, chain, olds, &watch, err);
	forget_olds(differ);
	if (code == QCOW2BM_OK)
		*result = differ;
	else
		qcow2bm_differ_free(differ);
	return code;
}

void qcow2bm_differ_free(struct qcow2bm_differ *differ)
{
	if (differ == NULL)
		return;
	for (size_t i = 0; i < differ->count; i++) {
		q2_differences_close(&differ->olds[i].differences);
		q2_differences_close(&differ->olds[i].unknown);
	}
	free(differ->olds);
	free(differ);
}

uint64_t qcow2bm_differ_bytes(const struct qcow2bm_differ *differ, size_t old_idx)
{
	if (old_idx >= differ->count)
		return 0;
	const struct q2_differences *it = &differ->olds[old_idx].differences;
	uint64_t bytes = it->ones << it->granularity_bits;
	return q2_min_u64(bytes, differ->virtual_bytes);
}
