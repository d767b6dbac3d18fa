# SPDX-License-Identifier: LGPL-2.1-or-later
# make bench. The programs are static, so that their start is as short as can be, and share no
# code with the library.

bench_programs = \
	tests/bench/digest \
	tests/bench/floor \
	tests/bench/make_bench_image \
	tests/bench/measure \
	tests/bench/restore

bench_plain = tests/bench/plain.c tests/bench/plain.h
bench_ldflags = $(AM_LDFLAGS) -all-static

EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)
tests_bench_digest_SOURCES = tests/bench/digest.c $(bench_plain)
tests_bench_digest_LDADD =
tests_bench_floor_SOURCES = tests/bench/floor.c $(bench_plain)
tests_bench_floor_LDADD =
tests_bench_floor_LDFLAGS = $(bench_ldflags)
tests_bench_make_bench_image_LDADD =
tests_bench_measure_LDADD =
tests_bench_measure_LDFLAGS = $(bench_ldflags)
tests_bench_restore_LDADD =
EXTRA_DIST += tests/bench/README tests/bench/run tests/bench/table.awk

bench: all $(bench_programs)
	./run tests/bench/run
.PHONY: bench
