/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library's version. */
#include "../qcow2bm.h"

const char *qcow2bm_version(void)
{
	return PACKAGE_VERSION;
}

unsigned qcow2bm_version_number(void)
{
	return QCOW2BM_VERSION_NUMBER;
}
