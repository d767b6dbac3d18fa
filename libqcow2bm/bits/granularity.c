/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bits of one granularity into bits of another. */
#include "granularity.h"

#include <stddef.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/endian.h"
#include "run.h"
#include "target.h"

/*
 * Both ways work on blocks of 64 fine words, and on numbers: q2_le64() stands where words
 * are loaded and stored. A shift over 6 coarsens whole words into one first, then by 6.
 */
#define BLOCK Q2_TARGET_BLOCK
#define WORD_SHIFT 6

/* A number whose lowest `bits` bits, 1 .. 64, are set. */
Q2_TARGET_KERNEL uint64_t ones(unsigned bits)
{
	return UINT64_MAX >> (64 - bits);
}

/* Groups of 2^step set bits, one group in each 2^(step + shift) bits. */
Q2_TARGET_KERNEL uint64_t groups_mask(unsigned shift, unsigned step)
{
	return UINT64_MAX / ones(1u << (step + shift)) * ones(1u << step);
}

/* Moves the second of each two such groups next to the first. */
Q2_TARGET_KERNEL uint64_t join_groups(uint64_t x, unsigned shift, unsigned step)
{
	if (shift + step >= WORD_SHIFT)
		return x;
	return (x | x >> ((1u << (shift + step)) - (1u << step))) &
	       groups_mask(shift, step + 1);
}

/* And away from it. */
Q2_TARGET_KERNEL uint64_t part_groups(uint64_t x, unsigned shift, unsigned step)
{
	if (shift + step >= WORD_SHIFT)
		return x;
	return (x | x << ((1u << (shift + step)) - (1u << step))) &
	       groups_mask(shift, step);
}

/* One word, coarsened into its lowest 64 >> shift bits. */
Q2_TARGET_KERNEL uint64_t shrink(uint64_t x, unsigned shift)
{
	x |= x >> 1;
	x |= shift > 1 ? x >> 2 : 0;
	x |= shift > 2 ? x >> 4 : 0;
	x |= shift > 3 ? x >> 8 : 0;
	x |= shift > 4 ? x >> 16 : 0;
	x |= shift > 5 ? x >> 32 : 0;
	x &= groups_mask(shift, 0);
	x = join_groups(x, shift, 0);
	x = join_groups(x, shift, 1);
	x = join_groups(x, shift, 2);
	x = join_groups(x, shift, 3);
	return join_groups(x, shift, 4);
}

/* The lowest 64 >> shift bits, refined into a word. */
Q2_TARGET_KERNEL uint64_t stretch(uint64_t x, unsigned shift)
{
	x &= ones(64u >> shift);
	x = part_groups(x, shift, 4);
	x = part_groups(x, shift, 3);
	x = part_groups(x, shift, 2);
	x = part_groups(x, shift, 1);
	x = part_groups(x, shift, 0);
	return (shift < WORD_SHIFT ? x << (1u << shift) : 0) - x;
}

/* Puts each two words of `in`, `bits` bits in each, into one of `out`. */
Q2_TARGET_KERNEL void join_words(uint64_t *restrict out, const uint64_t *restrict in,
				 unsigned count, unsigned bits)
{
	for (size_t j = 0; j < count; j++)
		out[j] = in[2 * j] | in[2 * j + 1] << bits;
}

/* Parts the lower and the upper `bits` bits of each word; rubbish stays above them. */
Q2_TARGET_KERNEL void part_words(uint64_t *restrict out, const uint64_t *restrict in,
				 unsigned count, unsigned bits)
{
	for (size_t j = 0; j < count; j++) {
		out[2 * j] = in[j];
		out[2 * j + 1] = in[j] >> bits;
	}
}

/* Coarsens the words `a` into the first 64 >> shift of them; `b` is for the steps. */
Q2_TARGET_KERNEL const uint64_t *coarsen_block(uint64_t *a, uint64_t *b, unsigned shift)
{
	unsigned bits = 64u >> shift;

	for (unsigned j = 0; j < BLOCK; j++)
		a[j] = shrink(a[j], shift);
	join_words(b, a, 32, bits);
	if (shift == 1)
		return b;
	join_words(a, b, 16, bits * 2);
	if (shift == 2)
		return a;
	join_words(b, a, 8, bits * 4);
	if (shift == 3)
		return b;
	join_words(a, b, 4, bits * 8);
	if (shift == 4)
		return a;
	join_words(b, a, 2, bits * 16);
	if (shift == 5)
		return b;
	join_words(a, b, 1, bits * 32);
	return a;
}

