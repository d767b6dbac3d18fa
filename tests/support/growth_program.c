/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program of somebody else's, built with a header that is older or newer than the library: it
 * reads, edits and checks IMAGE. With NEWS it asks for what only its own header knows. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <qcow2bm.h>

static uint64_t asked;

static bool count_asked(void *opaque)
{
	++*(uint64_t *)opaque;
	return false;
}

static int fail(const struct qcow2bm_error *err)
{
	printf("%s: %s\n", qcow2bm_code_name(err->code), err->sentence);
	return 1;
}

static int list(struct qcow2bm_image *image, const struct qcow2bm_watch *watch,
		struct qcow2bm_error *err)
{
	const struct qcow2bm_image_info *info = qcow2bm_image_describe(image);
	printf("%" PRIu64 " bytes, clusters of %" PRIu64 "\n", info->virtual_bytes,
	       info->cluster_bytes);
	for (size_t i = 0; i < qcow2bm_bitmap_count(image); i++) {
		const struct qcow2bm_bitmap *bitmap = qcow2bm_bitmap_describe(image, i);
		const struct qcow2bm_measure *measure;
		if (qcow2bm_bitmap_measure(image, i, QCOW2BM_READ_COUNT, &measure, watch,
					   err) != QCOW2BM_OK)
			return fail(err);
		printf("%.*s: %s, %" PRIu64 " bytes dirty\n", (int)bitmap->name_bytes,
		       bitmap->name, qcow2bm_state_name(bitmap->state),
		       measure->dirty_bytes);
	}
	return 0;
}

static int edit(struct qcow2bm_image *image, const struct qcow2bm_watch *watch,
		struct qcow2bm_error *err)
{
	struct qcow2bm_commit_options options = QCOW2BM_COMMIT_OPTIONS_INIT;
	const struct qcow2bm_plan *plan;
	const struct qcow2bm_result *result;
	struct qcow2bm_edit *edit;
	options.flags = QCOW2BM_COMMIT_NO_DISCARD;
#ifdef NEWS
	options.news = 1;
#endif
	if (qcow2bm_edit_begin(&edit, image, err) != QCOW2BM_OK)
		return fail(err);
	if (qcow2bm_edit_add(edit, "grown", 5, 16, true, err) != QCOW2BM_OK ||
	    qcow2bm_edit_plan(edit, options.flags, &plan, watch, err) != QCOW2BM_OK) {
		qcow2bm_edit_end(edit);
		return fail(err);
	}
	for (size_t i = 0; i < plan->changes; i++) {
		const struct qcow2bm_change *change = qcow2bm_edit_change(edit, i);
		printf("%s %.*s\n", qcow2bm_change_name(change->kind),
		       (int)change->new_name_bytes, change->new_name);
	}
	enum qcow2bm_code code = qcow2bm_edit_commit(edit, &options, &result, watch, err);
	printf("switched %d, syncs %u, leaked %" PRIu64 " '%s'\n", result->switched,
	       result->syncs, result->leaked_clusters, result->leak_reason);
	qcow2bm_edit_end(edit);
	return code == QCOW2BM_OK ? 0 : fail(err);
}

static int check(struct qcow2bm_image *image, const struct qcow2bm_watch *watch,
		 struct qcow2bm_error *err)
{
	struct qcow2bm_check_options options = QCOW2BM_CHECK_OPTIONS_INIT;
	struct qcow2bm_report *report;
	if (qcow2bm_image_check(image, &options, &report, watch, err) != QCOW2BM_OK)
		return fail(err);
	const struct qcow2bm_totals *totals = qcow2bm_report_totals(report);
	printf("errors %" PRIu64 ", leaks %" PRIu64 ", walked %d\n", totals->errors,
	       totals->leaked_clusters, totals->walked);
	qcow2bm_report_free(report);
	return 0;
}

int main(int argc, char **argv)
{
	struct qcow2bm_watch watch = QCOW2BM_WATCH_INIT;
	struct qcow2bm_image *image;
	struct {
		struct qcow2bm_error err;
		unsigned char behind[64]; /* is not the library's to write to */
	} room = {.err = {.code = QCOW2BM_OK}};
	watch.interrupted = count_asked;
	watch.opaque = &asked;
	if (argc != 2)
		return 64;
	if (qcow2bm_image_open(&image, argv[1], QCOW2BM_OPEN_WRITE, 0, &watch,
			       &room.err) != QCOW2BM_OK)
		return fail(&room.err);
	int failed = list(image, &watch, &room.err) || edit(image, &watch, &room.err) ||
		     check(image, &watch, &room.err);
	qcow2bm_image_close(image);
	for (size_t i = 0; i < sizeof(room.behind); i++)
		failed |= room.behind[i] != 0;
	printf("asked: %s\n", asked != 0 ? "yes" : "no");
	return failed;
}
