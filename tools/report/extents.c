/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extents as nbdinfo prints them, and sums of them. */
#include "extents.h"

#include "../term/decimal.h"
#include "../term/message.h"
#include "../term/output.h"
#include "../term/stream.h"

#include <inttypes.h>
#include <stdlib.h>

struct tool_extents {
	tool_extents_read_fn *read;
	tool_extents_count_fn *count;
	void *opaque;
	bool json;
	struct tool_stream stream;
	bool begun;       /* JSON: an extent stands before the next one */
	uint64_t sums[2]; /* bytes clean and dirty */
};

static int add_sum(void *opaque, const struct qcow2bm_extent *extent)
{
	struct tool_extents *extents = opaque;
	extents->sums[extent->dirty] += extent->length;
	return 0;
}

/* As nbdinfo prints it, byte for byte. */
static int put_json(void *opaque, const struct qcow2bm_extent *extent)
{
	struct tool_extents *extents = opaque;
	if (extents->stream.overflowed)
		return extents->count != NULL; /* it is printed in a second pass */
	char *p = tool_stream_reserve(&extents->stream);
	p = extents->begun ? tool_stream_put(p, ",\n{ \"offset\": ")
			   : tool_stream_put(p, "{ \"offset\": ");
	p = tool_decimal_put(p, extent->start);
	p = tool_stream_put(p, ", \"length\": ");
	p = tool_decimal_put(p, extent->length);
	p = extent->dirty
		    ? tool_stream_put(p, ", \"type\": 1, \"description\": \"dirty\"}")
		    : tool_stream_put(p, ", \"type\": 0, \"description\": \"clean\"}");
	tool_stream_advance(&extents->stream, p);
	extents->begun = true;
	return extents->stream.status;
}

static int put_human(void *opaque, const struct qcow2bm_extent *extent)
{
	struct tool_extents *extents = opaque;
	if (extents->stream.overflowed)
		return extents->count != NULL; /* it is printed in a second pass */
	if (!extent->dirty)
		return 0;
	char *p = tool_stream_reserve(&extents->stream);
	p = tool_decimal_put_padded(p, extent->start, 20);
	p = tool_decimal_put_padded(p, extent->length, 21);
	*p++ = '\n';
	tool_stream_advance(&extents->stream, p);
	return extents->stream.status;
}

/* Makes the whole output once, into the stream. */
static enum qcow2bm_code pass(struct tool_extents *extents, struct qcow2bm_error *err)
{
	bool json = extents->json;
	char *p = tool_stream_reserve(&extents->stream);
	p = json ? tool_stream_put(p, "[\n")
		 : tool_stream_put(p, "              OFFSET               LENGTH\n");
	tool_stream_advance(&extents->stream, p);
	extents->begun = false;
	enum qcow2bm_code code =
		extents->read(extents->opaque, json ? put_json : put_human, extents, err);
	if (code != QCOW2BM_OK || !json)
		return code;
	p = tool_stream_reserve(&extents->stream);
	p = extents->begun ? tool_stream_put(p, "\n]\n") : tool_stream_put(p, "]\n");
	tool_stream_advance(&extents->stream, p);
	return code;
}

static int print_extents(struct tool_extents *extents, const char *filename)
{
	struct qcow2bm_error err = {0};
	uint64_t dirty_bytes, all_bytes;
	enum qcow2bm_code code = pass(extents, &err);
	/* What is longer than is kept must be readable to its end before any of it is printed. */
	if (extents->stream.overflowed && extents->count != NULL)
		code = extents->count(extents->opaque, &dirty_bytes, &all_bytes, &err);
	if (code == QCOW2BM_OK && extents->stream.overflowed) {
		tool_stream_start_printing(&extents->stream);
		code = pass(extents, &err);
	}
	if (code == QCOW2BM_OK)
		return tool_stream_finish(&extents->stream);
	int status = code == QCOW2BM_ESTOPPED ? extents->stream.status
					      : tool_message_fail(filename, &err);
	free(extents->stream.bytes);
	return status;
}

static enum qcow2bm_code add_up(struct tool_extents *extents, struct qcow2bm_error *err)
{
	uint64_t all_bytes;
	if (extents->count == NULL)
		return extents->read(extents->opaque, add_sum, extents, err);
	enum qcow2bm_code code =
		extents->count(extents->opaque, &extents->sums[1], &all_bytes, err);
	if (code == QCOW2BM_OK)
		extents->sums[0] = all_bytes - extents->sums[1];
	return code;
}

static int print_totals(struct tool_extents *extents, const char *filename)
{
	static const char *const words[] = {"clean", "dirty"};
	struct qcow2bm_error err = {0};
	if (add_up(extents, &err) != QCOW2BM_OK)
		return tool_message_fail(filename, &err);
	bool json = extents->json;
	struct tool_text text = {0};
	double all = (double)(extents->sums[0] + extents->sums[1]);
	tool_text_print(&text, "%s", json ? "[\n" : "");
	for (int type = 0; type < 2; type++) {
		uint64_t sum = extents->sums[type];
		double percent = 100.0 * (double)sum / all;
		if (sum == 0)
			continue;
		if (!json)
			tool_text_print(&text, "%10" PRIu64 " %5.1f%% %3d %s\n", sum,
					percent, type, words[type]);
		else
			tool_text_print(&text,
					"%s{ \"size\": %" PRIu64 ", \"percent\": %g, "
					"\"type\": %d, \"description\": \"%s\" }",
					text.used > 2 ? ",\n" : "", sum, percent, type,
					words[type]);
	}
	tool_text_print(&text, "%s", json ? "\n]\n" : "");
	return tool_output_text(&text);
}

int tool_extents_print(tool_extents_read_fn *read, tool_extents_count_fn *count,
		       void *opaque, const char *filename, bool json, bool totals)
{
	struct tool_extents extents = {
		.read = read, .count = count, .opaque = opaque, .json = json};
	return totals ? print_totals(&extents, filename)
		      : print_extents(&extents, filename);
}
