/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bringing back what carving has found: see carve_back.h. */
#include "carve_back.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "edit/edit.h"

struct qcow2bm_carved_options carve_back_options = QCOW2BM_CARVED_OPTIONS_INIT;
void (*carve_back_meanwhile)(void);

enum qcow2bm_code carve_back_stage(struct qcow2bm_edit *edit, struct qcow2bm_error *err)
{
	struct qcow2bm_report *report;
	enum qcow2bm_code code =
		qcow2bm_image_check(edit->image, NULL, &report, NULL, err);
	if (code != QCOW2BM_OK)
		return code;
	code = qcow2bm_edit_recover_carved(edit, report, &carve_back_options, "back", 4,
					   NULL, err);
	qcow2bm_report_free(report);
	if (code == QCOW2BM_OK && carve_back_meanwhile != NULL)
		carve_back_meanwhile();
	return code;
}

void carve_back_point_at(const struct qcow2bm_carved *carved)
{
	carve_back_options = (struct qcow2bm_carved_options){
		.size = sizeof(carve_back_options),
		.directory_offset = carved->directory_offset,
		.idx = carved->idx,
		.accept_unsafe = true,
	};
	carve_back_meanwhile = NULL;
}

void carve_back_refused(enum qcow2bm_code code, const char *words)
{
	assert_int_equal(one_edit_run(&carve_world.edit, carve_back_stage, 0), code);
	if (strstr(carve_world.edit.err.sentence, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, carve_world.edit.err.sentence);
	assert_int_equal(carve_world.edit.log.count, 0);
}

const struct inspect_bitmap *carve_back_find(void)
{
	const struct inspect *inspect = &carve_world.edit.inspect;
	for (size_t i = 0; i < inspect->bitmap_count; i++)
		if (inspect->bitmaps[i].name_bytes == 4)
			return &inspect->bitmaps[i];
	fail_msg("it is not there");
	abort();
}

void carve_back_check_bits(size_t idx)
{
	const struct inspect_bitmap *back = carve_back_find();
	assert_int_equal(back->granularity_bits, carve_world_granularity_bits[idx]);
	assert_int_equal(back->bits,
			 build_bits(CARVE_DISK_BYTES, carve_world_granularity_bits[idx]));
	for (uint64_t bit = 0; bit < back->bits; bit++)
		assert_int_equal(inspect_bit(&carve_world.edit.inspect, back, bit),
				 carve_world.bits[idx][bit]);
}

uint64_t carve_back_table_entry(const struct qcow2bm_carved *carved, uint64_t idx)
{
	return one_edit_load(&carve_world.edit, carved->table_offset + idx * 8, 8);
}

void carve_back_check_unwritten(const struct qcow2bm_carved *carved)
{
	unsigned bits = carve_world.build.cluster_bits;
	assert_false(
		one_edit_is_written(&carve_world.edit, carved->table_offset >> bits));
	for (uint32_t i = 0; i < carved->table_entries; i++)
		if (carve_back_table_entry(carved, i) > 1)
			assert_false(one_edit_is_written(
				&carve_world.edit,
				carve_back_table_entry(carved, i) >> bits));
}
