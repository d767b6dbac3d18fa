/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Old bitmaps in free clusters: which are found, what is told of them, and bringing one back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../support/one_edit.h"
#include "check/carve.h"
#include "image/edit.h"

#define BITMAPS 5
#define DISK_BYTES \
	((5u << 20) + 1536) /* the last clusters of table and data are part used */

static const uint8_t granularity_bits[BITMAPS] = {9, 12, 10, 16, 9};
static const uint32_t flags[BITMAPS] = {BUILD_FLAG_AUTO, 0, BUILD_FLAG_AUTO, 0, 0};

struct world {
	struct one_edit edit;
	struct build build;
	struct build_bitmap bitmaps[BITMAPS];
	char names[BITMAPS][200]; /* so long that the directory has several clusters */
	uint8_t *bits[BITMAPS];
};

static struct world world;

static void make(uint64_t seed, unsigned cluster_bits)
{
	struct random random;
	random_seed(&random, seed);
	memset(&world, 0, sizeof(world));
	world.build = (struct build){
		.seed = seed,
		.cluster_bits = cluster_bits,
		.refcount_order = 4,
		.virtual_bytes = DISK_BYTES,
		.guest_clusters = 40,
		.gap_percent = 30,
		.bitmaps = world.bitmaps,
		.bitmap_count = BITMAPS,
	};
	for (size_t i = 0; i < BITMAPS; i++) {
		uint64_t count = build_bits(DISK_BYTES, granularity_bits[i]);
		world.bits[i] = calloc(count, 1);
		assert_non_null(world.bits[i]);
		for (uint64_t bit = 0; bit < count; bit++)
			world.bits[i][bit] = random_percent(&random, 3);
		world.bits[i][0] = 1;
		memset(world.names[i], 'a' + (int)i, sizeof(world.names[i]));
		world.bitmaps[i] = (struct build_bitmap){
			.name = world.names[i],
			.name_bytes = sizeof(world.names[i]),
			.flags = flags[i],
			.granularity_bits = granularity_bits[i],
			.bits = world.bits[i],
		};
	}
	build_image(&world.build, &world.edit.file);
}

static void forget(void)
{
	for (size_t i = 0; i < BITMAPS; i++)
		free(world.bits[i]);
	one_edit_free(&world.edit);
}

static void run(stage_fn *stage)
{
	if (one_edit_run(&world.edit, stage, QCOW2BM_COMMIT_NO_DISCARD) != QCOW2BM_OK)
		fail_msg("%s", world.edit.err.sentence);
	assert_true(world.edit.is_sound);
}

/* What stage functions are about. */
static size_t staged_idx;

static enum qcow2bm_code delete_one(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	const char *name = world.names[staged_idx];
	return qcow2bm_delete(edit, name, sizeof(world.names[0]), err);
}

static enum qcow2bm_code delete_all(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (staged_idx = 0; code == QCOW2BM_OK && staged_idx < BITMAPS; staged_idx++)
		code = delete_one(edit, err);
	return code;
}

/* Only the directory moves. */
static enum qcow2bm_code rename_one(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	const char *name = world.names[staged_idx];
	return qcow2bm_rename(edit, name, sizeof(world.names[0]), "new", 3, err);
}

static enum qcow2bm_code add_full(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	const char *name = world.names[staged_idx];
	size_t bytes = sizeof(world.names[0]);
	enum qcow2bm_code code = qcow2bm_add(edit, name, bytes, 10, true, err);
	return code == QCOW2BM_OK ? qcow2bm_merge(edit, name, bytes, NULL,
						  world.names[staged_idx + 1], bytes, err)
				  : code;
}

/* ---- Looking ---- */

#define MOST 200

struct seen {
	struct qcow2bm_carved all[MOST];
	char first[MOST]; /* letter of the name */
	size_t count;
};

static int see(void *opaque, const struct qcow2bm_carved *carved)
{
	struct seen *seen = opaque;
	assert_true(seen->count < MOST);
	seen->first[seen->count] = carved->name[0];
	seen->all[seen->count] = *carved;
	seen->all[seen->count++].name = NULL;
	return 0;
}

