# SPDX-License-Identifier: LGPL-2.1-or-later
# make check-mutants: many minutes, so not part of `make check`.

EXTRA_DIST += tests/mutants/run tests/mutants/apply.awk tests/mutants/equivalent \
	tests/mutants/list

check-mutants:
	CC='$(CC)' ./run $(srcdir)/tests/mutants/run
.PHONY: check-mutants
