/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an image itself tells against the promises of a recovered bitmap. */
#include "traces.h"

#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../image/directory.h"
#include "../source/source.h"

#define WINDOW_WORDS Q2_CONVERT_WORDS
#define WINDOW_BITS ((uint64_t)WINDOW_WORDS * 64)

/* A bitmap and the layer, at the bitmap's granularity. */
struct comparison {
	struct q2_source stored, layer;
	uint64_t *stored_words, *layer_words, *scratch;
	bool has_bits;   /* a stored bit is set */
	bool holds_any;  /* the layer holds data or zeros for some part */
	bool is_missing; /* a stored bit is set where the layer holds nothing */
	bool fills_disk; /* both together are the whole disk */
};

static enum qcow2bm_code read_layer(const struct comparison *c, uint64_t first,
				    uint64_t bits, struct qcow2bm_error *err)
{
	if (c->layer.granularity_bits == c->stored.granularity_bits)
		return q2_source_read(&c->layer, first, bits, c->layer_words, err);
	memset(c->layer_words, 0, WINDOW_WORDS * sizeof(*c->layer_words));
	return q2_convert_read(&c->layer, c->stored.granularity_bits, first, bits,
			       c->layer_words, c->scratch, err);
}

/* Looks for stored bits, for bits that the layer lacks, and for places that neither has. */
static void look_at_words(struct comparison *c, uint64_t bits)
{
	uint64_t stored = 0, layer = 0, missing = 0, holes = 0;
	size_t count = (size_t)(bits / 64);
	for (size_t i = 0; i < count; i++) {
		stored |= c->stored_words[i];
		layer |= c->layer_words[i];
		missing |= c->stored_words[i] & ~c->layer_words[i];
		holes |= ~(c->stored_words[i] | c->layer_words[i]);
	}
	for (uint64_t bit = count * 64; bit < bits; bit++) {
		const uint8_t *s = (const uint8_t *)c->stored_words;
		const uint8_t *l = (const uint8_t *)c->layer_words;
		bool is_stored = s[bit / 8] >> (bit % 8) & 1;
		bool is_held = l[bit / 8] >> (bit % 8) & 1;
		stored |= is_stored;
		layer |= is_held;
		missing |= is_stored && !is_held;
		holes |= !is_stored && !is_held;
	}
	c->has_bits |= stored != 0;
	c->holds_any |= layer != 0;
	c->is_missing |= missing != 0;
	c->fills_disk &= holes == 0;
}

/* Compares one window of the stored bits with what the layer holds there. */
static enum qcow2bm_code compare_window(struct comparison *c, uint64_t first,
					uint64_t bits, struct qcow2bm_error *err)
{
	struct q2_source_range range =
		q2_convert_range(&c->layer, c->stored.granularity_bits, first, bits);
	bool is_clean = q2_source_classify(&c->stored, first, bits) == Q2_UNIFORM_ZEROS;
	/* Nothing is learnt there any more: of many bitmaps each would read all L2 tables. */
	if (is_clean && c->holds_any && !c->fills_disk)
		return QCOW2BM_OK;
	if (is_clean &&
	    q2_source_classify(&c->layer, range.first, range.bits) == Q2_UNIFORM_ZEROS) {
		c->fills_disk = false;
		return QCOW2BM_OK;
	}
	enum qcow2bm_code code =
		q2_source_read(&c->stored, first, bits, c->stored_words, err);
	if (code == QCOW2BM_OK)
		code = read_layer(c, first, bits, err);
	if (code == QCOW2BM_OK)
		look_at_words(c, bits);
	return code;
}

static enum qcow2bm_code compare(struct comparison *c, struct qcow2bm_error *err)
{
	uint64_t *words = malloc(3 * WINDOW_WORDS * sizeof(*words));
	if (words == NULL)
		return q2_fail_memory(err, "bitmap data");
	c->stored_words = words;
	c->layer_words = words + WINDOW_WORDS;
	c->scratch = words + 2 * WINDOW_WORDS;
	c->fills_disk = true;
	enum qcow2bm_code code = QCOW2BM_OK;
	uint64_t end = c->stored.shape.bits;
	for (uint64_t first = 0; code == QCOW2BM_OK && first < end; first += WINDOW_BITS)
		code = compare_window(c, first, q2_min_u64(WINDOW_BITS, end - first),
				      err);
	free(words);
	return code;
}

