# SPDX-License-Identifier: LGPL-2.1-or-later
# make analyze, make check-m32, make check-big-endian, make check-threads: too slow for
# `./bootstrap check`. Each says what to install when something is missing.

EXTRA_DIST += .clang-tidy tests/analysis/analyze tests/analysis/foreign tests/analysis/threads

analyze:
	./run $(srcdir)/tests/analysis/analyze
check-m32:
	./run $(srcdir)/tests/analysis/foreign m32
check-big-endian:
	./run $(srcdir)/tests/analysis/foreign big-endian
check-threads:
	./run $(srcdir)/tests/analysis/threads
.PHONY: analyze check-m32 check-big-endian check-threads