/* Refines the first 64 >> shift words of `a` into a block. */
Q2_TARGET_KERNEL const uint64_t *refine_block(uint64_t *a, uint64_t *b, unsigned shift)
{
	unsigned count = 64u >> shift;
	uint64_t *out = b;
	uint64_t *in = a;

	for (unsigned bits = 32; count < BLOCK; bits /= 2, count *= 2) {
		uint64_t *swap = in;
		part_words(out, in, count, bits);
		in = out;
		out = swap;
	}
	for (unsigned j = 0; j < BLOCK; j++)
		in[j] = stretch(in[j], shift);
	return in;
}

/* ORs the first `bits` bits of the numbers `from` into dst. */
Q2_TARGET_KERNEL void or_bits(uint64_t *restrict dst, const uint64_t *restrict from,
			      unsigned bits)
{
	for (unsigned j = 0; j < bits / 64; j++)
		dst[j] |= q2_le64(from[j]);
	if (bits % 64 != 0)
		dst[bits / 64] |= q2_le64(from[bits / 64] & ones(bits % 64));
}

Q2_TARGET_KERNEL bool is_zero(const uint64_t *block)
{
	uint64_t any = 0;

	for (unsigned j = 0; j < BLOCK; j++)
		any |= block[j];
	return any == 0;
}

/* The OR of `words` words, or what shows that it is not zero. */
Q2_TARGET_KERNEL uint64_t any_of(const uint64_t *src, size_t words)
{
	uint64_t any = 0;
	size_t i = 0;

	for (; words - i >= 16 && any == 0; i += 16) {
		for (size_t j = i; j < i + 16; j++)
			any |= src[j];
	}
	for (; i < words && any == 0; i++)
		any = src[i];
	return any;
}

/* One number for each `words` words of src: as any_of(). */
Q2_TARGET_KERNEL void load_groups(uint64_t *restrict out, const uint64_t *restrict src,
				  unsigned groups, size_t words)
{
	for (unsigned j = 0; j < groups; j++) {
		uint64_t any = src[j * words];
		if (words <= 8) {
			for (size_t k = 1; k < words; k++)
				any |= src[j * words + k];
		} else {
			any = any_of(src + j * words, words);
		}
		out[j] = q2_le64(any);
	}
}

/* A whole block; the lengths that are constant become vectors. */
Q2_TARGET_KERNEL void load_block(uint64_t *restrict out, const uint64_t *restrict src,
				 size_t words)
{
	if (words == 1)
		load_groups(out, src, BLOCK, 1);
	else if (words == 2)
		load_groups(out, src, BLOCK, 2);
	else if (words == 4)
		load_groups(out, src, BLOCK, 4);
	else if (words == 8)
		load_groups(out, src, BLOCK, 8);
	else
		load_groups(out, src, BLOCK, words);
}

/* Each `words` words of src as one, coarsened by `shift`, 1 .. 6. */
Q2_TARGET_KERNEL void coarsen_by(uint64_t *dst, uint64_t dst_bits, const uint64_t *src,
				 size_t words, unsigned shift)
{
	const unsigned block_bits = BLOCK * (64u >> shift);
	uint64_t a[BLOCK], b[BLOCK];

	for (; dst_bits >= block_bits; dst_bits -= block_bits) {
		load_block(a, src, words);
		if (!is_zero(a))
			or_bits(dst, coarsen_block(a, b, shift), block_bits);
		src += BLOCK * words;
		dst += 64u >> shift;
	}
	if (dst_bits != 0) {
		memset(a, 0, sizeof(a));
		load_groups(a, src, (unsigned)q2_shift_up(dst_bits, WORD_SHIFT - shift),
			    words);
		or_bits(dst, coarsen_block(a, b, shift), (unsigned)dst_bits);
	}
}

/* With `shift` as a constant for the compiler. */
Q2_TARGET_KERNEL void coarsen_kernel(uint64_t *dst, uint64_t dst_bits,
				     const uint64_t *src, unsigned shift)
{
	switch (shift) {
	case 1:
		coarsen_by(dst, dst_bits, src, 1, 1);
		break;
	case 2:
		coarsen_by(dst, dst_bits, src, 1, 2);
		break;
	case 3:
		coarsen_by(dst, dst_bits, src, 1, 3);
		break;
	case 4:
		coarsen_by(dst, dst_bits, src, 1, 4);
		break;
	case 5:
		coarsen_by(dst, dst_bits, src, 1, 5);
		break;
	default:
		coarsen_by(dst, dst_bits, src,
			   (size_t)((uint64_t)1 << (shift - WORD_SHIFT)), WORD_SHIFT);
	}
}

Q2_TARGET_CHOOSE(void, coarsen, coarsen_kernel, coarsen_kernel,
		 (uint64_t * dst, uint64_t dst_bits, const uint64_t *src, unsigned shift),
		 (dst, dst_bits, src, shift))

void q2_granularity_coarsen(uint64_t *dst, uint64_t dst_bits, const uint64_t *src,
			    unsigned shift)
{
	coarsen(dst, dst_bits, src, shift);
}

