/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bitmaps against the truth, which two raw files tell.
 *
 *   prove_bits exact IMAGE BITMAP OLD NEW
 *       whether the bits are those of the granules that differ, and no others
 *   prove_bits plants IMAGE BITMAP OLD NEW COUNT SEED STATE...
 *       COUNT times: gives the bitmap the right bits but for some that are planted as lost, or too many,
 *       and judges it by each older STATE of the disk. Every loss must be found, and nothing else.
 */
#include "edit/edit.h"
#include "guest/differ.h"
#include "random.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_STATES 8

static _Noreturn void stop(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void require(enum qcow2bm_code code, const struct qcow2bm_error *err)
{
	if (code != QCOW2BM_OK)
		stop("%s", err->sentence);
}

static uint8_t *load(const char *path, uint64_t bytes)
{
	uint8_t *data = calloc(1, (size_t)bytes + 1);
	FILE *file = fopen(path, "rb");
	if (data == NULL || file == NULL)
		stop("cannot read %s", path);
	if (fread(data, 1, (size_t)bytes, file) > bytes)
		stop("%s is too long", path);
	fclose(file);
	return data;
}

/* A byte for each granule of the disk. */
struct world {
	const char *image, *bitmap;
	uint64_t virtual_bytes, bits, bits_per_cluster;
	unsigned granularity_bits;
	uint8_t *differs; /* the truth */
	uint8_t *stored;  /* what the bitmap gets */
};

static struct qcow2bm_image *open_image(const struct world *world, unsigned flags)
{
	struct qcow2bm_image *image;
	struct qcow2bm_error err = {0};
	require(qcow2bm_image_open(&image, world->image, flags, 0, NULL, &err), &err);
	return image;
}

static size_t find_bitmap(const struct world *world, const struct qcow2bm_image *image)
{
	size_t idx = qcow2bm_bitmap_find(image, world->bitmap, strlen(world->bitmap));
	if (idx == QCOW2BM_NOT_FOUND)
		stop("there is no bitmap %s", world->bitmap);
	return idx;
}

static void load_world(struct world *world, const char *old, const char *new)
{
	struct qcow2bm_image *image = open_image(world, 0);
	size_t idx = find_bitmap(world, image);
	world->virtual_bytes = image->header.virtual_bytes;
	world->granularity_bits = qcow2bm_bitmap_describe(image, idx)->granularity_bits;
	world->bits_per_cluster = (uint64_t)8 << image->header.cluster_bits;
	qcow2bm_image_close(image);
	uint64_t granule = (uint64_t)1 << world->granularity_bits;
	world->bits = (world->virtual_bytes + granule - 1) / granule;
	world->differs = calloc((size_t)world->bits, 1);
	world->stored = calloc((size_t)world->bits, 1);
	uint8_t *a = load(old, world->virtual_bytes),
		*b = load(new, world->virtual_bytes);
	for (uint64_t i = 0; i < world->bits; i++) {
		uint64_t start = i * granule, left = world->virtual_bytes - start;
		world->differs[i] =
			memcmp(a + start, b + start,
			       (size_t)(left < granule ? left : granule)) != 0;
	}
	free(a);
	free(b);
}

/* ---- exact ---- */

static int prove_exact(const struct world *world)
{
	struct qcow2bm_image *image = open_image(world, 0);
	struct qcow2bm_error err = {0};
	struct q2_source source;
	size_t words = (size_t)(world->bits + 63) / 64;
	uint64_t *read = calloc(words, sizeof(*read)), wrong = 0;
	require(q2_source_open_bitmap(&source, image, find_bitmap(world, image), &err),
		&err);
	require(q2_source_read(&source, 0, world->bits, read, &err), &err);
	for (uint64_t i = 0; i < world->bits; i++) {
		bool is_set = ((const uint8_t *)read)[i / 8] >> (i % 8) & 1;
		wrong += is_set != world->differs[i];
	}
	q2_source_close(&source);
	qcow2bm_image_close(image);
	free(read);
	printf("%llu of %llu bits are wrong\n", (unsigned long long)wrong,
	       (unsigned long long)world->bits);
	return wrong != 0;
}

/* ---- plants ---- */

enum plant {
	GRANULE,
	FIRST,
	LAST,
	TAIL,
	BITMAP_CLUSTER,
	ALL_ONES,
	ALL_ZEROS,
	SEVERAL,
	SURPLUS,
	NOTHING,
	PLANTS
};

static const char *const plant_names[PLANTS] = {
	"granule",  "first",     "last",    "tail",    "bitmap-cluster",
	"all-ones", "all-zeros", "several", "surplus", "nothing"};

static uint64_t find_differing(const struct world *world, uint64_t from, bool backwards)
{
	for (uint64_t n = 0; n < world->bits; n++) {
		uint64_t i = backwards ? (from + world->bits - n) % world->bits
				       : (from + n) % world->bits;
		if (world->differs[i])
			return i;
	}
	stop("nothing differs");
}

/* Makes the bits that are stored: the truth less what is lost. */
static void plant(struct world *world, enum plant kind, struct random *random)
{
	uint64_t any = find_differing(world, random_below(random, world->bits), false);
	uint64_t base = any - any % world->bits_per_cluster;
	memcpy(world->stored, world->differs, (size_t)world->bits);
	switch (kind) {
	case ALL_ONES:
		memset(world->stored, 1, (size_t)world->bits);
		/* fallthrough */
	case GRANULE:
		world->stored[any] = 0;
		break;
	case FIRST:
		world->stored[find_differing(world, 0, false)] = 0;
		break;
	case LAST:
		world->stored[find_differing(world, world->bits - 1, true)] = 0;
		break;
	case TAIL:
		world->stored[world->bits - 1] = 0;
		break;
	case BITMAP_CLUSTER:
		for (uint64_t i = base; i < base + world->bits_per_cluster; i++)
			if (i < world->bits)
				world->stored[i] = 0;
		break;
	case ALL_ZEROS:
		memset(world->stored, 0, (size_t)world->bits);
		break;
	case SEVERAL:
		for (uint64_t i = 0; i < world->bits; i++)
			if (random_percent(random, 30))
				world->stored[i] = 0;
		break;
	case SURPLUS:
		for (uint64_t i = 0; i < world->bits; i++)
			if (random_percent(random, 30))
				world->stored[i] = 1;
		break;
	case NOTHING:
	case PLANTS:
		break;
	}
}

/* Gives the bitmap these bits, by an edit as any other. */
static void store(const struct world *world)
{
	struct qcow2bm_image *image = open_image(world, QCOW2BM_OPEN_WRITE);
	struct qcow2bm_error err = {0};
	struct q2_differences bits;
	struct qcow2bm_edit *edit;
	const struct qcow2bm_commit_options options = {
		.size = sizeof(options), .flags = QCOW2BM_COMMIT_TRUST_REFCOUNTS};
	require(q2_differences_open(&bits, world->virtual_bytes, world->granularity_bits,
				    &err),
		&err);
	for (uint64_t i = 0; i < world->bits; i++)
		if (world->stored[i])
			require(q2_differences_set(&bits, i, i + 1, &err), &err);
	require(qcow2bm_edit_begin(&edit, image, &err), &err);
	struct q2_staged *staged =
		q2_edit_find(edit, world->bitmap, strlen(world->bitmap));
	const struct q2_edit_source source = {
		.image = image, .kind = Q2_SOURCE_DIFFERS, .differences = &bits};
	q2_edit_clear_sources(staged);
	require(q2_edit_add_source(staged, &source, &err), &err);
	require(qcow2bm_edit_commit(edit, &options, NULL, NULL, &err), &err);
	qcow2bm_edit_end(edit);
	qcow2bm_image_close(image);
	q2_differences_close(&bits);
}

static struct qcow2bm_chain *open_chain(const struct world *world, size_t *idx)
{
	struct qcow2bm_chain *chain;
	const struct qcow2bm_order *order;
	struct qcow2bm_error err = {0};
	require(qcow2bm_chain_open(&chain, world->image, NULL, &err), &err);
	require(qcow2bm_chain_find_order(chain, NULL, &order, &err), &err);
	*idx = qcow2bm_chain_find(chain, world->bitmap, strlen(world->bitmap));
	return chain;
}

/* What the bits of a granule make of it, by the truth. */
static enum qcow2bm_proof expect(const struct world *world, uint64_t bit)
{
	if (world->differs[bit])
		return world->stored[bit] ? QCOW2BM_PROOF_CHANGED : QCOW2BM_PROOF_LOST;
	return world->stored[bit] ? QCOW2BM_PROOF_SURPLUS : QCOW2BM_PROOF_UNCHANGED;
}

struct reading {
	const struct world *world;
	uint64_t at, wrong;
};

static int compare_extent(void *opaque, const struct qcow2bm_proof_extent *extent)
{
	struct reading *reading = opaque;
	uint64_t end = extent->start + extent->length;
	reading->wrong += extent->start != reading->at;
	while (reading->at < end) {
		uint64_t bit = reading->at >> reading->world->granularity_bits;
		uint64_t next = (bit + 1) << reading->world->granularity_bits;
		reading->wrong += expect(reading->world, bit) != extent->proof;
		reading->at = next < reading->world->virtual_bytes
				      ? next
				      : reading->world->virtual_bytes;
	}
	reading->wrong += reading->at != end;
	return 0;
}

/* Judges the bitmap by each older state; returns how many bits were lost. */
static uint64_t judge(const struct world *world, struct qcow2bm_differ *differ,
		      size_t states, const char *what)
{
	size_t idx;
	uint64_t lost = 0;
	struct qcow2bm_chain *chain = open_chain(world, &idx);
	for (uint64_t i = 0; i < world->bits; i++)
		lost += expect(world, i) == QCOW2BM_PROOF_LOST;
	for (size_t i = 0; i < states; i++) {
		struct reading reading = {.world = world};
		const struct qcow2bm_judgement *judgement;
		struct qcow2bm_error err = {0};
		require(qcow2bm_differ_judge(differ, i, chain, idx, compare_extent,
					     &reading, &judgement, NULL, &err),
			&err);
		if (reading.wrong != 0 || reading.at != world->virtual_bytes)
			stop("%s: %llu extents are wrong by state %zu", what,
			     (unsigned long long)reading.wrong, i);
		if (judgement->outcome !=
		    (lost != 0 ? QCOW2BM_OUTCOME_WRONG : QCOW2BM_OUTCOME_RIGHT))
			stop("%s: state %zu says %s (%s), %llu bits are lost", what, i,
			     qcow2bm_outcome_name(judgement->outcome),
			     judgement->reason == NULL ? "" : judgement->reason,
			     (unsigned long long)lost);
	}
	qcow2bm_chain_close(chain);
	return lost;
}

static struct qcow2bm_differ *find_differences(const struct world *world, char **states,
					       size_t count)
{
	struct qcow2bm_old *olds[MOST_STATES];
	struct qcow2bm_differ *differ;
	struct qcow2bm_error err = {0};
	size_t idx;
	struct qcow2bm_chain *chain = open_chain(world, &idx);
	for (size_t i = 0; i < count; i++)
		require(qcow2bm_old_open(&olds[i], states[i], NULL, &err), &err);
	require(qcow2bm_chain_differ(chain, olds, count, &differ, NULL, &err), &err);
	for (size_t i = 0; i < count; i++)
		qcow2bm_old_close(olds[i]);
	qcow2bm_chain_close(chain);
	return differ;
}

static int prove_plants(struct world *world, int argc, char **argv)
{
	uint64_t count = strtoull(argv[0], NULL, 10), lost = 0, found = 0;
	size_t states = (size_t)argc - 2;
	struct random random;
	if (states == 0 || states > MOST_STATES)
		stop("one to %d older states are wanted", MOST_STATES);
	uint64_t first = strtoull(argv[1], NULL, 10);
	random_seed(&random, first);
	struct qcow2bm_differ *differ = find_differences(world, argv + 2, states);
	for (uint64_t i = 0; i < count; i++) {
		enum plant kind = (enum plant)((first + i) % PLANTS);
		plant(world, kind, &random);
		store(world);
		uint64_t bits = judge(world, differ, states, plant_names[kind]);
		lost += bits;
		found += bits != 0;
	}
	qcow2bm_differ_free(differ);
	printf("%llu plants, %llu of them losses, %llu bits lost, by %zu states: all found, "
	       "nothing else\n",
	       (unsigned long long)count, (unsigned long long)found,
	       (unsigned long long)lost, states);
	return 0;
}

int main(int argc, char **argv)
{
	int status = 64;
	if (argc < 6)
		stop("usage: prove_bits exact|plants IMAGE BITMAP OLD NEW ...");
	struct world world = {.image = argv[2], .bitmap = argv[3]};
	load_world(&world, argv[4], argv[5]);
	if (strcmp(argv[1], "exact") == 0)
		status = prove_exact(&world);
	else if (argc > 8)
		status = prove_plants(&world, argc - 6, argv + 6);
	free(world.differs);
	free(world.stored);
	return status;
}
