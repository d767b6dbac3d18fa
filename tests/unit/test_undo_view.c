/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an image with its old bytes put back may hold something: in its holes, too, what was there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "undo/undo.h"
#include "undo/view.h"

#define LENGTH 100000u

/* An image of one piece of data and holes. */
static uint64_t image_data, image_end;

static void find_in_image(struct q2_storage *storage, uint64_t off, uint64_t end,
			  uint64_t *data_off, uint64_t *data_end)
{
	(void)storage;
	*data_off = off < image_end ? (off > image_data ? off : image_data) : end;
	*data_end = image_end;
	if (*data_off >= end)
		*data_off = *data_end = end;
}

static enum qcow2bm_code tell_length(struct q2_storage *storage, uint64_t *bytes,
				     struct qcow2bm_error *err)
{
	(void)storage;
	(void)err;
	*bytes = LENGTH;
	return QCOW2BM_OK;
}

static const struct q2_storage_ops image_ops = {.length = tell_length,
						.find_data = find_in_image};

static struct q2_undo_entry entry(uint64_t off, uint32_t bytes, bool has_old)
{
	return (struct q2_undo_entry){
		.record = {.off = off, .bytes = bytes, .has_old = has_old}};
}

/* Each byte that the image or an entry holds must be found, whatever the range begins with. */
static void test_data_is_found(void **state)
{
	struct q2_undo_entry entries[] = {entry(4096, 512, true), entry(1024, 1024, true),
					  entry(1536, 512, true), entry(9216, 512, false),
					  entry(30000, 60000, true)};
	struct q2_undo undo = {.entries = entries,
			       .count = sizeof(entries) / sizeof(entries[0]),
			       .header = {.length_bytes = LENGTH}};
	struct q2_storage image = {.ops = &image_ops}, *view;
	bool holds[LENGTH] = {false};
	(void)state;
	image_data = 20000;
	image_end = 31000;
	memset(holds + image_data, true, image_end - image_data);
	for (size_t i = 0; i < undo.count; i++)
		if (entries[i].record.has_old)
			memset(holds + entries[i].record.off, true,
			       entries[i].record.bytes);
	assert_int_equal(q2_undo_view_open(&view, &undo, &image, NULL), QCOW2BM_OK);
	for (uint64_t off = 0; off < LENGTH; off += 128) {
		uint64_t data, end, next = off;
		while (next < LENGTH && !holds[next])
			next++;
		q2_storage_find_data(view, off, LENGTH, &data, &end);
		assert_int_equal(data, next);
		assert_true(next == LENGTH || (end > data && end <= LENGTH));
	}
	q2_storage_close(view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
