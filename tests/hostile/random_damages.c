/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * random_damages COUNT SEED [IMAGE]...: images whose true bits are known, each with one to three
 * random damages. Whatever check (with status 0) or the image that repair left calls valid or
 * disabled must cover the true bits. What was repaired by the user's word is no claim of ours. Some
 * damages leave an image in which nothing is wrong, as a granularity that is another one: there the
 * bits of that image are true, too, for nobody can know better; these are counted apart.
 */
#include "../support/build_image.h"
#include "../support/strict_reader.h"
#include "damage.h"
#include "image/image.h"
#include "qcow2bm.h"
#include "../support/copies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BITS (1u << 16)
#define NAME_BYTES 9
#define MAX_DAMAGES 3

struct figures {
	unsigned long images, damages, claimed_by_check, repaired, refused, kept, dropped,
		perfect, falsely_clean, false_images;
};

struct trial {
	struct figures *figures;
	const char *image; /* its name */
	unsigned long number;
	struct memory_file sound;
	struct strict_image truth;
	struct damage_map map;
	struct memory_file damaged, after;
	struct damage damages[MAX_DAMAGES];
	unsigned damage_count;
	bool has_failed;
};

/* ---- What covers what ---------------------------------------------------------------- */

static bool bit_at(const struct strict_bitmap *bitmap, uint64_t bit)
{
	return bit < bitmap->bit_count && (bitmap->bits[bit / 8] >> bit % 8 & 1) != 0;
}

static bool covers(const struct strict_bitmap *claim, const struct strict_bitmap *truth,
		   uint64_t virtual_bytes)
{
	for (uint64_t bit = 0; bit < truth->bit_count; bit++) {
		if (!bit_at(truth, bit))
			continue;
		uint64_t first = bit << truth->granularity_bits;
		uint64_t last = first + ((uint64_t)1 << truth->granularity_bits) - 1;
		if (last >= virtual_bytes)
			last = virtual_bytes - 1;
		for (uint64_t i = first >> claim->granularity_bits;
		     i <= last >> claim->granularity_bits; i++)
			if (!bit_at(claim, i))
				return false;
	}
	return true;
}

/* How many bytes of two names are the same, at their places. */
static size_t likeness(const struct strict_bitmap *a, const struct strict_bitmap *b)
{
	size_t shorter = a->name_bytes < b->name_bytes ? a->name_bytes : b->name_bytes;
	size_t same = 0;
	for (size_t i = 0; i < shorter; i++)
		same += a->name[i] == b->name[i];
	return 2 * same + (a->name_bytes == b->name_bytes);
}

/* A damaged name is that of the bitmap whose name is most like it. */
static bool is_true(const struct strict_image *image, const struct strict_bitmap *claim)
{
	size_t most = 0;
	bool covered = false;
	for (size_t i = 0; i < image->bitmap_count; i++) {
		const struct strict_bitmap *truth = &image->bitmaps[i];
		size_t like = likeness(claim, truth);
		if (like < most)
			continue;
		covered = like == most && covered;
		most = like;
		/* Nobody has claimed anything of a bitmap that was in use. */
		covered |= (truth->flags & BUILD_FLAG_IN_USE) != 0 ||
			   covers(claim, truth, image->virtual_bytes);
	}
	return covered;
}

/* Whether some of the damages alone leave an image without a fault in which the claim is true. */
static bool is_perfectly_true(const struct trial *trial,
			      const struct strict_bitmap *claim)
{
	bool found = false;
	for (unsigned some = 1; !found && some < 1u << trial->damage_count; some++) {
		struct memory_file file = {.length = 0};
		struct strict_image image;
		memory_file_fill(&file, trial->sound.bytes, trial->sound.length);
		for (unsigned i = 0; i < trial->damage_count; i++)
			if (some >> i & 1)
				damage_do(&trial->damages[i], &file);
		strict_read(&image, file.bytes, file.length);
		found = image.problems == 0 && image.leaks == 0 && is_true(&image, claim);
		strict_free(&image);
		memory_file_free(&file);
	}
	return found;
}

static void tell(struct trial *trial, const struct strict_bitmap *claim, const char *who)
{
	printf("FALSE %s %lu: %s calls '%.*s' clean where it is dirty\n", trial->image,
	       trial->number, who, (int)claim->name_bytes, (const char *)claim->name);
	for (unsigned i = 0; i < trial->damage_count; i++) {
		const struct damage *damage = &trial->damages[i];
		printf("      %s at %" PRIu64 ": %#" PRIx64 " -> %#" PRIx64 "\n",
		       damage->name, damage->off, damage->old, damage->value);
	}
}

