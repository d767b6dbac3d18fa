/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The committed bitmap directory: loading it, and finding a bitmap by its name. */
#define _POSIX_C_SOURCE 200809L
#include "directory.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "extensions.h"

void q2_directory_free(struct q2_directory *directory)
{
	for (size_t i = 0; i < directory->count; i++)
		free(directory->bitmaps[i].problem);
	free(directory->bitmaps);
	free(directory->by_name);
	free(directory->bytes);
	free(directory->tables);
	free(directory->evidence);
	memset(directory, 0, sizeof(*directory));
}

enum qcow2bm_code q2_directory_note_problem(struct q2_bitmap *bitmap,
					    const char *sentence,
					    struct qcow2bm_error *err)
{
	if (bitmap->problem != NULL)
		return QCOW2BM_OK;
	bitmap->problem = strdup(sentence);
	return bitmap->problem == NULL ? q2_fail_memory(err, "a problem") : QCOW2BM_OK;
}

uint64_t q2_directory_find_padding(const struct q2_bitmap *bitmap)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	uint64_t end = Q2_DIRECTORY_ENTRY_MIN_BYTES + (uint64_t)entry->extra_bytes +
		       entry->name_bytes;
	size_t padding = (size_t)(q2_round_up(end, 8) - end);
	for (size_t i = 0; i < padding && !bitmap->has_bad_length; i++)
		if (entry->name[entry->name_bytes + i] != 0)
			return bitmap->off + end + i;
	return QCOW2BM_NO_OFFSET;
}

static int compare_names(const struct q2_directory_entry *entry, const void *name,
			 size_t name_bytes)
{
	size_t shared = entry->name_bytes < name_bytes ? entry->name_bytes : name_bytes;
	int order = shared == 0 ? 0 : memcmp(entry->name, name, shared);
	return order != 0 ? order
			  : (entry->name_bytes > name_bytes) -
				    (entry->name_bytes < name_bytes);
}

static int by_name(const void *a, const void *b)
{
	const struct q2_bitmap *x = *(const struct q2_bitmap *const *)a;
	const struct q2_bitmap *y = *(const struct q2_bitmap *const *)b;
	int order = compare_names(&x->entry, y->entry.name, y->entry.name_bytes);
	return order != 0 ? order : (x > y) - (x < y);
}

static enum qcow2bm_code sort_names(struct q2_directory *directory,
				    struct qcow2bm_error *err)
{
	size_t count = directory->count, room = count == 0 ? 1 : count;
	const struct q2_bitmap **sorted = malloc(room * sizeof(*sorted));
	directory->by_name = malloc(room * sizeof(*directory->by_name));
	if (directory->by_name == NULL || sorted == NULL) {
		free(sorted);
		return q2_fail_memory(err, "the bitmap directory");
	}
	for (size_t i = 0; i < count; i++)
		sorted[i] = &directory->bitmaps[i];
	qsort(sorted, count, sizeof(*sorted), by_name);
	for (size_t i = 0; i < count; i++)
		directory->by_name[i] = (size_t)(sorted[i] - directory->bitmaps);
	free(sorted);
	return QCOW2BM_OK;
}

