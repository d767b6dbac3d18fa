/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How every failure in the library is made: one line, one sentence, the first one wins. */
#ifndef Q2_BASE_ERROR_H
#define Q2_BASE_ERROR_H

#include "../qcow2bm.h"

/* Describes a failure that no system call is to blame for, and returns `code`. `off` is a byte
 * in the image file or QCOW2BM_NO_OFFSET. An error that is set already is kept. */
enum qcow2bm_code q2_fail(struct qcow2bm_error *err, enum qcow2bm_code code, uint64_t off,
			  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The same for a system call that set errno to `sys_errno`; its text is added to the sentence. */
enum qcow2bm_code q2_fail_errno(struct qcow2bm_error *err, int sys_errno, uint64_t off,
				const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* A failure that another one, `cause`, led to: its errno and offset stay. */
enum qcow2bm_code q2_fail_for(struct qcow2bm_error *err, enum qcow2bm_code code,
			      const struct qcow2bm_error *cause, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Passes on a failure that was caught in *why, as it is, and returns its code. */
enum qcow2bm_code q2_pass(struct qcow2bm_error *err, const struct qcow2bm_error *why);

/*
 * Fails as `why` does, and says that it is about a layer below the top: "layer 'NAME': ...", before which the
 * top's name is told. QCOW2BM_SEE_CHECK at the end is about the layer then, too; it goes where the name
 * cannot be read back. What is about no file, want of memory and being stopped, is passed on as it is.
 */
enum qcow2bm_code q2_fail_layer(struct qcow2bm_error *err,
				const struct qcow2bm_error *why, const char *filename);

/* Takes QCOW2BM_SEE_CHECK off the end of the sentence, where it would be about another image. */
void q2_drop_advice(struct qcow2bm_error *err);

/* "1 byte, 2 bytes", "1 entry, 2 entries": the end of the word behind a number. */
static inline const char *q2_s(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static inline const char *q2_ies(uint64_t count)
{
	return count == 1 ? "y" : "ies";
}

/* Out of memory for `what`. Here, so that a tool that reads one file at a time sees that its
 * result is never QCOW2BM_OK. */
static inline enum qcow2bm_code q2_fail_memory(struct qcow2bm_error *err,
					       const char *what)
{
	q2_fail(err, QCOW2BM_ENOMEM, QCOW2BM_NO_OFFSET, "out of memory for %s", what);
	return QCOW2BM_ENOMEM;
}

#endif
