/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options that QEMU takes for qcow2, raw and file, with the values that it takes. */
#include "image_opts_known.h"

#include <stdio.h>
#include <string.h>

/* What a value may be: one of the words, which stand between bars, or one of these. */
#define ANY NULL
#define FLAG "|on|off|yes|no|true|false|y|n|"
#define OVERLAPS "|none|constant|cached|all|"

struct option {
	const char *key; /* one that ends in a dot: all that begin with it */
	const char *values;
};

static const struct option common[] = {
	{"driver", ANY},
	{"node-name", ANY},
	{"read-only", FLAG},
	{"auto-read-only", FLAG},
	{"force-share", FLAG},
	{"cache.direct", FLAG},
	{"cache.no-flush", FLAG},
	{"discard", "|ignore|off|unmap|on|"},
	{"detect-zeroes", "|off|on|unmap|"},
	{NULL, NULL},
};

static const struct option qcow2[] = {
	{"lazy-refcounts", FLAG},
	{"pass-discard-request", FLAG},
	{"pass-discard-snapshot", FLAG},
	{"pass-discard-other", FLAG},
	{"discard-no-unref", FLAG},
	{"overlap-check", OVERLAPS},
	{"overlap-check.template", OVERLAPS},
	{"overlap-check.main-header", FLAG},
	{"overlap-check.active-l1", FLAG},
	{"overlap-check.active-l2", FLAG},
	{"overlap-check.refcount-table", FLAG},
	{"overlap-check.refcount-block", FLAG},
	{"overlap-check.snapshot-table", FLAG},
	{"overlap-check.inactive-l1", FLAG},
	{"overlap-check.inactive-l2", FLAG},
	{"overlap-check.bitmap-directory", FLAG},
	{"cache-size", ANY},
	{"l2-cache-size", ANY},
	{"l2-cache-entry-size", ANY},
	{"refcount-cache-size", ANY},
	{"cache-clean-interval", ANY},
	{"encrypt.format", ANY},
	{"encrypt.key-secret", ANY},
	/* Neither is opened here. */
	{"backing", "||null|"},
	{"backing.", ANY},
	{"data-file", ANY},
	{"data-file.", ANY},
	{NULL, NULL},
};

static const struct option raw[] = {{NULL, NULL}};

static const struct option file[] = {
	{"filename", ANY},
	{"locking", "|auto|on|off|"},
	{"pr-manager", ANY},
	{"aio", "|threads|native|io_uring|"},
	{"aio-max-batch", ANY},
	{"drop-cache", FLAG},
	{"x-check-cache-dropped", FLAG},
	{NULL, NULL},
};

static const struct option *find(const struct option *options, const char *key)
{
	for (; options->key != NULL; options++) {
		size_t length = strlen(options->key);
		bool is_prefix = options->key[length - 1] == '.';
		if (is_prefix ? strncmp(options->key, key, length) == 0
			      : strcmp(options->key, key) == 0)
			return options;
	}
	return NULL;
}

static bool is_among(const char *words, const char *value)
{
	char word[32];
	return (size_t)snprintf(word, sizeof(word), "|%s|", value) < sizeof(word) &&
	       strstr(words, word) != NULL;
}

static bool takes(const struct option *option, const char *value)
{
	return option->values == ANY || is_among(option->values, value);
}

static bool is_on(const char *value)
{
	return is_among("|on|yes|true|y|", value);
}

bool tool_image_opts_is_known(enum tool_image_opts_layer layer, const char *path,
			      const char *key, const char *value, bool for_writing,
			      char problem[TOOL_IMAGE_OPTS_PROBLEM])
{
	static const struct {
		const struct option *options;
		const char *what;
	} layers[] = {
		[TOOL_IMAGE_OPTS_QCOW2] = {qcow2, "Block format 'qcow2'"},
		[TOOL_IMAGE_OPTS_RAW] = {raw, "Block format 'raw'"},
		[TOOL_IMAGE_OPTS_FILE] = {file, "Block protocol 'file'"},
	};
	const struct option *option = find(common, key);
	if (option == NULL)
		option = find(layers[layer].options, key);
	if (option == NULL)
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
			 "%s does not support the option '%.100s'", layers[layer].what,
			 key);
	else if (!takes(option, value) && strcmp(option->values, FLAG) == 0)
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
			 "Parameter '%.100s' expects 'on' or 'off'", path);
	else if (!takes(option, value))
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
			 "Parameter '%.100s' does not accept value '%.60s'", path, value);
	else if (for_writing && strcmp(key, "read-only") == 0 && is_on(value))
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
			 "Block node is read-only ('%.100s' is on)", path);
	else if (for_writing && strcmp(key, "force-share") == 0 && is_on(value))
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
			 "'%.100s=on' can only be used with read-only images", path);
	else
		return true;
	return false;
}
