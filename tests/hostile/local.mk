# SPDX-License-Identifier: LGPL-2.1-or-later
# Broken images: `make check` has the verdicts of every command on every recipe, `make
# check-hostile` QEMU's view of the edits and the files opened too, and prints the table.

# Runs commands on recipes, for commands-on-recipes.
test_programs += tests/hostile/verdicts
tests_hostile_verdicts_SOURCES = \
	tests/hostile/commands.c \
	tests/hostile/commands.h \
	tests/hostile/hostile.h \
	tests/hostile/judge.c \
	tests/hostile/opened.c \
	tests/hostile/outcome.c \
	tests/hostile/verdict_table.c \
	tests/hostile/verdict_table.h \
	tests/hostile/verdicts.c
tests_hostile_verdicts_LDADD = $(support_archive)

# Runs commands on small images that want much, for limits-hold.
test_programs += tests/hostile/limits_run
tests_hostile_limits_run_SOURCES = \
	tests/hostile/commands.c \
	tests/hostile/commands.h \
	tests/hostile/hostile.h \
	tests/hostile/limits_run.c \
	tests/hostile/outcome.c

# Images with random damages, for random-damages.
test_programs += tests/hostile/random_damages
tests_hostile_random_damages_SOURCES = \
	tests/hostile/damage.c \
	tests/hostile/damage.h \
	tests/hostile/random_damages.c

check-hostile: all
	$(MAKE) check TESTS='tests/hostile/make-image-words tests/hostile/recipes-build \
		tests/hostile/repair-recipes'
	QCOW2BM_HOSTILE_ALL=1 ./run tests/hostile/commands-on-recipes
	QCOW2BM_HOSTILE_ALL=1 ./run tests/hostile/limits-hold
.PHONY: check-hostile
