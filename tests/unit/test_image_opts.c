/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Image options of QEMU that name a local file, and those that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../tools/term/image_opts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct sample {
	const char *text;
	const char *expected; /* the file's name, or a part of the sentence */
};

typedef char *parse_fn(const char *text, bool for_writing, char *problem);

static void check_good(parse_fn *parse, const struct sample *sample)
{
	char problem[TOOL_IMAGE_OPTS_PROBLEM];
	char *filename = parse(sample->text, true, problem);
	assert_non_null(filename);
	assert_string_equal(filename, sample->expected);
	free(filename);
}

static void check_bad(parse_fn *parse, const struct sample *sample)
{
	char problem[TOOL_IMAGE_OPTS_PROBLEM] = "";
	assert_null(parse(sample->text, true, problem));
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
		{"file.filename=x,read-only=off,cache.direct=on,file.locking=off", "x"},
		{"file.filename=x,overlap-check.active-l1=no,backing=,discard=unmap",
		 "x"},
		{"driver=qcow2,file.driver=raw,file.file.filename=x,file.file.aio=threads",
		 "x"},
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
		{"file.filename=x,read-only=on", "'read-only'"},
		{"file.filename=x,read-only", "'read-only'"},
		{"file.filename=x,file.read-only=yes", "'file.read-only'"},
		{"file.filename=x,force-share=on", "force-share"},
		{"file.filename=x,read-only=maybe", "expects 'on' or 'off'"},
		{"file.filename=x,readonly=off",
		 "'qcow2' does not support the option 'readonly'"},
		{"file.filename=x,file.lazy-refcounts=on", "'file' does not support"},
		{"file.filename=x,locking=off", "'qcow2' does not support"},
		{"driver=qcow2,file.driver=raw,file.file.filename=x,file.locking=off",
		 "'raw' does not support"},
		{"file.filename=x,discard=perhaps", "does not accept value 'perhaps'"},
		{"file.filename=x,backing=node0", "does not accept value 'node0'"},
		{"file.filename=x,backin.driver=file", "does not support"},
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
	assert_null(tool_image_opts_parse(text, true, problem));
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
		{"json:{\"file.filename\":\"p\",\"read-only\":false,\"l2-cache-size\":65536,"
		 "\"backing\":null}",
		 "p"},
	};
	static const struct sample bad[] = {
		{"json:", "not a JSON object"},
		{"json:[]", "not a JSON object"},
		{"json:{\"driver\":\"nbd\"}", "'nbd'"},
		{"json:{\"file.filename\":\"p\",\"read-only\":true}", "'read-only'"},
		{"json:{\"file\":{\"filename\":\"p\",\"x\":[1]}}", "option 'x'"},
		{"json:{\"driver\":\"qcow2\",\"file\":\"node0\"}", "names a node"},
	};
	for (size_t i = 0; i < COUNT(good); i++)
		check_good(tool_image_opts_resolve, &good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(tool_image_opts_resolve, &bad[i]);
}

/* What forbids writing alone may be said of a file that is only read. */
static void test_reading(void **state)
{
	(void)state;
	char problem[TOOL_IMAGE_OPTS_PROBLEM];
	char *filename = tool_image_opts_resolve(
		"json:{\"file.filename\":\"p\",\"read-only\":true,\"force-share\":true}",
		false, problem);
	assert_string_equal(filename, "p");
	free(filename);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options), cmocka_unit_test(test_options_refused),
		cmocka_unit_test(test_depth),   cmocka_unit_test(test_filename),
		cmocka_unit_test(test_reading),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
