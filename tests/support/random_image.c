/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random geometry, guest data, header extensions and bitmaps. */
#include "random_image.h"

#include <string.h>

#define MAX_L1_ENTRIES 1024
#define EXTRA_BYTES "extra data that nobody knows"

const char *random_name(uint64_t idx, size_t *name_bytes)
{
	static char longest[1023];
	static const char *const names[] = {
		"a",          "b", "B", "bitmap0", "bitmap00", "x y/z", "\xff\x80\n\x01",
		"caf\xc3\xa9"};
	if (idx < sizeof(names) / sizeof(names[0])) {
		*name_bytes = strlen(names[idx]);
		return names[idx];
	}
	memset(longest, 'n', sizeof(longest));
	*name_bytes = sizeof(longest);
	return longest;
}

/* Small clusters have the most to go wrong in the least time. */
static unsigned random_cluster_bits(struct random *random)
{
	uint64_t part = random_below(random, 100);
	if (part < 45)
		return 9;
	if (part < 82)
		return 10 + (unsigned)random_below(random, 3);
	if (part < 97)
		return (unsigned)random_between(random, 13, 16);
	return (unsigned)random_between(random, 17, part < 99 ? 18 : 21);
}

static uint64_t random_virtual_bytes(struct random *random, unsigned cluster_bits)
{
	uint64_t most = (uint64_t)MAX_L1_ENTRIES << (2 * cluster_bits - 4);
	unsigned bits = (unsigned)random_between(random, 0, 34);
	uint64_t sectors = random_between(random, 1, (uint64_t)1 << bits);
	if (random_percent(random, 30))
		sectors = (uint64_t)1 << bits;
	return sectors * 512 < most ? sectors * 512 : most;
}

static void random_bits(struct random *random, struct model_bitmap *bitmap)
{
	uint64_t kind = random_below(random, 6), count = bitmap->bit_count;
	for (uint64_t i = 0; kind == 1 && i < count; i++)
		bitmap->bits[i] = 1;
	for (uint64_t n = random_below(random, 5); kind == 2 && n > 0; n--)
		bitmap->bits[random_below(random, count)] = 1;
	for (uint64_t i = 0; kind == 3 && i < count; i++)
		bitmap->bits[i] = random_percent(random, 50);
	if (kind < 4)
		return;
	uint64_t most = count / (kind == 4 ? 3 : 30) + 2;
	for (uint64_t i = random_below(random, most); i < count;) {
		uint64_t end = i + random_below(random, most);
		for (; i < end && i < count; i++)
			bitmap->bits[i] = 1;
		i += random_between(random, 1, most);
	}
}

static unsigned random_granularity_bits(struct random *random, unsigned least)
{
	uint64_t kind = random_below(random, 10);
	if (kind == 0)
		return (unsigned)random_between(random, 32, 63);
	if (kind == 1 && least < 9)
		return (unsigned)random_between(random, least, 8);
	unsigned low = least < 9 ? 9 : least;
	return low >= 31 ? low : (unsigned)random_between(random, low, 31);
}

static void random_bitmap(struct random_image *image, struct random *random)
{
	size_t name_bytes;
	const char *name = random_name(random_below(random, RANDOM_NAMES), &name_bytes);
	if (model_find(&image->model, name, name_bytes) != NULL)
		return;
	struct model_bitmap *bitmap = model_append(
		&image->model, name, name_bytes,
		random_granularity_bits(random, image->min_granularity_bits), 0);
	if (random_percent(random, 60))
		bitmap->flags |= BUILD_FLAG_AUTO;
	if (random_percent(random, 8))
		bitmap->flags |= BUILD_FLAG_IN_USE;
	if (random_percent(random, 15)) {
		bitmap->extra = (const uint8_t *)EXTRA_BYTES;
		bitmap->extra_bytes = (uint32_t)random_between(random, 1, 20);
	}
	if (random_percent(random, bitmap->extra_bytes != 0 ? 80 : 10))
		bitmap->flags |= BUILD_FLAG_EXTRA_COMPATIBLE;
	random_bits(random, bitmap);
}

/* Extensions around that of the bitmaps; sometimes its payload crosses a sector. Returns where
 * the end marker ends. */