static void look(struct seen *seen, unsigned window_shift)
{
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	struct qcow2bm_error err = {0};
	memset(seen, 0, sizeof(*seen));
	assert_int_equal(
		q2_image_open(&image, memory_storage_open(&world.edit.file), &err),
		QCOW2BM_OK);
	assert_int_equal(qcow2bm_check(image, NULL, &report, &err), QCOW2BM_OK);
	if (q2_carve_run(image, report, window_shift, see, seen, &err) != QCOW2BM_OK)
		fail_msg("%s", err.sentence);
	qcow2bm_report_free(report);
	qcow2bm_close(image);
}

/* The last one of that name in the file, in that state. */
static struct qcow2bm_carved find(size_t idx, enum qcow2bm_carved_state state)
{
	struct seen seen;
	look(&seen, Q2_CARVE_WINDOW_SHIFT);
	for (size_t i = seen.count; i-- > 0;)
		if (seen.first[i] == 'a' + (int)idx && seen.all[i].state == state)
			return seen.all[i];
	fail_msg("bitmap %zu is not found in state %d", idx, (int)state);
	abort();
}

static bool is_seen(size_t idx, enum qcow2bm_carved_state state)
{
	struct seen seen;
	look(&seen, Q2_CARVE_WINDOW_SHIFT);
	for (size_t i = 0; i < seen.count; i++)
		if (seen.first[i] == 'a' + (int)idx && seen.all[i].state == state)
			return true;
	return false;
}

static void look_through_windows(const struct seen *whole)
{
	static struct seen parts;
	for (unsigned shift = 0; shift < 8; shift++) {
		look(&parts, shift);
		assert_int_equal(parts.count, whole->count);
		assert_memory_equal(parts.first, whole->first, sizeof(parts.first));
		assert_memory_equal(parts.all, whole->all, sizeof(parts.all));
	}
}

static void every_entry_is_found_whatever_the_window(void **state)
{
	(void)state;
	static struct seen whole;
	for (unsigned cluster_bits = 9; cluster_bits <= 16; cluster_bits++) {
		make(cluster_bits, cluster_bits);
		run(delete_all);
		look(&whole, Q2_CARVE_WINDOW_SHIFT);
		assert_int_equal(whole.count, BITMAPS);
		for (size_t i = 0; i < BITMAPS; i++) {
			assert_int_equal(whole.first[i], 'a' + (int)i);
			assert_int_equal(whole.all[i].idx, i);
			assert_int_equal(whole.all[i].state, QCOW2BM_CARVED_INTACT);
			assert_int_equal(whole.all[i].granularity_bits,
					 granularity_bits[i]);
			assert_int_equal(whole.all[i].autoload, flags[i] != 0);
			assert_true(whole.all[i].fits_disk);
		}
		look_through_windows(&whole);
		forget();
	}
}

/* Cuts off the free clusters at the end of the file. */
static void trim(void)
{
	const struct inspect *inspect = &world.edit.inspect;
	uint64_t clusters = inspect->clusters;
	while (inspect->refs[clusters - 1] == 0)
		clusters--;
	memory_file_resize(&world.edit.file, clusters << inspect->cluster_bits);
}

/* Clusters in use stand behind the old directory, and at the end of the file. */
static void a_directory_between_others_is_found(void **state)
{
	(void)state;
	static struct seen whole;
	for (uint64_t seed = 0; seed < 40; seed++) {
		make(seed, 9);
		staged_idx = seed % BITMAPS;
		if (seed % 2 == 0) {
			run(delete_one);
		} else {
			world.build.gap_percent = 0;
			build_image(&world.build, &world.edit.file);
			run(rename_one);
		}
		trim();
		look(&whole, Q2_CARVE_WINDOW_SHIFT);
		assert_int_equal(whole.count, BITMAPS);
		look_through_windows(&whole);
		forget();
	}
}

