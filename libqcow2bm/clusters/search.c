/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The L2 walk: which of some clusters belong to the guest. */
#define _POSIX_C_SOURCE 200809L

#include "search.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "l2.h"

#define READ_BYTES (256u << 10)
#define MAX_READERS 8u
#define LEAST_BYTES_PER_READER (4u << 20)
#define FILTER_BYTES (4u << 20)

/* A last run of so many clusters is what lies behind the file. */
#define OPEN_RUN_CLUSTERS ((uint64_t)1 << 32)
#define STRETCH_BYTES 512 /* the smallest L2 table */

/*
 * Nearly every L2 entry names a cluster that nobody asks for. A filter says so with one look:
 * bit (cluster - lowest) >> shift is set when a wanted cluster is among those it stands for.
 */
struct filter {
	uint64_t lowest;
	uint64_t span; /* clusters from the lowest wanted to the highest, included */
	unsigned shift;
	uint64_t *bits;
	uint64_t open_first; /* from here on all are wanted, and none is in the bits */
};

struct walk {
	struct qcow2bm_image *image;
	const struct q2_clusters *wanted;
	struct filter filter;
	unsigned cluster_bits;
	uint64_t begun_bytes; /* done when it began */

	/* What the readers share: how far they are, and the first failure. */
	pthread_mutex_t lock;
	struct q2_l2_way way;
	enum qcow2bm_code code;
	struct qcow2bm_error err;
};

/* A thread that reads. */
struct reader {
	struct walk *walk;
	uint8_t *buf;
	struct q2_clusters named;
	pthread_t thread;
	bool is_started;
};

/* A bit for each few clusters that are wanted: most entries are passed by with one look. */
static enum qcow2bm_code make_filter(struct filter *filter,
				     const struct q2_clusters *wanted,
				     struct qcow2bm_error *err)
{
	const struct q2_run *runs = wanted->runs;
	size_t count = wanted->count;
	*filter = (struct filter){.lowest = runs[0].first, .open_first = UINT64_MAX};
	if (runs[count - 1].count >= OPEN_RUN_CLUSTERS)
		filter->open_first = runs[--count].first;
	if (count != 0)
		filter->span =
			runs[count - 1].first + runs[count - 1].count - filter->lowest;
	while (filter->span >> filter->shift >= (uint64_t)FILTER_BYTES * 8)
		filter->shift++;
	size_t words = (size_t)(filter->span >> filter->shift) / 64 + 1;
	filter->bits = calloc(words, sizeof(*filter->bits));
	if (filter->bits == NULL)
		return q2_fail_memory(err, "the L2 walk");
	for (size_t i = 0; i < count; i++) {
		uint64_t first =
			(wanted->runs[i].first - filter->lowest) >> filter->shift;
		uint64_t last_bit = (wanted->runs[i].first + wanted->runs[i].count - 1 -
				     filter->lowest) >>
				    filter->shift;
		for (uint64_t bit = first; bit <= last_bit; bit++)
			filter->bits[bit / 64] |= (uint64_t)1 << (bit % 64);
	}
	return QCOW2BM_OK;
}

static inline bool may_be_wanted(const struct filter *filter, uint64_t cluster)
{
	uint64_t place = cluster - filter->lowest;
	if (cluster >= filter->open_first)
		return true;
	if (place >= filter->span)
		return false;
	place >>= filter->shift;
	return filter->bits[place / 64] >> (place % 64) & 1;
}

static enum qcow2bm_code note_range(struct reader *reader, struct q2_mapping_range range,
				    struct qcow2bm_error *err)
{
	const struct walk *walk = reader->walk;
	uint64_t first = range.off >> walk->cluster_bits;
	uint64_t end = q2_shift_up(range.off + range.bytes, walk->cluster_bits);
	uint64_t hit;
	while (q2_clusters_overlap(walk->wanted, first, end - first, &hit)) {
		enum qcow2bm_code code = q2_clusters_note(&reader->named, hit, 1, err);
		if (code != QCOW2BM_OK)
			return code;
		first = hit + 1;
	}
	return QCOW2BM_OK;
}

