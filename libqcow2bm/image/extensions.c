/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the header and its extensions: at first, and anew after a commit. */
#include "extensions.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"

/* Enough for the extension area of nearly every image; more is read where it is not. */
#define FIRST_READ_BYTES 4096

static enum qcow2bm_code read_head(struct qcow2bm_image *image, size_t bytes,
				   struct qcow2bm_error *err)
{
	bytes = (size_t)q2_min_u64(bytes, image->file_bytes);
	uint8_t *head = malloc(bytes == 0 ? 1 : bytes);
	if (head == NULL)
		return q2_fail_memory(err, "the image header");
	free(image->head);
	image->head = head;
	image->head_bytes = bytes;
	return q2_storage_read(image->storage, head, bytes, 0, err);
}

static enum qcow2bm_code add_extension(struct qcow2bm_image *image,
				       const struct q2_extension *extension,
				       struct qcow2bm_error *err)
{
	size_t count = image->extension_count;
	/* Powers of two are where the array is full. */
	if ((count & (count - 1)) == 0) {
		struct q2_extension *grown = realloc(
			image->extensions, (count == 0 ? 1 : count * 2) * sizeof(*grown));
		if (grown == NULL)
			return q2_fail_memory(err, "header extensions");
		image->extensions = grown;
	}
	image->extensions[image->extension_count++] = *extension;
	return QCOW2BM_OK;
}

/* Whether the whole extension area, up to and with its end marker, is in image->head. */
static bool has_whole_area(const struct qcow2bm_image *image)
{
	uint64_t off = image->header.header_bytes;
	for (;;) {
		if (off > image->head_bytes ||
		    image->head_bytes - off < Q2_EXTENSION_HEAD_BYTES)
			return image->head_bytes >= image->area_end;
		struct q2_extension extension;
		if (q2_extension_next(&extension, image->head, image->head_bytes, &off,
				      NULL) != QCOW2BM_OK)
			return image->head_bytes >= image->area_end;
		if (extension.type == Q2_EXTENSION_END)
			return true;
	}
}

/* Whether extensions follow each other from `off` on, up to an end marker. */
static bool has_chain(const struct qcow2bm_image *image, uint64_t off, uint64_t end)
{
	struct q2_extension extension;
	do {
		if (q2_extension_next(&extension, image->head, end, &off, NULL) !=
		    QCOW2BM_OK)
			return false;
	} while (extension.type != Q2_EXTENSION_END);
	return extension.bytes == 0 &&
	       q2_checked_within(extension.head_off, Q2_EXTENSION_HEAD_BYTES, end);
}

/* A bitmaps extension whose length is damaged is taken to have the only one that it can have when
 * other extensions follow there, and not where it says. */
static bool has_damaged_length(const struct qcow2bm_image *image,
			       const struct q2_extension *extension, uint64_t end)
{
	uint64_t data_off = extension->head_off + Q2_EXTENSION_HEAD_BYTES;
	return image->is_tolerant && extension->type == Q2_EXTENSION_BITMAPS &&
	       extension->bytes != Q2_EXTENSION_BITMAPS_BYTES &&
	       has_chain(image, data_off + Q2_EXTENSION_BITMAPS_BYTES, end) &&
	       !has_chain(image, data_off + q2_round_up(extension->bytes, 8), end);
}