static void no_more_is_looked_at_than_that(void **state)
{
	(void)state;
	static struct q2_remains remains;
	struct qcow2bm_image *image;
	struct qcow2bm_report *report;
	make(65, 9);
	staged_idx = 0;
	run(delete_one);
	struct qcow2bm_carved carved = find(0, QCOW2BM_CARVED_INTACT);
	assert_int_equal(
		q2_image_open(&image, memory_storage_open(&world.edit.file), NULL),
		QCOW2BM_OK);
	assert_int_equal(qcow2bm_check(image, NULL, &report, NULL), QCOW2BM_OK);
	/* Enough for the table, for all, and, as it is known then, for any number of times. */
	static const uint64_t budgets[] = {0, 1024, 1 << 20, 0};
	static const enum qcow2bm_carved_state states[] = {
		QCOW2BM_CARVED_NOT_JUDGED, QCOW2BM_CARVED_NOT_JUDGED,
		QCOW2BM_CARVED_INTACT, QCOW2BM_CARVED_INTACT};
	assert_int_equal(q2_remains_open(&remains, image, report, NULL), QCOW2BM_OK);
	for (size_t i = 0; i < 4; i++) {
		remains.budget_bytes = budgets[i];
		if (i < 3)
			memset(remains.known, 0, sizeof(remains.known));
		assert_int_equal(q2_remains_judge(&remains, &carved, NULL), QCOW2BM_OK);
		assert_int_equal(carved.state, states[i]);
	}
	q2_remains_close(&remains);
	qcow2bm_report_free(report);
	qcow2bm_close(image);
	forget();
}

/* ---- Bringing back ---- */

static struct qcow2bm_carved_options options;
static void (*meanwhile)(void); /* called when it is staged */

static enum qcow2bm_code bring_back(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	struct qcow2bm_report *report;
	enum qcow2bm_code code = qcow2bm_check(edit->image, NULL, &report, err);
	if (code != QCOW2BM_OK)
		return code;
	code = qcow2bm_recover_carved(edit, report, &options, "back", 4, err);
	qcow2bm_report_free(report);
	if (code == QCOW2BM_OK && meanwhile != NULL)
		meanwhile();
	return code;
}

static void point_at(const struct qcow2bm_carved *carved)
{
	options = (struct qcow2bm_carved_options){
		.directory_offset = carved->directory_offset,
		.idx = carved->idx,
		.accept_unsafe = true,
	};
	meanwhile = NULL;
}

static void expect_refusal(enum qcow2bm_code code, const char *words)
{
	assert_int_equal(one_edit_run(&world.edit, bring_back, 0), code);
	if (strstr(world.edit.err.sentence, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, world.edit.err.sentence);
	assert_int_equal(world.edit.log.count, 0);
}

static const struct inspect_bitmap *find_back(void)
{
	const struct inspect *inspect = &world.edit.inspect;
	for (size_t i = 0; i < inspect->bitmap_count; i++)
		if (inspect->bitmaps[i].name_bytes == 4)
			return &inspect->bitmaps[i];
	fail_msg("it is not there");
	abort();
}

static void expect_bits(size_t idx)
{
	const struct inspect_bitmap *back = find_back();
	assert_int_equal(back->granularity_bits, granularity_bits[idx]);
	assert_int_equal(back->bits, build_bits(DISK_BYTES, granularity_bits[idx]));
	for (uint64_t bit = 0; bit < back->bits; bit++)
		assert_int_equal(inspect_bit(&world.edit.inspect, back, bit),
				 world.bits[idx][bit]);
}

/* Where the old table has its entries, and where they point. */
static uint64_t table_entry(const struct qcow2bm_carved *carved, uint64_t idx)
{
	return one_edit_load(&world.edit, carved->table_offset + idx * 8, 8);
}

/* The last run wrote to no cluster that it read. */
static void expect_unwritten(const struct qcow2bm_carved *carved)
{
	unsigned bits = world.build.cluster_bits;
	assert_false(one_edit_is_written(&world.edit, carved->table_offset >> bits));
	for (uint32_t i = 0; i < carved->table_entries; i++)
		if (table_entry(carved, i) > 1)
			assert_false(one_edit_is_written(&world.edit,
							 table_entry(carved, i) >> bits));
}

static void every_bit_comes_back(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		static const unsigned cluster_bits[] = {9, 10, 12, 14};
		size_t idx = seed % BITMAPS;
		struct inspect before;
		make(seed, cluster_bits[seed / BITMAPS]);
		staged_idx = idx;
		run(delete_one);
		struct qcow2bm_carved carved = find(idx, QCOW2BM_CARVED_INTACT);
		point_at(&carved);
		options.recording = (enum qcow2bm_recording)(seed % 3);
		run(bring_back);
		expect_bits(idx);
		expect_unwritten(&carved);
		assert_int_equal(find_back()->flags,
				 seed % 3 == QCOW2BM_RECORDING_KEEP ? flags[idx]
				 : seed % 3 == QCOW2BM_RECORDING_ON ? BUILD_FLAG_AUTO
								    : 0);
		assert_int_equal(world.edit.result.leaked_clusters, 0);
		assert_true(world.edit.result.written_clusters <=
			    world.edit.plan.write_clusters);
		assert_true(inspect_load(&before, world.edit.before.bytes,
					 world.edit.before.length));
		assert_true(inspect_check_edit(&world.edit.inspect, &before));
		assert_true(inspect_check_refcounts(&world.edit.inspect, false, NULL));
		inspect_free(&before);
		forget();
	}
}

