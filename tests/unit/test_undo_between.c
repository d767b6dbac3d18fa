/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random edits with an undo file, then random things that others do to the image, then undo: no
 * bitmap comes back that is falsely clean, and no image is left that is worse than it was.
 */
#include "../support/random.h"
#include "../support/strict_reader.h"
#include "../support/undone_edit.h"

#include "base/endian.h"
#include "clusters/refcounts.h"
#include "edit/change_refcounts.h"
#include "edit/edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 2000

enum between {
	NOTHING,
	COPIED,  /* no byte is another one, but the times tell nothing */
	WRITTEN, /* free clusters were used, and freed again */
	TAKEN,   /* a free cluster is counted */
	NAMED,   /* a table of the guest names a free cluster that nobody counts */
	EDITED,  /* by us, without an undo file */
	BETWEENS
};

struct round {
	struct undone_edit edit;
	struct random random;
	enum between between;
	struct qcow2bm_image *image;
	struct q2_clusters free_clusters;
};

static void open_image(struct round *round)
{
	struct qcow2bm_error err = {0};
	struct q2_refcounts refcounts;
	uint64_t stopped, end;
	if (q2_image_open(&round->image, memory_storage_open(&round->edit.image), &err) !=
	    QCOW2BM_OK)
		fail_msg("%s", err.sentence);
	end = round->image->file_bytes >> round->image->header.cluster_bits;
	assert_int_equal(q2_refcounts_open(&refcounts, round->image, NULL), QCOW2BM_OK);
	assert_int_equal(q2_refcounts_find_free(&refcounts, 0, end, 1u << 20,
						&round->free_clusters, &stopped, NULL),
			 QCOW2BM_OK);
	assert_int_equal(q2_clusters_sort(&round->free_clusters, NULL, NULL), QCOW2BM_OK);
	q2_refcounts_close(&refcounts);
}

/* A free cluster inside the file, or 0. */
static uint64_t choose_free(struct round *round)
{
	uint64_t total = q2_clusters_total(&round->free_clusters);
	uint64_t chosen = total == 0 ? 0 : random_below(&round->random, total);
	for (size_t i = 0; i < round->free_clusters.count; i++) {
		const struct q2_run *run = &round->free_clusters.runs[i];
		if (chosen < run->count)
			return run->first + chosen;
		chosen -= run->count;
	}
	return 0;
}

static void write_free(struct round *round)
{
	unsigned cluster_bits = round->image->header.cluster_bits;
	for (size_t i = 0; i < 8; i++) {
		uint64_t cluster = choose_free(round);
		uint64_t off = cluster << cluster_bits;
		if (cluster != 0)
			memset(round->edit.image.bytes + off,
			       (int)random_below(&round->random, 256),
			       (size_t)1 << cluster_bits);
	}
}

static void take_free(struct round *round)
{
	struct q2_refcounts refcounts;
	struct q2_clusters one = {0};
	uint64_t cluster = choose_free(round);
	if (cluster == 0)
		return;
	assert_int_equal(q2_clusters_add(&one, cluster, 1, NULL), QCOW2BM_OK);
	assert_int_equal(q2_clusters_sort(&one, NULL, NULL), QCOW2BM_OK);
	assert_int_equal(q2_refcounts_open(&refcounts, round->image, NULL), QCOW2BM_OK);
	if (q2_refcounts_covers(&refcounts, cluster))
		assert_int_equal(
			q2_change_refcounts(&refcounts, &one, Q2_CHANGE_RAISE, NULL),
			QCOW2BM_OK);
	q2_refcounts_close(&refcounts);
	q2_clusters_free(&one);
}

/* In the L2 table of the first L1 entry that has one. */
static void name_free(struct round *round)
{
	const struct q2_header *header = &round->image->header;
	uint8_t *bytes = round->edit.image.bytes;
	uint64_t cluster = choose_free(round);
	for (uint32_t i = 0; cluster != 0 && i < header->l1_entries; i++) {
		uint64_t l2 =
			q2_be64_load(bytes + header->l1_table_off + 8 * (uint64_t)i) &
			0x00fffffffffffe00u;
		if (l2 == 0)
			continue;
		q2_be64_store(bytes + l2 + 8 * random_below(&round->random, 16),
			      cluster << header->cluster_bits | (uint64_t)1 << 63);
		return;
	}
}

static void happen(struct round *round)
{
	struct qcow2bm_result result;
	round->edit.image.writes += round->between != NOTHING;
	open_image(round);
	if (round->between == WRITTEN)
		write_free(round);
	if (round->between == TAKEN)
		take_free(round);
	if (round->between == NAMED)
		name_free(round);
	qcow2bm_image_close(round->image);
	if (round->between == EDITED)
		assert_int_equal(edit_case_run(memory_storage_open(&round->edit.image),
					       "add between", NULL, &result, NULL),
				 QCOW2BM_OK);
}

/* The guest's data is what it was, and what a strict reader took it still takes. */
static void expect_no_worse(struct memory_file *after, const struct memory_file *before)
{
	struct strict_image was, is;
	if (strict_read(&was, before->bytes, before->length)) {
		if (!strict_read(&is, after->bytes, after->length))
			fail_msg("%s", is.problem);
		assert_true(is.guest_sum == was.guest_sum);
		strict_free(&is);
	}
	strict_free(&was);
}

static void judge(struct round *round, size_t *refused)
{
	struct memory_file *image = &round->edit.image, *old = &round->edit.log.before;
	struct memory_file was = {0};
	struct qcow2bm_undo_result result;
	struct qcow2bm_error err = {0};
	memory_file_fill(&was, image->bytes, image->length);
	enum qcow2bm_code code =
		undone_edit_undo(image, &round->edit.undo, 0, &result, NULL, &err);
	if (code == QCOW2BM_OK) {
		assert_true(round->between == NOTHING || !undone_edit_has_valid(old));
		assert_true(round->between != NOTHING || undone_edit_same(image, old));
	} else {
		assert_true(undone_edit_same(image, &was));
		assert_int_not_equal(round->between, NOTHING);
		struct qcow2bm_error why = {0};
		code = undone_edit_undo(image, &round->edit.undo, QCOW2BM_UNDO_IN_USE,
					&result, NULL, &why);
		/* What the first refusal advises works. */
		if (strstr(err.sentence, "--in-use") != NULL)
			assert_int_equal(code, QCOW2BM_OK);
		if ((round->between == COPIED || round->between == WRITTEN) &&
		    code != QCOW2BM_OK)
			fail_msg("%d: %s", (int)round->between, why.sentence);
		if (code == QCOW2BM_OK)
			assert_false(undone_edit_has_valid(image));
		else
			assert_true(undone_edit_same(image, &was));
	}
	*refused += code != QCOW2BM_OK;
	if (round->between != NAMED || code != QCOW2BM_OK)
		expect_no_worse(image, &was);
	memory_file_free(&was);
}

static void test_between(void **state)
{
	size_t refused = 0, rounds = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		struct round round = {0};
		random_seed(&round.random, seed);
		const struct edit_case *edit_case =
			&edit_cases[random_below(&round.random, edit_case_count)];
		if (!undone_edit_run(&round.edit, edit_case, true))
			fail_msg("%s: %s", edit_case->image, round.edit.err.sentence);
		round.between = (enum between)random_below(&round.random, BETWEENS);
		happen(&round);
		judge(&round, &refused);
		q2_clusters_free(&round.free_clusters);
		undone_edit_free(&round.edit);
		rounds++;
	}
	assert_true(refused > 0 && refused < rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_between),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
