# SPDX-License-Identifier: LGPL-2.1-or-later
# Shell helpers of the oracle tests, behind tests/functions.sh: the images of images/ twice, in
# ours/ (edited by qcow2bm) and qemus/ (edited by qemu-img), and what must then be the same.

requires qemu-img qemu-io qemu-nbd nbdinfo jq

# twins [DIRECTORY...]: unpacks the images into each; ours and qemus when none is named.
twins() {
	[ $# -gt 0 ] || set -- ours qemus
	for directory in "$@"; do
		"$srcdir/images/unpack" "$directory"
	done
}

# Images that can be edited, all of images/ but v2.qcow2.
editable='chain-base chain-mid chain-top cluster-2M cluster-512 data-file data-file-plain disabled
	empty enabled extended-l2 granularities in-use luks many mixed refcount-1 refcount-64
	snapshots zstd'

# Those of them that hold bitmaps which are not in-use, but luks: QEMU needs a quarter of a second
# to open it each time.
with_bitmaps='chain-base chain-mid chain-top cluster-2M cluster-512 data-file data-file-plain
	disabled enabled extended-l2 granularities many mixed refcount-1 refcount-64 snapshots
	zstd'

# at DIRECTORY COMMAND...: runs it there. A data file's name is relative to where QEMU runs.
at() (
	cd "$1"
	shift
	"$@"
)

# opened IMAGE: the arguments with which QEMU's tools open it.
opened() {
	case ${1##*/} in
	luks*)
		echo "--object secret,id=key,data=qcow2bm --image-opts" \
			"driver=qcow2,encrypt.key-secret=key,file.filename=$1"
		;;
	*) echo "-f qcow2 $1" ;;
	esac
}

# qemu_bitmap DIRECTORY IMAGE ARGUMENT...: qemu-img bitmap on that image.
qemu_bitmap() (
	cd "$1"
	image=$2
	shift 2
	# shellcheck disable=SC2046
	qemu-img bitmap $(opened "$image") "$@"
)

# qemu_list DIRECTORY IMAGE: its bitmaps as QEMU sees them, one a line, sorted by name. The order
# in the directory is nobody's promise.
qemu_list() (
	cd "$1"
	qemu-img info -U --output=json "$2" |
		jq -c '."format-specific".data.bitmaps // [] | sort_by(.name) | .[] |
			{name, granularity, flags}'
)

# not_in_use: of the lines of qemu_list, the names of the bitmaps that can be read.
not_in_use() {
	sed -n '/"in-use"/!s/^{"name":"\(.*\)","granularity":.*/\1/p'
}

# readable DIRECTORY IMAGE: names of the bitmaps that are not in-use, by QEMU, one a line.
readable() {
	qemu_list "$1" "$2" | not_in_use
}

# first DIRECTORY IMAGE [N]: the Nth of them, the first by itself.
first() {
	readable "$1" "$2" | sed -n "${3:-1}p"
}

# qemu_map DIRECTORY IMAGE NAME [nbdinfo option]: the bits as QEMU's NBD server exports them.
qemu_map() (
	cd "$1"
	# shellcheck disable=SC2046,SC2086
	nbdinfo ${4:---json} "--map=qemu:dirty-bitmap:$3" -- \
		[ qemu-nbd -r -B "$3" $(opened "$2") ]
)

# our_map DIRECTORY IMAGE NAME
our_map() {
	at "$1" qcow2bm map --output=json -- "$2" "$3"
}

# checked DIRECTORY IMAGE: fails unless qemu-img check finds no error; leaks only where a crash
# of QEMU had left them in the image before.
checked() {
	case $2 in
	in-use*|mixed*) sound='[03]' ;;
	*) sound=0 ;;
	esac
	check_status=0
	# shellcheck disable=SC2046
	at "$1" qemu-img check $(opened "$2") >check.log 2>&1 || check_status=$?
	# shellcheck disable=SC2254
	case $check_status in
	$sound) ;;
	*)
		cat check.log >&3
		fail "$1/$2: qemu-img check exits $check_status"
		;;
	esac
}

# read_alike DIRECTORY IMAGE: fails unless we and QEMU read the same bitmaps in it, and the same
# bits in the first three and the last three of them. What we read is left in DIRECTORY.bits:
# how many are dirty in each bitmap, and where in those six.
read_alike() {
	at "$1" qcow2bm list --output=json "$2" | jq -c '.images[0].bitmaps | sort_by(.name) |
		(.[] | {name, granularity, flags}), map({"dirty-bytes"})' >list.ours
	sed '$d' list.ours >list.entries
	tail -n 1 list.ours >"$1.bits"
	qemu_list "$1" "$2" >list.qemus
	same list.qemus list.entries
	not_in_use <list.qemus >bitmaps
	sed -n '1,3p' bitmaps >some
	sed '1,3d' bitmaps | tail -n 3 >>some
	while read -r bitmap; do
		our_map "$1" "$2" "$bitmap" >map.ours
		qemu_map "$1" "$2" "$bitmap" >map.qemus
		same map.qemus map.ours
		cat map.ours >>"$1.bits"
	done <some
	mv list.qemus "$1.list"
}

# same_twins IMAGE: fails unless ours/IMAGE and qemus/IMAGE hold the same bitmaps with the same
# bits for QEMU and for us, and the same data for a guest.
same_twins() {
	checked ours "$1"
	checked qemus "$1"
	read_alike ours "$1"
	read_alike qemus "$1"
	same qemus.list ours.list
	same qemus.bits ours.bits
	same_guest_data "$1"
}

# same_guest_data IMAGE: fails unless a guest reads the same from both.
same_guest_data() {
	case $1 in
	luks*)
		locked=driver=qcow2,encrypt.key-secret=key,file.filename
		qemu-img compare -q --object secret,id=key,data=qcow2bm --image-opts \
			"$locked=ours/$1" "$locked=qemus/$1" || fail "$1: guest data differ"
		;;
	data-file*)
		cmp "ours/${1%.qcow2}.raw" "qemus/${1%.qcow2}.raw" ||
			fail "$1: the data files differ"
		;;
	*)
		qemu-img compare -q -f qcow2 -F qcow2 "ours/$1" "qemus/$1" ||
			fail "$1: guest data differ"
		;;
	esac
}
