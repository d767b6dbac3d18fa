/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What check --carve found, for people and as JSON. */
#include "old_bitmaps.h"

#include "../term/memory.h"
#include "../term/name.h"
#include "../term/word.h"

#include <inttypes.h>
#include <stdlib.h>

struct carve {
	struct tool_text *text;
	struct tool_old_bitmaps *found;
	uint64_t cluster_bytes;
	size_t count, name_bytes;
	bool has_whole; /* one that can be brought back */
};

#define MAX_COUNT 65536 /* nobody reads more, and they are kept in memory */
#define MAX_NAME_BYTES ((size_t)16 << 20) /* so are their names */

/* What people read of each state. */
static const char *const sentences[] = {
	[QCOW2BM_CARVED_INTACT] = "table and data look whole",
	[QCOW2BM_CARVED_BLANK] =
		"its table reads as zeros: no bit was set, or its room was given back",
	[QCOW2BM_CARVED_TABLE_PAST_END] = "its table is cut off",
	[QCOW2BM_CARVED_TABLE_REUSED] = "something else has the room of its table now",
	[QCOW2BM_CARVED_TABLE_DAMAGED] = "its table is written over",
	[QCOW2BM_CARVED_DATA_PAST_END] = "its data is cut off",
	[QCOW2BM_CARVED_DATA_REUSED] = "something else has the room of its data now",
	[QCOW2BM_CARVED_DATA_DAMAGED] = "some of its data is written over",
	[QCOW2BM_CARVED_DATA_BLANK] =
		"some of its data reads as zeros: its room was given back",
	[QCOW2BM_CARVED_NOT_JUDGED] = "not looked at: there is too much",
};

static void keep(struct tool_old_bitmaps *found, const struct qcow2bm_carved *carved)
{
	if (found->count == found->room) {
		found->room = found->room * 2 + 64;
		found->all =
			tool_memory_resize(found->all, found->room, sizeof(*found->all));
	}
	found->all[found->count] = *carved;
	found->all[found->count++].name =
		tool_memory_copy(carved->name, carved->name_bytes);
}

void tool_old_bitmaps_free(struct tool_old_bitmaps *found)
{
	for (size_t i = 0; i < found->count; i++)
		free((char *)found->all[i].name);
	free(found->all);
	*found = (struct tool_old_bitmaps){.count = 0};
}

static json_t *make_json(const void *opaque, size_t number)
{
	const struct tool_old_bitmaps *found = opaque;
	const struct qcow2bm_carved *carved = &found->all[number];
	json_t *flags = json_array();
	if (carved->in_use)
		json_array_append_new(flags, json_string("in-use"));
	if (carved->recording)
		json_array_append_new(flags, json_string("auto"));
	return json_pack(
		"{s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:s}",
		"directory-offset", tool_json_number(carved->directory_offset), "index",
		(int)carved->idx, "offset", tool_json_number(carved->entry_offset),
		"name", tool_json_name(carved->name, carved->name_bytes), "granularity",
		tool_json_number((uint64_t)1 << carved->granularity_bits), "flags", flags,
		"table-offset", tool_json_number(carved->table_offset), "table-entries",
		tool_json_number(carved->table_entries), "data-clusters",
		tool_json_number(carved->data_clusters), "fits-disk",
		(int)carved->fits_disk, "state",
		qcow2bm_carved_state_name(carved->state));
}

static void print_human(struct carve *carve, const struct qcow2bm_carved *carved)
{
	char *name = tool_name_escape(carved->name, carved->name_bytes, TOOL_NAME_HUMAN);
	if (carve->count == 0)
		tool_text_print(
			carve->text,
			"  old bitmaps in free or leaked clusters (what is there may be "
			"anything):\n");
	tool_text_print(carve->text,
			"    %" PRIu64 ":%" PRIu32 " '%s'%s, granularity %" PRIu64
			", table of %" PRIu64 " bytes, data %" PRIu64 " bytes: %s%s\n",
			carved->directory_offset, carved->idx, name,
			carved->in_use ? " (in-use)" : "",
			(uint64_t)1 << carved->granularity_bits,
			(uint64_t)carved->table_entries * 8,
			carved->data_clusters * carve->cluster_bytes,
			sentences[carved->state],
			carved->fits_disk ? "" : "; of a disk of another size");
	free(name);
}

static int take(void *opaque, const struct qcow2bm_carved *carved)
{
	struct carve *carve = opaque;
	carve->name_bytes += carved->name_bytes;
	if (carve->count == MAX_COUNT || carve->name_bytes > MAX_NAME_BYTES)
		return 1;
	if (carve->text != NULL)
		print_human(carve, carved);
	else
		keep(carve->found, carved);
	carve->count++;
	carve->has_whole |= carved->state == QCOW2BM_CARVED_INTACT && carved->fits_disk;
	return 0;
}

static void add_end(const struct carve *carve, const char *filename, bool has_more,
		    bool has_errors)
{
	if (carve->count == 0)
		tool_text_print(carve->text,
				"  no old bitmaps in free or leaked clusters\n");
	if (has_more)
		tool_text_print(carve->text,
				"    ... and more: only the first %zu are shown\n",
				carve->count);
	if (!carve->has_whole)
		return;
	tool_text_print(
		carve->text,
		"  what is whole can be brought back, which is unsafe, as new bitmaps; all "
		"that are wanted\n  in one call, since every edit may write over what is "
		"left:\n");
	if (has_errors)
		tool_text_print(
			carve->text,
			"    # when the image is repaired: not with --no-save, which would "
			"punch holes there\n");
	tool_text_print(carve->text,
			"    qcow2bm recover --unsafe --carved OFFSET:INDEX --as NAME");
	tool_word_add_file(carve->text, filename);
	tool_text_print(carve->text, "\n");
}

enum qcow2bm_code tool_old_bitmaps_run(const char *filename, struct qcow2bm_image *image,
				       const struct qcow2bm_report *report,
				       struct tool_text *text, json_t *object,
				       struct tool_old_bitmaps *found,
				       const struct qcow2bm_watch *watch,
				       struct qcow2bm_error *err)
{
	struct qcow2bm_image_info info = *qcow2bm_image_describe(image);
	struct carve carve = {
		.text = text, .found = found, .cluster_bytes = info.cluster_bytes};
	struct qcow2bm_totals totals = *qcow2bm_report_totals(report);
	struct qcow2bm_error why = {0};
	enum qcow2bm_code code =
		qcow2bm_image_carve(image, report, take, &carve, watch, &why);
	bool has_more = code == QCOW2BM_ESTOPPED;
	if (text == NULL) {
		found->list = (struct tool_json_list){
			.count = found->count, .make = make_json, .opaque = found};
		tool_json_set_list(object, "carved", &found->list);
		if (code != QCOW2BM_OK)
			json_object_set_new(object, "carved-cut-off", json_true());
	}
	if (code != QCOW2BM_OK && !has_more) {
		*err = why;
		return code;
	}
	if (text != NULL)
		add_end(&carve, filename, has_more, totals.errors != 0);
	return QCOW2BM_OK;
}
