/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening one side of a comparison: what qemu-img would open, or a manifest. */
#define _POSIX_C_SOURCE 200809L

#include "compare_side.h"

#include "../term/image_opts.h"
#include "../term/message.h"
#include "layers.h"
#include "old.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static int refuse(const struct tool_compare_side *side, const char *sentence, int status)
{
	tool_message(NULL, "Could not open '%s': %s", side->filename, sentence);
	return status == TOOL_EXIT_BUSY ? status : TOOL_COMPARE_CANNOT_OPEN;
}

static int could_not_open(const struct tool_compare_side *side,
			  const struct qcow2bm_error *err)
{
	char *sentence = tool_message_sentence(err);
	int status = refuse(side, sentence, tool_message_status(err->code));
	free(sentence);
	return status;
}

/* Opens the layers in the local file `path`, and the disk that they are. */
static int open_disk(struct tool_compare_side *side,
		     const struct tool_compare_opening *opening, const char *path)
{
	struct qcow2bm_error err = {0};
	struct qcow2bm_disk_options options = QCOW2BM_DISK_OPTIONS_INIT;
	options.snapshot = side->snapshot;
	/* qemu-img's strict mode tells holes that it looks for from data. */
	options.finds_holes = !opening->strict;
	if (tool_layers_try_open(&side->chain, opening->options, path, side->format, 0,
				 &err) != QCOW2BM_OK ||
	    qcow2bm_disk_open(&side->disk, side->chain, &options, &err) != QCOW2BM_OK)
		return could_not_open(side, &err);
	side->bytes = qcow2bm_disk_bytes(side->disk);
	return TOOL_COMPARE_SAME;
}

static int open_manifest(struct tool_compare_side *side,
			 const struct tool_compare_opening *opening, const char *path)
{
	if (opening->strict || side->snapshot != NULL)
		return refuse(side,
			      opening->strict
				      ? "a manifest does not tell what is allocated, "
					"which the strict mode compares"
				      : "a manifest has no snapshots",
			      TOOL_EXIT_FAILED);
	int status = tool_old_open(&side->manifest, opening->options, path,
				   QCOW2BM_OLD_MANIFEST);
	if (status != TOOL_EXIT_DONE)
		return status == TOOL_EXIT_FAILED ? TOOL_COMPARE_CANNOT_OPEN : status;
	side->bytes = qcow2bm_old_describe(side->manifest)->virtual_bytes;
	return TOOL_COMPARE_SAME;
}

static bool is_about_layers(const char *key)
{
	return strncmp(key, "backing", 7) == 0 || strncmp(key, "data-file", 9) == 0;
}

/* Whether the list KEY=VALUE,... names other layers than the image does; two commas are one in a value. */
static bool list_names_layers(const char *text)
{
	while (text != NULL && !is_about_layers(text)) {
		text = strchr(text, ',');
		while (text != NULL && text[1] == ',')
			text = strchr(text + 2, ',');
		text = text == NULL ? NULL : text + 1;
	}
	return text != NULL;
}

/* Whether the options in "json:{...}" name other layers than the image does. */
static bool json_names_layers(const char *name)
{
	const char *key;
	json_t *value;
	bool names_layers = false;
	if (strncmp(name, "json:", 5) != 0)
		return false;
	json_t *object = json_loads(name + 5, 0, NULL);
	json_object_foreach(object, key, value) names_layers |= is_about_layers(key);
	json_decref(object);
	return names_layers;
}

/* Opens what it is said to be, or what it is seen to be where nothing is said. Options of qemu-img's are about
 * an image. */
static int open_by_kind(struct tool_compare_side *side,
			const struct tool_compare_opening *opening, const char *path)
{
	struct qcow2bm_error err = {0};
	enum qcow2bm_old_kind kind = QCOW2BM_OLD_ANY;
	bool is_told = side->format[0] != '\0' || opening->image_opts ||
		       strncmp(side->filename, "json:", 5) == 0;
	/* What cannot be looked at fails again as a disk, in the words for that. */
	if (!is_told && qcow2bm_old_probe(path, &kind, &err) == QCOW2BM_EUNSUPPORTED)
		return could_not_open(side, &err);
	return kind == QCOW2BM_OLD_MANIFEST || strcmp(side->format, "manifest") == 0
		       ? open_manifest(side, opening, path)
		       : open_disk(side, opening, path);
}

int tool_compare_side_open(struct tool_compare_side *side,
			   const struct tool_compare_opening *opening)
{
	char problem[TOOL_IMAGE_OPTS_PROBLEM];
	char *path = opening->image_opts
			     ? tool_image_opts_parse(side->filename, false, problem)
			     : tool_image_opts_resolve(side->filename, false, problem);
	if (path == NULL)
		return refuse(side, problem, TOOL_EXIT_FAILED);
	bool names_layers = opening->image_opts ? list_names_layers(side->filename)
						: json_names_layers(side->filename);
	int status = names_layers ? refuse(side,
					   "options of other layers (backing, "
					   "data-file) are not taken here",
					   TOOL_EXIT_FAILED)
				  : open_by_kind(side, opening, path);
	free(path);
	return status;
}

void tool_compare_side_close(struct tool_compare_side *side)
{
	qcow2bm_disk_close(side->disk);
	qcow2bm_chain_close(side->chain);
	qcow2bm_old_close(side->manifest);
}
