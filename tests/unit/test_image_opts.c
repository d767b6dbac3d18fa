/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Image options of QEMU that name a local file, and those that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../tools/image_opts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct sample {
	const char *text;
	const char *expected; /* the file's name, or a part of the sentence */
};

typedef char *parse_fn(const char *text, char *problem);

static void check_good(parse_fn *parse, const struct sample *sample)
{
	char problem[TOOL_IMAGE_OPTS_PROBLEM];
	char *filename = parse(sample->text, problem);
	assert_non_null(filename);
	assert_string_equal(filename, sample->expected);
	free(filename);
}

static void check_bad(parse_fn *parse, const struct sample *sample)
{
	char problem[TOOL_IMAGE_OPTS_PROBLEM] = "";
	assert_null(parse(sample->text, problem));
	assert_non_null(strstr(problem, sample->expected));
}

static void test_options(void **state)
{
	(void)state;
	static const struct sample good[] = {
		{"driver=qcow2,file.driver=file,file.filename=a.qcow2", "a.qcow2"},
		{"file.filename=a.qcow2", "a.qcow2"},
		{"file.filename=a,,b=c,driver=qcow2", "a,b=c"},
		{"file.filename=,,", ","},
		{"file.filename=a,file.filename=b", "b"},
		{"driver=qcow2,file.driver=host_device,file.filename=/dev/vda",
		 "/dev/vda"},
		{"driver=qcow2,file.driver=raw,file.file.driver=file,file.file.filename=x",
		 "x"},
		{"driver=qcow2,file.file.filename=x", "x"},
		{"file.filename=x,read-only,cache.direct=on,file.locking=off", "x"},
		{"file.filename=x,encrypt.key-secret=sec0,lazy-refcounts", "x"},
	};
	for (size_t i = 0; i < COUNT(good); i++)
		check_good(tool_image_opts_parse, &good[i]);
}

static void test_options_refused(void **state)
{
	(void)state;
	static const struct sample bad[] = {
		{"", "Must specify either driver or file"},
		{"filename=a.qcow2", "Must specify either driver or file"},
		{"a.qcow2", "names a node"},
		{"driver=qcow2,file=node0", "names a node"},
		{"driver=qcow2", "A block device must be specified"},
		{"driver=raw,file.driver=qcow2,file.file.filename=x", "'raw'"},
		{"driver=qcow2,file.driver=nbd,file.path=/x", "'nbd'"},
		{"driver=qcow2,file.driver=https,file.filename=http://x/", "'https'"},
		{"driver=qcow2,file.driver=file", "'file.filename' is missing"},
		{"driver=qcow2,file.driver=raw,file.offset=512,file.file.filename=x",
		 "offset"},
		{"driver=qcow2,file.driver=raw,file.size=512,file.file.filename=x",
		 "size"},
	};
	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(tool_image_opts_parse, &bad[i]);
}

/* Options nested deeper than any key can be end in a sentence. */
static void test_depth(void **state)
{
	(void)state;
	char text[4096] = "driver=qcow2";
	char prefix[1024] = "";
	for (int i = 0; i < 60; i++) {
		strcat(prefix, "file.");
		if (strlen(text) + strlen(prefix) + 16 >= sizeof(text))
			break;
		strcat(text, ",");
		strcat(text, prefix);
		strcat(text, "driver=raw");
	}
	char problem[TOOL_IMAGE_OPTS_PROBLEM] = "";
	assert_null(tool_image_opts_parse(text, problem));
	assert_true(problem[0] != '\0');
}

static void test_filename(void **state)
{
	(void)state;
	static const struct sample good[] = {
		{"a.qcow2", "a.qcow2"},
		{"file:a.qcow2", "a.qcow2"},
		{"dir/x:y", "dir/x:y"},
		{"json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"p\"}}",
		 "p"},
		{"json:{\"file.filename\":\"p\",\"read-only\":true}", "p"},
	};
	static const struct sample bad[] = {
		{"json:", "not a JSON object"},
		{"json:[]", "not a JSON object"},
		{"json:{\"driver\":\"nbd\"}", "'nbd'"},
		{"json:{\"driver\":\"qcow2\",\"file\":\"node0\"}", "names a node"},
	};
	for (size_t i = 0; i < COUNT(good); i++)
		check_good(tool_image_opts_resolve, &good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(tool_image_opts_resolve, &bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_options_refused),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_filename),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
