# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced: what the tests that run `matrix` share. FAULT_ALL=1 tries every command with every fault.

# The files are small and written often: memory serves them best.
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || TMPDIR=/dev/shm
. "$srcdir/tests/functions.sh"

PRELOAD_FAULT=$builddir/tests/support/.libs/preload_fault.so
matrix=$builddir/tests/fault/matrix
case $SANITIZE_CFLAGS in
*address*) skip "the sanitizer's memory functions cannot be replaced" ;;
esac
[ -e "$PRELOAD_FAULT" ] || skip "no shared object was built that can be preloaded"
export PRELOAD_FAULT
if QEMU_IMG=$(command -v qemu-img); then
	export QEMU_IMG
fi