/* Loads `bits` bits of src from bit `first` on, and zeros to the end of the block. */
Q2_TARGET_KERNEL void load_bits(uint64_t *restrict out, const uint64_t *restrict src,
				uint64_t first, unsigned bits)
{
	const uint64_t *from = src + (size_t)(first / 64);
	unsigned low = (unsigned)(first % 64);
	unsigned count = (bits + 63) / 64;
	unsigned spanned = (low + bits + 63) / 64;

	for (size_t j = 0; j < count; j++) {
		out[j] = q2_le64(from[j]) >> low;
		if (low != 0 && j + 1 < spanned)
			out[j] |= q2_le64(from[j + 1]) << (64 - low);
	}
	memset(out + count, 0, (BLOCK - count) * sizeof(*out));
}

/* Refines by `shift`, 1 .. 6, from bit src_bit of src on. */
Q2_TARGET_KERNEL void refine_by(uint64_t *dst, uint64_t dst_bits, const uint64_t *src,
				uint64_t src_bit, unsigned shift)
{
	const unsigned block_bits = BLOCK * 64;
	uint64_t a[BLOCK], b[BLOCK];

	for (; dst_bits >= block_bits; dst_bits -= block_bits) {
		load_bits(a, src, src_bit, block_bits >> shift);
		if (!is_zero(a))
			or_bits(dst, refine_block(a, b, shift), block_bits);
		src_bit += block_bits >> shift;
		dst += BLOCK;
	}
	if (dst_bits != 0) {
		load_bits(a, src, src_bit, (unsigned)q2_shift_up(dst_bits, shift));
		or_bits(dst, refine_block(a, b, shift), (unsigned)dst_bits);
	}
}

Q2_TARGET_KERNEL void refine_kernel(uint64_t *dst, uint64_t dst_bits, const uint64_t *src,
				    uint64_t src_bit, unsigned shift)
{
	switch (shift) {
	case 1:
		refine_by(dst, dst_bits, src, src_bit, 1);
		break;
	case 2:
		refine_by(dst, dst_bits, src, src_bit, 2);
		break;
	case 3:
		refine_by(dst, dst_bits, src, src_bit, 3);
		break;
	case 4:
		refine_by(dst, dst_bits, src, src_bit, 4);
		break;
	case 5:
		refine_by(dst, dst_bits, src, src_bit, 5);
		break;
	default:
		refine_by(dst, dst_bits, src, src_bit, WORD_SHIFT);
	}
}

Q2_TARGET_CHOOSE(void, refine_blocks, refine_kernel, refine_kernel,
		 (uint64_t * dst, uint64_t dst_bits, const uint64_t *src,
		  uint64_t src_bit, unsigned shift),
		 (dst, dst_bits, src, src_bit, shift))

/* Sets the bits [from, to) of dst, at least one. */
static void set_run(uint64_t *dst, uint64_t from, uint64_t to)
{
	size_t idx = (size_t)(from / 64), last = (size_t)((to - 1) / 64);
	uint64_t head = UINT64_MAX << from % 64;
	uint64_t tail = ones((unsigned)((to - 1) % 64) + 1);

	if (idx == last) {
		dst[idx] |= q2_le64(head & tail);
		return;
	}
	dst[idx++] |= q2_le64(head);
	while (idx < last)
		dst[idx++] = UINT64_MAX;
	dst[last] |= q2_le64(tail);
}

/* Refines run by run: for bits that fill many words, and where src_first cuts one. */
static void refine_runs(uint64_t *dst, uint64_t dst_bits, const uint64_t *src,
			uint64_t src_first, unsigned shift)
{
	uint64_t end = ((src_first + dst_bits - 1) >> shift) + 1;
	uint64_t stop;

	for (uint64_t bit = src_first >> shift; bit < end; bit = stop) {
		uint64_t start = q2_run_end(src, bit, end, false);
		uint64_t from, to;
		stop = q2_run_end(src, start, end, true);
		if (start == end)
			break;
		from = start << shift > src_first ? (start << shift) - src_first : 0;
		/* The end of the last run may not fit 64 bits. */
		to = stop < end ? (stop << shift) - src_first : dst_bits;
		set_run(dst, from, to);
	}
}

void q2_granularity_refine(uint64_t *dst, uint64_t dst_bits, const uint64_t *src,
			   uint64_t src_first, unsigned shift)
{
	if (dst_bits == 0)
		return;
	if (shift <= WORD_SHIFT && q2_is_aligned(src_first, (uint64_t)1 << shift))
		refine_blocks(dst, dst_bits, src, src_first >> shift, shift);
	else
		refine_runs(dst, dst_bits, src, src_first, shift);
}
