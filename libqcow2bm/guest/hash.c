/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hashes by libxxhash and nettle. */
#include "hash.h"

#include "../base/checked.h"

#include <assert.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct q2_hash_total {
	struct sha256_ctx sha256;
};

bool q2_hash_is_zeros(const uint8_t *bytes, size_t count)
{
	size_t start = count < 16 ? count : 16;
	for (size_t i = 0; i < start; i++)
		if (bytes[i] != 0)
			return false;
	/* The rest is what stands 16 bytes before it. */
	return count == start || memcmp(bytes, bytes + start, count - start) == 0;
}

void q2_hash_granule(enum q2_manifest_hash kind, const uint8_t *bytes, size_t count,
		     uint8_t *hash)
{
	if (kind == Q2_MANIFEST_SHA256) {
		struct sha256_ctx ctx;
		sha256_init(&ctx);
		sha256_update(&ctx, count, bytes);
		sha256_digest(&ctx, SHA256_DIGEST_SIZE, hash);
		return;
	}
	XXH128_canonical_t canonical;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, count));
	memcpy(hash, canonical.digest, sizeof(canonical.digest));
}

bool q2_hash_is_granule(const struct q2_manifest_header *header, uint64_t off,
			const uint8_t *granule, size_t bytes, const uint8_t *hash)
{
	uint8_t own[Q2_MANIFEST_MAX_HASH_BYTES];
	size_t hashed = (size_t)q2_min_u64((uint64_t)1 << header->granularity_bits,
					   header->disk_bytes - off);
	assert(bytes >= hashed);
	q2_hash_granule(header->hash, granule, hashed, own);
	return memcmp(own, hash, q2_manifest_hash_bytes(header->hash)) == 0 &&
	       q2_hash_is_zeros(granule + hashed, bytes - hashed);
}

struct q2_hash_total *q2_hash_total_open(void)
{
	struct q2_hash_total *total = malloc(sizeof(*total));
	if (total != NULL)
		sha256_init(&total->sha256);
	return total;
}

void q2_hash_total_add(struct q2_hash_total *total, const uint8_t *bytes, size_t count)
{
	sha256_update(&total->sha256, count, bytes);
}

void q2_hash_total_close(struct q2_hash_total *total, uint8_t *hash)
{
	sha256_digest(&total->sha256, SHA256_DIGEST_SIZE, hash);
	free(total);
}
