# SPDX-License-Identifier: LGPL-2.1-or-later
# Faults: of calls, of memory, of files. `make check` tries a part, `make check-fault` all and
# prints the tables; `make check-scale` has the images that are as large as they can be.

fault_tests =
fault_tests += tests/fault/commands
fault_tests += tests/fault/files
fault_tests += tests/fault/full-device
fault_tests += tests/fault/full-disk
fault_tests += tests/fault/processes

TESTS += $(fault_tests)
EXTRA_DIST += $(fault_tests) tests/fault/scale

test_programs += tests/fault/matrix
tests_fault_matrix_SOURCES = \
	tests/fault/inject.c \
	tests/fault/inject.h \
	tests/fault/judge.c \
	tests/fault/judge.h \
	tests/fault/matrix.c \
	tests/fault/tally.c \
	tests/fault/tally.h

# Its allocations pass through fail_memory.c.
unit_tests += tests/fault/test_allocation
fail_memory_ldflags = -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc \
	-Wl,--wrap=free -Wl,--wrap=strdup
tests_fault_test_allocation_SOURCES = \
	tests/fault/fail_memory.c \
	tests/fault/fail_memory.h \
	tests/fault/test_allocation.c
tests_fault_test_allocation_LDFLAGS = $(AM_LDFLAGS) $(fail_memory_ldflags)

# A shared object, for all that it is never installed: -rpath says so to libtool.
if SHARED
preload_fault = tests/support/preload_fault.la
test_libraries += $(preload_fault)
endif
tests_support_preload_fault_la_SOURCES = \
	tests/support/preload_fault.c \
	tests/support/preload_fault.h
tests_support_preload_fault_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
tests_support_preload_fault_la_CFLAGS = -std=c11 -O2 -Wall -Wextra -Wconversion -Wshadow
tests_support_preload_fault_la_LIBADD = -ldl
tests_support_preload_fault_la_CPPFLAGS = $(AM_CPPFLAGS)
if COVERAGE
tests_support_preload_fault_la_CPPFLAGS += -DFAULT_SPARES_EXIT
endif

$(addsuffix .log,$(fault_tests)): tests/support/make_image tests/support/kill_at tests/fault/matrix \
	$(preload_fault)

check-fault: all
	$(MAKE) test-programs
	for test in $(fault_tests) tests/fault/test_allocation; do \
		FAULT_ALL=1 ./run $$test || test $$? -eq 77 || exit 1; \
	done

check-scale: all $(bench_programs)
	./run tests/fault/scale
.PHONY: check-fault check-scale