static uint64_t random_extensions(struct build *build, struct random *random)
{
	uint64_t at = build->header_bytes + 8 + 32;
	uint64_t room = ((uint64_t)1 << build->cluster_bits) - at;
	uint32_t most = room > 600 ? 90 : (uint32_t)room / 8;
	for (unsigned i = 0; i < random_below(random, 4); i++)
		build->before[i] = (struct build_extension){
			0x71000001u + i, (uint32_t)random_below(random, most)};
	if (build->cluster_bits > 9 && random_percent(random, 25)) {
		uint64_t payload = 496 + 8 * random_below(random, 2);
		memset(build->before, 0, sizeof(build->before));
		build->before[0] = (struct build_extension){
			0x71000009u, (uint32_t)(payload - 16 - build->header_bytes)};
	}
	for (unsigned i = 0; i < random_below(random, 3); i++)
		build->behind[i] = (struct build_extension){
			0x72000001u + i, (uint32_t)random_below(random, most)};
	for (unsigned i = 0; i < 4; i++) {
		const struct build_extension *both[] = {&build->before[i],
							&build->behind[i]};
		for (unsigned k = 0; k < 2; k++)
			if (both[k]->type != 0)
				at += 8 + ((both[k]->bytes + 7) & ~7u);
	}
	return at;
}

static void random_header(struct random_image *image, struct build *build,
			  struct random *random)
{
	static const char name[] = "/path/of/a/backing/file/that/is/rather/long.qcow2";
	static const unsigned lengths[] = {104, 112, 112, 120};
	uint64_t cluster_bytes = (uint64_t)1 << build->cluster_bits;
	build->header_bytes = lengths[random_below(random, 4)];
	if (random_percent(random, 20))
		build->encryption_header = true;
	uint64_t end =
		random_extensions(build, random) + (build->encryption_header ? 24 : 0);
	if (random_percent(random, 40) && end + sizeof(name) + 60 < cluster_bytes) {
		build->backing_name = name + random_below(random, sizeof(name) - 1);
		build->backing_gap = (unsigned)random_below(random, 60);
		if (random_percent(random, 50))
			build->backing_gap = 0;
		end += build->backing_gap + 2 * sizeof(name);
	}
	if (random_percent(random, 10))
		build->autoclear = (uint64_t)1 << random_between(random, 2, 63);
	/* A relocated payload goes to the next sector and takes what is behind it along. */
	image->is_roomy = end + 512 + 300 < cluster_bytes;
}

static void random_geometry(struct random_image *image, struct build *build,
			    struct random *random, uint64_t virtual_bytes)
{
	build->seed = random_word(random);
	build->cluster_bits = image->cluster_bits;
	build->virtual_bytes = virtual_bytes;
	build->refcount_order = (unsigned)random_below(random, 7);
	build->extended_l2 = build->cluster_bits >= 14 && random_percent(random, 30);
	build->guest_clusters =
		(unsigned)random_below(random, build->cluster_bits < 13 ? 60 : 6);
	/* The largest refcount of one bit is 1: nothing can be shared. */
	if (build->refcount_order > 0 && random_percent(random, 30))
		build->snapshots = (unsigned)random_between(random, 1, 2);
	build->gap_percent = (unsigned)random_below(random, 60);
	build->table_clusters = random_percent(random, 20) ? 2 : 1;
	build->near_table_end = build->cluster_bits == 9 && build->refcount_order >= 4 &&
				random_percent(random, 30);
	build->free_at_end = (unsigned)random_below(random, 6);
	image->is_device = random_percent(random, 15);
	if (image->is_device)
		build->free_at_end = (unsigned)random_below(random, 60);
}

void random_image_make(struct random_image *image, struct random *random,
		       uint64_t virtual_bytes)
{
	struct build build = {0};
	struct build_bitmap bitmaps[MODEL_MAX_BITMAPS];
	uint64_t most_bits = (uint64_t)1 << (random_percent(random, 5) ? 17 : 13);
	memset(image, 0, sizeof(*image));
	do
		image->cluster_bits = random_cluster_bits(random);
	while (virtual_bytes > (uint64_t)MAX_L1_ENTRIES << (2 * image->cluster_bits - 4));
	if (virtual_bytes == 0)
		virtual_bytes = random_virtual_bytes(random, image->cluster_bits);
	image->model.virtual_bytes = virtual_bytes;
	while (build_bits(virtual_bytes, image->min_granularity_bits) > most_bits)
		image->min_granularity_bits++;
	random_geometry(image, &build, random, virtual_bytes);
	random_header(image, &build, random);
	for (uint64_t n = random_below(random, 7); n > 0; n--)
		random_bitmap(image, random);
	for (size_t i = 0; i < image->model.count; i++) {
		const struct model_bitmap *bitmap = &image->model.bitmaps[i];
		bitmaps[i] = (struct build_bitmap){
			.name = bitmap->name,
			.name_bytes = (uint16_t)bitmap->name_bytes,
			.flags = bitmap->flags,
			.granularity_bits = (uint8_t)bitmap->granularity_bits,
			.extra = bitmap->extra,
			.extra_bytes = bitmap->extra_bytes,
			.bits = bitmap->bits,
		};
	}
	build.bitmaps = bitmaps;
	build.bitmap_count = (unsigned)image->model.count;
	build_image(&build, &image->file);
}

void random_image_free(struct random_image *image)
{
	memory_file_free(&image->file);
	model_free(&image->model);
}
