/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One kernel, compiled for several processors and chosen when it is called. */
#ifndef Q2_BITS_TARGET_H
#define Q2_BITS_TARGET_H

#include <stdbool.h>

/* Kernels are inlined into the functions of each target and take its instructions. */
#define Q2_TARGET_KERNEL static inline __attribute__((always_inline, unused))

/*
 * Defines the static function `name`, which calls the kernel `widest` compiled for AVX-512,
 * or else `other` compiled for AVX2, where the processor has them, or `other` as it is.
 */
#if defined(__x86_64__)
#define Q2_TARGET_AVX512 \
	__attribute__((target("avx512f,avx512bw,avx512vl,avx512vpopcntdq")))
#define Q2_TARGET_AVX2 __attribute__((target("avx2")))

#define Q2_TARGET_CHOOSE(type, name, widest, other, params, args) \
	Q2_TARGET_AVX512 static type name##_avx512 params         \
	{                                                         \
		return widest args;                               \
	}                                                         \
	Q2_TARGET_AVX2 static type name##_avx2 params             \
	{                                                         \
		return other args;                                \
	}                                                         \
	static type name##_portable params                        \
	{                                                         \
		return other args;                                \
	}                                                         \
	static inline type name params                            \
	{                                                         \
		if (q2_target_has_avx512())                       \
			return name##_avx512 args;                \
		if (q2_target_has_avx2())                         \
			return name##_avx2 args;                  \
		return name##_portable args;                      \
	}

/* These ask libgcc, which knows too whether the operating system saves the registers. */
static inline bool q2_target_has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512vpopcntdq");
}

static inline bool q2_target_has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
#define Q2_TARGET_CHOOSE(type, name, widest, other, params, args) \
	static inline type name params                            \
	{                                                         \
		return other args;                                \
	}
#endif

/* Kernels work in blocks of this many words, so that inner loops have a constant length:
 * compilers turn those into vectors at -O2 too. */
#define Q2_TARGET_BLOCK 64

#endif
