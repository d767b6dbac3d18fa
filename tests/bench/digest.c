/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* digest IMAGE: each bitmap's name, granularity, flags, set bits, and a hash of its bits, which
 * is the same however they are stored. Shares no code with the library. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "plain.h"

static void digest(const struct plain_image *image, const struct plain_bitmap *bitmap)
{
	size_t cluster_bytes = (size_t)1 << image->cluster_bits;
	uint64_t bits = image->disk_bytes >> bitmap->granularity_bits;
	uint64_t bytes = bits / 8, hash = 0xcbf29ce484222325, ones = 0;
	uint64_t *table = plain_table(image, bitmap),
		 *words = plain_allocate(cluster_bytes);
	for (uint32_t c = 0; c < bitmap->table_entries; c++) {
		uint64_t left = bytes - c * cluster_bytes;
		plain_read_data(image, table, c, 1, (uint8_t *)words);
		for (uint64_t i = 0;
		     i < (left < cluster_bytes ? left : cluster_bytes) / 8; i++) {
			hash = (hash ^ words[i]) * 0x100000001b3;
			hash ^= hash >> 29;
			ones += (unsigned)__builtin_popcountll(words[i]);
		}
	}
	printf("%.*s %u %u %" PRIu64 " %016" PRIx64 "\n", (int)bitmap->name_bytes,
	       (const char *)bitmap->name, bitmap->granularity_bits, bitmap->flags, ones,
	       hash);
	free(words);
	free(table);
}

int main(int argc, char **argv)
{
	struct plain_image image;
	if (argc != 2) {
		fputs("usage: digest IMAGE\n", stderr);
		return 64;
	}
	plain_open(&image, argv[1], O_RDONLY);
	for (unsigned i = 0; i < image.count; i++)
		digest(&image, &image.bitmaps[i]);
	return fflush(stdout) != 0;
}
