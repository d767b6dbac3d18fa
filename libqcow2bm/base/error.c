/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filling struct qcow2bm_error. */
#define _POSIX_C_SOURCE 200809L /* strerror_r() that returns int */

#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool is_vacant(const struct qcow2bm_error *err)
{
	return err != NULL && err->code == QCOW2BM_OK;
}

static void describe(struct qcow2bm_error *err, enum qcow2bm_code code, int sys_errno,
		     uint64_t off, const char *fmt, va_list args)
{
	err->code = code;
	err->sys_errno = sys_errno;
	err->offset = off;
	vsnprintf(err->sentence, sizeof(err->sentence), fmt, args);
}

enum qcow2bm_code q2_fail(struct qcow2bm_error *err, enum qcow2bm_code code, uint64_t off,
			  const char *fmt, ...)
{
	if (is_vacant(err)) {
		va_list args;
		va_start(args, fmt);
		describe(err, code, 0, off, fmt, args);
		va_end(args);
	}
	return code;
}

enum qcow2bm_code q2_fail_errno(struct qcow2bm_error *err, int sys_errno, uint64_t off,
				const char *fmt, ...)
{
	if (is_vacant(err)) {
		va_list args;
		va_start(args, fmt);
		describe(err, QCOW2BM_ESYSTEM, sys_errno, off, fmt, args);
		va_end(args);
		char text[128] = "";
		if (strerror_r(sys_errno, text, sizeof(text)) != 0)
			snprintf(text, sizeof(text), "error %d", sys_errno);
		size_t used = strlen(err->sentence);
		snprintf(err->sentence + used, sizeof(err->sentence) - used, ": %s",
			 text);
	}
	return QCOW2BM_ESYSTEM;
}

enum qcow2bm_code q2_fail_for(struct qcow2bm_error *err, enum qcow2bm_code code,
			      const struct qcow2bm_error *cause, const char *fmt, ...)
{
	if (is_vacant(err)) {
		va_list args;
		va_start(args, fmt);
		describe(err, code, cause->sys_errno, cause->offset, fmt, args);
		va_end(args);
	}
	return code;
}

enum qcow2bm_code q2_pass(struct qcow2bm_error *err, const struct qcow2bm_error *why)
{
	if (is_vacant(err))
		*err = *why;
	return why->code;
}

/* Where it stands in the sentence, at its end. */
static char *find_advice(struct qcow2bm_error *err)
{
	size_t length = strlen(err->sentence), advice = strlen(QCOW2BM_SEE_CHECK);
	char *place = err->sentence + length - advice;
	return length >= advice && strcmp(place, QCOW2BM_SEE_CHECK) == 0 ? place : NULL;
}

void q2_drop_advice(struct qcow2bm_error *err)
{
	char *place = find_advice(err);
	if (place != NULL)
		*place = '\0';
}

enum qcow2bm_code q2_fail_layer(struct qcow2bm_error *err,
				const struct qcow2bm_error *why, const char *filename)
{
	if (why->code == QCOW2BM_ENOMEM || why->code == QCOW2BM_EINTERRUPTED ||
	    why->code == QCOW2BM_ESTOPPED)
		return q2_pass(err, why);
	struct qcow2bm_error cause = *why;
	bool is_whole = strlen(filename) <= 200 && strchr(filename, '\'') == NULL;
	const char *advice =
		find_advice(&cause) != NULL && is_whole ? QCOW2BM_SEE_CHECK : "";
	q2_drop_advice(&cause);
	return q2_fail_for(err, why->code, why, "layer '%.200s': %.270s%s", filename,
			   cause.sentence, advice);
}
