/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening the layers of a disk: which file is the backing file of which. */
#define _POSIX_C_SOURCE 200809L

#include "layers.h"

#include "../base/checked.h"
#include "../base/error.h"
#include "../base/options.h"
#include "../clusters/soundness.h"
#include "../image/directory.h"
#include "lifted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LAYERS 1000

/* What the layer below is. */
struct below {
	char *path;
	char format[32]; /* "": it was not stored */
};

/* "nbd:..." and the like; a colon behind a slash is part of a file's name. */
static bool has_protocol(const char *name)
{
	return name[strcspn(name, ":/")] == ':';
}

static enum qcow2bm_code join_path(const char *overlay, const char *name, char **path,
				   struct qcow2bm_error *err)
{
	const char *slash = strrchr(overlay, '/');
	size_t folder =
		slash == NULL || name[0] == '/' ? 0 : (size_t)(slash - overlay) + 1;
	size_t length = strlen(name);
	*path = malloc(folder + length + 1);
	if (*path == NULL)
		return q2_fail_memory(err, "the path of a layer");
	memcpy(*path, overlay, folder);
	memcpy(*path + folder, name, length + 1);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_layers_find_path(const struct qcow2bm_chain *chain,
				      const struct q2_layer *layer, const char *what,
				      const char *name, struct qcow2bm_backing *backing,
				      char **path, struct qcow2bm_error *err)
{
	if (strncmp(name, "file:", 5) == 0) {
		name += 5;
	} else if (has_protocol(name)) {
		char why[256] = "it is no local file";
		if (chain->options.resolve == NULL ||
		    !chain->options.resolve(chain->options.opaque, name, backing, why))
			return q2_fail(err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
				       "%s '%.100s' of '%.100s' is not followed: %s",
				       what, name, layer->filename, why);
		name = backing->path;
	}
	return join_path(layer->filename, name, path, err);
}

/* Finds the file that the backing name of the layer means, or the one that was given instead, and its
 * format. */
static enum qcow2bm_code find_below(const struct qcow2bm_chain *chain,
				    const struct q2_layer *layer,
				    const struct qcow2bm_backing *given,
				    struct below *below, struct qcow2bm_error *err)
{
	struct qcow2bm_backing backing = {.path = ""};
	enum qcow2bm_code code;
	if (given != NULL) {
		backing = *given;
		code = join_path(layer->filename, backing.path, &below->path, err);
	} else {
		code = q2_layers_find_path(chain, layer, "backing file",
					   layer->image->backing_filename, &backing,
					   &below->path, err);
	}
	if (code != QCOW2BM_OK)
		return code;
	const char *format = given == NULL ? layer->image->backing_format : NULL;
	if (backing.format[0] != '\0')
		format = backing.format;
	format = format == NULL ? "" : format;
	if (strlen(format) < sizeof(below->format)) {
		strcpy(below->format, format);
		return code;
	}
	free(below->path);
	return q2_fail(err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
		       "format '%.100s' of a backing file is not read here", format);
}

unsigned q2_layers_storage_flags(unsigned flags)
{
	return (flags & QCOW2BM_OPEN_FORCE_SHARE ? Q2_STORAGE_FORCE_SHARE : 0u) |
	       (flags & QCOW2BM_OPEN_NO_LOCK ? Q2_STORAGE_NO_LOCK : 0u);
}

enum qcow2bm_code q2_layers_blame(const struct qcow2bm_chain *chain, size_t layer,
				  struct qcow2bm_error *err,
				  const struct qcow2bm_error *why)
{
	return layer == 0 ? q2_pass(err, why)
			  : q2_fail_layer(err, why, chain->layers[layer].filename);
}

enum qcow2bm_code q2_layers_judge(const struct qcow2bm_chain *chain, size_t layer,
				  size_t idx, struct qcow2bm_error *err)
{
	struct qcow2bm_error why = {0};
	enum qcow2bm_code code =
		q2_soundness_judge_bits(chain->layers[layer].image, idx, &why);
	return code == QCOW2BM_OK ? code : q2_layers_blame(chain, layer, err, &why);
}

/* Whether the file is a qcow2 image: as stored above it, or as it begins. */
static enum qcow2bm_code find_format(struct q2_storage *storage, const char *format,
				     bool *is_raw, struct qcow2bm_error *err)
{
	uint8_t magic[4] = {0};
	uint64_t length;
	enum qcow2bm_code code = QCOW2BM_OK;
	*is_raw = strcmp(format, "raw") == 0;
	if (*is_raw || strcmp(format, "qcow2") == 0)
		return code;
	if (format[0] != '\0')
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			       "format '%s' is not read here", format);
	code = q2_storage_length(storage, &length, err);
	if (code == QCOW2BM_OK && length >= sizeof(magic))
		code = q2_storage_read(storage, magic, sizeof(magic), 0, err);
	*is_raw = memcmp(magic, "QFI\xfb", sizeof(magic)) != 0;
	return code;
}