/* Counts every cluster that is free and not `carved`'s, so that no other is left to be taken
 * inside the file. */
static void leak_the_rest(const struct qcow2bm_carved *carved)
{
	struct inspect inspect;
	unsigned bits = world.build.cluster_bits;
	assert_true(
		inspect_load(&inspect, world.edit.file.bytes, world.edit.file.length));
	for (uint64_t c = 0; c < inspect.clusters; c++) {
		bool is_read =
			c >= carved->table_offset >> bits &&
			c <= (carved->table_offset + carved->table_entries * 8 - 1) >>
				bits;
		for (uint32_t i = 0; i < carved->table_entries; i++)
			is_read |= table_entry(carved, i) >> bits == c;
		if (inspect.refs[c] == 0 && !is_read)
			one_edit_count(&world.edit, c, 1);
	}
	inspect_free(&inspect);
}

static void what_is_read_is_not_handed_out(void **state)
{
	(void)state;
	for (unsigned is_device = 0; is_device < 2; is_device++) {
		make(60, 9);
		staged_idx = 0;
		run(delete_one);
		struct qcow2bm_carved carved = find(0, QCOW2BM_CARVED_INTACT);
		leak_the_rest(&carved);
		point_at(&carved);
		world.edit.is_device = is_device;
		if (is_device) {
			expect_refusal(QCOW2BM_ESYSTEM, "no room");
		} else {
			run(bring_back);
			expect_bits(0);
			expect_unwritten(&carved);
		}
		forget();
	}
}

static void leaked_clusters_serve_as_well(void **state)
{
	(void)state;
	make(61, 9);
	staged_idx = 2;
	run(delete_one);
	struct qcow2bm_carved carved = find(2, QCOW2BM_CARVED_INTACT);
	for (uint64_t c = 0; c < world.edit.inspect.clusters; c++)
		if (world.edit.inspect.refs[c] == 0)
			one_edit_count(&world.edit, c, 1);
	point_at(&carved);
	run(bring_back);
	expect_bits(2);
	forget();
}

