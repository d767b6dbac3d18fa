/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bringing back a bitmap that carving has found, and what is lost and not taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "carve_back.h"
#include "edit/edit.h"

static enum qcow2bm_code add_full(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	const char *name = carve_world.names[carve_world.staged_idx];
	size_t bytes = sizeof(carve_world.names[0]);
	enum qcow2bm_code code = qcow2bm_edit_add(edit, name, bytes, 10, true, err);
	return code == QCOW2BM_OK
		       ? qcow2bm_edit_merge(edit, name, bytes, NULL,
					    carve_world.names[carve_world.staged_idx + 1],
					    bytes, err)
		       : code;
}

/* ---- Bringing back ---- */

static void every_bit_comes_back(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		static const unsigned cluster_bits[] = {9, 10, 12, 14};
		size_t idx = seed % CARVE_BITMAPS;
		struct inspect before;
		carve_world_make(seed, cluster_bits[seed / CARVE_BITMAPS]);
		carve_world.staged_idx = idx;
		carve_world_run(carve_world_delete_one);
		struct qcow2bm_carved carved =
			carve_world_find(idx, QCOW2BM_CARVED_INTACT);
		carve_back_point_at(&carved);
		carve_back_options.recording = (enum qcow2bm_recording)(seed % 3);
		carve_world_run(carve_back_stage);
		carve_back_check_bits(idx);
		carve_back_check_unwritten(&carved);
		assert_int_equal(carve_back_find()->flags,
				 seed % 3 == QCOW2BM_RECORDING_KEEP
					 ? carve_world_flags[idx]
				 : seed % 3 == QCOW2BM_RECORDING_ON ? BUILD_FLAG_AUTO
								    : 0);
		assert_int_equal(carve_world.edit.result.leaked_clusters, 0);
		assert_true(carve_world.edit.result.written_clusters <=
			    carve_world.edit.plan.write_clusters);
		assert_true(inspect_load(&before, carve_world.edit.before.bytes,
					 carve_world.edit.before.length));
		assert_true(inspect_check_edit(&carve_world.edit.inspect, &before));
		assert_true(
			inspect_check_refcounts(&carve_world.edit.inspect, false, NULL));
		inspect_free(&before);
		carve_world_forget();
	}
}

/* Counts every cluster that is free and not `carved`'s, so that no other is left to be taken
 * inside the file. */
static void leak_the_rest(const struct qcow2bm_carved *carved)
{
	struct inspect inspect;
	unsigned bits = carve_world.build.cluster_bits;
	assert_true(inspect_load(&inspect, carve_world.edit.file.bytes,
				 carve_world.edit.file.length));
	for (uint64_t c = 0; c < inspect.clusters; c++) {
		bool is_read =
			c >= carved->table_offset >> bits &&
			c <= (carved->table_offset + carved->table_entries * 8 - 1) >>
				bits;
		for (uint32_t i = 0; i < carved->table_entries; i++)
			is_read |= carve_back_table_entry(carved, i) >> bits == c;
		if (inspect.refs[c] == 0 && !is_read)
			one_edit_count(&carve_world.edit, c, 1);
	}
	inspect_free(&inspect);
}

static void what_is_read_is_not_handed_out(void **state)
{
	(void)state;
	for (unsigned is_device = 0; is_device < 2; is_device++) {
		carve_world_make(60, 9);
		carve_world.staged_idx = 0;
		carve_world_run(carve_world_delete_one);
		struct qcow2bm_carved carved = carve_world_find(0, QCOW2BM_CARVED_INTACT);
		leak_the_rest(&carved);
		carve_back_point_at(&carved);
		carve_world.edit.is_device = is_device;
		if (is_device) {
			carve_back_refused(QCOW2BM_ESYSTEM, "no room");
		} else {
			carve_world_run(carve_back_stage);
			carve_back_check_bits(0);
			carve_back_check_unwritten(&carved);
		}
		carve_world_forget();
	}
}

