/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extents as nbdinfo prints them, and sums of them. */
#define _POSIX_C_SOURCE 200809L

#include "extents.h"

#include "../term/decimal.h"
#include "../term/output.h"
#include "../term/stream.h"
#include "../term/watch.h"

#include <inttypes.h>
#include <stdlib.h>

#define TYPES 4
#define DIRTY 1u /* bits of a type */
#define ZERO 2u

static const char *const words[TYPES] = {"clean", "dirty", "zero", "dirty,zero"};
static const char *const comparison_words[TYPES] = {"same", "differs", "", ""};

struct piece {
	uint64_t start, length;
	unsigned type;
};

struct tool_extents {
	const struct tool_extents_order *order;
	const char *const *words;
	struct tool_stream stream;
	bool begun;           /* JSON: an extent stands before the next one */
	uint64_t sums[TYPES]; /* bytes of each type */
	const struct qcow2bm_watch *watch; /* NULL: it is printed now */
	/* With order->zero: */
	struct piece growing; /* length 0: none */
	struct qcow2bm_error err;
};

typedef int put_fn(struct tool_extents *extents, const struct piece *piece);

static int add_sum(struct tool_extents *extents, const struct piece *piece)
{
	extents->sums[piece->type] += piece->length;
	return 0;
}

/* As nbdinfo prints it, byte for byte. */
static int put_json(struct tool_extents *extents, const struct piece *piece)
{
	const char *word = extents->words[piece->type];
	if (extents->stream.overflowed)
		return extents->order->count != NULL; /* it is printed in a second pass */
	char *p = tool_stream_reserve(&extents->stream);
	p = extents->begun ? tool_stream_put(p, ",\n{ \"offset\": ")
			   : tool_stream_put(p, "{ \"offset\": ");
	p = tool_decimal_put(p, piece->start);
	p = tool_stream_put(p, ", \"length\": ");
	p = tool_decimal_put(p, piece->length);
	p = tool_stream_put(p, ", \"type\": ");
	*p++ = (char)('0' + piece->type);
	p = tool_stream_put(p, ", \"description\": \"");
	p = tool_stream_put_text(p, word, strlen(word));
	p = tool_stream_put(p, "\"}");
	tool_stream_advance(&extents->stream, p);
	extents->begun = true;
	return extents->stream.status;
}

static int put_human(struct tool_extents *extents, const struct piece *piece)
{
	if (extents->stream.overflowed)
		return extents->order->count != NULL; /* it is printed in a second pass */
	if ((piece->type & DIRTY) == 0 && extents->order->zero == NULL)
		return 0;
	char *p = tool_stream_reserve(&extents->stream);
	p = tool_decimal_put_padded(p, piece->start, 20);
	p = tool_decimal_put_padded(p, piece->length, 21);
	if (extents->order->zero != NULL) {
		const char *word = extents->words[piece->type];
		p = tool_stream_put(p, " ");
		p = tool_stream_put_text(p, word, strlen(word));
	}
	*p++ = '\n';
	tool_stream_advance(&extents->stream, p);
	return extents->stream.status;
}

static put_fn *put_of(const struct tool_extents *extents)
{
	return extents->order->totals ? add_sum
	       : extents->order->json ? put_json
				      : put_human;
}

/* Joins it to the one that is growing, or puts that and begins anew. */
static int grow(struct tool_extents *extents, const struct piece *piece)
{
	struct piece *growing = &extents->growing;
	int status = 0;
	if (growing->length != 0 && growing->type == piece->type) {
		growing->length += piece->length;
		return 0;
	}
	if (growing->length != 0)
		status = put_of(extents)(extents, growing);
	*growing = *piece;
	return status;
}

/* Cuts an extent of a bitmap where the disk begins or ends to read as zeros. */
static int put_cut(struct tool_extents *extents, const struct qcow2bm_extent *extent)
{
	const struct tool_extents_order *order = extents->order;
	uint64_t done = 0;
	int status = 0;
	while (status == 0 && done < extent->length) {
		struct piece piece = {extent->start + done, extent->length - done, 0};
		bool is_zero = false;
		if (order->zero(order->opaque, piece.start, &piece.length, &is_zero,
				extents->watch, &extents->err) != QCOW2BM_OK)
			return 1;
		piece.type = (extent->dirty ? DIRTY : 0) | (is_zero ? ZERO : 0);
		status = grow(extents, &piece);
		done += piece.length;
	}
	return status;
}

static int put_extent(void *opaque, const struct qcow2bm_extent *extent)
{
	struct tool_extents *extents = opaque;
	if (extents->order->zero != NULL)
		return put_cut(extents, extent);
	const struct piece piece = {extent->start, extent->length,
				    extent->dirty ? DIRTY : 0};
	return put_of(extents)(extents, &piece);
}