static void two_of_one_name_are_told_apart(void **state)
{
	(void)state;
	static struct seen seen;
	make(62, 12);
	staged_idx = 0;
	run(delete_one);
	struct qcow2bm_carved first = find(0, QCOW2BM_CARVED_INTACT);
	leak_the_rest(&first); /* the second one goes elsewhere */
	for (uint32_t i = 0; i < first.table_entries; i++)
		if (table_entry(&first, i) > 1)
			one_edit_count(&world.edit, table_entry(&first, i) >> 12, 1);
	one_edit_count(&world.edit, first.table_offset >> 12, 1);
	run(add_full);
	run(delete_one);
	look(&seen, Q2_CARVE_WINDOW_SHIFT);
	size_t generations = 0;
	for (size_t i = 0; i < seen.count; i++) {
		if (seen.first[i] != 'a' || seen.all[i].state != QCOW2BM_CARVED_INTACT)
			continue;
		bool is_first = seen.all[i].table_offset == first.table_offset;
		generations |= is_first ? 1 : 2;
		assert_int_equal(seen.all[i].granularity_bits, is_first ? 9 : 10);
	}
	assert_int_equal(generations, 3);
	point_at(&first);
	run(bring_back);
	expect_bits(0);
	forget();
}

/* ---- What is lost is not taken ---- */

static struct qcow2bm_carved victim;

/* Makes a world in which bitmap 0 is deleted and whole, and points at it. */
static void delete_victim(void)
{
	make(63, 9);
	staged_idx = 0;
	run(delete_one);
	victim = find(0, QCOW2BM_CARVED_INTACT);
	point_at(&victim);
}

static uint64_t victim_data(void)
{
	for (uint32_t i = 0; i < victim.table_entries; i++)
		if (table_entry(&victim, i) > 1)
			return table_entry(&victim, i);
	abort();
}

static void what_is_lost_is_refused(void **state)
{
	(void)state;
	uint8_t *bytes;
	static const struct {
		enum qcow2bm_carved_state state;
		const char *words;
	} cases[] = {
		{QCOW2BM_CARVED_TABLE_DAMAGED, "table was written over"},
		{QCOW2BM_CARVED_TABLE_DAMAGED, "table was written over"},
		{QCOW2BM_CARVED_TABLE_REUSED, "clusters of its table"},
		{QCOW2BM_CARVED_DATA_REUSED, "clusters of its data"},
		{QCOW2BM_CARVED_DATA_BLANK, "reads as zeros"},
		{QCOW2BM_CARVED_DATA_DAMAGED, "data was written over"},
		{QCOW2BM_CARVED_DATA_DAMAGED, "data was written over"},
		{QCOW2BM_CARVED_BLANK, "nothing to bring back"},
		{QCOW2BM_CARVED_DATA_PAST_END, "past the end"},
		{QCOW2BM_CARVED_TABLE_PAST_END, "table lies past the end"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		delete_victim();
		bytes = world.edit.file.bytes;
		uint64_t guest = one_edit_find(&world.edit, INSPECT_GUEST) << 9;
		if (i == 0)
			memset(bytes + victim.table_offset, 0x5a, 512);
		else if (i == 1) /* a cluster twice */
			one_edit_store(&world.edit, victim.table_offset, 8,
				       table_entry(&victim, 1));
		else if (i == 2)
			one_edit_store(&world.edit, victim.entry_offset, 8, guest);
		else if (i == 3)
			one_edit_store(&world.edit, victim.table_offset, 8, guest);
		else if (i == 4)
			memset(bytes + victim_data(), 0, 512);
		else if (i == 5) /* as QEMU does it */
			memcpy(bytes + victim_data(),
			       bytes + one_edit_find(&world.edit, INSPECT_DIRECTORY) *
					       512,
			       512);
		else if (i == 6)
			bytes[table_entry(&victim, victim.table_entries - 1) + 511] =
				0x80;
		else if (i == 7)
			memset(bytes + victim.table_offset, 0, victim.table_entries * 8);
		else if (i == 8)
			one_edit_store(&world.edit, victim.table_offset, 8,
				       (uint64_t)1 << 30);
		else
			one_edit_store(&world.edit, victim.entry_offset, 8,
				       (uint64_t)1 << 30);
		assert_true(is_seen(0, cases[i].state));
		expect_refusal(QCOW2BM_EIMAGE, cases[i].words);
		forget();
	}
}

/* An L2 entry comes to name a cluster that is to be read, after the check has seen that none
 * does. */
static void let_guest_take_data(void)
{
	uint64_t l1 = one_edit_load(&world.edit, 40, 8), l2 = 0;
	for (; l2 == 0; l1 += 8)
		l2 = one_edit_load(&world.edit, l1, 8) & 0x00fffffffffffe00u;
	for (uint64_t at = l2; at < l2 + 512; at += 8)
		if (one_edit_load(&world.edit, at, 8) == 0) {
			one_edit_store(&world.edit, at, 8,
				       victim_data() | (uint64_t)1 << 63);
			return;
		}
	abort();
}

static void let_bitmap_take_data(void)
{
	uint64_t off = one_edit_entry_off(&world.edit, 0, 0);
	one_edit_store(&world.edit, off, 8, victim_data());
}

static void let_mapping_take_data(void)
{
	uint64_t l1 = one_edit_load(&world.edit, 40, 8);
	while (one_edit_load(&world.edit, l1, 8) != 0)
		l1 += 8;
	memset(world.edit.file.bytes + victim_data(), 0, 512);
	one_edit_store(&world.edit, l1, 8, victim_data() | (uint64_t)1 << 63);
}

static enum qcow2bm_code bring_back_and_delete(struct qcow2bm_edit *edit,
					       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = bring_back(edit, err);
	staged_idx = 1;
	return code == QCOW2BM_OK ? delete_one(edit, err) : code;
}

static void the_commit_looks_once_more(void **state)
{
	(void)state;
	static const struct {
		void (*take)(void);
		stage_fn *stage;
		const char *words;
	} cases[] = {
		{let_guest_take_data, bring_back, "by the guest or a bitmap now"},
		{let_bitmap_take_data, bring_back, "by the guest or a bitmap now"},
		{let_mapping_take_data, bring_back, "by the image's metadata now"},
		{let_bitmap_take_data, bring_back_and_delete, "by a bitmap now"},
	};
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		delete_victim();
		meanwhile = cases[i / 2].take;
		assert_int_equal(one_edit_run(&world.edit, cases[i / 2].stage,
					      i % 2 * QCOW2BM_COMMIT_TRUST_REFCOUNTS),
				 QCOW2BM_EIMAGE);
		if (strstr(world.edit.err.sentence, cases[i / 2].words) == NULL)
			fail_msg("%zu: %s", i, world.edit.err.sentence);
		assert_int_equal(world.edit.log.count, 0);
		forget();
	}
}