static void leaked_clusters_serve_as_well(void **state)
{
	(void)state;
	carve_world_make(61, 9);
	carve_world.staged_idx = 2;
	carve_world_run(carve_world_delete_one);
	struct qcow2bm_carved carved = carve_world_find(2, QCOW2BM_CARVED_INTACT);
	for (uint64_t c = 0; c < carve_world.edit.inspect.clusters; c++)
		if (carve_world.edit.inspect.refs[c] == 0)
			one_edit_count(&carve_world.edit, c, 1);
	carve_back_point_at(&carved);
	carve_world_run(carve_back_stage);
	carve_back_check_bits(2);
	carve_world_forget();
}

static void two_of_one_name_are_told_apart(void **state)
{
	(void)state;
	static struct carve_seen seen;
	carve_world_make(62, 12);
	carve_world.staged_idx = 0;
	carve_world_run(carve_world_delete_one);
	struct qcow2bm_carved first = carve_world_find(0, QCOW2BM_CARVED_INTACT);
	leak_the_rest(&first); /* the second one goes elsewhere */
	for (uint32_t i = 0; i < first.table_entries; i++)
		if (carve_back_table_entry(&first, i) > 1)
			one_edit_count(&carve_world.edit,
				       carve_back_table_entry(&first, i) >> 12, 1);
	one_edit_count(&carve_world.edit, first.table_offset >> 12, 1);
	carve_world_run(add_full);
	carve_world_run(carve_world_delete_one);
	carve_world_look(&seen, Q2_CARVE_WINDOW_SHIFT);
	size_t generations = 0;
	for (size_t i = 0; i < seen.count; i++) {
		if (seen.first[i] != 'a' || seen.all[i].state != QCOW2BM_CARVED_INTACT)
			continue;
		bool is_first = seen.all[i].table_offset == first.table_offset;
		generations |= is_first ? 1 : 2;
		assert_int_equal(seen.all[i].granularity_bits, is_first ? 9 : 10);
	}
	assert_int_equal(generations, 3);
	carve_back_point_at(&first);
	carve_world_run(carve_back_stage);
	carve_back_check_bits(0);
	carve_world_forget();
}

/* ---- What is lost is not taken ---- */

static struct qcow2bm_carved victim;

/* Makes a world in which bitmap 0 is deleted and whole, and points at it. */
static void delete_victim(void)
{
	carve_world_make(63, 9);
	carve_world.staged_idx = 0;
	carve_world_run(carve_world_delete_one);
	victim = carve_world_find(0, QCOW2BM_CARVED_INTACT);
	carve_back_point_at(&victim);
}

static uint64_t victim_data(void)
{
	for (uint32_t i = 0; i < victim.table_entries; i++)
		if (carve_back_table_entry(&victim, i) > 1)
			return carve_back_table_entry(&victim, i);
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
		bytes = carve_world.edit.file.bytes;
		uint64_t guest = one_edit_find(&carve_world.edit, INSPECT_GUEST) << 9;
		if (i == 0)
			memset(bytes + victim.table_offset, 0x5a, 512);
		else if (i == 1) /* a cluster twice */
			one_edit_store(&carve_world.edit, victim.table_offset, 8,
				       carve_back_table_entry(&victim, 1));
		else if (i == 2)
			one_edit_store(&carve_world.edit, victim.entry_offset, 8, guest);
		else if (i == 3)
			one_edit_store(&carve_world.edit, victim.table_offset, 8, guest);
		else if (i == 4)
			memset(bytes + victim_data(), 0, 512);
		else if (i == 5) /* as QEMU does it */
			memcpy(bytes + victim_data(),
			       bytes + one_edit_find(&carve_world.edit,
						     INSPECT_DIRECTORY) *
					       512,
			       512);
		else if (i == 6)
			bytes[carve_back_table_entry(&victim, victim.table_entries - 1) +
			      511] = 0x80;
		else if (i == 7)
			memset(bytes + victim.table_offset, 0, victim.table_entries * 8);
		else if (i == 8)
			one_edit_store(&carve_world.edit, victim.table_offset, 8,
				       (uint64_t)1 << 30);
		else
			one_edit_store(&carve_world.edit, victim.entry_offset, 8,
				       (uint64_t)1 << 30);
		assert_true(carve_world_is_seen(0, cases[i].state));
		carve_back_refused(QCOW2BM_EIMAGE, cases[i].words);
		carve_world_forget();
	}
}

