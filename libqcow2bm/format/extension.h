/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Header extensions: a chain of (type, length, data padded to 8) behind the header. */
#ifndef Q2_FORMAT_EXTENSION_H
#define Q2_FORMAT_EXTENSION_H

#include "../qcow2bm.h"

#define Q2_EXTENSION_END 0x00000000u
#define Q2_EXTENSION_BACKING_FORMAT 0xe2792acau
#define Q2_EXTENSION_FEATURE_NAMES 0x6803f857u
#define Q2_EXTENSION_BITMAPS 0x23852875u
#define Q2_EXTENSION_ENCRYPTION 0x0537be77u
#define Q2_EXTENSION_DATA_FILE 0x44415441u
/* Ours: room that once held a bitmaps extension. Unknown to others, so they carry it. */
#define Q2_EXTENSION_PADDING 0x71327064u

#define Q2_EXTENSION_HEAD_BYTES 8 /* type and length */
#define Q2_EXTENSION_LENGTH_OFF 4 /* where in the head the length stands */
#define Q2_EXTENSION_BITMAPS_BYTES 24
#define Q2_EXTENSION_ENCRYPTION_BYTES 16

struct q2_extension {
	uint32_t type;
	uint32_t bytes;    /* of its data, without padding */
	uint32_t claimed;  /* what its head says; only a salvaged image knows better */
	uint64_t head_off; /* of its 8-byte head in the image file; its data follows */
};

/*
 * Decodes the extension head at *off in `buf` (the first bytes of the image) and moves *off
 * behind the extension's padding. The area ends at `area_end` (the backing file name, or the
 * end of the cluster), which is at most the length of buf. At the end marker, or where fewer
 * than 8 bytes are left, the type is Q2_EXTENSION_END; head_off tells where the marker stands.
 * Errors: EIMAGE when an extension reaches over area_end.
 */
enum qcow2bm_code q2_extension_next(struct q2_extension *extension, const uint8_t *buf,
				    uint64_t area_end, uint64_t *off,
				    struct qcow2bm_error *err);

void q2_extension_encode_head(uint32_t type, uint32_t data_bytes, uint8_t *buf);

/* Where fields stand in the data of the bitmaps extension, which begins with nb_bitmaps. */
enum {
	Q2_EXTENSION_RESERVED_OFF = 4,
	Q2_EXTENSION_DIRECTORY_SIZE_OFF = 8,
	Q2_EXTENSION_DIRECTORY_OFF = 16
};

/* The data of the bitmaps extension. */
struct q2_bitmaps_extension {
	uint32_t nb_bitmaps;
	uint32_t reserved;        /* must be zero */
	uint64_t directory_bytes; /* bitmap_directory_size */
	uint64_t directory_off;   /* bitmap_directory_offset */
};

/* Takes the fields as they stand, whatever they hold; all zero when the data is too short. */
void q2_bitmaps_extension_decode(struct q2_bitmaps_extension *bitmaps,
				 const uint8_t *data, uint32_t data_bytes);

/* `off` is where its data, of `data_bytes` bytes, stands in the image, for messages. Errors: EIMAGE
 * for a wrong length, a reserved field that is not zero, no bitmaps, a directory that is not
 * aligned or over QEMU's limits (65535 bitmaps, directory size). */
enum qcow2bm_code q2_bitmaps_extension_check(const struct q2_bitmaps_extension *bitmaps,
					     uint32_t data_bytes, uint32_t cluster_bits,
					     uint64_t off, struct qcow2bm_error *err);
void q2_bitmaps_extension_encode(const struct q2_bitmaps_extension *bitmaps,
				 uint8_t *data);

/* The data of the full disk encryption header pointer. */
struct q2_encryption_extension {
	uint64_t header_off;
	uint64_t header_bytes;
};

/* As above; that the offset is aligned to a cluster is for the caller to check. */
enum qcow2bm_code
q2_encryption_extension_decode(struct q2_encryption_extension *encryption,
			       const uint8_t *data, uint32_t data_bytes, uint64_t off,
			       struct qcow2bm_error *err);

#endif
