# SPDX-License-Identifier: LGPL-2.1-or-later
# The tests, one a line, in groups: `make check TESTS='$(cli_tests)'` runs one group,
# `make check TESTS=tests/cli/rename-basic` one test.

# Compiled tests: FOLDER/NAME is built from FOLDER/NAME.c, cmocka, all of the library and
# tests/support.
unit_tests =

support_sources =

# Scripts, executable, first line `. "$srcdir/tests/functions.sh"`. Exit status 77: skipped.
house_tests =
house_tests += tests/layering
house_tests += tests/symbols
house_tests += tests/install

cli_tests =

oracle_tests =

crash_tests =

script_tests = $(house_tests) $(cli_tests) $(oracle_tests) $(crash_tests)
TESTS += $(script_tests)
EXTRA_DIST += $(script_tests) tests/functions.sh

# What the scripts compare with: NAME.expected beside NAME.
EXTRA_DIST += $(expected_files)
expected_files =

AM_DEFAULT_SOURCE_EXT = .c
LDADD = libqcow2bm/libq2.la $(CMOCKA_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif

LOG_COMPILER = ./run
AM_COLOR_TESTS = no
