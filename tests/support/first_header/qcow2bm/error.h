/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors, and the version. Included by qcow2bm.h. */
#ifndef QCOW2BM_ERROR_H
#define QCOW2BM_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* On every function that can fail: its result is looked at. */
#ifndef QCOW2BM_MUST_CHECK
#if defined(__GNUC__)
#define QCOW2BM_MUST_CHECK __attribute__((warn_unused_result))
#else
#define QCOW2BM_MUST_CHECK
#endif
#endif

/* As all enums of the library it may get new values: what is not known is a failure. */
enum qcow2bm_code {
	QCOW2BM_OK = 0,
	QCOW2BM_ESYSTEM,   /* a system call failed; sys_errno says how */
	QCOW2BM_ENOMEM,    /* memory could not be allocated */
	QCOW2BM_ENOTQCOW2, /* the file does not start as a qcow2 image */
	QCOW2BM_EIMAGE,    /* the image breaks the rules of the format */
	/* well-formed, but must not be read or edited by this library */
	QCOW2BM_EUNSUPPORTED,
	QCOW2BM_EBUSY,     /* another process has the image open */
	QCOW2BM_ENOTFOUND, /* no bitmap of that name */
	QCOW2BM_EEXIST,    /* a bitmap of that name is there already */
	QCOW2BM_EINUSE,    /* the bitmap is marked in-use: its bits cannot be trusted */
	QCOW2BM_EINVAL,    /* an argument is outside its limits */
	QCOW2BM_ELIMIT,    /* the result would be over one of QEMU's limits */
	QCOW2BM_EINTERRUPTED, /* the caller's interrupted() said so, before the switch */
	QCOW2BM_ESTOPPED,     /* the caller's extent function returned non-zero */
	QCOW2BM_EUNKNOWN /* I/O error at the switch: the image is whole, old or new */
};

#define QCOW2BM_NO_OFFSET UINT64_MAX

/* The caller's. Zero it before the first use; the first failure wins until it is zeroed
 * again. Its size stays what it is. */
struct qcow2bm_error {
	enum qcow2bm_code code;
	int sys_errno;      /* 0 where no system call is to blame */
	uint64_t offset;    /* byte in the image file, or QCOW2BM_NO_OFFSET */
	char sentence[512]; /* lower case, no final dot, no path */
	uint64_t reserved[4];
};

/* Stands in a sentence where the cure depends on what else is wrong with the image: a
 * caller who shows it to people may put its own way to qcow2bm_image_check() there. */
#define QCOW2BM_SEE_CHECK "; check tells what to do"

/* The version of this header. Functions and members are added within one soname; none
 * goes away. */
#define QCOW2BM_VERSION_MAJOR 0
#define QCOW2BM_VERSION_MINOR 1
#define QCOW2BM_VERSION_PATCH 0
#define QCOW2BM_VERSION_NUMBER                                         \
	(QCOW2BM_VERSION_MAJOR * 10000 + QCOW2BM_VERSION_MINOR * 100 + \
	 QCOW2BM_VERSION_PATCH)

/* The version of the library that is linked, "1.2.3", and as QCOW2BM_VERSION_NUMBER. */
const char *qcow2bm_version(void);
unsigned qcow2bm_version_number(void);

/* The name of a code, for logs: "EIMAGE". NULL for none that this library has. */
const char *qcow2bm_code_name(enum qcow2bm_code code);

#ifdef __cplusplus
}
#endif

#endif
