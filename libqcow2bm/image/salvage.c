/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loading a bitmap directory that may be damaged: every entry that can be located is kept, and
 * what is wrong with the extension or the directory as a whole is noted.
 */
#include "salvage.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../format/table.h"
#include "directory.h"
#include "extensions.h"
#include "unknown.h"

/* How much of a directory is looked at for each bitmap where its size cannot be believed. */
#define ENTRY_ROOM_BYTES 1048

struct salvage {
	struct qcow2bm_image *image;
	uint64_t head_off; /* of the bitmaps extension's data */
	struct q2_bitmaps_extension extension;
	bool knows_count; /* nb_bitmaps is within limits */
	bool knows_size;  /* bitmap_directory_size is within limits and inside the file */
	size_t size;      /* of the directory, where it is known, else of what was read */
	size_t room;      /* of directory->bitmaps */
	size_t searched_from;  /* from there on ... */
	size_t next_plausible; /* ... the first plausible entry is here */
	bool was_resynced;
	uint64_t resync_off;
};

static enum qcow2bm_code note(struct qcow2bm_image *image, struct qcow2bm_error *err,
			      enum q2_problem_id id, uint64_t off, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static enum qcow2bm_code note(struct qcow2bm_image *image, struct qcow2bm_error *err,
			      enum q2_problem_id id, uint64_t off, const char *fmt, ...)
{
	struct q2_damage *grown =
		realloc(image->damages, (image->damage_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return q2_fail_memory(err, "a problem");
	image->damages = grown;
	struct q2_damage *damage = &grown[image->damage_count++];
	*damage = (struct q2_damage){.id = id, .off = off};
	va_list args;
	va_start(args, fmt);
	vsnprintf(damage->sentence, sizeof(damage->sentence), fmt, args);
	va_end(args);
	return QCOW2BM_OK;
}

/* Whether an entry looks like one that QEMU wrote: the lengths of another may be anything. */
static bool is_plausible(const struct salvage *salvage, size_t at, size_t *entry_bytes)
{
	const struct q2_directory *directory = &salvage->image->directory;
	struct q2_directory_entry entry;
	return at < directory->size &&
	       q2_directory_entry_is_plausible(
		       &entry, directory->bytes + at, directory->size - at,
		       salvage->image->header.cluster_bits, entry_bytes) &&
	       (entry.extra_bytes == 0 ||
		entry.flags & Q2_DIRECTORY_FLAG_EXTRA_COMPATIBLE);
}

static enum qcow2bm_code add_bitmap(struct salvage *salvage, struct q2_bitmap **bitmap,
				    struct qcow2bm_error *err)
{
	struct q2_directory *directory = &salvage->image->directory;
	if (directory->count == salvage->room) {
		size_t room = salvage->room == 0 ? 16 : salvage->room * 2;
		struct q2_bitmap *grown =
			realloc(directory->bitmaps, room * sizeof(*grown));
		if (grown == NULL)
			return q2_fail_memory(err, "the bitmap directory");
		directory->bitmaps = grown;
		salvage->room = room;
	}
	*bitmap = &directory->bitmaps[directory->count++];
	memset(*bitmap, 0, sizeof(**bitmap));
	return QCOW2BM_OK;
}

/* The entry at `at`, which takes `entry_bytes`, whatever its lengths say. */
static struct q2_directory_entry decode_clipped(const struct q2_directory *directory,
						size_t at, size_t entry_bytes)
{
	struct q2_directory_entry entry;
	const uint8_t *buf = directory->bytes + at;
	size_t told_bytes, head_bytes = Q2_DIRECTORY_ENTRY_MIN_BYTES;
	if (q2_directory_entry_decode(&entry, buf, directory->size - at, &told_bytes, 0,
				      NULL) == QCOW2BM_OK &&
	    told_bytes <= entry_bytes)
		return entry;
	/* Its head is decoded also where the lengths do not fit. */
	size_t room = entry_bytes > head_bytes ? entry_bytes - head_bytes : 0;
	entry.extra_bytes = 0;
	entry.extra = entry.name = buf + head_bytes;
	entry.name_bytes = (uint16_t)q2_min_u64(entry.name_bytes, room);
	return entry;
}

/* Where the first plausible entry begins that is not before `from`. No place is looked at twice, though each of
 * 65535 implausible entries asks. */
static size_t find_plausible(struct salvage *salvage, size_t from)
{
	size_t at = from, unused;
	assert(from % 8 == 0);
	if (from >= salvage->searched_from && from < salvage->next_plausible)
		at = salvage->next_plausible;
	while (at < salvage->size && !is_plausible(salvage, at, &unused))
		at += 8;
	salvage->searched_from = from;
	salvage->next_plausible = at;
	return at;
}

/* How many bytes the implausible entry at `at` takes: what it says, if the directory or a
 * plausible entry goes on from there; else up to the next plausible entry. */
static size_t find_end(struct salvage *salvage, size_t at, bool is_last,
		       bool *has_bad_length)
{
	const struct q2_directory *directory = &salvage->image->directory;
	struct q2_directory_entry entry;
	size_t entry_bytes, unused;
	bool fits = q2_directory_entry_decode(&entry, directory->bytes + at,
					      salvage->size - at, &entry_bytes, 0,
					      NULL) == QCOW2BM_OK;
	if (fits && (at + entry_bytes == salvage->size || is_last ||
		     is_plausible(salvage, at + entry_bytes, &unused)))
		return entry_bytes;
	size_t next = find_plausible(salvage, at + 8);
	*has_bad_length = !fits || next < salvage->size;
	if (!*has_bad_length)
		return entry_bytes;
	if (!salvage->was_resynced)
		salvage->resync_off = directory->off + at;
	salvage->was_resynced = true;
	return (next < salvage->size ? next : salvage->size) - at;
}

/* Whether an entry is looked for at `at`: inside the directory as its size and count have it,
 * or, where they disagree, as long as plausible entries follow. */
static bool goes_on(const struct salvage *salvage, size_t at)
{
	const struct q2_directory *directory = &salvage->image->directory;
	size_t unused;
	bool inside_size = salvage->knows_size && at < salvage->size;
	bool inside_count =
		salvage->knows_count && directory->count < salvage->extension.nb_bitmaps;
	if (directory->size - at < Q2_DIRECTORY_ENTRY_MIN_BYTES ||
	    directory->count >= Q2_DIRECTORY_MAX_BITMAPS)
		return false;
	if (inside_size && (inside_count || !salvage->knows_count))
		return salvage->size - at >= Q2_DIRECTORY_ENTRY_MIN_BYTES;
	if (!inside_size && !inside_count)
		return !salvage->knows_size && !salvage->knows_count &&
		       is_plausible(salvage, at, &unused);
	return is_plausible(salvage, at, &unused);
}

/* Returns the end of the last entry. */
static enum qcow2bm_code parse_entries(struct salvage *salvage, size_t *end,
				       struct qcow2bm_error *err)
{
	struct q2_directory *directory = &salvage->image->directory;
	size_t at = 0;
	while (goes_on(salvage, at)) {
		struct q2_bitmap *bitmap;
		bool is_surplus = salvage->knows_count &&
				  directory->count >= salvage->extension.nb_bitmaps;
		enum qcow2bm_code code = add_bitmap(salvage, &bitmap, err);
		if (code != QCOW2BM_OK)
			return code;
		size_t entry_bytes;
		bitmap->off = directory->off + at;
		bitmap->is_surplus = is_surplus;
		if (!is_plausible(salvage, at, &entry_bytes))
			entry_bytes = find_end(
				salvage, at,
				salvage->knows_count &&
					directory->count == salvage->extension.nb_bitmaps,
				&bitmap->has_bad_length);
		bitmap->entry = decode_clipped(directory, at, entry_bytes);
		at += entry_bytes;
	}
	*end = at;
	return QCOW2BM_OK;
}

/* Finds out which fields of the extension can be believed, and notes the others. */
static enum qcow2bm_code check_fields(struct salvage *salvage, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = salvage->image;
	const struct q2_bitmaps_extension *extension = &salvage->extension;
	uint64_t off = salvage->head_off;
	enum qcow2bm_code code = QCOW2BM_OK;
	salvage->knows_count = extension->nb_bitmaps != 0 &&
			       extension->nb_bitmaps <= Q2_DIRECTORY_MAX_BITMAPS;
	salvage->knows_size =
		extension->directory_bytes >= Q2_DIRECTORY_ENTRY_MIN_BYTES &&
		extension->directory_bytes <= Q2_DIRECTORY_MAX_BYTES &&
		q2_directory_is_there(image, extension);
	if (extension->reserved != 0)
		code = note(
			image, err, Q2_PROBLEM_EXTENSION_RESERVED,
			off + Q2_EXTENSION_RESERVED_OFF,
			"the reserved field of the bitmaps extension is 0x%x instead of 0",
			extension->reserved);
	if (code == QCOW2BM_OK && !salvage->knows_count)
		code = note(
			image, err, Q2_PROBLEM_DIRECTORY_COUNT, off,
			"the bitmaps extension counts %u bitmap%s; it must be 1 to %d",
			extension->nb_bitmaps, q2_s(extension->nb_bitmaps),
			Q2_DIRECTORY_MAX_BITMAPS);
	if (code == QCOW2BM_OK && !salvage->knows_size)
		code = note(
			image, err, Q2_PROBLEM_DIRECTORY_SIZE,
			off + Q2_EXTENSION_DIRECTORY_SIZE_OFF,
			"the size of the bitmap directory, %llu bytes, is over QEMU's limit, too small, or past the end of the file",
			(unsigned long long)extension->directory_bytes);
	return code;
}

/* Reads the directory, and what follows it in its clusters: entries may be there too. */
static enum qcow2bm_code read_directory(struct salvage *salvage,
					struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = salvage->image;
	const struct q2_bitmaps_extension *extension = &salvage->extension;
	uint64_t cluster_bytes = q2_header_cluster_bytes(&image->header);
	uint64_t bytes = cluster_bytes;
	if (salvage->knows_size)
		bytes = extension->directory_bytes;
	else if (salvage->knows_count)
		bytes = (uint64_t)extension->nb_bitmaps * ENTRY_ROOM_BYTES;
	bytes = q2_round_up(bytes, cluster_bytes);
	uint64_t there = image->file_bytes - extension->directory_off;
	if (!salvage->knows_size)
		bytes = q2_min_u64(bytes, there);
	/* Of a directory that is there padding may be missing: zeros. */
	bytes = q2_min_u64(bytes, q2_max_u64(there, extension->directory_bytes));
	struct q2_directory *directory = &image->directory;
	directory->off = extension->directory_off;
	directory->size = (size_t)bytes;
	directory->bytes = calloc(1, directory->size);
	if (directory->bytes == NULL)
		return q2_fail_memory(err, "the bitmap directory");
	salvage->size = salvage->knows_size ? (size_t)extension->directory_bytes
					    : directory->size;
	return q2_storage_read(image->storage, directory->bytes,
			       (size_t)q2_min_u64(bytes, there), directory->off, err);
}

/* Compares what was found with what the extension says. */
static enum qcow2bm_code compare(struct salvage *salvage, size_t end,
				 struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = salvage->image;
	const struct q2_bitmaps_extension *extension = &salvage->extension;
	size_t count = image->directory.count;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (salvage->was_resynced)
		code = note(
			image, err, Q2_PROBLEM_DIRECTORY_RESYNC, salvage->resync_off,
			"an entry of the bitmap directory has damaged lengths; the next entry was found by trying every 8 bytes");
	if (code == QCOW2BM_OK && salvage->knows_count && count != extension->nb_bitmaps)
		code = note(
			image, err, Q2_PROBLEM_DIRECTORY_COUNT, salvage->head_off,
			"the bitmaps extension counts %u bitmap%s, but the directory has %zu",
			extension->nb_bitmaps, q2_s(extension->nb_bitmaps), count);
	if (code == QCOW2BM_OK && salvage->knows_size &&
	    end != extension->directory_bytes)
		code = note(
			image, err, Q2_PROBLEM_DIRECTORY_SIZE,
			salvage->head_off + Q2_EXTENSION_DIRECTORY_SIZE_OFF,
			"the bitmap directory has %llu byte%s, but its %zu entr%s take%s %zu",
			(unsigned long long)extension->directory_bytes,
			q2_s(extension->directory_bytes), count, q2_ies(count),
			count == 1 ? "s" : "", end);
	return code;
}

/* Loads what can be found where the extension says that the directory is. */
static enum qcow2bm_code load_entries(struct salvage *salvage, struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = salvage->image;
	uint64_t off = salvage->extension.directory_off;
	if (off == 0 || off >= image->file_bytes ||
	    !q2_is_aligned(off, q2_header_cluster_bytes(&image->header)))
		return note(
			image, err, Q2_PROBLEM_DIRECTORY_PLACE,
			salvage->head_off + Q2_EXTENSION_DIRECTORY_OFF,
			"the bitmap directory cannot be at %llu; no bitmap can be found",
			(unsigned long long)off);
	enum qcow2bm_code code = check_fields(salvage, err);
	if (code == QCOW2BM_OK)
		code = read_directory(salvage, err);
	size_t end;
	if (code == QCOW2BM_OK)
		code = parse_entries(salvage, &end, err);
	if (code == QCOW2BM_OK)
		code = compare(salvage, end, err);
	/* Only what was understood is the directory's. */
	if (code == QCOW2BM_OK)
		image->directory.size = end;
	return code != QCOW2BM_OK
		       ? code
		       : q2_directory_index(&image->directory, &image->header, err);
}

/* Loads the extension's fields as far as it is long enough for them. */
static enum qcow2bm_code load_extension(struct salvage *salvage,
					const struct q2_extension *extension,
					struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = salvage->image;
	const uint8_t *data = q2_extensions_data(image, extension);
	bool is_short = extension->bytes < Q2_EXTENSION_BITMAPS_BYTES;
	salvage->head_off = extension->head_off + Q2_EXTENSION_HEAD_BYTES;
	if (extension->claimed != Q2_EXTENSION_BITMAPS_BYTES) {
		enum qcow2bm_code code =
			note(image, err,
			     is_short ? Q2_PROBLEM_EXTENSION_SHORT
				      : Q2_PROBLEM_EXTENSION_LENGTH,
			     extension->head_off,
			     "the bitmaps extension has %u byte%s instead of %d",
			     extension->claimed, q2_s(extension->claimed),
			     Q2_EXTENSION_BITMAPS_BYTES);
		if (code != QCOW2BM_OK || is_short)
			return code;
	}
	q2_bitmaps_extension_decode(&salvage->extension, data, extension->bytes);
	return load_entries(salvage, err);
}

/* Whether the directory that these fields tell of is where it says, and whole. */
static enum qcow2bm_code has_directory(struct qcow2bm_image *image,
				       const struct q2_bitmaps_extension *fields,
				       bool *has, struct qcow2bm_error *err)
{
	struct salvage salvage = {.image = image};
	struct q2_directory *directory = &image->directory;
	uint64_t at = 0, count = 0;
	size_t entry_bytes;
	*has = false;
	*directory = (struct q2_directory){.size = (size_t)fields->directory_bytes};
	directory->bytes = malloc(directory->size);
	if (directory->bytes == NULL)
		return q2_fail_memory(err, "the bitmap directory");
	enum qcow2bm_code code =
		q2_storage_read(image->storage, directory->bytes, directory->size,
				fields->directory_off, err);
	while (code == QCOW2BM_OK && is_plausible(&salvage, (size_t)at, &entry_bytes)) {
		at += entry_bytes;
		count++;
	}
	*has = code == QCOW2BM_OK && count == fields->nb_bitmaps && at == directory->size;
	q2_directory_free(directory);
	return code;
}

/* An extension whose type is none that is known, but which tells of a whole bitmap directory, and
 * no bitmaps extension although the autoclear bit promises one: its type is damaged. */
static enum qcow2bm_code find_mistyped(struct qcow2bm_image *image, bool *found,
				       struct qcow2bm_error *err)
{
	for (size_t i = 0; i < image->extension_count; i++) {
		struct q2_extension *extension = &image->extensions[i];
		struct q2_bitmaps_extension fields;
		q2_bitmaps_extension_decode(&fields, q2_extensions_data(image, extension),
					    extension->bytes);
		if (q2_unknown_is_known(extension->type) ||
		    q2_bitmaps_extension_check(&fields, extension->bytes,
					       image->header.cluster_bits, 0,
					       NULL) != QCOW2BM_OK ||
		    !q2_checked_within(fields.directory_off, fields.directory_bytes,
				       image->file_bytes))
			continue;
		enum qcow2bm_code code = has_directory(image, &fields, found, err);
		if (code != QCOW2BM_OK)
			return code;
		if (!*found)
			continue;
		code = note(
			image, err, Q2_PROBLEM_EXTENSION_TYPE, extension->head_off,
			"autoclear bit 0 is set, but the extension that tells of a whole bitmap directory has the type 0x%08x instead of 0x%08x",
			extension->type, Q2_EXTENSION_BITMAPS);
		/* A repair writes its head anew, too. */
		extension->type = Q2_EXTENSION_BITMAPS;
		extension->claimed = 0;
		image->has_bitmaps_extension = true;
		return code;
	}
	return QCOW2BM_OK;
}

/* The autoclear bit promises an extension: one whose type is damaged may be it. */
static enum qcow2bm_code load_without_extension(struct salvage *salvage,
						struct qcow2bm_error *err)
{
	struct qcow2bm_image *image = salvage->image;
	bool found = false;
	enum qcow2bm_code code = find_mistyped(image, &found, err);
	if (code != QCOW2BM_OK)
		return code;
	const struct q2_extension *extension =
		q2_extensions_find(image, Q2_EXTENSION_BITMAPS);
	if (!found)
		return note(image, err, Q2_PROBLEM_AUTOCLEAR_ALONE,
			    Q2_HEADER_AUTOCLEAR_OFF,
			    "autoclear bit 0 is set, but there is no bitmaps extension");
	salvage->head_off = extension->head_off + Q2_EXTENSION_HEAD_BYTES;
	q2_bitmaps_extension_decode(&salvage->extension,
				    q2_extensions_data(image, extension),
				    extension->bytes);
	return load_entries(salvage, err);
}

enum qcow2bm_code q2_salvage_load(struct qcow2bm_image *image, struct qcow2bm_error *err)
{
	struct salvage salvage = {.image = image};
	const struct q2_extension *extension =
		q2_extensions_find(image, Q2_EXTENSION_BITMAPS);
	bool is_set = image->header.autoclear_features & Q2_AUTOCLEAR_BITMAPS;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (extension == NULL)
		return is_set ? load_without_extension(&salvage, err) : QCOW2BM_OK;
	if (image->has_second_extension)
		code = note(
			image, err, Q2_PROBLEM_EXTENSION_SECOND, extension->head_off,
			"there are two bitmaps extensions; nobody can tell which one counts");
	if (code == QCOW2BM_OK && !is_set)
		code = note(
			image, err, Q2_PROBLEM_AUTOCLEAR_LOST, Q2_HEADER_AUTOCLEAR_OFF,
			"autoclear bit 0 is unset: a program without bitmap support wrote to the image, or an edit was cut off");
	return code != QCOW2BM_OK ? code : load_extension(&salvage, extension, err);
}
