/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Builds an image to measure with: make_bench_image FILE DISK_BITS CLUSTER_BITS GUEST BITMAP...
 *
 * The disk has 1 << DISK_BITS bytes. GUEST is "allocated", where every cluster of the disk is
 * mapped to one of the file, a hole, with each L2 table before the data that it maps, as QEMU
 * lays them out; or "bare". BITMAP is NAME:GRANULARITY_BITS:FILL:COUNT, and makes NAME0, NAME1
 * and so on; FILL is empty, full or random, where every second bit is set by chance. What QEMU
 * does not do, all-one table entries, this does not do either: full bitmaps have data. Shares
 * no code with the library.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REFCOUNT_BITS 16
#define COPIED ((uint64_t)1 << 63)
#define EXTENSION_OFF 112u
#define ENTRY_FIXED_BYTES 24u
#define FLAG_AUTO 2u

enum fill { FILL_EMPTY, FILL_FULL, FILL_RANDOM };

struct bitmaps {
	char name[64];
	unsigned granularity_bits;
	enum fill fill;
	unsigned count;
	uint64_t data_bytes; /* of one bitmap */
	uint64_t data_clusters;
	uint64_t table_clusters;
};

/* Places are clusters of the file, in the order of the members. */
struct layout {
	uint64_t disk_bytes;
	unsigned cluster_bits;
	uint64_t cluster_bytes;
	uint64_t refcount_table, refcount_table_clusters;
	uint64_t refcount_blocks, refcount_block_count;
	uint64_t l1, l1_entries, l1_clusters;
	uint64_t guest, l2_tables, guest_clusters; /* of the disk; 0 when it is bare */
	uint64_t directory, directory_bytes, directory_clusters;
	uint64_t bitmaps;
	uint64_t end;
	struct bitmaps *kinds;
	unsigned kind_count, bitmap_count;
};

static int fd;

