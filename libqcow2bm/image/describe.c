/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the header of an open image says, for the public. */
#include "image.h"

const struct qcow2bm_image_info *qcow2bm_image_describe(const struct qcow2bm_image *image)
{
	const struct q2_header *header = &image->header;
	*image->info = (struct qcow2bm_image_info){
		.version = header->version,
		.virtual_bytes = header->virtual_bytes,
		.cluster_bytes = q2_header_cluster_bytes(header),
		.file_bytes = image->file_bytes,
		.allocated_bytes = image->storage->allocated_bytes,
		.refcount_bits = 1u << header->refcount_order,
		.lazy_refcounts =
			header->compatible_features & Q2_COMPATIBLE_LAZY_REFCOUNTS,
		.dirty = header->incompatible_features & Q2_INCOMPATIBLE_DIRTY,
		.corrupt = header->incompatible_features & Q2_INCOMPATIBLE_CORRUPT,
		.extended_l2 =
			header->incompatible_features & Q2_INCOMPATIBLE_EXTENDED_L2,
		.data_file_raw = header->autoclear_features & Q2_AUTOCLEAR_RAW_DATA,
		.bitmaps_consistent = header->autoclear_features & Q2_AUTOCLEAR_BITMAPS,
		.bitmaps_extension = image->has_bitmaps_extension,
		.external_data =
			header->incompatible_features & Q2_INCOMPATIBLE_DATA_FILE,
		.encryption = (enum qcow2bm_encryption)header->crypt_method,
		.compression = (enum qcow2bm_compression)header->compression_type,
		.backing_filename = image->backing_filename,
		.backing_format = image->backing_format,
		.data_filename = image->data_filename,
		.snapshots = header->nb_snapshots,
	};
	return image->info;
}