/* Judges each bitmap of `file` that is not in use. */
static void judge(struct trial *trial, const struct memory_file *file, const char *who)
{
	struct strict_image image;
	strict_read(&image, file->bytes, file->length);
	for (size_t i = 0; i < image.bitmap_count; i++) {
		const struct strict_bitmap *claim = &image.bitmaps[i];
		if ((claim->flags & BUILD_FLAG_IN_USE) != 0 || claim->bits == NULL)
			continue;
		trial->figures->kept++;
		if (is_true(&trial->truth, claim))
			continue;
		if (is_perfectly_true(trial, claim)) {
			trial->figures->perfect++;
			continue;
		}
		trial->figures->falsely_clean++;
		trial->has_failed = true;
		tell(trial, claim, who);
	}
	strict_free(&image);
}

/* ---- Check and repair ---------------------------------------------------------------- */

static bool has_code(const struct qcow2bm_report *report, const char *code)
{
	for (size_t i = 0; i < qcow2bm_report_count(report); i++)
		if (strcmp(qcow2bm_report_problem(report, i)->code, code) == 0)
			return true;
	return false;
}

static struct qcow2bm_report *check(struct qcow2bm_image **image,
				    struct memory_file *file)
{
	struct qcow2bm_report *report;
	if (q2_image_open_damaged(image, memory_storage_open(file), NULL) != QCOW2BM_OK)
		return NULL;
	if (qcow2bm_image_check(*image, NULL, &report, NULL, NULL) == QCOW2BM_OK)
		return report;
	qcow2bm_image_close(*image);
	return NULL;
}

static enum qcow2bm_code commit(struct qcow2bm_image *image,
				const struct qcow2bm_report *report,
				const struct qcow2bm_repair_options *options)
{
	struct qcow2bm_edit *edit;
	struct qcow2bm_result result;
	enum qcow2bm_code code = qcow2bm_edit_begin(&edit, image, NULL);
	if (code != QCOW2BM_OK)
		return code;
	code = qcow2bm_edit_repair(edit, report, options, NULL);
	if (code == QCOW2BM_OK)
		code = commit_copied(edit, NULL, &result, NULL, NULL);
	qcow2bm_edit_end(edit);
	return code;
}

/* Repairs trial->after once more with the options; false when it was refused. */
static bool repair(struct trial *trial, const struct qcow2bm_repair_options *options,
		   const char *who)
{
	struct qcow2bm_image *image;
	struct qcow2bm_report *report = check(&image, &trial->after);
	if (report == NULL)
		return false;
	/* Which of two bitmaps of one name goes is the user's word. */
	bool is_word = options->drop_count != 0 && has_code(report, "name-duplicate");
	bool done = !is_word && commit(image, report, options) == QCOW2BM_OK;
	size_t before = qcow2bm_bitmap_count(image);
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
	trial->figures->repaired += done;
	trial->figures->refused += !done && !is_word;
	if (!done)
		return false;
	unsigned long kept = trial->figures->kept;
	judge(trial, &trial->after, who);
	kept = trial->figures->kept - kept;
	trial->figures->dropped += before > kept ? before - kept : 0;
	return true;
}

static void repair_twice(struct trial *trial,
			 const struct qcow2bm_repair_options *options, const char *who)
{
	memory_file_free(&trial->after);
	memory_file_fill(&trial->after, trial->damaged.bytes, trial->damaged.length);
	trial->after.limit = trial->damaged.length + (4u << 20);
	if (repair(trial, options, who))
		repair(trial, &(struct qcow2bm_repair_options)QCOW2BM_REPAIR_OPTIONS_INIT,
		       "a second repair");
}

static void check_alone(struct trial *trial)
{
	struct qcow2bm_image *image;
	struct qcow2bm_totals totals;
	struct qcow2bm_report *report = check(&image, &trial->damaged);
	if (report == NULL)
		return;
	totals = *qcow2bm_report_totals(report);
	if (totals.errors + totals.warnings + totals.leaked_clusters == 0) {
		trial->figures->claimed_by_check++;
		judge(trial, &trial->damaged, "check");
	}
	qcow2bm_report_free(report);
	qcow2bm_image_close(image);
}

static void try_damages(struct trial *trial, struct random *random)
{
	memory_file_free(&trial->damaged);
	memory_file_fill(&trial->damaged, trial->sound.bytes, trial->sound.length);
	trial->damage_count = 1 + (unsigned)random_below(random, MAX_DAMAGES);
	for (unsigned i = 0; i < trial->damage_count; i++)
		trial->damages[i] = damage_make(&trial->map, &trial->damaged, random);
	trial->figures->images++;
	trial->figures->damages += trial->damage_count;
	size_t idx = random_below(random, trial->map.bitmaps);
	check_alone(trial);
	repair_twice(trial, &(struct qcow2bm_repair_options)QCOW2BM_REPAIR_OPTIONS_INIT,
		     "repair");
	repair_twice(
		trial,
		&(struct qcow2bm_repair_options){.flags = QCOW2BM_REPAIR_DROP_IN_USE},
		"repair --drop-in-use");
	repair_twice(trial,
		     &(struct qcow2bm_repair_options){.drop = &idx, .drop_count = 1},
		     "repair --drop-index");
	trial->figures->false_images += trial->has_failed;
}

/* ---- The images ------------------------------------------------------------------- */

