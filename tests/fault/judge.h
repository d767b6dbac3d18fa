/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a run with a fault ended as it must: exit status, output, image, memory. */
#ifndef TESTS_JUDGE_H
#define TESTS_JUDGE_H

#include "../support/strict_reader.h"
#include "inject.h"
#include "tally.h"

struct trial {
	struct injection injection;
	struct outcome good; /* without a fault */
	struct strict_image before, after;
	bool edits;
	bool qemu_can_check; /* no key and no backing file is missing */
	uint64_t checked;    /* by qemu-img */
	struct tally tally;
};

/* Whether qemu-img, which QEMU_IMG names, finds no more than leaks in the image. */
bool judge_asks_qemu(void);

/* Counts the outcome of trial->injection. Returns NULL, or what is wrong with it. */
const char *judge(struct trial *trial, const struct outcome *outcome);

#endif
