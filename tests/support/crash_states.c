/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All that a power cut can leave of what was recorded. */
#include "crash_states.h"

#include "base/checked.h"
#include "random.h"
#include "strict_reader.h"

#include <stdlib.h>
#include <string.h>

#define UNIT RECORD_SECTOR_BYTES /* of digests, whatever the sectors of the disk are */
#define MAX_SECTOR 4096

/* A sector, or the length of the file, and the contents that it had: the first is durable. */
struct part {
	uint64_t sector;
	uint8_t *bytes;    /* versions * sector_bytes; of the length part: NULL */
	uint64_t *numbers; /* the length, or the digest of the sector */
	size_t *moments;   /* when the version came to be */
	size_t versions;
	size_t choice;
	size_t shown; /* the version that stretch->state has */
};

/* Between two syncs. parts[0] is the length. */
struct stretch {
	size_t number;
	size_t sector_bytes;
	struct part *parts;
	size_t count;
	size_t moment;
	struct memory_file now; /* as the running program sees it */
	struct memory_file
		state;   /* what is shown to fn; its bytes reach to the longest length */
	uint64_t digest; /* of what is durable, without its length */
	crash_fn *fn;
	void *opaque;
};

static void *must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

/* ---- Digests ------------------------------------------------------------------------ */

/* A sum over units that are not zero, so that it can follow the change of one of them. */
static uint64_t digest_bytes(uint64_t off, const uint8_t *bytes, uint64_t count)
{
	static const uint8_t zeros[UNIT];
	uint64_t digest = 0;
	for (uint64_t at = 0; at < count; at += UNIT) {
		uint8_t unit[UNIT] = {0};
		const uint8_t *from = bytes + at;
		if (count - at < UNIT)
			from = memcpy(unit, bytes + at, (size_t)(count - at));
		if (memcmp(from, zeros, UNIT) == 0)
			continue;
		uint64_t sum = 0;
		strict_sum_number(&sum, (off + at) / UNIT + 1);
		strict_sum(&sum, from, UNIT);
		digest += sum;
	}
	return digest;
}

static uint64_t add_length(uint64_t digest, uint64_t length)
{
	strict_sum_number(&digest, length + 1);
	return digest;
}

uint64_t crash_states_digest(const struct memory_file *file)
{
	return add_length(digest_bytes(0, file->bytes, file->length), file->length);
}

/* ---- What was written between two syncs --------------------------------------------- */

static struct part *find_part(struct stretch *stretch, uint64_t sector)
{
	for (size_t i = 1; i < stretch->count; i++)
		if (stretch->parts[i].sector == sector)
			return &stretch->parts[i];
	return NULL;
}

static void append(struct stretch *stretch, struct part *part, const uint8_t *bytes,
		   uint64_t number)
{
	size_t count = part->versions + 1, sector_bytes = stretch->sector_bytes;
	part->moments = must(realloc(part->moments, count * sizeof(*part->moments)));
	part->moments[part->versions] = stretch->moment++;
	part->numbers = must(realloc(part->numbers, count * sizeof(*part->numbers)));
	part->numbers[part->versions] = number;
	if (bytes != NULL) {
		part->bytes = must(realloc(part->bytes, count * sector_bytes));
		memcpy(part->bytes + part->versions * sector_bytes, bytes, sector_bytes);
	}
	part->versions = count;
}

static struct part *add_part(struct stretch *stretch, uint64_t sector)
{
	stretch->parts = must(
		realloc(stretch->parts, (stretch->count + 1) * sizeof(*stretch->parts)));
	struct part *part = &stretch->parts[stretch->count++];
	*part = (struct part){.sector = sector};
	return part;
}

/* A sector of a file; zeros behind its end. */
static void load_sector(const struct stretch *stretch, const struct memory_file *file,
			uint64_t sector, uint8_t *bytes)
{
	size_t count = stretch->sector_bytes;
	uint64_t off = sector * count;
	memset(bytes, 0, count);
	if (off < file->length)
		memcpy(bytes, file->bytes + off,
		       (size_t)q2_min_u64(count, file->length - off));
}

