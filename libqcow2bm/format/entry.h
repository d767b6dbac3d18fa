/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of the bitmap directory. */
#ifndef Q2_FORMAT_ENTRY_H
#define Q2_FORMAT_ENTRY_H

#include "header.h"

#define Q2_DIRECTORY_ENTRY_MIN_BYTES 24
#define Q2_DIRECTORY_MAX_BITMAPS 65535           /* QEMU's limit */
#define Q2_DIRECTORY_MAX_BYTES (1024ull * 65535) /* QEMU's limit */
#define Q2_DIRECTORY_MAX_NAME_BYTES 1023
#define Q2_DIRECTORY_LIKELY_EXTRA_BYTES 4096 /* no entry that anybody wrote has more */
#define Q2_DIRECTORY_TYPE_DIRTY 1            /* type: dirty tracking bitmap */
#define Q2_DIRECTORY_FLAG_IN_USE (1u << 0)
#define Q2_DIRECTORY_FLAG_AUTO (1u << 1)
#define Q2_DIRECTORY_FLAG_EXTRA_COMPATIBLE (1u << 2)
#define Q2_DIRECTORY_FLAGS_KNOWN 0x7u
#define Q2_DIRECTORY_MIN_GRANULARITY_BITS 9  /* QEMU's limit */
#define Q2_DIRECTORY_MAX_GRANULARITY_BITS 31 /* QEMU's limit */
#define Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS 63

/* Where fields stand in an entry, which begins with the table's offset. */
enum {
	Q2_DIRECTORY_TABLE_SIZE_OFF = 8,
	Q2_DIRECTORY_FLAGS_OFF = 12,
	Q2_DIRECTORY_TYPE_OFF = 16,
	Q2_DIRECTORY_GRANULARITY_OFF = 17,
	Q2_DIRECTORY_NAME_SIZE_OFF = 18,
	Q2_DIRECTORY_EXTRA_SIZE_OFF = 20
};

/* extra and name point into the buffer that was decoded. */
struct q2_directory_entry {
	uint64_t table_off;     /* bitmap_table_offset */
	uint32_t table_entries; /* bitmap_table_size */
	uint32_t flags;
	uint8_t type;
	uint8_t granularity_bits;
	uint16_t name_bytes;
	uint32_t extra_bytes;
	const uint8_t *extra;
	const uint8_t *name;
};

/*
 * Decodes the entry at the start of `buf`, of which `bytes` are left in the directory, and tells
 * in *entry_bytes how many it takes, padding included. Looks at lengths only: the entry may
 * still break rules (q2_directory_entry_check). `off` is the entry's place in the image.
 * Errors: EIMAGE when the entry is longer than what is left.
 */
enum qcow2bm_code q2_directory_entry_decode(struct q2_directory_entry *entry,
					    const uint8_t *buf, size_t bytes,
					    size_t *entry_bytes, uint64_t off,
					    struct qcow2bm_error *err);

/* The bytes that the entry takes in a directory, padding included. */
size_t q2_directory_entry_bytes(const struct q2_directory_entry *entry);

/* Writes q2_directory_entry_bytes() bytes, padding zeroed. */
void q2_directory_entry_encode(const struct q2_directory_entry *entry, uint8_t *buf);

/*
 * Checks an entry against the format and the image's header: type, flags, name, granularity
 * (0 .. 63), table offset alignment, and a table size that fits the disk (of a bitmap in use:
 * any from 1 to the limits, as its size may be that of before a resize).
 * Errors: EIMAGE, the sentence says which rule and the value; names are not quoted in it.
 */
enum qcow2bm_code q2_directory_entry_check(const struct q2_directory_entry *entry,
					   const struct q2_header *header, uint64_t off,
					   struct qcow2bm_error *err);

/* Decodes what may be an entry. Whether its fields look like those of one that QEMU wrote: the lengths
 * of another may be anything. */
bool q2_directory_entry_is_plausible(struct q2_directory_entry *entry, const uint8_t *buf,
				     size_t bytes, unsigned cluster_bits,
				     size_t *entry_bytes);

/* The same for one of a directory that nothing leads to. Whether QEMU could have written it, for a
 * disk of any size: name and padding are looked at, too. */
bool q2_directory_entry_is_likely(struct q2_directory_entry *entry, const uint8_t *buf,
				  size_t bytes, unsigned cluster_bits,
				  size_t *entry_bytes);

#endif
