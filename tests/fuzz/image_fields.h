/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the fields of an image stand, for the fuzzer's own reading of it. */
#ifndef TESTS_IMAGE_FIELDS_H
#define TESTS_IMAGE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FIELD_VERSION = 4,
	FIELD_BACKING = 8,
	FIELD_BACKING_SIZE = 16,
	FIELD_CLUSTER_BITS = 20,
	FIELD_SIZE = 24,
	FIELD_CRYPT_METHOD = 32,
	FIELD_L1_SIZE = 36,
	FIELD_L1_TABLE = 40,
	FIELD_REFTABLE = 48,
	FIELD_REFTABLE_CLUSTERS = 56,
	FIELD_NB_SNAPSHOTS = 60,
	FIELD_SNAPSHOTS = 64,
	FIELD_INCOMPATIBLE = 72,
	FIELD_AUTOCLEAR = 88,
	FIELD_REFCOUNT_ORDER = 96,
	FIELD_HEADER_LENGTH = 100,
	FIELD_COMPRESSION = 104,
	FIELD_HEADER_END = 112
};

#define FIELD_OFFSET_MASK 0x00fffffffffffe00u
#define FIELD_EXTENSION_BITMAPS 0x23852875u
#define FIELD_EXTENSION_ENCRYPTION 0x0537be77u
#define FIELD_EXTENSION_PADDING 0x71327064u

/* A big-endian number; bytes past the end of the image are zeros. */
static inline uint64_t field_load(const uint8_t *image, uint64_t size, uint64_t off,
				  unsigned bytes)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < bytes; i++)
		number = number << 8 | (off + i < size ? image[off + i] : 0);
	return number;
}

/* What lies past the end of the image is not stored. */
static inline void field_store(uint8_t *image, uint64_t size, uint64_t off,
			       unsigned bytes, uint64_t number)
{
	for (unsigned i = bytes; i-- > 0; number >>= 8)
		if (off + i < size)
			image[off + i] = (uint8_t)number;
}

/* Header extension number `idx`: false when there are fewer. `off` is that of its head. */
static inline bool field_extension(const uint8_t *image, uint64_t size, size_t idx,
				   uint64_t *off, uint32_t *type, uint32_t *bytes)
{
	uint64_t backing = field_load(image, size, FIELD_BACKING, 8), end = size;
	uint32_t bits = (uint32_t)field_load(image, size, FIELD_CLUSTER_BITS, 4);
	if (bits < 32 && (uint64_t)1 << bits < end)
		end = (uint64_t)1 << bits;
	if (backing != 0 && backing < end)
		end = backing;
	*off = field_load(image, size, FIELD_HEADER_LENGTH, 4);
	for (;; idx--) {
		if (end < 8 || *off > end - 8)
			return false;
		*type = (uint32_t)field_load(image, size, *off, 4);
		*bytes = (uint32_t)field_load(image, size, *off + 4, 4);
		if (*type == 0 || *bytes > end - *off - 8)
			return false;
		if (idx == 0)
			return true;
		*off += 8 + (((uint64_t)*bytes + 7) & ~(uint64_t)7);
	}
}

/* Where the data of the first extension of this type is; 0: there is none. */
static inline uint64_t field_find_extension(const uint8_t *image, uint64_t size,
					    uint32_t wanted)
{
	uint64_t off;
	uint32_t type, bytes;
	for (size_t i = 0; field_extension(image, size, i, &off, &type, &bytes); i++)
		if (type == wanted)
			return off + 8;
	return 0;
}

#endif
