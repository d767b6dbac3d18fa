/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of a piece: read from its file, inflated, or zeros. */
#ifndef Q2_GUEST_FETCH_H
#define Q2_GUEST_FETCH_H

#include "inflate.h"
#include "layer.h"

/* What one thread needs for it. All zero: nothing yet. */
struct q2_guest_fetcher {
	struct q2_inflater inflater;
	uint8_t *stream, *cluster;
	size_t stream_room, cluster_room;
	const struct q2_guest_layer *layer; /* whose cluster it is; NULL: of none */
	uint64_t place;
};

/*
 * Writes extent->bytes bytes to buf. The extent is a piece (disk.h) of the layer, or a part of one.
 * Changes nothing of the layer: several threads may, with a fetcher each. Errors: EUNSUPPORTED for data
 * that is encrypted or in a file that was not opened; EIMAGE, ESYSTEM, ENOMEM.
 */
enum qcow2bm_code q2_guest_fetch(struct q2_guest_fetcher *fetcher,
				 const struct q2_guest_layer *layer,
				 const struct q2_guest_extent *extent, uint8_t *buf,
				 struct qcow2bm_error *err);
/*
 * Reads the stream of a compressed cluster, which q2_inflate() inflates. Its bytes are the fetcher's, until
 * the next call for it. Errors: as q2_guest_fetch().
 */
enum qcow2bm_code q2_guest_fetch_stream(struct q2_guest_fetcher *fetcher,
					const struct q2_guest_layer *layer,
					const struct q2_guest_extent *extent,
					struct q2_stream *stream,
					struct qcow2bm_error *err);
void q2_guest_fetcher_free(struct q2_guest_fetcher *fetcher);

#endif