static enum qcow2bm_code bring_back_and_merge(struct qcow2bm_edit *edit,
					      struct qcow2bm_error *err)
{
	const char *other = world.names[1];
	enum qcow2bm_code code = bring_back(edit, err);
	return code == QCOW2BM_OK ? qcow2bm_merge(edit, other, sizeof(world.names[1]),
						  NULL, "back", 4, err)
				  : code;
}

static void it_can_be_merged_in_the_same_edit(void **state)
{
	(void)state;
	delete_victim();
	run(bring_back_and_merge);
	expect_bits(0);
	const struct inspect_bitmap *other = &world.edit.inspect.bitmaps[0];
	for (uint64_t bit = 0; bit < other->bits; bit++) {
		bool is_set = world.bits[1][bit];
		for (uint64_t i = bit * 8; i < bit * 8 + 8 && i < find_back()->bits; i++)
			is_set |= world.bits[0][i];
		assert_int_equal(inspect_bit(&world.edit.inspect, other, bit), is_set);
	}
	forget();
}

/* Changes a word of the old entry and those behind it, of its table or of its data. */
static void scribble(const struct qcow2bm_carved *carved, uint64_t data,
		     struct random *random)
{
	uint64_t clusters = world.edit.file.length >> 9;
	uint64_t places[] = {
		carved->entry_offset,
		carved->entry_offset + 8,
		carved->entry_offset + 8 * random_below(random, 20),
		carved->table_offset + 8 * random_below(random, carved->table_entries),
		data + 8 * random_below(random, 64),
	};
	uint64_t values[] = {
		random_below(random, clusters) << 9,
		random_below(random, 4) << 32 | random_below(random, 4),
		random_word(random),
	};
	one_edit_store(&world.edit, places[random_below(random, 5)], 8,
		       values[random_below(random, 3)]);
}

