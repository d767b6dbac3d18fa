/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which cause what is lost has, and how extents are joined. */
#include "chain/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

struct run {
	uint64_t bits;
	enum qcow2bm_proof kind;
};

struct disk {
	unsigned granularity_bits;
	uint64_t virtual_bytes, old_bytes, same_bytes;
	struct run runs[8];
};

static struct q2_proof prove(const struct disk *disk)
{
	struct q2_proof proof = {
		.granularity_bits = disk->granularity_bits,
		.virtual_bytes = disk->virtual_bytes,
		.old_bytes = disk->old_bytes,
		.cluster_bytes = 65536,
		.bitmap_cluster_bytes = (uint64_t)65536 * 8 << disk->granularity_bits,
	};
	uint64_t at = 0;
	for (size_t i = 0; i < 8 && disk->runs[i].bits != 0; i++) {
		assert_int_equal(q2_proof_add(&proof, at, disk->runs[i].bits,
					      disk->runs[i].kind, NULL),
				 QCOW2BM_OK);
		at += disk->runs[i].bits;
	}
	assert_int_equal(q2_proof_end(&proof, NULL), QCOW2BM_OK);
	uint64_t sum = 0;
	for (size_t i = 0; i < 5; i++)
		sum += proof.bytes[i];
	assert_int_equal(sum, disk->virtual_bytes);
	return proof;
}

#define SAME QCOW2BM_PROOF_UNCHANGED
#define LOST QCOW2BM_PROOF_LOST
#define CHANGED QCOW2BM_PROOF_CHANGED

static void each_cause_is_told(void **state)
{
	(void)state;
	static const struct {
		enum qcow2bm_cause cause;
		struct disk disk;
	} cases[] = {
		{QCOW2BM_CAUSE_NONE,
		 {16, 64 * MIB, 64 * MIB, MIB, {{1000, SAME}, {24, CHANGED}}}},
		{QCOW2BM_CAUSE_LOST_BITS,
		 {16, 64 * MIB, 64 * MIB, MIB, {{3, SAME}, {1, LOST}, {1020, SAME}}}},
		{QCOW2BM_CAUSE_LOST_BITS,
		 {12,
		  4 * MIB,
		  4 * MIB,
		  MIB,
		  {{16, LOST}, {7, SAME}, {1, LOST}, {1000, SAME}}}},
		{QCOW2BM_CAUSE_FOREIGN_WRITER,
		 {12,
		  4 * MIB,
		  4 * MIB,
		  MIB,
		  {{16, LOST}, {16, SAME}, {32, LOST}, {960, SAME}}}},
		{QCOW2BM_CAUSE_RESIZE,
		 {16, 64 * MIB - 512, 64 * MIB - 512, MIB, {{1023, SAME}, {1, LOST}}}},
		{QCOW2BM_CAUSE_RESIZE,
		 {16, 64 * MIB, 32 * MIB, MIB, {{600, SAME}, {24, LOST}, {400, SAME}}}},
		{QCOW2BM_CAUSE_WRONG_BASE,
		 {16, 64 * MIB, 64 * MIB, MIB, {{2, SAME}, {900, LOST}, {122, SAME}}}},
		/* Most of it is dirty: such a bitmap only lost some of it. */
		{QCOW2BM_CAUSE_LOST_BITS,
		 {16,
		  64 * MIB,
		  64 * MIB,
		  0,
		  {{2, SAME}, {100, LOST}, {900, CHANGED}, {22, SAME}}}},
		{QCOW2BM_CAUSE_BITMAP_CLUSTER,
		 {9,
		  1024 * MIB,
		  1024 * MIB,
		  900 * MIB,
		  {{524288, LOST}, {1572864, SAME}}}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct q2_proof proof = prove(&cases[i].disk);
		assert_string_equal(qcow2bm_cause_name(q2_proof_find_cause(
					    &proof, cases[i].disk.same_bytes)),
				    qcow2bm_cause_name(cases[i].cause));
	}
}

static int count_and_stop(void *opaque, const struct qcow2bm_proof_extent *extent)
{
	unsigned *left = opaque;
	(void)extent;
	return --*left == 0;
}

static void who_receives_extents_may_stop(void **state)
{
	(void)state;
	unsigned left = 2;
	struct q2_proof proof = {.fn = count_and_stop,
				 .opaque = &left,
				 .granularity_bits = 16,
				 .virtual_bytes = MIB,
				 .old_bytes = MIB,
				 .cluster_bytes = 65536,
				 .bitmap_cluster_bytes = 1024 * MIB};
	assert_int_equal(q2_proof_add(&proof, 0, 4, SAME, NULL), QCOW2BM_OK);
	assert_int_equal(q2_proof_add(&proof, 4, 4, SAME, NULL), QCOW2BM_OK);
	assert_int_equal(q2_proof_add(&proof, 8, 4, LOST, NULL), QCOW2BM_OK);
	assert_int_equal(q2_proof_add(&proof, 12, 4, SAME, NULL), QCOW2BM_ESTOPPED);
	assert_int_equal(proof.lost_extents, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cause_is_told),
		cmocka_unit_test(who_receives_extents_may_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