/* QEMU counts a raw disk in whole sectors. */
static enum qcow2bm_code take_raw(struct q2_layer *layer, struct q2_storage *storage,
				  struct qcow2bm_error *err)
{
	uint64_t length;
	layer->raw = storage;
	enum qcow2bm_code code = q2_storage_length(storage, &length, err);
	if (code == QCOW2BM_OK)
		layer->virtual_bytes = q2_round_up(length, 512);
	return code;
}

static enum qcow2bm_code take_qcow2(struct q2_layer *layer, struct q2_storage *storage,
				    struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_image_open(&layer->image, storage, err);
	if (code != QCOW2BM_OK)
		return code;
	layer->virtual_bytes = layer->image->header.virtual_bytes;
	return q2_generation_take(layer->image, &layer->generation, err);
}

static enum qcow2bm_code check_loop(const struct qcow2bm_chain *chain,
				    const struct q2_layer *layer,
				    struct qcow2bm_error *err)
{
	for (const struct q2_layer *above = chain->layers; above != layer; above++)
		if (above->inode != 0 && above->inode == layer->inode &&
		    above->device == layer->device)
			return q2_fail(
				err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
				"the backing chain is a loop: it is a layer already");
	return QCOW2BM_OK;
}

/* Opens one layer, and finds out whether it is raw or qcow2, and that it is none of those above. */
static enum qcow2bm_code open_layer(struct qcow2bm_chain *chain, struct q2_layer *layer,
				    const char *format, struct qcow2bm_error *err)
{
	struct q2_storage *storage;
	struct q2_stamp stamp;
	bool is_raw;
	enum qcow2bm_code code = q2_file_open(
		&storage, layer->filename, q2_layers_storage_flags(chain->options.flags),
		chain->options.wait_seconds, NULL, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_storage_stamp(storage, false, &stamp);
	layer->device = stamp.device;
	layer->inode = stamp.inode;
	code = check_loop(chain, layer, err);
	if (code == QCOW2BM_OK)
		code = find_format(storage, format, &is_raw, err);
	if (code != QCOW2BM_OK) {
		q2_storage_close(storage);
		return code;
	}
	return is_raw ? take_raw(layer, storage, err) : take_qcow2(layer, storage, err);
}

/* Appends the file as the lowest layer; takes its path over. */
static enum qcow2bm_code append(struct qcow2bm_chain *chain, struct below *below,
				struct qcow2bm_error *err)
{
	struct q2_layer *grown = NULL;
	if (chain->layer_count == MAX_LAYERS)
		q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
			"the backing chain has more than %d layers", MAX_LAYERS);
	else
		grown = realloc(chain->layers, (chain->layer_count + 1) * sizeof(*grown));
	if (grown == NULL) {
		free(below->path);
		return chain->layer_count == MAX_LAYERS
			       ? QCOW2BM_EIMAGE
			       : q2_fail_memory(err, "the layers of a disk");
	}
	chain->layers = grown;
	size_t depth = chain->layer_count++;
	struct q2_layer *layer = &chain->layers[depth];
	*layer = (struct q2_layer){.filename = below->path};
	struct qcow2bm_error why = {0};
	enum qcow2bm_code code = open_layer(chain, layer, below->format, &why);
	return code == QCOW2BM_OK ? code : q2_layers_blame(chain, depth, err, &why);
}

/* Whether anything is below the lowest layer so far: *is_given tells whether it is `given`, or what the
 * header names. */
static bool has_below(const struct qcow2bm_chain *chain, struct qcow2bm_backing *given,
		      bool *is_given)
{
	size_t lowest = chain->layer_count - 1;
	const struct qcow2bm_image *image = chain->layers[lowest].image;
	if (image == NULL)
		return false;
	*is_given = chain->options.choose != NULL &&
		    chain->options.choose(chain->options.opaque, lowest, given);
	return *is_given ? given->path[0] != '\0' : image->backing_filename != NULL;
}

static enum qcow2bm_code open_all(struct qcow2bm_chain *chain, const char *filename,
				  struct qcow2bm_error *err)
{
	const char *format =
		chain->options.format == NULL ? "qcow2" : chain->options.format;
	struct below below = {.path = strdup(filename)};
	snprintf(below.format, sizeof(below.format), "%s", format);
	if (below.path == NULL)
		return q2_fail_memory(err, "the path of a layer");
	enum qcow2bm_code code = append(chain, &below, err);
	while (code == QCOW2BM_OK && !chain->options.top_only) {
		const struct q2_layer *last = &chain->layers[chain->layer_count - 1];
		struct qcow2bm_backing given = {.path = ""};
		bool is_given;
		if (!has_below(chain, &given, &is_given))
			break;
		code = find_below(chain, last, is_given ? &given : NULL, &below, err);
		if (code == QCOW2BM_OK)
			code = append(chain, &below, err);
	}
	return code;
}