/* Lists the header's extensions; those that nobody knows are kept as they are. */
static enum qcow2bm_code decode_extensions(struct qcow2bm_image *image,
					   struct qcow2bm_error *err)
{
	uint64_t off = image->header.header_bytes;
	image->extension_count = 0;
	image->has_bitmaps_extension = image->has_second_extension = false;
	uint64_t end = q2_min_u64(image->area_end, image->head_bytes);
	for (;;) {
		struct q2_extension extension;
		struct qcow2bm_error problem = {0};
		enum qcow2bm_code code =
			q2_extension_next(&extension, image->head, end, &off, &problem);
		if (has_damaged_length(image, &extension, end)) {
			extension.bytes = Q2_EXTENSION_BITMAPS_BYTES;
			off = extension.head_off + Q2_EXTENSION_HEAD_BYTES +
			      Q2_EXTENSION_BITMAPS_BYTES;
			code = QCOW2BM_OK;
		}
		if (code != QCOW2BM_OK)
			return q2_pass(err, &problem);
		if (extension.type == Q2_EXTENSION_END) {
			image->end_marker_off = extension.head_off;
			image->has_end_marker = q2_checked_within(
				extension.head_off, Q2_EXTENSION_HEAD_BYTES, end);
			return QCOW2BM_OK;
		}
		if (extension.type == Q2_EXTENSION_BITMAPS) {
			image->has_second_extension = image->has_bitmaps_extension;
			if (image->has_second_extension && !image->is_tolerant)
				return q2_fail(err, QCOW2BM_EIMAGE, extension.head_off,
					       "there is a second bitmaps extension");
			image->has_bitmaps_extension = true;
		}
		code = add_extension(image, &extension, err);
		if (code != QCOW2BM_OK)
			return code;
	}
}

const struct q2_extension *q2_extensions_find(const struct qcow2bm_image *image,
					      uint32_t type)
{
	for (size_t i = 0; i < image->extension_count; i++)
		if (image->extensions[i].type == type)
			return &image->extensions[i];
	return NULL;
}

const uint8_t *q2_extensions_data(const struct qcow2bm_image *image,
				  const struct q2_extension *extension)
{
	return image->head + extension->head_off + Q2_EXTENSION_HEAD_BYTES;
}

static enum qcow2bm_code copy_string(char **string, const uint8_t *bytes, size_t count,
				     struct qcow2bm_error *err)
{
	free(*string);
	*string = malloc(count + 1);
	if (*string == NULL)
		return q2_fail_memory(err, "a file name");
	memcpy(*string, bytes, count);
	(*string)[count] = '\0';
	return QCOW2BM_OK;
}

static enum qcow2bm_code copy_extension_string(struct qcow2bm_image *image, uint32_t type,
					       char **string, struct qcow2bm_error *err)
{
	const struct q2_extension *extension = q2_extensions_find(image, type);
	if (extension == NULL)
		return QCOW2BM_OK;
	return copy_string(string, q2_extensions_data(image, extension), extension->bytes,
			   err);
}

static enum qcow2bm_code copy_backing_filename(struct qcow2bm_image *image,
					       struct qcow2bm_error *err)
{
	const struct q2_header *header = &image->header;
	if (header->backing_file_off == 0 || header->backing_file_bytes == 0)
		return QCOW2BM_OK;
	uint8_t name[Q2_HEADER_MAX_BACKING_BYTES];
	enum qcow2bm_code code =
		q2_storage_read(image->storage, name, header->backing_file_bytes,
				header->backing_file_off, err);
	if (code != QCOW2BM_OK)
		return code;
	return copy_string(&image->backing_filename, name, header->backing_file_bytes,
			   err);
}

enum qcow2bm_code q2_extensions_load(struct qcow2bm_image *image,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code =
		q2_storage_length(image->storage, &image->file_bytes, err);
	if (code == QCOW2BM_OK)
		code = read_head(image, FIRST_READ_BYTES, err);
	if (code == QCOW2BM_OK)
		code = q2_header_decode(&image->header, image->head, image->head_bytes,
					err);
	if (code != QCOW2BM_OK)
		return code;
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	image->area_end = cluster_bytes;
	if (image->header.backing_file_off != 0)
		image->area_end = image->header.backing_file_off;
	if (!has_whole_area(image))
		code = read_head(image, (size_t)cluster_bytes, err);
	if (code == QCOW2BM_OK)
		code = decode_extensions(image, err);
	if (code == QCOW2BM_OK)
		code = copy_backing_filename(image, err);
	if (code == QCOW2BM_OK)
		code = copy_extension_string(image, Q2_EXTENSION_BACKING_FORMAT,
					     &image->backing_format, err);
	if (code == QCOW2BM_OK)
		code = copy_extension_string(image, Q2_EXTENSION_DATA_FILE,
					     &image->data_filename, err);
	return code;
}