/* An L2 entry comes to name a cluster that is to be read, after the check has seen that none
 * does. */
static void let_guest_take_data(void)
{
	uint64_t l1 = one_edit_load(&carve_world.edit, 40, 8), l2 = 0;
	for (; l2 == 0; l1 += 8)
		l2 = one_edit_load(&carve_world.edit, l1, 8) & 0x00fffffffffffe00u;
	for (uint64_t at = l2; at < l2 + 512; at += 8)
		if (one_edit_load(&carve_world.edit, at, 8) == 0) {
			one_edit_store(&carve_world.edit, at, 8,
				       victim_data() | (uint64_t)1 << 63);
			return;
		}
	abort();
}

static void let_bitmap_take_data(void)
{
	uint64_t off = one_edit_entry_off(&carve_world.edit, 0, 0);
	one_edit_store(&carve_world.edit, off, 8, victim_data());
}

static void let_mapping_take_data(void)
{
	uint64_t l1 = one_edit_load(&carve_world.edit, 40, 8);
	while (one_edit_load(&carve_world.edit, l1, 8) != 0)
		l1 += 8;
	memset(carve_world.edit.file.bytes + victim_data(), 0, 512);
	one_edit_store(&carve_world.edit, l1, 8, victim_data() | (uint64_t)1 << 63);
}

/* Which a new directory would leave to it. */
static void let_bitmap_take_directory(void)
{
	uint64_t off = one_edit_entry_off(&carve_world.edit, 0, 0);
	one_edit_store(&carve_world.edit, off, 8,
		       one_edit_find(&carve_world.edit, INSPECT_DIRECTORY) << 9);
}

static enum qcow2bm_code bring_back_and_delete(struct qcow2bm_edit *edit,
					       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = carve_back_stage(edit, err);
	carve_world.staged_idx = 1;
	return code == QCOW2BM_OK ? carve_world_delete_one(edit, err) : code;
}

static void the_commit_looks_once_more(void **state)
{
	(void)state;
	static const struct {
		void (*take)(void);
		stage_fn *stage;
		const char *words;
	} cases[] = {
		{let_guest_take_data, carve_back_stage, "by the guest or a bitmap now"},
		{let_bitmap_take_data, carve_back_stage, "by the guest or a bitmap now"},
		{let_mapping_take_data, carve_back_stage, "by the image's metadata now"},
		{let_bitmap_take_data, bring_back_and_delete, "would look sound"},
		{let_bitmap_take_directory, carve_back_stage, "would look sound"},
	};
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		delete_victim();
		carve_back_meanwhile = cases[i / 2].take;
		assert_int_equal(one_edit_run(&carve_world.edit, cases[i / 2].stage,
					      i % 2 * QCOW2BM_COMMIT_TRUST_REFCOUNTS),
				 QCOW2BM_EIMAGE);
		if (strstr(carve_world.edit.err.sentence, cases[i / 2].words) == NULL)
			fail_msg("%zu: %s", i, carve_world.edit.err.sentence);
		assert_int_equal(carve_world.edit.log.count, 0);
		carve_world_forget();
	}
}

static enum qcow2bm_code bring_back_and_merge(struct qcow2bm_edit *edit,
					      struct qcow2bm_error *err)
{
	const char *other = carve_world.names[1];
	enum qcow2bm_code code = carve_back_stage(edit, err);
	return code == QCOW2BM_OK
		       ? qcow2bm_edit_merge(edit, other, sizeof(carve_world.names[1]),
					    NULL, "back", 4, err)
		       : code;
}

static void it_can_be_merged_in_the_same_edit(void **state)
{
	(void)state;
	delete_victim();
	carve_world_run(bring_back_and_merge);
	carve_back_check_bits(0);
	const struct inspect_bitmap *other = &carve_world.edit.inspect.bitmaps[0];
	for (uint64_t bit = 0; bit < other->bits; bit++) {
		bool is_set = carve_world.bits[1][bit];
		for (uint64_t i = bit * 8; i < bit * 8 + 8 && i < carve_back_find()->bits;
		     i++)
			is_set |= carve_world.bits[0][i];
		assert_int_equal(inspect_bit(&carve_world.edit.inspect, other, bit),
				 is_set);
	}
	carve_world_forget();
}

