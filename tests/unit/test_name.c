/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of bitmaps as they are shown, and how that form is read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/term/name.h"

struct sample {
	const char *name;
	size_t name_bytes;
	const char *human;
	const char *json;
};

#define NAME(bytes) bytes, sizeof(bytes) - 1

static const struct sample samples[] = {
	{NAME(""), "", ""},
	{NAME("chk-1"), "chk-1", "chk-1"},
	{NAME("sn\xc3\xa4p"), "sn\xc3\xa4p", "sn\xc3\xa4p"},
	{NAME("a\0b"), "a\\x00b", "a\\x00b"},
	{NAME("\x1b[31m"), "\\x1b[31m", "\x1b[31m"},
	{NAME("tab\t\x7f"), "tab\\x09\\x7f", "tab\t\x7f"},
	/* C1, right-to-left override, zero width space, byte order mark */
	{NAME("\xc2\x85"), "\\xc2\\x85", "\xc2\x85"},
	{NAME("\xe2\x80\xae"), "\\xe2\\x80\\xae", "\xe2\x80\xae"},
	{NAME("\xe2\x80\x8b"), "\\xe2\\x80\\x8b", "\xe2\x80\x8b"},
	{NAME("\xef\xbb\xbf"), "\\xef\\xbb\\xbf", "\xef\xbb\xbf"},
	/* not UTF-8: a lone byte, cut off, too long, a surrogate, past the last character */
	{NAME("\xff"), "\\xff", "\\xff"},
	{NAME("x\xc3"), "x\\xc3", "x\\xc3"},
	{NAME("\xc0\xaf"), "\\xc0\\xaf", "\\xc0\\xaf"},
	{NAME("\xe0\x80\xaf"), "\\xe0\\x80\\xaf", "\\xe0\\x80\\xaf"},
	{NAME("\xed\xa0\x80"), "\\xed\\xa0\\x80", "\\xed\\xa0\\x80"},
	{NAME("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80"},
	/* a backslash is escaped only where it would be read as an escape */
	{NAME("a\\b"), "a\\b", "a\\b"},
	{NAME("\\x4"), "\\x4", "\\x4"},
	{NAME("\\x41"), "\\x5cx41", "\\x5cx41"},
	{NAME("\\\\xAf"), "\\\\x5cxAf", "\\\\x5cxAf"},
	{NAME("\\x\xff"), "\\x\\xff", "\\x\\xff"},
};

#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static void test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		const struct sample *s = &samples[i];
		char *human = tool_name_escape(s->name, s->name_bytes, TOOL_NAME_HUMAN);
		char *json = tool_name_escape(s->name, s->name_bytes, TOOL_NAME_JSON);
		assert_string_equal(human, s->human);
		assert_string_equal(json, s->json);
		free(human);
		free(json);
	}
}

static void check_round_trip(const char *name, size_t name_bytes)
{
	for (int form = TOOL_NAME_HUMAN; form <= TOOL_NAME_JSON; form++) {
		char back[64];
		char *shown =
			tool_name_escape(name, name_bytes, (enum tool_name_form)form);
		assert_true(strlen(shown) < sizeof(back));
		assert_int_equal(tool_name_unescape(shown, back), name_bytes);
		assert_memory_equal(back, name, name_bytes);
		free(shown);
	}
}

/* Every string over the bytes that matter to the form comes back as it was. */
static void test_round_trip(void **state)
{
	(void)state;
	static const char alphabet[] = {'\\', 'x', '4', 'f', 'z', '\0', '\xc3', '\xa4'};
	const size_t letters = sizeof(alphabet), length = 5;
	for (size_t i = 0; i < SAMPLES; i++)
		check_round_trip(samples[i].name, samples[i].name_bytes);
	for (size_t word = 0; word < letters * letters * letters * letters * letters;
	     word++) {
		char name[5];
		size_t rest = word;
		for (size_t k = 0; k < length; k++, rest /= letters)
			name[k] = alphabet[rest % letters];
		check_round_trip(name, length);
	}
}

static void test_text_keeps_backslashes(void **state)
{
	(void)state;
	char *text = tool_name_escape_text("C:\\x41\x1b", TOOL_NAME_HUMAN);
	assert_string_equal(text, "C:\\x41\\x1b");
	free(text);
}

static void test_unescape(void **state)
{
	(void)state;
	char name[16];
	assert_int_equal(tool_name_unescape("\\x00\\xFf\\xg1\\x4", name), 9);
	assert_memory_equal(name, "\0\xff\\xg1\\x4", 9);
}

static void test_columns(void **state)
{
	(void)state;
	assert_int_equal(tool_name_columns("abc"), 3);
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		skip();
	assert_int_equal(tool_name_columns("sn\xc3\xa4p"), 4);
	assert_int_equal(tool_name_columns("\xe6\xbc\xa2\xe5\xad\x97"), 4);
	assert_int_equal(tool_name_columns("e\xcc\x81"), 1);
}

/* A name, columns, and what it becomes with a mark of one column. */
static const struct {
	const char *text;
	size_t columns;
	const char *shown;
} shortened[] = {
	{"abcdefgh", 8, "abcdefgh"},
	{"abcdefgh", 9, "abcdefgh"},
	{"abcdefgh", 7, "abc~fgh"},
	{"abcdefgh", 6, "abc~gh"},
	{"abcdefgh", 2, "a~"},
	{"", 3, ""},
	/* a wide character that has no room, and marks that belong to the one before */
	{"\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97", 6,
	 "\xe6\xbc\xa2~\xe5\xad\x97"},
	{"e\xcc\x81"
	 "bcd"
	 "e\xcc\x81",
	 3, "e\xcc\x81~e\xcc\x81"},
};

static void test_shorten(void **state)
{
	(void)state;
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		skip();
	for (size_t i = 0; i < sizeof(shortened) / sizeof(shortened[0]); i++) {
		char *shown =
			tool_name_shorten(shortened[i].text, shortened[i].columns, "~");
		assert_string_equal(shown, shortened[i].shown);
		assert_true(tool_name_columns(shown) <= shortened[i].columns);
		free(shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_text_keeps_backslashes),
		cmocka_unit_test(test_unescape),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_shorten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
