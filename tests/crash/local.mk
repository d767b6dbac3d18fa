# SPDX-License-Identifier: LGPL-2.1-or-later
# The states that a power cut leaves of `qemu-img bitmap`, recorded under the real program.

test_programs += tests/crash/judge_calls
tests_crash_judge_calls_SOURCES = tests/crash/judge_calls.c

# A shared object, for all that it is never installed: -rpath says so to libtool.
if SHARED
preload_record = tests/support/preload_record.la
test_libraries += $(preload_record)
endif
tests_support_preload_record_la_SOURCES = \
	tests/support/preload_record.c \
	tests/support/preload_record.h
tests_support_preload_record_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
tests_support_preload_record_la_CFLAGS = -std=c11 -O2 -Wall -Wextra -Wconversion -Wshadow
tests_support_preload_record_la_LIBADD = -ldl -lpthread
tests_support_preload_record_la_CPPFLAGS = $(AM_CPPFLAGS)