static void fill_bits(uint8_t *bits, uint64_t count, struct random *random)
{
	uint64_t kind = random_below(random, 7);
	uint64_t end = kind < 3 ? count : 1 + random_below(random, count);
	unsigned percent = kind == 0 ? 100 : kind == 1 ? 30 : kind == 6 ? 0 : 8;
	for (uint64_t i = 0; i < end; i++)
		bits[i] = random_percent(random, percent);
	for (uint64_t n = random_below(random, 4); kind >= 4 && kind < 6 && n > 0; n--)
		bits[random_below(random, count)] = 1;
}

/* An image from nothing: one to five bitmaps of any granularity and density. */
static void build(struct memory_file *file, struct random *random)
{
	static uint8_t bits[5][MAX_BITS];
	static char names[5][NAME_BYTES];
	struct build_bitmap bitmaps[5] = {{.name = NULL}};
	unsigned cluster_bits = 9 + (unsigned)random_below(random, 4);
	uint64_t sectors =
		random_between(random, 1, (uint64_t)1 << random_between(random, 6, 17));
	uint64_t virtual_bytes = sectors * 512;
	struct build build = {
		.seed = random_word(random),
		.cluster_bits = cluster_bits,
		.refcount_order = (unsigned)random_below(random, 7),
		.virtual_bytes = virtual_bytes,
		.guest_clusters = (unsigned)random_below(random, 40),
		.gap_percent = (unsigned)random_below(random, 40),
		.free_at_end = (unsigned)random_below(random, 6),
		.bitmaps = bitmaps,
		.bitmap_count = 1 + (unsigned)random_below(random, 5),
	};
	build.snapshots =
		build.refcount_order < 2 ? 0 : (unsigned)random_below(random, 3);
	for (unsigned i = 0; i < build.bitmap_count; i++) {
		unsigned granularity_bits = 9 + (unsigned)random_below(random, 9);
		while (build_bits(virtual_bytes, granularity_bits) > MAX_BITS)
			granularity_bits++;
		memset(bits[i], 0, sizeof(bits[i]));
		fill_bits(bits[i], build_bits(virtual_bytes, granularity_bits), random);
		snprintf(names[i], sizeof(names[i]), "%c%c%c%c%c%c%c%c", 'a' + i, 'A' + i,
			 '0' + i, 'g' + 3 * i, 'G' + 3 * i, 'm' + 2 * i, 'M' + 2 * i,
			 '5' - i);
		bitmaps[i] = (struct build_bitmap){
			.name = names[i],
			.name_bytes = (uint16_t)random_between(random, 3, 8),
			.flags = random_percent(random, 70) ? BUILD_FLAG_AUTO : 0,
			.granularity_bits = (uint8_t)granularity_bits,
			.bits = bits[i],
		};
	}
	build_image(&build, file);
}

static bool begin(struct trial *trial)
{
	strict_read(&trial->truth, trial->sound.bytes, trial->sound.length);
	return trial->truth.problems == 0 && damage_find(&trial->map, &trial->sound);
}

static void end(struct trial *trial)
{
	strict_free(&trial->truth);
	memory_file_free(&trial->sound);
	memory_file_free(&trial->damaged);
	memory_file_free(&trial->after);
}

/* A tenth of the damages are done to real images, the rest to built ones. */
static void run(struct figures *figures, unsigned long count, uint64_t seed, char **paths,
		size_t path_count)
{
	for (unsigned long i = 0; i < count; i++) {
		struct random random;
		random_seed(&random, seed + i);
		struct trial trial = {
			.figures = figures, .number = seed + i, .image = "built"};
		if (path_count != 0 && random_percent(&random, 10)) {
			trial.image = paths[random_below(&random, path_count)];
			if (!memory_file_load(&trial.sound, trial.image)) {
				fprintf(stderr, "cannot read %s\n", trial.image);
				exit(1);
			}
		} else {
			build(&trial.sound, &random);
		}
		if (!begin(&trial)) {
			fprintf(stderr, "%s %lu is not sound: %s\n", trial.image,
				trial.number, trial.truth.problem);
			exit(1);
		}
		try_damages(&trial, &random);
		end(&trial);
	}
}

int main(int argc, char **argv)
{
	struct figures figures = {.images = 0};
	if (argc < 3) {
		fprintf(stderr, "usage: random_damages COUNT SEED [IMAGE]...\n");
		return 64;
	}
	run(&figures, strtoul(argv[1], NULL, 10), strtoull(argv[2], NULL, 10), argv + 3,
	    (size_t)(argc - 3));
	printf("images %lu, damages %lu; check says clean %lu; repairs done %lu, refused %lu; "
	       "bitmaps kept %lu, dropped %lu;\nfalse in images without a fault %lu, "
	       "falsely clean %lu in %lu images\n",
	       figures.images, figures.damages, figures.claimed_by_check,
	       figures.repaired, figures.refused, figures.kept, figures.dropped,
	       figures.perfect, figures.falsely_clean, figures.false_images);
	return figures.falsely_clean != 0;
}
