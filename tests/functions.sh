# SPDX-License-Identifier: LGPL-2.1-or-later
# Shell helpers of the script tests, which start with `. "$srcdir/tests/functions.sh"`: the test
# goes on with `set -e` in an empty work directory of its own, removed when it ends.
# POSIX sh. ./run sets srcdir, builddir, PATH and QCOW2BM.

set -e
LC_ALL=C
export LC_ALL

if [ -z "$srcdir" ] || [ -z "$builddir" ]; then
	echo "start it with: ./run $0" >&2
	exit 1
fi

test_script=$(cd "$(dirname "$0")" && pwd)/${0##*/}
test_name=${0##*/}
cleanup_commands=:

# Messages go to the log even where a test redirects the helper that makes them.
exec 3>&2

work=$(mktemp -d "${TMPDIR:-/tmp}/qcow2bm-$test_name.XXXXXX")
cd "$work"

finish() {
	status=$?
	trap - EXIT
	set +e
	eval "$cleanup_commands"
	cd /
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# cleanup_fn COMMAND...: runs it when the test ends, however it ends; the last one first.
cleanup_fn() {
	cleanup_commands="$*
$cleanup_commands"
}

# fail MESSAGE: ends the test as failed.
fail() {
	echo "$test_name: FAIL: $*" >&3
	exit 1
}

# skip MESSAGE: ends the test as skipped.
skip() {
	echo "$test_name: SKIP: $*" >&3
	exit 77
}

# requires PROGRAM...: skips the test when one of them is not installed.
requires() {
	for program in "$@"; do
		command -v "$program" >/dev/null 2>&1 || skip "$program is not installed"
	done
}

# has_sure_times: whether the file system tells for certain when a file was written: without that
# undo proves nothing.
has_sure_times() {
	case $(stat -f -c %T .) in
	ext2/ext3 | xfs | btrfs | f2fs | overlayfs | zfs | bcachefs) ;;
	*) return 1 ;;
	esac
}

# expect_status N COMMAND...: runs it and fails unless it exits with N. Redirect at will.
expect_status() {
	wanted_status=$1
	shift
	actual_status=0
	"$@" || actual_status=$?
	[ "$actual_status" -eq "$wanted_status" ] ||
		fail "exit status $actual_status, not $wanted_status: $*"
}

# hold_open IMAGE: a QEMU has it open, until the test ends or closes descriptor 4. Once in a test.
hold_open() {
	mkfifo hold
	qemu-io -f qcow2 "$1" <hold >held 2>&1 &
	holder=$!
	exec 4>hold
	cleanup_fn "kill $holder 2>/dev/null"
	# It has the image open when it answers; a look with our own locks could be in its way.
	echo "read 0 512" >&4
	n=0
	until grep -q "read 512" held; do
		n=$((n + 1))
		[ $n -le 400 ] || fail "qemu-io does not open the image: $(cat held)"
		sleep 0.05
	done
}

# same FILE_A FILE_B: fails, showing the lines that differ, unless both hold the same bytes.
same() {
	cmp -s "$1" "$2" && return 0
	diff -u "$1" "$2" >&3 || true
	fail "$1 and $2 differ"
}

# golden FILE [PART]: compares FILE with TEST.expected (TEST-PART.expected) beside the script.
# QCOW2BM_REWRITE=1 in the environment writes FILE there instead.
golden() {
	golden_file=$test_script${2:+-$2}.expected
	if [ "${QCOW2BM_REWRITE:-}" = 1 ]; then
		cp "$1" "$golden_file"
	elif [ ! -f "$golden_file" ]; then
		fail "no ${golden_file##*/} beside it; QCOW2BM_REWRITE=1 writes it"
	else
		same "$golden_file" "$1"
	fi
}
