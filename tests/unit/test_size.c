/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes as qemu-img takes and prints them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../tools/term/size.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_parse(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"512", 512},
		{"07", 7},
		{"5b", 5},
		{"5B", 5},
		{"64k", 65536},
		{"64K", 65536},
		{"1M", 1048576},
		{"1.5G", 1610612736},
		{"1.", 1},
		{"1.0", 1},
		{"1.875k", 1920},
		{"0.1k", 102},
		{"0.3333333333333333333333333333k", 341},
		{"1T", (uint64_t)1 << 40},
		{"1P", (uint64_t)1 << 50},
		{"1e", (uint64_t)1 << 60},
		{"7.9E", 9108079886394091136u},
		{"0x200", 512},
		{"0x10k", 16384},
		{"9223372036854775807", INT64_MAX},
		/* What qemu-img passes over: */
		{" 512", 512},
		{"+512", 512},
		{"\t\n\v\f\r 64k", 65536},
		{" +0x200", 512},
		{"+1.5k", 1536},
		{" 010k", 10240},
	};
	for (size_t i = 0; i < COUNT(good); i++) {
		uint64_t bytes = 12345;
		assert_true(tool_size_parse(good[i].text, &bytes));
		assert_int_equal(bytes, good[i].bytes);
	}
}

static void test_parse_refuses(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		" ",
		"+",
		"-5",
		" -5",
		"-0",
		"+-5",
		"++5",
		"+ 5",
		"+.5k",
		"+0x",
		"k",
		".5k",
		"1.5",
		"1.5b",
		"1kb",
		"1KiB",
		"1e3",
		"5s",
		"0x",
		"0xg",
		"0x1.8k",
		"8E",
		"16E",
		"1k ",
		"inf",
		"nan",
		"9223372036854775808",
		"99999999999999999999",
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		uint64_t bytes = 12345;
		assert_false(tool_size_parse(bad[i], &bytes));
		assert_int_equal(bytes, 12345);
	}
}

static void test_format(void **state)
{
	(void)state;
	static const struct {
		uint64_t bytes;
		const char *text;
	} pairs[] = {
		{0, "0 B"},
		{512, "512 B"},
		{999, "999 B"},
		{1000, "0.977 KiB"},
		{1023, "0.999 KiB"},
		{1024, "1 KiB"},
		{200704, "196 KiB"},
		{1023488, "0.976 MiB"},
		{104857600, "100 MiB"},
		{2297856, "2.19 MiB"},
		{(uint64_t)3 << 39, "1.5 TiB"},
		{UINT64_MAX, "16 EiB"},
	};
	for (size_t i = 0; i < COUNT(pairs); i++) {
		char text[TOOL_SIZE_TEXT];
		tool_size_format(pairs[i].bytes, text);
		assert_string_equal(text, pairs[i].text);
	}
}

static void test_log2(void **state)
{
	(void)state;
	assert_int_equal(tool_size_log2(1), 0);
	assert_int_equal(tool_size_log2(512), 9);
	assert_int_equal(tool_size_log2((uint64_t)1 << 63), 63);
}

static void test_seconds(void **state)
{
	(void)state;
	unsigned seconds = 7;
	assert_true(tool_size_parse_seconds("30", &seconds));
	assert_int_equal(seconds, 30);
	static const char *const bad[] = {"", "-1", " 1", "1s", "1.5", "4294967296"};
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(tool_size_parse_seconds(bad[i], &seconds));
	assert_int_equal(seconds, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),   cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_format),  cmocka_unit_test(test_log2),
		cmocka_unit_test(test_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