/* All that is free may be forged: what comes back may be nonsense, but nothing else changes. */
static void whatever_stands_there_the_image_stays_sound(void **state)
{
	(void)state;
	struct random random;
	static struct seen seen;
	size_t done = 0, refused = 0;
	random_seed(&random, 66);
	for (uint64_t seed = 0; seed < 400; seed++) {
		struct inspect before;
		make(seed % 7, 9);
		staged_idx = seed % BITMAPS;
		run(delete_one);
		victim = find(staged_idx, QCOW2BM_CARVED_INTACT);
		uint64_t data = victim_data();
		for (unsigned i = 0; i < 1 + seed % 3; i++)
			scribble(&victim, data, &random);
		look(&seen, Q2_CARVE_WINDOW_SHIFT);
		if (seen.count == 0) {
			forget();
			continue;
		}
		size_t chosen = random_below(&random, seen.count);
		for (size_t i = 0; i < seen.count && seed % 4 != 0; i++)
			if (seen.all[i].state == QCOW2BM_CARVED_INTACT)
				chosen = i;
		point_at(&seen.all[chosen]);
		if (one_edit_run(&world.edit, bring_back, 0) != QCOW2BM_OK) {
			assert_int_equal(world.edit.log.count, 0);
			refused++;
			forget();
			continue;
		}
		done++;
		assert_true(world.edit.is_sound);
		assert_true(inspect_load(&before, world.edit.before.bytes,
					 world.edit.before.length));
		assert_true(inspect_check_edit(&world.edit.inspect, &before));
		assert_true(inspect_check_refcounts(&world.edit.inspect, false, NULL));
		inspect_free(&before);
		forget();
	}
	assert_true(done > 20 && refused > 100);
}

static void the_rest_is_refused(void **state)
{
	(void)state;
	delete_victim();
	options.accept_unsafe = false;
	expect_refusal(QCOW2BM_EINUSE, "unsafe");
	point_at(&victim);
	options.idx = BITMAPS;
	expect_refusal(QCOW2BM_ENOTFOUND, "has no entry 5: it has 5");
	point_at(&victim);
	options.directory_offset += 8;
	expect_refusal(QCOW2BM_ENOTFOUND, "no old bitmap directory begins");
	options.directory_offset = one_edit_find(&world.edit, INSPECT_DIRECTORY) << 9;
	expect_refusal(QCOW2BM_ENOTFOUND, "no old bitmap directory begins");
	options.directory_offset = (uint64_t)1 << 40;
	expect_refusal(QCOW2BM_ENOTFOUND, "no old bitmap directory begins");
	point_at(&victim);
	/* the bitmaps that are there do not fit the disk */
	one_edit_store(&world.edit, 24, 8, DISK_BYTES / 2);
	expect_refusal(QCOW2BM_EUNSUPPORTED, "has errors");
	forget();
}

static void one_of_another_disk_size_is_refused(void **state)
{
	(void)state;
	make(64, 9);
	run(delete_all);
	victim = find(0, QCOW2BM_CARVED_INTACT);
	point_at(&victim);
	one_edit_store(&world.edit, 24, 8, DISK_BYTES / 2);
	expect_refusal(QCOW2BM_EIMAGE, "another size");
	forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_is_found_whatever_the_window),
		cmocka_unit_test(a_directory_between_others_is_found),
		cmocka_unit_test(no_more_is_looked_at_than_that),
		cmocka_unit_test(every_bit_comes_back),
		cmocka_unit_test(what_is_read_is_not_handed_out),
		cmocka_unit_test(leaked_clusters_serve_as_well),
		cmocka_unit_test(two_of_one_name_are_told_apart),
		cmocka_unit_test(what_is_lost_is_refused),
		cmocka_unit_test(the_commit_looks_once_more),
		cmocka_unit_test(it_can_be_merged_in_the_same_edit),
		cmocka_unit_test(whatever_stands_there_the_image_stays_sound),
		cmocka_unit_test(the_rest_is_refused),
		cmocka_unit_test(one_of_another_disk_size_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
