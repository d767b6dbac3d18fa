/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every damage on every layout: check names it, one repair mends it, and nothing is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/damaged_image.h"
#include "../support/record_storage.h"
#include "image/image.h"

/* Where a test stands, for its messages. */
static const struct damaged_layout *layout;
static const struct damaged_case *damaged;

#define REQUIRE(condition, ...)                                               \
	do {                                                                  \
		if (!(condition)) {                                           \
			print_error("%s: %s: ", layout->name, damaged->name); \
			print_error(__VA_ARGS__);                             \
			print_error("\n");                                    \
			fail();                                               \
		}                                                             \
	} while (0)

/* A strict reader finds the kept bitmaps, no leaks, and the guest as it was. */
static void check_strictly(const struct damaged_image *image)
{
	struct strict_image sound, after;
	REQUIRE(strict_read(&sound, image->sound.bytes, image->sound.length),
		"the sound image: %s", sound.problem);
	strict_read(&after, image->file.bytes, image->file.length);
	REQUIRE(after.problems == 0, "%s", after.problem);
	REQUIRE(after.leaks == 0, "%llu clusters are leaked",
		(unsigned long long)after.leaks);
	REQUIRE(damaged_image_is_kept(&sound, &after, damaged->kept),
		"%zu bitmaps, which are not those that were sound", after.bitmap_count);
	REQUIRE(after.guest_sum == sound.guest_sum, "the guest's data changed");
	strict_free(&sound);
	strict_free(&after);
}

/* A second check finds nothing, and the image opens as any other. */
static void check_again(struct damaged_image *image)
{
	struct qcow2bm_image *opened;
	struct qcow2bm_report *report = NULL;
	struct qcow2bm_error err = {0};
	REQUIRE(q2_image_open(&opened, memory_storage_open(&image->file), &err) ==
			QCOW2BM_OK,
		"%s", err.sentence);
	qcow2bm_image_close(opened);
	REQUIRE(q2_image_open_damaged(&opened, memory_storage_open(&image->file), &err) ==
				QCOW2BM_OK &&
			qcow2bm_image_check(opened, NULL, &report, NULL, &err) ==
				QCOW2BM_OK,
		"%s", err.sentence);
	REQUIRE(qcow2bm_report_count(report) == 0, "a second check: %s",
		qcow2bm_report_problem(report, 0)->sentence);
	qcow2bm_report_free(report);
	qcow2bm_image_close(opened);
}

/* A second repair writes nothing new. Without a bitmap it has no autoclear bit to trust. */
static void repair_again(struct damaged_image *image)
{
	struct record_log log = {.count = 0};
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = damaged_image_repair(
		record_storage_open(memory_storage_open(&image->file), &log),
		&(struct damaged_case){.code = ""}, NULL, &result, &err);
	REQUIRE(code == QCOW2BM_OK && result.switched, "a second repair: %s",
		err.sentence);
	REQUIRE(result.written_clusters == 0 && result.released_clusters == 0 &&
			result.syncs == 1,
		"a second repair does %zu operations", log.count);
	record_log_free(&log);
}

/* What may be left of damaged bitmaps is given back by the next repair. */
static void give_leaks_back(struct damaged_image *image)
{
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	const struct damaged_case again = {.code = "", .flags = damaged->flags};
	REQUIRE(damaged_image_repair(memory_storage_open(&image->file), &again, NULL,
				     &result, &err) == QCOW2BM_OK &&
			result.leaked_clusters == 0,
		"the leaks are not given back: %s", err.sentence);
}

static void repair_one(void)
{
	struct damaged_image image;
	struct qcow2bm_result result;
	struct qcow2bm_error err = {0};
	bool has_code = false;
	damaged_image_make(&image, layout, damaged);
	enum qcow2bm_code code = damaged_image_repair(memory_storage_open(&image.file),
						      damaged, &has_code, &result, &err);
	REQUIRE(has_code, "check does not say %s: %s", damaged->code, err.sentence);
	REQUIRE(code == QCOW2BM_OK, "%s", err.sentence);
	REQUIRE(err.code == QCOW2BM_OK, "it is done, but this is said: %s", err.sentence);
	REQUIRE(result.switched, "nothing was done");
	REQUIRE(result.leaked_clusters == 0 ||
			((damaged->kept != 7 ||
			  strcmp(damaged->code, "bitmap-count") == 0) &&
			 strstr(result.leak_reason, "damaged bitmaps") != NULL),
		"%llu clusters leaked: %s", (unsigned long long)result.leaked_clusters,
		result.leak_reason);
	if (result.leaked_clusters != 0)
		give_leaks_back(&image);
	check_strictly(&image);
	check_again(&image);
	repair_again(&image);
	damaged_image_free(&image);
}

static void every_damage_on_every_layout(void **state)
{
	(void)state;
	size_t tried = 0;
	for (size_t l = 0; l < damaged_layout_count; l++) {
		layout = &damaged_layouts[l];
		for (size_t i = 0; i < damaged_case_count; i++) {
			damaged = &damaged_cases[i];
			if (layout->refcount_order < damaged->min_order)
				continue;
			repair_one();
			tried++;
		}
	}
	print_message("%zu images repaired\n", tried);
}

/* What a repair wants to be told it says, and leaves every byte as it is. */
static void choices_are_asked_for(void **state)
{
	(void)state;
	size_t refused = 0;
	layout = &damaged_layouts[0];
	for (size_t i = 0; i < damaged_case_count; i++) {
		static const char *const wanted[] = {"directory-place",
						     "extension-length",
						     "autoclear-lost",
						     "extension-type",
						     "padding-nonzero",
						     "refcount-zero",
						     "foreign-writer",
						     "directory-refcount-zero",
						     "autoclear-without-extension"};
		bool wants_choice = false;
		damaged = &damaged_cases[i];
		for (size_t w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++)
			wants_choice =
				wants_choice || (damaged->flags != 0 &&
						 strcmp(damaged->code, wanted[w]) == 0);
		if (!wants_choice)
			continue;
		struct damaged_image image;
		struct record_log log = {.count = 0};
		struct qcow2bm_result result;
		struct qcow2bm_error err = {0};
		struct damaged_case plain = *damaged;
		plain.flags = 0;
		damaged_image_make(&image, layout, damaged);
		REQUIRE(damaged_image_repair(
				record_storage_open(memory_storage_open(&image.file),
						    &log),
				&plain, NULL, &result, &err) == QCOW2BM_EINVAL,
			"it is repaired without a choice");
		REQUIRE(strstr(err.sentence, "--drop-all") != NULL, "%s", err.sentence);
		REQUIRE(log.count == 0, "it was refused, and wrote");
		record_log_free(&log);
		damaged_image_free(&image);
		refused++;
	}
	assert_int_equal(refused, 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_damage_on_every_layout),
		cmocka_unit_test(choices_are_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