static void note_length(struct stretch *stretch)
{
	struct part *length = &stretch->parts[0];
	if (length->numbers[length->versions - 1] != stretch->now.length)
		append(stretch, length, NULL, stretch->now.length);
}

static void append_sector(struct stretch *stretch, struct part *part,
			  const uint8_t *bytes)
{
	size_t count = stretch->sector_bytes;
	append(stretch, part, bytes, digest_bytes(part->sector * count, bytes, count));
}

static void note_sector(struct stretch *stretch, uint64_t sector)
{
	uint8_t bytes[MAX_SECTOR];
	size_t count = stretch->sector_bytes;
	struct part *part = find_part(stretch, sector);
	if (part == NULL) {
		part = add_part(stretch, sector);
		load_sector(stretch, &stretch->state, sector, bytes);
		append_sector(stretch, part, bytes);
	}
	load_sector(stretch, &stretch->now, sector, bytes);
	if (memcmp(part->bytes + (part->versions - 1) * count, bytes, count) != 0)
		append_sector(stretch, part, bytes);
}

/* Does the operation to stretch->now; *from and *to are the bytes that it may change. */
static void apply(struct stretch *stretch, const struct record_op *op, uint64_t *from,
		  uint64_t *to)
{
	struct memory_file *now = &stretch->now;
	*from = op->off;
	*to = op->off + op->bytes;
	if (op->kind == RECORD_RESIZE) {
		*from = q2_min_u64(op->bytes, now->length);
		*to = now->length;
		memory_file_resize(now, op->bytes);
	} else if (op->kind == RECORD_WRITE) {
		if (*to > now->length)
			memory_file_resize(now, *to);
		memcpy(now->bytes + op->off, op->data, op->bytes);
	} else {
		*to = q2_min_u64(*to, now->length);
		if (*from < *to)
			memset(now->bytes + *from, 0, *to - *from);
	}
}

static void note_op(struct stretch *stretch, const struct record_op *op)
{
	uint64_t from, to, sector_bytes = stretch->sector_bytes;
	apply(stretch, op, &from, &to);
	note_length(stretch);
	for (uint64_t s = from / sector_bytes; from < to && s <= (to - 1) / sector_bytes;
	     s++)
		note_sector(stretch, s);
}

/* Makes room in stretch->state for the longest length. */
static void reserve(struct stretch *stretch)
{
	const struct part *length = &stretch->parts[0];
	for (size_t i = 0; i < length->versions; i++)
		if (length->numbers[i] > stretch->state.length)
			memory_file_resize(&stretch->state, length->numbers[i]);
}

/* ---- The states --------------------------------------------------------------------- */

bool crash_states_is_left_out(void)
{
#if defined(__SANITIZE_ADDRESS__)
	static unsigned long count;
	return count++ % 8 != 0 && getenv("QCOW2BM_CRASH_ALL") == NULL;
#else
	return false;
#endif
}

static void show(struct stretch *stretch)
{
	struct memory_file *state = &stretch->state;
	const struct part *lengths = &stretch->parts[0];
	uint64_t room = state->length, length = lengths->numbers[lengths->choice];
	uint64_t digest = stretch->digest;
	for (size_t i = 1; i < stretch->count; i++) {
		struct part *part = &stretch->parts[i];
		uint64_t off = part->sector * stretch->sector_bytes;
		if (part->choice != part->shown && off < room)
			memcpy(state->bytes + off,
			       part->bytes + part->choice * stretch->sector_bytes,
			       (size_t)q2_min_u64(stretch->sector_bytes, room - off));
		part->shown = part->choice;
		digest -= part->numbers[0];
		if (off < length)
			digest += part->numbers[part->choice];
	}
	state->length = length;
	struct crash_state shown = {
		.file = state,
		.stretch = stretch->number,
		.digest = add_length(digest, length),
	};
	if (!crash_states_is_left_out())
		stretch->fn(stretch->opaque, &shown);
	state->length = room;
}