enum qcow2bm_code qcow2bm_chain_open(struct qcow2bm_chain **result, const char *filename,
				     const struct qcow2bm_chain_options *options,
				     struct qcow2bm_error *err)
{
	struct qcow2bm_chain *chain = calloc(1, sizeof(*chain));
	if (chain == NULL)
		return q2_fail_memory(err, "a disk");
	chain->options = (struct qcow2bm_chain_options)QCOW2BM_CHAIN_OPTIONS_INIT;
	enum qcow2bm_code code = q2_options_take(&chain->options, sizeof(chain->options),
						 options, "chain options", err);
	if (code == QCOW2BM_OK)
		code = open_all(chain, filename, err);
	if (code == QCOW2BM_OK)
		code = q2_checkpoints_collect(chain, err);
	if (code != QCOW2BM_OK) {
		qcow2bm_chain_close(chain);
		return code;
	}
	q2_lifted_find(chain);
	*result = chain;
	return QCOW2BM_OK;
}

void qcow2bm_chain_close(struct qcow2bm_chain *chain)
{
	if (chain == NULL)
		return;
	q2_checkpoints_free(chain);
	for (size_t i = 0; i < chain->layer_count; i++) {
		qcow2bm_edit_end(chain->layers[i].edit);
		q2_generation_drop(chain->layers[i].generation);
		qcow2bm_image_close(chain->layers[i].image);
		q2_storage_close(chain->layers[i].raw);
		q2_storage_close(chain->layers[i].data_file);
		free(chain->layers[i].filename);
	}
	free(chain->layers);
	free(chain);
}

size_t qcow2bm_chain_layer_count(const struct qcow2bm_chain *chain)
{
	return chain->layer_count;
}

const struct qcow2bm_layer *qcow2bm_chain_layer(const struct qcow2bm_chain *chain,
						size_t layer_idx)
{
	static const struct qcow2bm_layer none = {.filename = ""};
	if (layer_idx >= chain->layer_count)
		return &none;
	struct q2_layer *layer = &chain->layers[layer_idx];
	layer->shown = (struct qcow2bm_layer){layer->filename, layer->image,
					      layer->virtual_bytes};
	return &layer->shown;
}

enum qcow2bm_code q2_layers_check(const struct qcow2bm_chain *chain,
				  struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->layer_count; i++)
		if (chain->layers[i].image != NULL)
			code = q2_generation_check(chain->layers[i].generation,
						   "the chain was opened", err);
	return code;
}

void q2_layers_set_watch(struct qcow2bm_chain *chain, struct q2_watch *watch)
{
	chain->watch = watch;
	for (size_t i = 0; i < chain->layer_count; i++)
		if (chain->layers[i].image != NULL)
			chain->layers[i].image->storage->watch = watch;
}

enum qcow2bm_code q2_layers_watch(struct qcow2bm_chain *chain, struct q2_watch *watch,
				  const struct qcow2bm_watch *caller,
				  struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_layers_check(chain, err);
	if (code == QCOW2BM_OK)
		code = q2_watch_begin(watch, caller, "nothing was changed", err);
	if (code == QCOW2BM_OK)
		q2_layers_set_watch(chain, watch);
	return code;
}

/* Whether the two have the same bitmaps at the same places. */
static bool is_same_directory(const struct q2_directory *a, const struct q2_directory *b)
{
	return a->size == b->size && a->count == b->count && a->off == b->off &&
	       (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

enum qcow2bm_code qcow2bm_chain_open_for_editing(struct qcow2bm_chain *chain,
						 size_t layer_idx,
						 struct qcow2bm_error *err)
{
	struct q2_layer *layer =
		layer_idx < chain->layer_count ? &chain->layers[layer_idx] : NULL;
	if (layer == NULL || layer->image == NULL)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "a raw layer holds no bitmaps");
	if (layer->is_writable)
		return QCOW2BM_OK;
	struct qcow2bm_error why = {0};
	struct qcow2bm_image *image = NULL;
	/* Not both at once: its own lock would be in the way. */
	struct q2_directory before = layer->image->directory;
	layer->image->directory = (struct q2_directory){0};
	qcow2bm_image_close(layer->image);
	layer->image = NULL;
	enum qcow2bm_code code = qcow2bm_image_open(
		&image, layer->filename, chain->options.flags | QCOW2BM_OPEN_WRITE,
		chain->options.wait_seconds, NULL, &why);
	if (code == QCOW2BM_OK && !is_same_directory(&before, &image->directory))
		code = q2_fail(&why, QCOW2BM_EBUSY, QCOW2BM_NO_OFFSET,
			       "another program has edited its bitmaps meanwhile");
	q2_directory_free(&before);
	layer->image = image;
	q2_generation_drop(layer->generation);
	layer->generation = NULL;
	if (code == QCOW2BM_OK)
		code = q2_generation_take(image, &layer->generation, &why);
	layer->is_writable = code == QCOW2BM_OK;
	return code == QCOW2BM_OK ? code : q2_layers_blame(chain, layer_idx, err, &why);
}
