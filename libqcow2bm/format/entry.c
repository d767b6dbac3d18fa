/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoding, checking and encoding entries of the bitmap directory. */
#include "entry.h"

#include <inttypes.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "../base/error.h"
#include "table.h"

/* Fits 64 bits: the lengths have 16 and 32. */
static uint64_t padded_bytes(const struct q2_directory_entry *entry)
{
	return q2_round_up((uint64_t)Q2_DIRECTORY_ENTRY_MIN_BYTES + entry->extra_bytes +
				   entry->name_bytes,
			   8);
}

enum qcow2bm_code q2_directory_entry_decode(struct q2_directory_entry *entry,
					    const uint8_t *buf, size_t bytes,
					    size_t *entry_bytes, uint64_t off,
					    struct qcow2bm_error *err)
{
	if (bytes < Q2_DIRECTORY_ENTRY_MIN_BYTES)
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "directory ends %zu bytes into an entry of at least %d",
			       bytes, Q2_DIRECTORY_ENTRY_MIN_BYTES);
	entry->table_off = q2_be64_load(buf);
	entry->table_entries = q2_be32_load(buf + Q2_DIRECTORY_TABLE_SIZE_OFF);
	entry->flags = q2_be32_load(buf + Q2_DIRECTORY_FLAGS_OFF);
	entry->type = buf[Q2_DIRECTORY_TYPE_OFF];
	entry->granularity_bits = buf[Q2_DIRECTORY_GRANULARITY_OFF];
	entry->name_bytes = q2_be16_load(buf + Q2_DIRECTORY_NAME_SIZE_OFF);
	entry->extra_bytes = q2_be32_load(buf + Q2_DIRECTORY_EXTRA_SIZE_OFF);
	uint64_t padded = padded_bytes(entry);
	if (padded > bytes)
		return q2_fail(err, QCOW2BM_EIMAGE, off,
			       "directory ends %zu bytes into an entry of %" PRIu64
			       " (name_size %d, extra_data_size %" PRIu32 ")",
			       bytes, padded, entry->name_bytes, entry->extra_bytes);
	entry->extra = buf + Q2_DIRECTORY_ENTRY_MIN_BYTES;
	entry->name = entry->extra + entry->extra_bytes;
	*entry_bytes = (size_t)padded;
	return QCOW2BM_OK;
}

size_t q2_directory_entry_bytes(const struct q2_directory_entry *entry)
{
	return (size_t)padded_bytes(entry);
}

void q2_directory_entry_encode(const struct q2_directory_entry *entry, uint8_t *buf)
{
	q2_be64_store(buf, entry->table_off);
	q2_be32_store(buf + Q2_DIRECTORY_TABLE_SIZE_OFF, entry->table_entries);
	q2_be32_store(buf + Q2_DIRECTORY_FLAGS_OFF, entry->flags);
	buf[Q2_DIRECTORY_TYPE_OFF] = entry->type;
	buf[Q2_DIRECTORY_GRANULARITY_OFF] = entry->granularity_bits;
	q2_be16_store(buf + Q2_DIRECTORY_NAME_SIZE_OFF, entry->name_bytes);
	q2_be32_store(buf + Q2_DIRECTORY_EXTRA_SIZE_OFF, entry->extra_bytes);
	uint8_t *end = buf + Q2_DIRECTORY_ENTRY_MIN_BYTES;
	if (entry->extra_bytes != 0)
		memcpy(end, entry->extra, entry->extra_bytes);
	end += entry->extra_bytes;
	if (entry->name_bytes != 0)
		memcpy(end, entry->name, entry->name_bytes);
	end += entry->name_bytes;
	memset(end, 0, (size_t)(buf + q2_directory_entry_bytes(entry) - end));
}

/* The fields of fixed size, as the format has them. */
static enum qcow2bm_code check_fields(const struct q2_directory_entry *entry,
				      uint64_t off, struct qcow2bm_error *err)
{
	if (entry->type != Q2_DIRECTORY_TYPE_DIRTY)
		return q2_fail(err, QCOW2BM_EIMAGE, off + Q2_DIRECTORY_TYPE_OFF,
			       "type %d is not %d, a dirty tracking bitmap", entry->type,
			       Q2_DIRECTORY_TYPE_DIRTY);
	if ((entry->flags & ~Q2_DIRECTORY_FLAGS_KNOWN) != 0)
		return q2_fail(err, QCOW2BM_EIMAGE, off + Q2_DIRECTORY_FLAGS_OFF,
			       "flags 0x%" PRIx32 " have reserved bits set",
			       entry->flags);
	if (entry->name_bytes == 0 || entry->name_bytes > Q2_DIRECTORY_MAX_NAME_BYTES)
		return q2_fail(err, QCOW2BM_EIMAGE, off + Q2_DIRECTORY_NAME_SIZE_OFF,
			       "name_size %d is outside 1..%d", entry->name_bytes,
			       Q2_DIRECTORY_MAX_NAME_BYTES);
	if (entry->granularity_bits > Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS)
		return q2_fail(err, QCOW2BM_EIMAGE, off + Q2_DIRECTORY_GRANULARITY_OFF,
			       "granularity_bits %d is over %d", entry->granularity_bits,
			       Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS);
	return QCOW2BM_OK;
}

