/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wrong with the entries of the directory, one by one. */
#include "entries.h"

#include <inttypes.h>
#include <string.h>

#include "../base/checked.h"
#include "../clusters/evidence.h"
#include "../format/name.h"
#include "../format/table.h"
#include "../image/directory.h"
#include "problems.h"

static uint64_t name_off(const struct q2_bitmap *bitmap)
{
	return bitmap->off + Q2_DIRECTORY_ENTRY_MIN_BYTES + bitmap->entry.extra_bytes;
}

/* The fields of fixed size. */
static void check_numbers(struct qcow2bm_report *report, size_t idx,
			  const struct q2_bitmap *bitmap)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	unsigned granularity = entry->granularity_bits;
	if (bitmap->has_bad_length)
		q2_problems_add(
			report, Q2_PROBLEM_ENTRY_LENGTH, idx, bitmap->off,
			"the lengths in its entry (name_size %d, extra_data_size %" PRIu32
			") do not lead to the next entry",
			entry->name_bytes, entry->extra_bytes);
	if (entry->type != Q2_DIRECTORY_TYPE_DIRTY)
		q2_problems_add(report, Q2_PROBLEM_TYPE, idx,
				bitmap->off + Q2_DIRECTORY_TYPE_OFF,
				"its type %d is not %d, a dirty tracking bitmap",
				entry->type, Q2_DIRECTORY_TYPE_DIRTY);
	if (entry->flags & ~Q2_DIRECTORY_FLAGS_KNOWN)
		q2_problems_add(report, Q2_PROBLEM_FLAGS, idx,
				bitmap->off + Q2_DIRECTORY_FLAGS_OFF,
				"its flags 0x%" PRIx32
				" have bits that the format reserves",
				entry->flags);
	if (granularity > Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS)
		q2_problems_add(report, Q2_PROBLEM_GRANULARITY, idx,
				bitmap->off + Q2_DIRECTORY_GRANULARITY_OFF,
				"its granularity_bits %u is over %d", granularity,
				Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS);
	else if (granularity < Q2_DIRECTORY_MIN_GRANULARITY_BITS ||
		 granularity > Q2_DIRECTORY_MAX_GRANULARITY_BITS)
		q2_problems_add(
			report, Q2_PROBLEM_GRANULARITY_QEMU, idx,
			bitmap->off + Q2_DIRECTORY_GRANULARITY_OFF,
			"the format allows its granularity_bits %u, but QEMU opens no image with a bitmap outside %d..%d",
			granularity, Q2_DIRECTORY_MIN_GRANULARITY_BITS,
			Q2_DIRECTORY_MAX_GRANULARITY_BITS);
}

static size_t find_bad_utf8(const uint8_t *name, size_t bytes)
{
	size_t at = 0;
	while (at < bytes) {
		uint32_t character;
		size_t length = qcow2bm_utf8_decode((const char *)name + at, bytes - at,
						    &character);
		if (length == 0)
			break;
		at += length;
	}
	return at;
}

/* The name: that there is one, that it is the only one of its bytes, and that others can say it. */
static void check_name(struct qcow2bm_report *report, size_t idx,
		       const struct q2_bitmap *bitmap)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	size_t bytes = entry->name_bytes, same;
	if (bytes == 0) {
		q2_problems_add(report, Q2_PROBLEM_NAME_EMPTY, idx,
				bitmap->off + Q2_DIRECTORY_NAME_SIZE_OFF,
				"its name is empty");
		return;
	}
	if (bytes > Q2_DIRECTORY_MAX_NAME_BYTES)
		q2_problems_add(report, Q2_PROBLEM_NAME_LONG, idx,
				bitmap->off + Q2_DIRECTORY_NAME_SIZE_OFF,
				"its name has %zu bytes, more than %d", bytes,
				Q2_DIRECTORY_MAX_NAME_BYTES);
	q2_directory_find(&report->image->directory, entry->name, bytes, &same);
	if (same > 1)
		q2_problems_add(
			report, Q2_PROBLEM_NAME_TWICE, idx, name_off(bitmap),
			"%zu entries have its name; which of them is meant cannot be told, and QEMU refuses the image",
			same);
	const uint8_t *nul = memchr(entry->name, 0, bytes);
	if (nul != NULL)
		q2_problems_add(
			report, Q2_PROBLEM_NAME_NUL, idx,
			name_off(bitmap) + (size_t)(nul - entry->name),
			"its name holds a NUL byte, and QEMU sees only what stands before it");
	const struct q2_directory *directory = &report->image->directory;
	if (nul != NULL && idx + 1 < directory->count &&
	    directory->bitmaps[idx + 1].has_bad_length)
		q2_problems_add(
			report, Q2_PROBLEM_ENTRY_LENGTH, idx,
			bitmap->off + Q2_DIRECTORY_NAME_SIZE_OFF,
			"its name holds a NUL byte, and no entry follows it: its name_size %zu may reach into the next one",
			bytes);
	size_t bad = find_bad_utf8(entry->name, bytes);
	if (bad < bytes)
		q2_problems_add(
			report, Q2_PROBLEM_NAME_UTF8, idx, name_off(bitmap) + bad,
			"its name is not valid UTF-8 from byte %zu on: programs that speak JSON with QEMU cannot name it",
			bad);
	if (q2_name_is_temporary(entry->name, bytes))
		q2_problems_add(
			report, Q2_PROBLEM_TEMPORARY, idx, name_off(bitmap),
			"its name is one that libvirt gives to a bitmap of a running job: it may have been left over");
	if (q2_name_is_own(entry->name, bytes))
		q2_problems_add(
			report, Q2_PROBLEM_CHAIN_CUT_OFF, idx, name_off(bitmap),
			"it was made for the time of a `qcow2bm chain` command that was cut off: type that again before anything else");
}