/* Reads all extents, and puts each. */
static enum qcow2bm_code put_all(struct tool_extents *extents, struct qcow2bm_error *err)
{
	const struct tool_extents_order *order = extents->order;
	enum qcow2bm_code code =
		order->read(order->opaque, put_extent, extents, extents->watch, err);
	if (extents->err.code != QCOW2BM_OK) {
		*err = extents->err;
		return err->code;
	}
	if (code == QCOW2BM_OK && extents->growing.length != 0 &&
	    put_of(extents)(extents, &extents->growing) != 0)
		code = QCOW2BM_ESTOPPED;
	extents->growing.length = 0;
	return code;
}

static char *put_title(const struct tool_extents *extents, char *p)
{
	p = tool_stream_put(p, "              OFFSET               LENGTH");
	return extents->order->zero != NULL ? tool_stream_put(p, " TYPE\n")
					    : tool_stream_put(p, "\n");
}

/* Makes the whole output once, into the stream. */
static enum qcow2bm_code pass(struct tool_extents *extents, struct qcow2bm_error *err)
{
	bool json = extents->order->json;
	char *p = tool_stream_reserve(&extents->stream);
	p = json ? tool_stream_put(p, "[\n") : put_title(extents, p);
	tool_stream_advance(&extents->stream, p);
	extents->begun = false;
	enum qcow2bm_code code = put_all(extents, err);
	if (code != QCOW2BM_OK || !json)
		return code;
	p = tool_stream_reserve(&extents->stream);
	p = extents->begun ? tool_stream_put(p, "\n]\n") : tool_stream_put(p, "]\n");
	tool_stream_advance(&extents->stream, p);
	return code;
}

/* What is longer than is kept must be readable to its end before any of it is printed. */
static enum qcow2bm_code pass_first(struct tool_extents *extents,
				    struct qcow2bm_error *err)
{
	const struct tool_extents_order *order = extents->order;
	uint64_t dirty_bytes, all_bytes;
	enum qcow2bm_code code = pass(extents, err);
	return extents->stream.overflowed && order->count != NULL
		       ? order->count(order->opaque, &dirty_bytes, &all_bytes,
				      extents->watch, err)
		       : code;
}

static int print_extents(struct tool_extents *extents, const char *filename)
{
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = pass_first(extents, &err);
	/* Who reads the output may be slow: from now on a signal ends the program at once. */
	int signal_number = tool_watch_leave(extents->order->watch);
	extents->watch = NULL;
	if (code == QCOW2BM_OK && signal_number == 0 && extents->stream.overflowed) {
		tool_stream_start_printing(&extents->stream);
		code = pass(extents, &err);
	}
	if (code == QCOW2BM_OK && signal_number == 0)
		return tool_stream_finish(&extents->stream);
	int status = code == QCOW2BM_ESTOPPED
			     ? extents->stream.status
			     : tool_watch_status(filename, code, signal_number, &err);
	free(extents->stream.bytes);
	return status;
}

static enum qcow2bm_code add_up(struct tool_extents *extents, struct qcow2bm_error *err)
{
	const struct tool_extents_order *order = extents->order;
	uint64_t all_bytes;
	if (order->count == NULL)
		return put_all(extents, err);
	enum qcow2bm_code code = order->count(order->opaque, &extents->sums[1],
					      &all_bytes, extents->watch, err);
	if (code == QCOW2BM_OK)
		extents->sums[0] = all_bytes - extents->sums[1];
	return code;
}

static int print_totals(struct tool_extents *extents, const char *filename)
{
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = add_up(extents, &err);
	int status = tool_watch_status(filename, code,
				       tool_watch_leave(extents->order->watch), &err);
	if (status != TOOL_EXIT_DONE)
		return status;
	bool json = extents->order->json;
	struct tool_text text = {0};
	double all = 0;
	for (int type = 0; type < TYPES; type++)
		all += (double)extents->sums[type];
	tool_text_print(&text, "%s", json ? "[\n" : "");
	for (int type = 0; type < TYPES; type++) {
		uint64_t sum = extents->sums[type];
		double percent = 100.0 * (double)sum / all;
		if (sum == 0)
			continue;
		if (!json)
			tool_text_print(&text, "%10" PRIu64 " %5.1f%% %3d %s\n", sum,
					percent, type, extents->words[type]);
		else
			tool_text_print(&text,
					"%s{ \"size\": %" PRIu64 ", \"percent\": %g, "
					"\"type\": %d, \"description\": \"%s\" }",
					text.used > 2 ? ",\n" : "", sum, percent, type,
					extents->words[type]);
	}
	tool_text_print(&text, "%s", json ? "\n]\n" : "");
	return tool_output_text(&text);
}

int tool_extents_print(const struct tool_extents_order *order, const char *filename)
{
	struct tool_extents extents = {
		.order = order,
		.watch = &order->watch->watch,
		.words = order->is_comparison ? comparison_words : words,
	};
	return order->totals ? print_totals(&extents, filename)
			     : print_extents(&extents, filename);
}
