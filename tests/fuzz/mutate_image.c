/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One change of an image: bytes of a structure, an offset, a size, whole clusters, the end. */
#include "mutate_image.h"

#include "../support/random_image.h"
#include "fuzz.h"
#include "image_fields.h"

#include <string.h>

struct mutation {
	uint8_t *image;
	size_t size, max_size;
	struct random *random;
	struct mutate_places places;
	uint64_t cluster_bytes;
};

static uint64_t below(struct mutation *mutation, uint64_t limit)
{
	return limit == 0 ? 0 : random_below(mutation->random, limit);
}

/* A whole new image; where none is small enough in a few tries, the old one stays. */
static void start_anew(struct mutation *mutation)
{
	for (unsigned i = 0; i < 8; i++) {
		struct random_image image;
		random_image_make(&image, mutation->random, 0);
		bool fits = image.file.length <= mutation->max_size;
		if (fits) {
			memcpy(mutation->image, image.file.bytes, image.file.length);
			mutation->size = image.file.length;
		}
		random_image_free(&image);
		if (fits)
			return;
	}
}

/* The fuzzer's own change, inside one structure. */
static void change_bytes(struct mutation *mutation)
{
	uint8_t part[64];
	uint64_t i = below(mutation, mutation->places.count);
	uint64_t off = mutation->places.off[i], bytes = mutation->places.bytes[i];
	if (bytes == 0)
		return;
	/* Mostly near its beginning: the rest may be all zeros. */
	uint64_t from =
		below(mutation,
		      random_percent(mutation->random, 60) && bytes > 64 ? 64 : bytes);
	size_t count = bytes - from < sizeof(part) ? bytes - from : sizeof(part);
	memcpy(part, mutation->image + off + from, count);
	LLVMFuzzerMutate(part, count, count);
	memcpy(mutation->image + off + from, part, count);
}

/* An offset now names another structure, a cluster nearby, or none. */
static void change_pointer(struct mutation *mutation)
{
	struct mutate_places *places = &mutation->places;
	if (places->pointers == 0)
		return;
	uint64_t field = places->pointer[below(mutation, places->pointers)];
	uint64_t clusters = mutation->size / mutation->cluster_bytes;
	uint64_t old = field_load(mutation->image, mutation->size, field, 8);
	uint64_t off = places->off[below(mutation, places->count)];
	uint64_t kind = below(mutation, 8);
	if (kind >= 4 && kind < 7)
		off = below(mutation, clusters + 2) * mutation->cluster_bytes;
	if (kind == 7)
		off = below(mutation, 2);
	if (kind == 6)
		off += (uint64_t)1 << below(mutation, 64);
	/* Flags stay: copied, compressed. */
	field_store(mutation->image, mutation->size, field, 8,
		    (old & ~FIELD_OFFSET_MASK & ~(uint64_t)1) | off);
}

/* A number near a limit, anywhere in a structure. */
static void change_number(struct mutation *mutation)
{
	static const unsigned widths[] = {1, 2, 4, 8};
	unsigned bytes = widths[below(mutation, 4)];
	uint64_t i = below(mutation, mutation->places.count);
	uint64_t off = mutation->places.off[i] +
		       below(mutation, mutation->places.bytes[i]) / bytes * bytes;
	uint64_t number = (uint64_t)1 << below(mutation, 64);
	number += below(mutation, 3) - 1;
	if (random_percent(mutation->random, 30))
		number = field_load(mutation->image, mutation->size, off, bytes) +
			 below(mutation, 3) - 1;
	field_store(mutation->image, mutation->size, off, bytes, number);
}

static void copy_cluster(struct mutation *mutation)
{
	uint64_t clusters = mutation->size / mutation->cluster_bytes;
	if (clusters < 2)
		return;
	uint64_t to = 1 + below(mutation, clusters - 1), from = below(mutation, clusters);
	memmove(mutation->image + to * mutation->cluster_bytes,
		mutation->image + from * mutation->cluster_bytes,
		mutation->cluster_bytes);
}

/* A uniform cluster of bits, or of anything. */
static void fill_cluster(struct mutation *mutation)
{
	static const uint8_t fills[] = {0, 0xff, 0x55, 1};
	uint64_t clusters = mutation->size / mutation->cluster_bytes;
	if (clusters < 2)
		return;
	memset(mutation->image +
		       (1 + below(mutation, clusters - 1)) * mutation->cluster_bytes,
	       fills[below(mutation, 4)], mutation->cluster_bytes);
}

static void change_end(struct mutation *mutation)
{
	uint64_t by = below(mutation, 4 * mutation->cluster_bytes);
	if (random_percent(mutation->random, 50))
		by = by / mutation->cluster_bytes * mutation->cluster_bytes;
	if (random_percent(mutation->random, 50) && by < mutation->size) {
		mutation->size -= by;
	} else if (by <= mutation->max_size - mutation->size) {
		memset(mutation->image + mutation->size, 0, by);
		mutation->size += by;
	}
}

size_t mutate_image(uint8_t *image, size_t size, size_t max_size, struct random *random)
{
	static void (*const changes[])(struct mutation * mutation) = {
		change_bytes,   change_bytes,  change_bytes,  change_pointer,
		change_pointer, change_number, change_number, copy_cluster,
		fill_cluster,   change_end,
	};
	struct mutation mutation = {
		.image = image, .size = size, .max_size = max_size, .random = random};
	if (size < 512 || random_percent(random, 1))
		start_anew(&mutation);
	uint64_t bits = field_load(image, mutation.size, FIELD_CLUSTER_BITS, 4);
	mutation.cluster_bytes = (uint64_t)1 << (bits < 9 || bits > 21 ? 9 : bits);
	for (uint64_t n = 1 + below(&mutation, 4); n > 0 && mutation.size >= 512; n--) {
		mutate_find_places(&mutation.places, image, mutation.size);
		changes[below(&mutation, sizeof(changes) / sizeof(changes[0]))](
			&mutation);
	}
	if (mutation.size >= 512 && !random_percent(random, 5))
		mutate_repair(image, mutation.size, random);
	return mutation.size;
}