/* Changes a word of the old entry and those behind it, of its table or of its data. */
static void scribble(const struct qcow2bm_carved *carved, uint64_t data,
		     struct random *random)
{
	uint64_t clusters = carve_world.edit.file.length >> 9;
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
	one_edit_store(&carve_world.edit, places[random_below(random, 5)], 8,
		       values[random_below(random, 3)]);
}

/* All that is free may be forged: what comes back may be nonsense, but nothing else changes. */
static void whatever_stands_there_the_image_stays_sound(void **state)
{
	(void)state;
	struct random random;
	static struct carve_seen seen;
	size_t done = 0, refused = 0;
	random_seed(&random, 66);
	for (uint64_t seed = 0; seed < 400; seed++) {
		struct inspect before;
		carve_world_make(seed % 7, 9);
		carve_world.staged_idx = seed % CARVE_BITMAPS;
		carve_world_run(carve_world_delete_one);
		victim = carve_world_find(carve_world.staged_idx, QCOW2BM_CARVED_INTACT);
		uint64_t data = victim_data();
		for (unsigned i = 0; i < 1 + seed % 3; i++)
			scribble(&victim, data, &random);
		carve_world_look(&seen, Q2_CARVE_WINDOW_SHIFT);
		if (seen.count == 0) {
			carve_world_forget();
			continue;
		}
		size_t chosen = random_below(&random, seen.count);
		for (size_t i = 0; i < seen.count && seed % 4 != 0; i++)
			if (seen.all[i].state == QCOW2BM_CARVED_INTACT)
				chosen = i;
		carve_back_point_at(&seen.all[chosen]);
		if (one_edit_run(&carve_world.edit, carve_back_stage, 0) != QCOW2BM_OK) {
			assert_int_equal(carve_world.edit.log.count, 0);
			refused++;
			carve_world_forget();
			continue;
		}
		done++;
		assert_true(carve_world.edit.is_sound);
		assert_true(inspect_load(&before, carve_world.edit.before.bytes,
					 carve_world.edit.before.length));
		assert_true(inspect_check_edit(&carve_world.edit.inspect, &before));
		assert_true(
			inspect_check_refcounts(&carve_world.edit.inspect, false, NULL));
		inspect_free(&before);
		carve_world_forget();
	}
	assert_true(done > 20 && refused > 100);
}

static void the_rest_is_refused(void **state)
{
	(void)state;
	delete_victim();
	carve_back_options.accept_unsafe = false;
	carve_back_refused(QCOW2BM_EINUSE, "unsafe");
	carve_back_point_at(&victim);
	carve_back_options.idx = CARVE_BITMAPS;
	carve_back_refused(QCOW2BM_ENOTFOUND, "has no entry 5: it has 5");
	carve_back_point_at(&victim);
	carve_back_options.directory_offset += 8;
	carve_back_refused(QCOW2BM_ENOTFOUND, "no old bitmap directory begins");
	carve_back_options.directory_offset =
		one_edit_find(&carve_world.edit, INSPECT_DIRECTORY) << 9;
	carve_back_refused(QCOW2BM_ENOTFOUND, "no old bitmap directory begins");
	carve_back_options.directory_offset = (uint64_t)1 << 40;
	carve_back_refused(QCOW2BM_ENOTFOUND, "no old bitmap directory begins");
	carve_back_point_at(&victim);
	/* the bitmaps that are there do not fit the disk */
	one_edit_store(&carve_world.edit, 24, 8, CARVE_DISK_BYTES / 2);
	carve_back_refused(QCOW2BM_EUNSUPPORTED, "has errors");
	carve_world_forget();
}

static void one_of_another_disk_size_is_refused(void **state)
{
	(void)state;
	carve_world_make(64, 9);
	carve_world_run(carve_world_delete_all);
	victim = carve_world_find(0, QCOW2BM_CARVED_INTACT);
	carve_back_point_at(&victim);
	one_edit_store(&carve_world.edit, 24, 8, CARVE_DISK_BYTES / 2);
	carve_back_refused(QCOW2BM_EIMAGE, "another size");
	carve_world_forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