static uint64_t count_states(const struct stretch *stretch, uint64_t limit)
{
	uint64_t count = 1;
	for (size_t i = 0; i < stretch->count && count <= limit; i++)
		count *= stretch->parts[i].versions;
	return count;
}

static void show_all(struct stretch *stretch)
{
	size_t i = 0;
	while (i < stretch->count) {
		show(stretch);
		for (i = 0; i < stretch->count; i++) {
			struct part *part = &stretch->parts[i];
			part->choice = (part->choice + 1) % part->versions;
			if (part->choice != 0)
				break;
		}
	}
}

/* Every part as it was before `moment`. */
static void choose_moment(struct stretch *stretch, size_t moment)
{
	for (size_t i = 0; i < stretch->count; i++) {
		struct part *part = &stretch->parts[i];
		part->choice = 0;
		while (part->choice + 1 < part->versions &&
		       part->moments[part->choice + 1] < moment)
			part->choice++;
	}
}

static void show_each_prefix(struct stretch *stretch)
{
	for (size_t moment = 0; moment <= stretch->moment; moment++) {
		choose_moment(stretch, moment);
		show(stretch);
	}
}

/* All parts but one are new (old); with the shortest file and the longest. */
static void show_single(struct stretch *stretch, bool is_loss)
{
	for (size_t i = 1; i < stretch->count; i++) {
		struct part *part = &stretch->parts[i];
		for (size_t v = 0; v < part->versions; v++) {
			choose_moment(stretch, is_loss ? stretch->moment : 0);
			part->choice = v;
			show(stretch);
			stretch->parts[0].choice =
				is_loss ? 0 : stretch->parts[0].versions - 1;
			show(stretch);
		}
	}
}

static void show_sample(struct stretch *stretch, uint64_t count)
{
	struct random random;
	random_seed(&random, stretch->number);
	while (count-- > 0) {
		unsigned percent = (unsigned)random_between(&random, 1, 99);
		for (size_t i = 0; i < stretch->count; i++) {
			struct part *part = &stretch->parts[i];
			part->choice = 0;
			if (random_percent(&random, percent))
				part->choice = random_below(&random, part->versions);
		}
		show(stretch);
	}
}

static void begin(struct stretch *stretch, const struct record_log *log, size_t from)
{
	record_log_replay(log, from, &stretch->now);
	record_log_replay(log, from, &stretch->state);
	stretch->digest = digest_bytes(0, stretch->state.bytes, stretch->state.length);
	append(stretch, add_part(stretch, 0), NULL, stretch->now.length);
}

static void end(struct stretch *stretch)
{
	for (size_t i = 0; i < stretch->count; i++) {
		free(stretch->parts[i].bytes);
		free(stretch->parts[i].numbers);
		free(stretch->parts[i].moments);
	}
	free(stretch->parts);
	memory_file_free(&stretch->now);
	memory_file_free(&stretch->state);
}

static void visit(struct stretch *stretch, const struct record_log *log, size_t from,
		  size_t to, const struct crash_limits *limits)
{
	begin(stretch, log, from);
	for (size_t i = from; i < to; i++)
		note_op(stretch, &log->ops[i]);
	reserve(stretch);
	if (count_states(stretch, limits->all) <= limits->all) {
		show_all(stretch);
	} else {
		show_each_prefix(stretch);
		show_single(stretch, true);
		show_single(stretch, false);
		show_sample(stretch, limits->sample);
	}
	end(stretch);
}

void crash_states_visit(const struct record_log *log, const struct crash_limits *limits,
			crash_fn *fn, void *opaque)
{
	size_t from = 0;
	for (size_t number = 0; from <= log->count; number++) {
		struct stretch stretch = {
			.number = number,
			.sector_bytes = limits->sector_bytes == 0 ? RECORD_SECTOR_BYTES
								  : limits->sector_bytes,
			.fn = fn,
			.opaque = opaque,
		};
		size_t to = record_log_find(log, from, RECORD_SYNC);
		if (number >= limits->first_stretch)
			visit(&stretch, log, from, to, limits);
		from = to + 1;
	}
}
