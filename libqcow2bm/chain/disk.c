/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's disk of a chain: its layers, and their external data files. */
#include "layers.h"

#include <stdlib.h>

#include "../base/error.h"
#include "../base/options.h"
#include "../guest/disk.h"

/* A data file that is an image of the chain, or another layer's, is one that nobody wrote. */
static enum qcow2bm_code check_apart(const struct qcow2bm_chain *chain,
				     struct q2_storage *data_file,
				     struct qcow2bm_error *err)
{
	for (size_t i = 0; i < chain->layer_count; i++) {
		const struct q2_layer *layer = &chain->layers[i];
		struct q2_storage *own =
			layer->image == NULL ? layer->raw : layer->image->storage;
		if (q2_storage_is_same(own, data_file) ||
		    q2_storage_is_same(layer->data_file, data_file))
			return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
				       "it is a layer of the disk, or the data file of "
				       "one, already");
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code open_path(const struct qcow2bm_chain *chain,
				   struct q2_layer *layer, const char *path,
				   struct qcow2bm_error *err)
{
	struct q2_storage *storage;
	enum qcow2bm_code code = q2_file_open(
		&storage, path, q2_layers_storage_flags(chain->options.flags),
		chain->options.wait_seconds, NULL, err);
	if (code != QCOW2BM_OK)
		return code;
	code = check_apart(chain, storage, err);
	if (code == QCOW2BM_OK)
		layer->data_file = storage;
	else
		q2_storage_close(storage);
	return code;
}

static enum qcow2bm_code open_data_file(const struct qcow2bm_chain *chain,
					struct q2_layer *layer, struct qcow2bm_error *err)
{
	const struct qcow2bm_image *image = layer->image;
	if (image == NULL || layer->data_file != NULL || !q2_image_has_data_file(image))
		return QCOW2BM_OK;
	if (image->data_filename == NULL)
		return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
			       "'%.200s' has an external data file, and no name for it",
			       layer->filename);
	struct qcow2bm_backing backing = {.path = ""};
	struct qcow2bm_error why = {0};
	char *path;
	enum qcow2bm_code code = q2_layers_find_path(
		chain, layer, "data file", image->data_filename, &backing, &path, err);
	if (code != QCOW2BM_OK)
		return code;
	code = open_path(chain, layer, path, &why);
	if (code != QCOW2BM_OK)
		q2_fail_for(err, code, &why, "data file '%.200s': %.280s", path,
			    why.sentence);
	free(path);
	return code;
}

static enum qcow2bm_code open_disk(struct qcow2bm_disk **disk,
				   const struct qcow2bm_chain *chain,
				   const struct q2_guest_options *options,
				   struct qcow2bm_error *err)
{
	struct q2_guest_source *sources = calloc(chain->layer_count, sizeof(*sources));
	if (sources == NULL)
		return q2_fail_memory(err, "a disk");
	for (size_t i = 0; i < chain->layer_count; i++)
		sources[i] = (struct q2_guest_source){
			.filename = i == 0 ? NULL : chain->layers[i].filename,
			.image = chain->layers[i].image,
			.raw = chain->layers[i].raw,
			.data_file = chain->layers[i].data_file,
		};
	enum qcow2bm_code code =
		q2_guest_disk_open(disk, sources, chain->layer_count, options, err);
	free(sources);
	if (code == QCOW2BM_OK)
		q2_guest_disk_use_threads(*disk, chain->options.threads);
	return code;
}

enum qcow2bm_code qcow2bm_disk_open(struct qcow2bm_disk **disk,
				    struct qcow2bm_chain *chain,
				    const struct qcow2bm_disk_options *options,
				    struct qcow2bm_error *err)
{
	struct qcow2bm_disk_options own = QCOW2BM_DISK_OPTIONS_INIT;
	enum qcow2bm_code code =
		q2_options_take(&own, sizeof(own), options, "disk options", err);
	for (size_t i = 0;
	     code == QCOW2BM_OK && !own.without_data_files && i < chain->layer_count; i++)
		code = open_data_file(chain, &chain->layers[i], err);
	const struct q2_guest_options guest = {.snapshot = own.snapshot,
					       .finds_holes = own.finds_holes};
	return code == QCOW2BM_OK ? open_disk(disk, chain, &guest, err) : code;
}