static enum qcow2bm_code note_duplicates(struct q2_directory *directory,
					 struct qcow2bm_error *err)
{
	for (size_t i = 1; i < directory->count; i++) {
		struct q2_bitmap *a = &directory->bitmaps[directory->by_name[i - 1]];
		struct q2_bitmap *b = &directory->bitmaps[directory->by_name[i]];
		if (compare_names(&a->entry, b->entry.name, b->entry.name_bytes) != 0)
			continue;
		enum qcow2bm_code code = q2_directory_note_problem(
			a, "another bitmap has the same name", err);
		if (code == QCOW2BM_OK)
			code = q2_directory_note_problem(
				b, "another bitmap has the same name", err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

/* An entry that breaks a rule makes its bitmap corrupt, and no other. */
static enum qcow2bm_code check_entry(struct q2_bitmap *bitmap,
				     const struct q2_header *header,
				     struct qcow2bm_error *err)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	struct qcow2bm_error problem = {0};
	if (q2_directory_entry_check(entry, header, bitmap->off, &problem) != QCOW2BM_OK)
		return q2_directory_note_problem(bitmap, problem.sentence, err);
	if (entry->extra_bytes != 0 &&
	    !(entry->flags & Q2_DIRECTORY_FLAG_EXTRA_COMPATIBLE))
		return q2_directory_note_problem(
			bitmap, "it has extra data that is not marked compatible", err);
	if (!(header->autoclear_features & Q2_AUTOCLEAR_BITMAPS))
		return q2_directory_note_problem(
			bitmap,
			"autoclear bit 0 is unset: a program without bitmap support wrote to the image",
			err);
	return QCOW2BM_OK;
}

/* Lengths that lead past the end, or short of it, are an error of the whole directory. */
static enum qcow2bm_code parse_entries(struct q2_directory *directory, size_t count,
				       struct qcow2bm_error *err)
{
	size_t at = 0;
	while (directory->count < count) {
		struct q2_bitmap *bitmap = &directory->bitmaps[directory->count];
		bitmap->off = directory->off + at;
		size_t entry_bytes;
		enum qcow2bm_code code = q2_directory_entry_decode(
			&bitmap->entry, directory->bytes + at, directory->size - at,
			&entry_bytes, bitmap->off, err);
		if (code != QCOW2BM_OK)
			return code;
		directory->count++;
		at += entry_bytes;
	}
	if (at != directory->size)
		return q2_fail(
			err, QCOW2BM_EIMAGE, directory->off + at,
			"the bitmap directory has %zu bytes, but its %zu entr%s take%s %zu",
			directory->size, count, q2_ies(count), count == 1 ? "s" : "", at);
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_directory_index(struct q2_directory *directory,
				     const struct q2_header *header,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++)
		code = check_entry(&directory->bitmaps[i], header, err);
	if (code == QCOW2BM_OK)
		code = sort_names(directory, err);
	return code == QCOW2BM_OK ? note_duplicates(directory, err) : code;
}

enum qcow2bm_code q2_directory_parse(struct q2_directory *directory, uint8_t *bytes,
				     size_t size, size_t count, uint64_t off,
				     const struct q2_header *header,
				     struct qcow2bm_error *err)
{
	*directory = (struct q2_directory){.bytes = bytes, .size = size, .off = off};
	enum qcow2bm_code code;
	if (count > size / Q2_DIRECTORY_ENTRY_MIN_BYTES)
		code = q2_fail(
			err, QCOW2BM_EIMAGE, off,
			"the bitmap directory has %zu byte%s, too few for %zu bitmap%s",
			size, q2_s(size), count, q2_s(count));
	else {
		directory->bitmaps =
			calloc(count == 0 ? 1 : count, sizeof(*directory->bitmaps));
		code = directory->bitmaps == NULL
			       ? q2_fail_memory(err, "the bitmap directory")
			       : parse_entries(directory, count, err);
	}
	if (code == QCOW2BM_OK)
		code = q2_directory_index(directory, header, err);
	if (code != QCOW2BM_OK)
		q2_directory_free(directory);
	return code;
}

/* Reads the directory; what is past the end of the file reads as zeros, as QEMU reads it. */
static enum qcow2bm_code read_padded(const struct qcow2bm_image *image,
				     const struct q2_bitmaps_extension *extension,
				     uint8_t *bytes, struct qcow2bm_error *err)
{
	uint64_t there = q2_min_u64(extension->directory_bytes,
				    image->file_bytes - extension->directory_off);
	memset(bytes + there, 0, (size_t)(extension->directory_bytes - there));
	return q2_storage_read(image->storage, bytes, (size_t)there,
			       extension->directory_off, err);
}

/* Whether nothing but the padding of the last entry is past the end of the file. */
static bool lacks_padding_alone(const struct qcow2bm_image *image,
				const struct q2_bitmaps_extension *extension,
				const uint8_t *bytes)
{
	struct q2_directory_entry entry = {0};
	size_t size = (size_t)extension->directory_bytes, at = 0, entry_bytes = 0;
	for (uint32_t i = 0; i < extension->nb_bitmaps; i++) {
		at += entry_bytes;
		if (q2_directory_entry_decode(&entry, bytes + at, size - at, &entry_bytes,
					      0, NULL) != QCOW2BM_OK)
			return false;
	}
	return at + entry_bytes == size &&
	       extension->directory_off + at + Q2_DIRECTORY_ENTRY_MIN_BYTES +
			       entry.extra_bytes + entry.name_bytes <=
		       image->file_bytes;
}

bool q2_directory_is_there(const struct qcow2bm_image *image,
			   const struct q2_bitmaps_extension *extension)
{
	uint64_t off = extension->directory_off, bytes = extension->directory_bytes;
	if (q2_checked_within(off, bytes, image->file_bytes))
		return true;
	if (off >= image->file_bytes || bytes - (image->file_bytes - off) >= 8)
		return false;
	uint8_t *padded = malloc((size_t)bytes);
	bool is_there = padded != NULL &&
			read_padded(image, extension, padded, NULL) == QCOW2BM_OK &&
			lacks_padding_alone(image, extension, padded);
	free(padded);
	return is_there;
}

/* Loads the directory that the extension tells of. */
static enum qcow2bm_code load(struct qcow2bm_image *image, struct qcow2bm_error *err)
{
	const struct q2_extension *extension =
		q2_extensions_find(image, Q2_EXTENSION_BITMAPS);
	/* Whatever autoclear bit 0 says: QEMU reads such an image, too. */
	if (extension == NULL)
		return QCOW2BM_OK;
	struct q2_bitmaps_extension bitmaps;
	q2_bitmaps_extension_decode(&bitmaps, q2_extensions_data(image, extension),
				    extension->bytes);
	enum qcow2bm_code code = q2_bitmaps_extension_check(&bitmaps, extension->bytes,
							    image->header.cluster_bits,
							    extension->head_off, err);
	if (code != QCOW2BM_OK)
		return code;
	if (!q2_directory_is_there(image, &bitmaps))
		return q2_fail(
			err, QCOW2BM_EIMAGE, extension->head_off,
			"the bitmap directory (%llu bytes at %llu) lies past the end of the file",
			(unsigned long long)bitmaps.directory_bytes,
			(unsigned long long)bitmaps.directory_off);
	size_t size = (size_t)bitmaps.directory_bytes;
	uint8_t *bytes = malloc(size);
	if (bytes == NULL)
		return q2_fail_memory(err, "the bitmap directory");
	code = read_padded(image, &bitmaps, bytes, err);
	if (code != QCOW2BM_OK) {
		free(bytes);
		return code;
	}
	return q2_directory_parse(&image->directory, bytes, size, bitmaps.nb_bitmaps,
				  bitmaps.directory_off, &image->header, err);
}

enum qcow2bm_code q2_directory_load(struct qcow2bm_image *image,
				    struct qcow2bm_error *err)
{
	struct qcow2bm_error problem = {0};
	enum qcow2bm_code code = load(image, &problem);
	/* Without the autoclear bit the directory's place may be the guest's by now: what
	 * stands there makes no image unreadable. */
	if (code == QCOW2BM_EIMAGE && image->has_bitmaps_extension &&
	    !(image->header.autoclear_features & Q2_AUTOCLEAR_BITMAPS))
		return QCOW2BM_OK;
	return code == QCOW2BM_OK ? QCOW2BM_OK : q2_pass(err, &problem);
}

/* How many entries, in the order of their names, come before the name, or before what is behind it. */
static size_t find_bound(const struct q2_directory *directory, const void *name,
			 size_t name_bytes, bool is_behind)
{
	size_t low = 0, high = directory->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		size_t idx = directory->by_name[middle];
		int order =
			compare_names(&directory->bitmaps[idx].entry, name, name_bytes);
		if (order < 0 || (is_behind && order == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t q2_directory_lower_bound(const struct q2_directory *directory, const void *name,
				size_t name_bytes)
{
	return find_bound(directory, name, name_bytes, false);
}

size_t q2_directory_find(const struct q2_directory *directory, const void *name,
			 size_t name_bytes, size_t *same)
{
	/* Not one by one: a damaged directory may have 65535 of one name, each of which is looked for. */
	size_t low = find_bound(directory, name, name_bytes, false);
	size_t end = find_bound(directory, name, name_bytes, true);
	if (same != NULL)
		*same = end - low;
	return end == low ? QCOW2BM_NOT_FOUND : directory->by_name[low];
}
