/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds for each form of the switch: see switch_checks.h. */
#include "switch_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

void switch_checks_power_cuts(const struct one_edit *edit, size_t old, size_t new)
{
	static bool survives[4096];
	struct memory_file file = {0};
	for (size_t prefix = 0; prefix <= edit->log.count; prefix++) {
		size_t pieces =
			record_log_pieces(&edit->log, prefix, RECORD_SECTOR_BYTES);
		assert_in_range(pieces, 0, 4096);
		for (size_t odd = 0; odd <= 2 * pieces; odd++) {
			struct inspect inspect;
			for (size_t i = 0; i < pieces; i++)
				survives[i] = (i == odd / 2) == (odd % 2 == 0);
			record_log_cut(&edit->log, prefix, RECORD_SECTOR_BYTES, survives,
				       &file);
			assert_true(inspect_load(&inspect, file.bytes, file.length));
			assert_true(inspect.bitmap_count == old ||
				    inspect.bitmap_count == new);
			assert_true(inspect_check_refcounts(&inspect, true, NULL));
			inspect_free(&inspect);
		}
	}
	memory_file_free(&file);
}

void switch_checks_order(const struct one_edit *edit)
{
	bool is_durable = true, has_hole = false;
	for (size_t i = 0; i < edit->log.count; i++) {
		enum record_kind kind = edit->log.ops[i].kind;
		if (kind == RECORD_DISCARD) {
			assert_true(is_durable);
			has_hole = true;
		} else {
			assert_false(has_hole);
			is_durable = kind == RECORD_SYNC;
		}
	}
	assert_true(is_durable);
}
