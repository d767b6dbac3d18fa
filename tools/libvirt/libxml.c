/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxml2, loaded when the first document is read. */
#include "libxml.h"

#include "../term/command.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void fail(void)
{
	fprintf(stderr,
		"qcow2bm: libvirt's XML is read by libxml2, which cannot be loaded: %s; install "
		"libxml2\n",
		dlerror());
	exit(TOOL_EXIT_FAILED);
}

/* Into a pointer to a function, which no cast may make of a pointer to data. */
static void bind(void *library, const char *name, void *pointer)
{
	void *symbol = dlsym(library, name);
	if (symbol == NULL)
		fail();
	*(void **)pointer = symbol;
}

static void load(struct tool_libxml *libxml)
{
	void *library = dlopen(LIBXML_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		fail();
#define BIND(name) bind(library, #name, &libxml->name);
	TOOL_LIBXML_FUNCTIONS(BIND)
#undef BIND
	bind(library, "xmlFree", &libxml->xmlFree);
}

const struct tool_libxml *tool_libxml(void)
{
	static struct tool_libxml libxml;
	if (libxml.xmlFree == NULL)
		load(&libxml);
	return &libxml;
}