static void __attribute__((noreturn, format(printf, 1, 2))) stop(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("make_bench_image: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void *allocate(size_t bytes)
{
	void *memory = calloc(1, bytes);
	if (memory == NULL)
		stop("out of memory");
	return memory;
}

static void write_at(const void *bytes, size_t count, uint64_t off)
{
	const uint8_t *at = bytes;
	while (count != 0) {
		ssize_t n = pwrite(fd, at, count, (off_t)off);
		if (n < 0)
			stop("cannot write at %" PRIu64 ": %s", off, strerror(errno));
		at += n;
		count -= (size_t)n;
		off += (uint64_t)n;
	}
}

static void put(uint8_t *at, unsigned bytes, uint64_t value)
{
	while (bytes-- != 0) {
		at[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

static uint64_t divide_up(uint64_t value, uint64_t by)
{
	return (value + by - 1) / by;
}

static unsigned parse_number(const char *text, unsigned least, unsigned most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	if (*text == '\0' || *end != '\0' || value < least || value > most)
		stop("'%s' is not a number from %u to %u", text, least, most);
	return (unsigned)value;
}

/* ---- What goes where ------------------------------------------------------------------- */

static void parse_bitmaps(struct bitmaps *kind, const struct layout *layout,
			  const char *text)
{
	char granularity[16], fill[16], count[16];
	if (sscanf(text, "%40[^:]:%15[^:]:%15[^:]:%15[^:]", kind->name, granularity, fill,
		   count) != 4)
		stop("'%s' is not NAME:GRANULARITY_BITS:FILL:COUNT", text);
	kind->granularity_bits = parse_number(granularity, 9, 31);
	kind->count = parse_number(count, 1, 65535);
	if (strcmp(fill, "empty") == 0)
		kind->fill = FILL_EMPTY;
	else if (strcmp(fill, "full") == 0)
		kind->fill = FILL_FULL;
	else if (strcmp(fill, "random") == 0)
		kind->fill = FILL_RANDOM;
	else
		stop("'%s' is not empty, full or random", fill);
	kind->data_bytes = layout->disk_bytes >> kind->granularity_bits >> 3;
	if (kind->data_bytes < 8)
		stop("the disk is too small for the granularity of '%s'", kind->name);
	kind->data_clusters = divide_up(kind->data_bytes, layout->cluster_bytes);
	kind->table_clusters = divide_up(kind->data_clusters * 8, layout->cluster_bytes);
}

static size_t entry_bytes(const struct bitmaps *kind, unsigned number)
{
	int name_bytes = snprintf(NULL, 0, "%s%u", kind->name, number);
	return (ENTRY_FIXED_BYTES + (size_t)name_bytes + 7) & ~(size_t)7;
}

static void measure_bitmaps(struct layout *layout)
{
	uint64_t clusters = 0;
	for (unsigned k = 0; k < layout->kind_count; k++) {
		const struct bitmaps *kind = &layout->kinds[k];
		for (unsigned i = 0; i < kind->count; i++)
			layout->directory_bytes += entry_bytes(kind, i);
		layout->bitmap_count += kind->count;
		clusters += kind->count * kind->table_clusters;
		if (kind->fill != FILL_EMPTY)
			clusters += kind->count * kind->data_clusters;
	}
	layout->directory_clusters =
		divide_up(layout->directory_bytes, layout->cluster_bytes);
	layout->end = layout->bitmaps + clusters;
}

static void place(struct layout *layout)
{
	uint64_t per_block = layout->cluster_bytes * 8 / REFCOUNT_BITS;
	layout->refcount_table = 1;
	layout->refcount_blocks =
		layout->refcount_table + layout->refcount_table_clusters;
	layout->l1 = layout->refcount_blocks + layout->refcount_block_count;
	layout->guest = layout->l1 + layout->l1_clusters;
	layout->directory = layout->guest + layout->l2_tables + layout->guest_clusters;
	layout->bitmaps = layout->directory + layout->directory_clusters;
	layout->directory_bytes = 0;
	layout->bitmap_count = 0;
	measure_bitmaps(layout);
	layout->refcount_block_count = divide_up(layout->end, per_block);
	layout->refcount_table_clusters =
		divide_up(layout->refcount_block_count * 8, layout->cluster_bytes);
}

/* The refcount structures count themselves: places are found when nothing moves any more. */
static void plan(struct layout *layout, int is_allocated)
{
	uint64_t per_l2 = layout->cluster_bytes / 8;
	uint64_t disk_clusters = divide_up(layout->disk_bytes, layout->cluster_bytes);
	layout->l1_entries = divide_up(disk_clusters, per_l2);
	layout->l1_clusters = divide_up(layout->l1_entries * 8, layout->cluster_bytes);
	if (is_allocated) {
		layout->guest_clusters = disk_clusters;
		layout->l2_tables = layout->l1_entries;
	}
	uint64_t end;
	do {
		end = layout->end;
		place(layout);
	} while (layout->end != end);
}

/* ---- Writing --------------------------------------------------------------------------- */

static void write_header(const struct layout *layout)
{
	uint8_t bytes[EXTENSION_OFF + 40] = {0};
	put(bytes, 4, 0x514649fb);
	put(bytes + 4, 4, 3);
	put(bytes + 20, 4, layout->cluster_bits);
	put(bytes + 24, 8, layout->disk_bytes);
	put(bytes + 36, 4, layout->l1_entries);
	put(bytes + 40, 8, layout->l1 << layout->cluster_bits);
	put(bytes + 48, 8, layout->refcount_table << layout->cluster_bits);
	put(bytes + 56, 4, layout->refcount_table_clusters);
	put(bytes + 96, 4, 4);
	put(bytes + 100, 4, EXTENSION_OFF);
	if (layout->bitmap_count != 0) {
		uint8_t *extension = bytes + EXTENSION_OFF;
		put(bytes + 88, 8, 1);
		put(extension, 4, 0x23852875);
		put(extension + 4, 4, 24);
		put(extension + 8, 4, layout->bitmap_count);
		put(extension + 16, 8, layout->directory_bytes);
		put(extension + 24, 8, layout->directory << layout->cluster_bits);
	}
	write_at(bytes, sizeof(bytes), 0);
}

static void write_refcounts(const struct layout *layout)
{
	uint64_t per_block = layout->cluster_bytes * 8 / REFCOUNT_BITS;
	uint8_t *bytes = allocate(layout->cluster_bytes);
	for (uint64_t b = 0; b < layout->refcount_block_count; b++) {
		uint64_t block = (layout->refcount_blocks + b) << layout->cluster_bits;
		uint8_t entry[8];
		put(entry, 8, block);
		write_at(entry, 8,
			 (layout->refcount_table << layout->cluster_bits) + b * 8);
		for (uint64_t i = 0; i < per_block; i++)
			put(bytes + i * 2, 2, b * per_block + i < layout->end);
		write_at(bytes, layout->cluster_bytes, block);
	}
	free(bytes);
}

static void write_guest(const struct layout *layout)
{
	uint64_t per_l2 = layout->cluster_bytes / 8;
	uint8_t *l1 = allocate(layout->l1_clusters << layout->cluster_bits);
	uint8_t *l2 = allocate(layout->cluster_bytes);
	for (uint64_t t = 0; t < layout->l2_tables; t++) {
		uint64_t table = layout->guest + t * (per_l2 + 1);
		put(l1 + t * 8, 8, table << layout->cluster_bits | COPIED);
		for (uint64_t i = 0; i < per_l2; i++) {
			uint64_t data = (table + 1 + i) << layout->cluster_bits;
			int is_inside = t * per_l2 + i < layout->guest_clusters;
			put(l2 + i * 8, 8, is_inside ? data | COPIED : 0);
		}
		write_at(l2, layout->cluster_bytes, table << layout->cluster_bits);
	}
	write_at(l1, layout->l1_clusters << layout->cluster_bits,
		 layout->l1 << layout->cluster_bits);
	free(l2);
	free(l1);
}

static uint64_t random_word(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1d;
}

static void write_data(const struct layout *layout, const struct bitmaps *kind,
		       uint64_t first, uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
	uint64_t *words = allocate(layout->cluster_bytes);
	uint64_t left = kind->data_bytes;
	for (uint64_t c = 0; c < kind->data_clusters; c++) {
		uint64_t bytes =
			left < layout->cluster_bytes ? left : layout->cluster_bytes;
		memset(words, 0, layout->cluster_bytes);
		for (uint64_t i = 0; i < bytes / 8; i++)
			words[i] = kind->fill == FILL_FULL ? UINT64_MAX
							   : random_word(&state);
		write_at(words, layout->cluster_bytes,
			 (first + c) << layout->cluster_bits);
		left -= bytes;
	}
	free(words);
}

/* Writes table and data from cluster `first` on; returns the cluster behind them. */
static uint64_t write_bitmap(const struct layout *layout, const struct bitmaps *kind,
			     uint64_t first, uint64_t seed)
{
	uint64_t data = first + kind->table_clusters;
	uint8_t *table = allocate(kind->table_clusters << layout->cluster_bits);
	for (uint64_t c = 0; kind->fill != FILL_EMPTY && c < kind->data_clusters; c++)
		put(table + c * 8, 8, (data + c) << layout->cluster_bits);
	write_at(table, kind->table_clusters << layout->cluster_bits,
		 first << layout->cluster_bits);
	free(table);
	if (kind->fill == FILL_EMPTY)
		return data;
	write_data(layout, kind, data, seed);
	return data + kind->data_clusters;
}

static void write_bitmaps(const struct layout *layout)
{
	uint8_t *directory =
		allocate((layout->directory_clusters + 1) << layout->cluster_bits);
	uint8_t *entry = directory;
	uint64_t first = layout->bitmaps, seed = 1;
	for (unsigned k = 0; k < layout->kind_count; k++) {
		const struct bitmaps *kind = &layout->kinds[k];
		for (unsigned i = 0; i < kind->count; i++) {
			char name[80];
			int name_bytes =
				snprintf(name, sizeof(name), "%s%u", kind->name, i);
			put(entry, 8, first << layout->cluster_bits);
			put(entry + 8, 4, kind->data_clusters);
			put(entry + 12, 4, FLAG_AUTO);
			put(entry + 16, 1, 1);
			put(entry + 17, 1, kind->granularity_bits);
			put(entry + 18, 2, (uint64_t)name_bytes);
			memcpy(entry + ENTRY_FIXED_BYTES, name, (size_t)name_bytes);
			entry += entry_bytes(kind, i);
			first = write_bitmap(layout, kind, first, seed++);
		}
	}
	write_at(directory, layout->directory_clusters << layout->cluster_bits,
		 layout->directory << layout->cluster_bits);
	free(directory);
}

int main(int argc, char **argv)
{
	if (argc < 5)
		stop("usage: FILE DISK_BITS CLUSTER_BITS bare|allocated "
		     "NAME:GRANULARITY_BITS:FILL:COUNT...");
	struct layout layout = {
		.disk_bytes = (uint64_t)1 << parse_number(argv[2], 20, 61),
		.cluster_bits = parse_number(argv[3], 9, 21),
		.kind_count = (unsigned)argc - 5,
	};
	layout.cluster_bytes = (uint64_t)1 << layout.cluster_bits;
	layout.kinds = allocate((layout.kind_count + 1) * sizeof(*layout.kinds));
	for (unsigned k = 0; k < layout.kind_count; k++)
		parse_bitmaps(&layout.kinds[k], &layout, argv[k + 5]);
	if (strcmp(argv[4], "bare") != 0 && strcmp(argv[4], "allocated") != 0)
		stop("'%s' is not bare or allocated", argv[4]);
	plan(&layout, strcmp(argv[4], "allocated") == 0);
	fd = open(argv[1], O_CREAT | O_TRUNC | O_RDWR, 0666);
	if (fd < 0 || ftruncate(fd, (off_t)(layout.end << layout.cluster_bits)) != 0)
		stop("cannot make %s: %s", argv[1], strerror(errno));
	write_header(&layout);
	write_refcounts(&layout);
	write_guest(&layout);
	write_bitmaps(&layout);
	if (fsync(fd) != 0 || close(fd) != 0)
		stop("cannot write %s: %s", argv[1], strerror(errno));
	free(layout.kinds);
	return 0;
}