/* Extra data, and the padding behind the name. */
static void check_rest(struct qcow2bm_report *report, size_t idx,
		       const struct q2_bitmap *bitmap)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	if (entry->extra_bytes != 0 &&
	    (entry->flags & Q2_DIRECTORY_FLAG_EXTRA_COMPATIBLE))
		q2_problems_add(
			report, Q2_PROBLEM_EXTRA, idx,
			bitmap->off + Q2_DIRECTORY_EXTRA_SIZE_OFF,
			"it carries %" PRIu32
			" bytes of extra data that no program here understands; they are marked as harmless, but QEMU refuses the image",
			entry->extra_bytes);
	else if (entry->extra_bytes != 0)
		q2_problems_add(
			report, Q2_PROBLEM_EXTRA_INCOMPATIBLE, idx,
			bitmap->off + Q2_DIRECTORY_EXTRA_SIZE_OFF,
			"it carries %" PRIu32
			" bytes of extra data that are not marked compatible: what its bits mean is not known, and QEMU refuses the image",
			entry->extra_bytes);
	else if ((entry->flags & Q2_DIRECTORY_FLAG_EXTRA_COMPATIBLE) &&
		 !bitmap->has_bad_length)
		q2_problems_add(
			report, Q2_PROBLEM_EXTRA_NONE, idx,
			bitmap->off + Q2_DIRECTORY_FLAGS_OFF,
			"it has no extra data, but a flag that says what to do with them, and QEMU refuses the image");
	uint64_t off = q2_directory_find_padding(bitmap);
	if (off != QCOW2BM_NO_OFFSET)
		q2_problems_add(
			report, Q2_PROBLEM_PADDING, idx, off,
			"the bytes that fill its entry up are not zero: its name may be longer than its entry says");
}

/* In-use says nothing by itself: it is told together with who has the image open. */
static void check_in_use(struct qcow2bm_report *report, size_t idx,
			 const struct q2_bitmap *bitmap)
{
	uint64_t off = bitmap->off + Q2_DIRECTORY_FLAGS_OFF;
	if (!(bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE))
		return;
	switch (report->image->storage->writer) {
	case Q2_WRITER_LIVE:
		q2_problems_add(
			report, Q2_PROBLEM_IN_USE_LIVE, idx, off,
			"a running program uses it: its bits in the file are those of an earlier time");
		break;
	case Q2_WRITER_NONE:
		q2_problems_add(
			report, Q2_PROBLEM_IN_USE_STALE, idx, off,
			"it was left in use by a crash: its bits may miss changes, and QEMU will not use them");
		break;
	case Q2_WRITER_IDLE:
		q2_problems_add(
			report, Q2_PROBLEM_IN_USE_IDLE, idx, off,
			"it is in use, and a program has the image open that does not write now, as the source of a migration that is done: quit it first");
		break;
	case Q2_WRITER_UNKNOWN:
		q2_problems_add(
			report, Q2_PROBLEM_IN_USE_UNKNOWN, idx, off,
			"it is in use, and locks cannot tell whether by a program that still runs");
		break;
	}
}

/* Whether table_size is what a disk of this size needs. */
static void check_table_field(struct qcow2bm_report *report, size_t idx,
			      const struct q2_bitmap *bitmap)
{
	const struct q2_header *header = &report->image->header;
	const struct q2_directory_entry *entry = &bitmap->entry;
	uint64_t max = q2_min_u64(Q2_TABLE_MAX_ENTRIES,
				  Q2_TABLE_MAX_BITMAP_BYTES >> header->cluster_bits);
	uint64_t off = bitmap->off + Q2_DIRECTORY_TABLE_SIZE_OFF;
	if (entry->table_entries == 0 || entry->table_entries > max) {
		q2_problems_add(report, Q2_PROBLEM_TABLE_SIZE, idx, off,
				"its table has %" PRIu32
				" entries, which is outside 1..%" PRIu64,
				entry->table_entries, max);
		return;
	}
	/* Of a bitmap in use the size may be that of before a resize. */
	if ((entry->flags & Q2_DIRECTORY_FLAG_IN_USE) ||
	    entry->granularity_bits > Q2_DIRECTORY_FORMAT_MAX_GRANULARITY_BITS)
		return;
	struct q2_table_shape shape = q2_table_shape(
		header->virtual_bytes, entry->granularity_bits, header->cluster_bits);
	if (entry->table_entries == shape.entries)
		return;
	report->unfit_tables += q2_evidence_has_other_size(report->image, bitmap);
	q2_problems_add(report, Q2_PROBLEM_TABLE_SIZE, idx, off,
			"its table has %" PRIu32 " entries, but this disk needs %" PRIu64
			" at its granularity",
			entry->table_entries, shape.entries);
}

void q2_entries_check(struct qcow2bm_report *report)
{
	const struct q2_directory *directory = &report->image->directory;
	for (size_t i = 0; i < directory->count; i++) {
		const struct q2_bitmap *bitmap = &directory->bitmaps[i];
		check_numbers(report, i, bitmap);
		check_name(report, i, bitmap);
		check_rest(report, i, bitmap);
		check_in_use(report, i, bitmap);
		check_table_field(report, i, bitmap);
	}
}
