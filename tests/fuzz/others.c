/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* That an edit leaves alone what is not the bitmaps': bytes, refcounts, the header. */
#include "others.h"

#include "fuzz.h"
#include "image_fields.h"

#include <stdlib.h>
#include <string.h>

void others_note(struct others *others, const uint8_t *image, uint64_t size, bool trusted)
{
	others->copy = fuzz_copy(image, size);
	others->size = size;
	others->trusted = trusted;
	others->is_repair = false;
	owners_find(&others->before, others->copy, size);
}

void others_free(struct others *others)
{
	owners_free(&others->before);
	free(others->copy);
}

static bool is_same(const struct others *others, const uint8_t *image, uint64_t off,
		    uint64_t bytes)
{
	/* A header may say that it is longer than the file. */
	if (off >= others->size)
		return true;
	if (bytes > others->size - off)
		bytes = others->size - off;
	return memcmp(others->copy + off, image + off, bytes) == 0;
}

static void check_clusters(const struct others *others, const struct owners *after)
{
	const struct owners *before = &others->before;
	uint64_t cluster_bytes = (uint64_t)1 << before->cluster_bits;
	for (uint64_t i = 0; i < before->clusters; i++) {
		uint64_t off = i * cluster_bytes, bytes = others->size - off;
		unsigned owner = before->owner[i];
		if ((owner & OWNER_OTHERS) == 0)
			continue;
		if (bytes > cluster_bytes)
			bytes = cluster_bytes;
		bool is_ours = others->is_repair && (owner & OWNER_HEADER) != 0;
		fuzz_require(is_ours || is_same(others, after->image, off, bytes),
			     "cluster %llu changed, owned by %#x", (unsigned long long)i,
			     owner);
		uint64_t was = owners_refcount(before, i), is = owners_refcount(after, i);
		fuzz_require(
			was == is,
			"cluster %llu, owned by %#x, was counted %llu times, now %llu",
			(unsigned long long)i, owner, (unsigned long long)was,
			(unsigned long long)is);
	}
}

/* What the new state names and the old one did not was nobody's, and is counted once. */
static void check_new(const struct others *others, const struct owners *after)
{
	const struct owners *before = &others->before;
	for (uint64_t i = 0; i < after->clusters; i++) {
		unsigned was = i < before->clusters ? before->owner[i] : 0;
		unsigned is = after->owner[i];
		if ((is & OWNER_OURS) == 0 || (was & OWNER_OURS) != 0)
			continue;
		fuzz_require(was == 0 && (is & ~(unsigned)OWNER_OURS) == 0,
			     "cluster %llu was taken from %#x and is owned by %#x",
			     (unsigned long long)i, was, is);
		fuzz_require(after->claims[i] == 1 && owners_refcount(after, i) == 1,
			     "cluster %llu is taken %u times and counted %llu times",
			     (unsigned long long)i, after->claims[i],
			     (unsigned long long)owners_refcount(after, i));
	}
}

/* Fields that an edit may write are left out: backing file offset, refcount table,
 * autoclear. */
static void check_header(const struct others *others, const uint8_t *image, uint64_t size)
{
	uint64_t length = field_load(image, size, FIELD_HEADER_LENGTH, 4);
	fuzz_require(is_same(others, image, 0, FIELD_BACKING) &&
			     is_same(others, image, FIELD_BACKING_SIZE,
				     FIELD_REFTABLE - FIELD_BACKING_SIZE) &&
			     is_same(others, image, FIELD_NB_SNAPSHOTS,
				     FIELD_AUTOCLEAR - FIELD_NB_SNAPSHOTS) &&
			     is_same(others, image, FIELD_REFCOUNT_ORDER,
				     length - FIELD_REFCOUNT_ORDER),
		     "the header changed");
	uint64_t name = field_load(others->copy, others->size, FIELD_BACKING, 8);
	uint64_t bytes = field_load(image, size, FIELD_BACKING_SIZE, 4);
	uint64_t moved = field_load(image, size, FIELD_BACKING, 8);
	fuzz_require((name == 0) == (moved == 0), "a backing file name came or went");
	for (uint64_t i = 0; name != 0 && i < bytes; i++)
		fuzz_require(field_load(others->copy, others->size, name + i, 1) ==
				     field_load(image, size, moved + i, 1),
			     "the backing file name changed");
}

/* The next extension from number *idx on that an edit must carry along. */
static bool next_carried(const uint8_t *image, uint64_t size, size_t *idx, uint64_t *off,
			 uint32_t *type, uint32_t *bytes)
{
	while (field_extension(image, size, (*idx)++, off, type, bytes))
		if (*type != FIELD_EXTENSION_BITMAPS && *type != FIELD_EXTENSION_PADDING)
			return true;
	return false;
}

static bool has_odd_length(const struct others *others)
{
	uint64_t off;
	uint32_t type = 0, bytes = 0;
	size_t idx = 0;
	while (field_extension(others->copy, others->size, idx++, &off, &type, &bytes) &&
	       type != FIELD_EXTENSION_BITMAPS)
		type = 0;
	return type == FIELD_EXTENSION_BITMAPS && bytes != 24;
}

static void check_extensions(const struct others *others, const uint8_t *image,
			     uint64_t size)
{
	size_t old_idx = 0, new_idx = 0;
	if (others->is_repair && has_odd_length(others))
		return;
	for (;;) {
		uint64_t old_off, new_off;
		uint32_t old_type, new_type, old_bytes, new_bytes;
		bool old = next_carried(others->copy, others->size, &old_idx, &old_off,
					&old_type, &old_bytes);
		bool new = next_carried(image, size, &new_idx, &new_off, &new_type,
					&new_bytes);
		fuzz_require(old == new, "a header extension came or went");
		if (!old)
			return;
		fuzz_require(old_type == new_type && old_bytes == new_bytes &&
				     memcmp(others->copy + old_off + 8,
					    image + new_off + 8, old_bytes) == 0,
			     "header extension %#x changed", old_type);
	}
}

void others_check(const struct others *others, const uint8_t *image, uint64_t size,
		  bool success)
{
	struct owners after;
	fuzz_require(size >= others->size, "the file was cut");
	owners_find(&after, image, size);
	check_header(others, image, size);
	check_extensions(others, image, size);
	if (!others->trusted) {
		check_clusters(others, &after);
		if (success)
			check_new(others, &after);
	}
	owners_free(&after);
}