/* Goes through the entries of an L2 table of which the filter says that some may be wanted. */
static enum qcow2bm_code look_closely(struct reader *reader,
				      const struct q2_l2_part *part,
				      struct qcow2bm_error *err)
{
	const struct walk *walk = reader->walk;
	for (size_t i = 0; i < part->count; i++) {
		uint64_t entry = q2_l2_entry(part, i);
		if (entry == 0 ||
		    (!q2_l2_is_compressed(entry) &&
		     !may_be_wanted(&walk->filter,
				    q2_l2_place(entry) >> walk->cluster_bits)))
			continue;
		struct q2_mapping_range range =
			q2_mapping_l2_range(entry, walk->cluster_bits);
		enum qcow2bm_code code = note_range(reader, range, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

/* Most stretches of most tables name nothing between the lowest and the highest wanted cluster: the
 * range of the filter, tested many entries at a time. */
static enum qcow2bm_code look_through(struct reader *reader,
				      const struct q2_l2_part *part,
				      struct qcow2bm_error *err)
{
	const struct walk *walk = reader->walk;
	uint64_t lowest_off = walk->filter.lowest << walk->cluster_bits;
	uint64_t span_bytes = walk->filter.span << walk->cluster_bits;
	size_t most = STRETCH_BYTES >> part->form->entry_shift;
	if (walk->filter.open_first != UINT64_MAX)
		span_bytes = UINT64_MAX - lowest_off;
	for (size_t at = 0; at < part->count; at += most) {
		struct q2_l2_part stretch = {
			.form = part->form,
			.bytes = part->bytes + (at << part->form->entry_shift),
			.count = (size_t)q2_min_u64(most, part->count - at),
			.off = q2_l2_entry_off(part, at),
		};
		if (!q2_l2_may_name(&stretch, lowest_off, span_bytes))
			continue;
		enum qcow2bm_code code = look_closely(reader, &stretch, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return QCOW2BM_OK;
}

/* One of those who read: takes part after part until nothing is left. Only the caller's own
 * thread has a watch. */
static void read_parts(struct reader *reader, struct q2_watch *watch)
{
	struct walk *walk = reader->walk;
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = QCOW2BM_OK;
	struct q2_l2_part part;
	pthread_mutex_lock(&walk->lock);
	while (walk->code == QCOW2BM_OK && q2_l2_next(&walk->way, &part)) {
		uint64_t done_bytes = walk->way.done_bytes;
		pthread_mutex_unlock(&walk->lock);
		if (watch != NULL)
			watch->done = walk->begun_bytes + done_bytes;
		code = q2_watch_look(watch, &err);
		if (code == QCOW2BM_OK)
			code = q2_l2_read(walk->image, &part, reader->buf, &err);
		if (code == QCOW2BM_OK)
			code = look_through(reader, &part, &err);
		pthread_mutex_lock(&walk->lock);
		/* The first failure stops all of them. */
		if (code != QCOW2BM_OK && walk->code == QCOW2BM_OK) {
			walk->code = code;
			walk->err = err;
		}
	}
	pthread_mutex_unlock(&walk->lock);
}

static void *help(void *opaque)
{
	read_parts(opaque, NULL);
	return NULL;
}

/* As many as the disk can serve at once; a short walk needs none, nor does one whose storage is
 * not for several threads. */
static unsigned count_readers(const struct walk *walk)
{
	uint64_t parts = (q2_clusters_total(walk->way.tables) << walk->cluster_bits) /
			 LEAST_BYTES_PER_READER;
	if (!walk->image->storage->is_parallel || parts < 1)
		return 1;
	return (unsigned)q2_min_u64(parts, MAX_READERS);
}

/* Where no thread can be had the others do its work. Signals are the business of the caller's own
 * threads. */
static void start_helpers(struct reader *readers, unsigned count)
{
	sigset_t all, old;
	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &old) != 0)
		return;
	for (unsigned i = 1; i < count; i++)
		readers[i].is_started =
			pthread_create(&readers[i].thread, NULL, help, &readers[i]) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Reads in several threads; this one asks the caller whether to go on. */
static enum qcow2bm_code run_readers(struct walk *walk, struct q2_clusters *named,
				     struct q2_watch *watch, struct qcow2bm_error *err)
{
	struct reader readers[MAX_READERS] = {0};
	unsigned count = count_readers(walk);
	/* The helpers may have read all before this thread comes to it. */
	enum qcow2bm_code code = q2_watch_look(watch, err);
	if (code != QCOW2BM_OK)
		return code;
	uint8_t *bufs = malloc(count * (size_t)READ_BYTES);
	if (bufs == NULL)
		return q2_fail_memory(err, "the L2 walk");
	for (unsigned i = 0; i < count; i++) {
		readers[i].walk = walk;
		readers[i].buf = bufs + i * (size_t)READ_BYTES;
	}
	start_helpers(readers, count);
	read_parts(&readers[0], watch);
	for (unsigned i = 1; i < count; i++)
		if (readers[i].is_started)
			pthread_join(readers[i].thread, NULL);
	free(bufs);
	if (watch != NULL)
		watch->done = walk->begun_bytes + walk->way.done_bytes;
	code = walk->code;
	if (code != QCOW2BM_OK && err != NULL)
		*err = walk->err;
	for (unsigned i = 0; i < count; i++) {
		if (code == QCOW2BM_OK)
			code = q2_clusters_append(named, &readers[i].named, err);
		q2_clusters_free(&readers[i].named);
	}
	return code;
}

enum qcow2bm_code q2_search_find(struct qcow2bm_image *image,
				 const struct q2_clusters *l2_tables,
				 const struct q2_clusters *wanted,
				 struct q2_clusters *named, struct q2_watch *watch,
				 struct qcow2bm_error *err)
{
	struct walk walk = {
		.image = image,
		.wanted = wanted,
		.cluster_bits = image->header.cluster_bits,
		.way = q2_l2_way(image, l2_tables, READ_BYTES),
		.begun_bytes = watch == NULL ? 0 : watch->done,
	};
	if (wanted->count == 0 || walk.way.form.has_data_file)
		return QCOW2BM_OK;
	enum qcow2bm_code code = make_filter(&walk.filter, wanted, err);
	if (code == QCOW2BM_OK && pthread_mutex_init(&walk.lock, NULL) != 0)
		code = q2_fail_memory(err, "the L2 walk");
	if (code == QCOW2BM_OK) {
		code = run_readers(&walk, named, watch, err);
		pthread_mutex_destroy(&walk.lock);
	}
	free(walk.filter.bits);
	return code;
}
