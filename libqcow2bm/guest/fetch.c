/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of a piece: read from its file, inflated, or zeros. */
#include "fetch.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"

/* What lies past the end of the file reads as zeros, as for QEMU. */
static enum qcow2bm_code read_plain(struct q2_storage *storage, uint64_t place,
				    uint8_t *buf, size_t bytes, struct qcow2bm_error *err)
{
	uint64_t length;
	/* Asked each time: a file that is read without a lock may grow. */
	enum qcow2bm_code code = q2_storage_length(storage, &length, err);
	if (code != QCOW2BM_OK)
		return code;
	size_t there = place >= length ? 0 : (size_t)q2_min_u64(bytes, length - place);
	memset(buf + there, 0, bytes - there);
	return there == 0 ? code : storage->ops->read(storage, buf, there, place, err);
}

/* Makes room for so many bytes. */
static enum qcow2bm_code reserve(uint8_t **buf, size_t *room, size_t bytes,
				 struct qcow2bm_error *err)
{
	if (*room >= bytes)
		return QCOW2BM_OK;
	free(*buf);
	*room = 0;
	*buf = malloc(bytes);
	if (*buf == NULL)
		return q2_fail_memory(err, "a compressed cluster");
	*room = bytes;
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_readable(const struct q2_guest_layer *layer,
					const struct q2_guest_extent *extent,
					struct qcow2bm_error *err)
{
	static const char *const methods[] = {"", "AES", "LUKS"};
	const struct qcow2bm_image *image = layer->image;
	uint64_t place = extent->place;
	if (extent->kind == Q2_GUEST_BELOW)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, QCOW2BM_NO_OFFSET,
			       "the data is in the backing file, which was not opened");
	if (image != NULL && image->header.crypt_method != 0)
		return q2_fail(
			err, QCOW2BM_EUNSUPPORTED, place,
			"the data is encrypted (%s), and cannot be read without its key",
			methods[image->header.crypt_method]);
	if (layer->data == NULL)
		return q2_fail(err, QCOW2BM_EUNSUPPORTED, place,
			       "the data is in an external data file, which was not "
			       "opened");
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_guest_fetch_stream(struct q2_guest_fetcher *fetcher,
					const struct q2_guest_layer *layer,
					const struct q2_guest_extent *extent,
					struct q2_stream *stream,
					struct qcow2bm_error *err)
{
	const struct q2_header *header = &layer->image->header;
	size_t bytes = (size_t)extent->stream_bytes;
	enum qcow2bm_code code = check_readable(layer, extent, err);
	if (code == QCOW2BM_OK)
		code = reserve(&fetcher->stream, &fetcher->stream_room, bytes, err);
	if (code == QCOW2BM_OK)
		code = read_plain(layer->image->storage, extent->place, fetcher->stream,
				  bytes, err);
	*stream = (struct q2_stream){
		.in = fetcher->stream,
		.bytes = bytes,
		.type = header->compression_type,
		.cluster_bytes = (size_t)q2_header_cluster_bytes(header),
		.off = extent->place,
	};
	return code;
}

/* Inflates the cluster whose stream the extent names to `cluster`. */
static enum qcow2bm_code inflate_cluster(struct q2_guest_fetcher *fetcher,
					 const struct q2_guest_layer *layer,
					 const struct q2_guest_extent *extent,
					 uint8_t *cluster, struct qcow2bm_error *err)
{
	struct q2_stream stream;
	enum qcow2bm_code code =
		q2_guest_fetch_stream(fetcher, layer, extent, &stream, err);
	return code == QCOW2BM_OK ? q2_inflate(&fetcher->inflater, &stream, cluster, err)
				  : code;
}

/* A part of a compressed cluster: the cluster is kept for the next part. */
static enum qcow2bm_code fetch_part(struct q2_guest_fetcher *fetcher,
				    const struct q2_guest_layer *layer,
				    const struct q2_guest_extent *extent, uint8_t *buf,
				    struct qcow2bm_error *err)
{
	size_t cluster_bytes = (size_t)q2_header_cluster_bytes(&layer->image->header);
	size_t at = (size_t)(extent->off & (cluster_bytes - 1));
	if (fetcher->layer != layer || fetcher->place != extent->place) {
		fetcher->layer = NULL;
		enum qcow2bm_code code = reserve(
			&fetcher->cluster, &fetcher->cluster_room, cluster_bytes, err);
		if (code == QCOW2BM_OK)
			code = inflate_cluster(fetcher, layer, extent, fetcher->cluster,
					       err);
		if (code != QCOW2BM_OK)
			return code;
		fetcher->layer = layer;
		fetcher->place = extent->place;
	}
	memcpy(buf, fetcher->cluster + at, (size_t)extent->bytes);
	return QCOW2BM_OK;
}

static enum qcow2bm_code fetch(struct q2_guest_fetcher *fetcher,
			       const struct q2_guest_layer *layer,
			       const struct q2_guest_extent *extent, uint8_t *buf,
			       struct qcow2bm_error *err)
{
	size_t bytes = (size_t)extent->bytes;
	if (q2_guest_reads_zero(extent)) {
		memset(buf, 0, bytes);
		return QCOW2BM_OK;
	}
	enum qcow2bm_code code = check_readable(layer, extent, err);
	if (code != QCOW2BM_OK)
		return code;
	if (extent->kind == Q2_GUEST_DATA)
		return read_plain(layer->data, extent->place, buf, bytes, err);
	if (bytes == q2_header_cluster_bytes(&layer->image->header))
		return inflate_cluster(fetcher, layer, extent, buf, err);
	return fetch_part(fetcher, layer, extent, buf, err);
}

enum qcow2bm_code q2_guest_fetch(struct q2_guest_fetcher *fetcher,
				 const struct q2_guest_layer *layer,
				 const struct q2_guest_extent *extent, uint8_t *buf,
				 struct qcow2bm_error *err)
{
	struct qcow2bm_error why = {0};
	enum qcow2bm_code code = fetch(fetcher, layer, extent, buf, &why);
	return code == QCOW2BM_OK ? code : q2_guest_layer_blame(layer, err, &why);
}

void q2_guest_fetcher_free(struct q2_guest_fetcher *fetcher)
{
	q2_inflater_free(&fetcher->inflater);
	free(fetcher->stream);
	free(fetcher->cluster);
}