/* A disk of no bytes has no room for a stored bitmap: the table would be empty, which is
 * refused, as QEMU does. */
static enum qcow2bm_code check_table(const struct q2_directory_entry *entry,
				     const struct q2_header *header, uint64_t off,
				     struct qcow2bm_error *err)
{
	uint64_t max = q2_min_u64(Q2_TABLE_MAX_ENTRIES,
				  Q2_TABLE_MAX_BITMAP_BYTES >> header->cluster_bits);
	if (entry->table_entries == 0 || entry->table_entries > max)
		return q2_fail(err, QCOW2BM_EIMAGE, off + Q2_DIRECTORY_TABLE_SIZE_OFF,
			       "bitmap_table_size %" PRIu32 " is outside 1..%" PRIu64,
			       entry->table_entries, max);
	uint64_t needed = q2_table_shape(header->virtual_bytes, entry->granularity_bits,
					 header->cluster_bits)
				  .entries;
	bool in_use = (entry->flags & Q2_DIRECTORY_FLAG_IN_USE) != 0;
	if (!in_use && entry->table_entries != needed)
		return q2_fail(err, QCOW2BM_EIMAGE, off + Q2_DIRECTORY_TABLE_SIZE_OFF,
			       "bitmap_table_size %" PRIu32 " is not the %" PRIu64
			       " that a disk of %" PRIu64
			       " bytes needs at granularity_bits %d",
			       entry->table_entries, needed, header->virtual_bytes,
			       entry->granularity_bits);
	/* Never empty here, so an offset of 0 is refused too. */
	return q2_header_check_place("bitmap_table_offset", entry->table_off,
				     (uint64_t)entry->table_entries *
					     Q2_TABLE_ENTRY_BYTES,
				     header->cluster_bits, off, err);
}

enum qcow2bm_code q2_directory_entry_check(const struct q2_directory_entry *entry,
					   const struct q2_header *header, uint64_t off,
					   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = check_fields(entry, off, err);
	return code == QCOW2BM_OK ? check_table(entry, header, off, err) : code;
}

bool q2_directory_entry_is_plausible(struct q2_directory_entry *entry, const uint8_t *buf,
				     size_t bytes, unsigned cluster_bits,
				     size_t *entry_bytes)
{
	return q2_directory_entry_decode(entry, buf, bytes, entry_bytes, 0, NULL) ==
		       QCOW2BM_OK &&
	       entry->type == Q2_DIRECTORY_TYPE_DIRTY &&
	       (entry->flags & ~Q2_DIRECTORY_FLAGS_KNOWN) == 0 &&
	       entry->granularity_bits >= Q2_DIRECTORY_MIN_GRANULARITY_BITS &&
	       entry->granularity_bits <= Q2_DIRECTORY_MAX_GRANULARITY_BITS &&
	       entry->name_bytes != 0 &&
	       entry->name_bytes <= Q2_DIRECTORY_MAX_NAME_BYTES &&
	       entry->extra_bytes <= Q2_DIRECTORY_LIKELY_EXTRA_BYTES &&
	       entry->table_off != 0 &&
	       q2_is_aligned(entry->table_off, (uint64_t)1 << cluster_bits) &&
	       entry->table_entries != 0 && entry->table_entries <= Q2_TABLE_MAX_ENTRIES;
}

bool q2_directory_entry_is_likely(struct q2_directory_entry *entry, const uint8_t *buf,
				  size_t bytes, unsigned cluster_bits,
				  size_t *entry_bytes)
{
	/* Nearly all that is looked at has another type. */
	if (bytes < Q2_DIRECTORY_ENTRY_MIN_BYTES ||
	    buf[Q2_DIRECTORY_TYPE_OFF] != Q2_DIRECTORY_TYPE_DIRTY ||
	    !q2_directory_entry_is_plausible(entry, buf, bytes, cluster_bits,
					     entry_bytes) ||
	    memchr(entry->name, '\0', entry->name_bytes) != NULL ||
	    entry->table_entries > Q2_TABLE_MAX_BITMAP_BYTES >> cluster_bits)
		return false;
	size_t used =
		Q2_DIRECTORY_ENTRY_MIN_BYTES + entry->extra_bytes + entry->name_bytes;
	for (size_t i = used; i < *entry_bytes; i++)
		if (buf[i] != 0)
			return false;
	return true;
}
