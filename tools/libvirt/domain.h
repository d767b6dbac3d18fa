/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disks of a domain's XML. All else in it may be secret: it is neither kept nor shown. */
#ifndef TOOLS_LIBVIRT_DOMAIN_H
#define TOOLS_LIBVIRT_DOMAIN_H

#include "xml.h"

/* A layer below a disk that the XML names itself. */
struct tool_domain_layer {
	char *path;   /* NULL: it is no local file */
	char *format; /* NULL: not said */
};

struct tool_domain_disk {
	char *target;      /* "vda" */
	char *path;        /* NULL: there is none, or it is no local file */
	char *format;      /* "qcow2"; NULL: not said, which libvirt takes for raw */
	bool is_empty;     /* a drive without a medium */
	bool is_read_only; /* a CD, too: libvirt keeps no checkpoints of them */
	struct tool_domain_layer *below; /* as `backingStore` has them */
	size_t below_count;
	bool below_ends; /* nothing stands below these */
};

struct tool_domain {
	char *name;
	struct tool_domain_disk *disks;
	size_t disk_count;
};

/* Takes what is known of a `domain` element. */
void tool_domain_take(struct tool_domain *domain, const xmlNode *node);

/* Reads a domain's file. Returns false with the reason in `why`. *doc (may be NULL) is the document, to be
 * freed with tool_xml_free(). */
bool tool_domain_read(struct tool_domain *domain, const char *filename, xmlDoc **doc,
		      char why[TOOL_WHY]);
void tool_domain_free(struct tool_domain *domain);

/* The disk of this target, or NULL. */
const struct tool_domain_disk *tool_domain_find(const struct tool_domain *domain,
						const char *target);

#endif