/* What the layer tells of one in-use bitmap, added to edit->layer. */
static enum qcow2bm_code judge_bitmap(struct qcow2bm_edit *edit, size_t idx,
				      struct qcow2bm_error *err)
{
	struct comparison c = {.has_bits = false};
	struct qcow2bm_error why = {0};
	enum qcow2bm_code code = q2_source_open_bitmap(&c.stored, edit->image, idx, &why);
	/* One that cannot be read tells nothing: it can be recovered as all dirty alone. */
	if (code == QCOW2BM_EIMAGE)
		return QCOW2BM_OK;
	if (code != QCOW2BM_OK) {
		if (err != NULL)
			*err = why;
		return code;
	}
	code = q2_source_open_allocated(&c.layer, edit->image, err);
	if (code == QCOW2BM_OK) {
		code = compare(&c, err);
		q2_source_close(&c.layer);
	}
	q2_source_close(&c.stored);
	if (code != QCOW2BM_OK)
		return code;
	edit->layer.is_emptied |= c.has_bits && !c.holds_any;
	edit->layer.lacks_bits |= c.is_missing;
	edit->staged[idx].fills_disk = c.fills_disk;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_traces_judge_layer(struct qcow2bm_edit *edit,
					struct qcow2bm_error *err)
{
	const struct q2_directory *directory = &edit->image->directory;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < directory->count; i++) {
		const struct q2_bitmap *bitmap = &directory->bitmaps[i];
		if (!edit->layer.is_judged && bitmap->problem == NULL &&
		    (bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE))
			code = judge_bitmap(edit, i, err);
	}
	edit->layer.is_judged = code == QCOW2BM_OK;
	return code;
}

/* ---- Bitmaps that were changed through QMP ---- */

/* Whether a bitmap is named NAME, or NAME^ and its parent. */
static bool has_checkpoint(const struct q2_directory *directory, const uint8_t *name,
			   size_t name_bytes)
{
	uint8_t wanted[Q2_DIRECTORY_MAX_NAME_BYTES + 1];
	if (q2_directory_find(directory, name, name_bytes, NULL) != QCOW2BM_NOT_FOUND)
		return true;
	memcpy(wanted, name, name_bytes);
	wanted[name_bytes++] = '^';
	size_t at = q2_directory_lower_bound(directory, wanted, name_bytes);
	if (at == directory->count)
		return false;
	const struct q2_directory_entry *entry =
		&directory->bitmaps[directory->by_name[at]].entry;
	return entry->name_bytes >= name_bytes &&
	       memcmp(entry->name, wanted, name_bytes) == 0;
}

/* Whether the bitmap is named CHILD^PARENT, and PARENT is not there. */
static bool lacks_parent(const struct q2_directory *directory,
			 const struct q2_bitmap *bitmap)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	if (bitmap->problem != NULL)
		return false;
	const uint8_t *caret = memchr(entry->name, '^', entry->name_bytes);
	const uint8_t *end = entry->name + entry->name_bytes;
	return caret != NULL && caret != entry->name && caret + 1 != end &&
	       !has_checkpoint(directory, caret + 1, (size_t)(end - (caret + 1)));
}

void q2_traces_judge_names(struct qcow2bm_edit *edit)
{
	const struct q2_directory *directory = &edit->image->directory;
	for (size_t i = 0; !edit->qmp.is_judged && i < directory->count; i++) {
		const struct q2_bitmap *bitmap = &directory->bitmaps[i];
		edit->qmp.lacks_parent |= lacks_parent(directory, bitmap);
		edit->qmp.has_recording |=
			(bitmap->entry.flags & Q2_DIRECTORY_FLAG_AUTO) != 0;
	}
	edit->qmp.is_judged = true;
}
