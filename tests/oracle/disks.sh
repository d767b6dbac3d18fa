# SPDX-License-Identifier: LGPL-2.1-or-later
# Shell helpers of the tests of the guest's data, behind tests/functions.sh: random disks, made by QEMU.
# A disk has up to four layers of any kind that QEMU writes: versions 2 and 3, clusters of 512 bytes to
# 2 MiB, extended L2 tables, external data files (raw or not), zlib and zstd clusters, preallocated ones,
# raw files with holes and odd lengths below, layers longer and shorter than what is below them.

requires qemu-img qemu-io jq awk

# pick N: a number from 0 to N-1 in $picked.
pick() {
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	high=$((seed / 65536))
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	picked=$(((high * 32768 + seed / 65536) % $1))
}

# one_of WORD...: one of them in $word.
one_of() {
	pick $#
	shift $picked
	word=$1
}

# some_size: a size of a disk in $word, in whole sectors.
some_size() {
	pick 8192
	one_of $((picked * 512 + 512)) $((picked * 512 + 512)) 3145728 2097152 65536 66048
}

# Bytes that can be compressed, and bytes that cannot.
make_patterns() {
	[ -f text ] || awk 'BEGIN { for (i = 0; i < 9000; i++) print i * i, "qcow2", i % 7 }' >text
	[ -f noise ] || dd if=/dev/urandom of=noise bs=65536 count=1 2>/dev/null
}

# The options of a new qcow2 image, in $options and $cluster. $1: yes if it has a backing file.
some_options() {
	data_file=no version=1.1
	one_of 512 4k 4k 64k 64k 64k 64k 2M
	cluster=$word
	options=cluster_size=$cluster
	pick 8
	case $picked in
	0)
		version=0.10
		options=$options,compat=0.10
		;;
	1)
		data_file=yes
		options=$options,data_file=$layer.data
		pick 2
		[ "$1" = yes ] || [ $picked -eq 0 ] || options=$options,data_file_raw=on
		;;
	2 | 3 | 4) options=$options,compression_type=zstd ;;
	esac
	pick 3
	case $version$picked$cluster in
	1.10512 | 1.104k | 0*) ;;
	1.10*) options=$options,extended_l2=on ;;
	esac
	pick 6
	case $1$picked$options in
	no0*) options=$options,preallocation=metadata ;;
	no1*) options=$options,preallocation=falloc ;;
	esac
}

# some_writes N: commands for qemu-io that write to a disk of $size bytes; $1: their number.
some_writes() {
	for _ in $(seq "$1"); do
		pick $((size / 512))
		at=$((picked * 512))
		one_of 512 1024 4096 8192 20480 65536 65536 131072 300032
		bytes=$word
		pick 3
		[ $picked -eq 0 ] || at=$((at / 65536 * 65536))
		[ $((at + bytes)) -le "$size" ] || bytes=$((size - at))
		pick 200
		value=$((picked + 1))
		pick 9
		case $picked in
		0) echo "write -z $at $bytes" ;;
		1) echo "write -z -u $at $bytes" ;;
		2) echo "discard $at $bytes" ;;
		3 | 4) echo "write -s $patterns/text $at $bytes" ;;
		5) echo "write -s $patterns/noise $at $bytes" ;;
		*) echo "write -P $value $at $bytes" ;;
		esac
	done
}

# compressed_writes: the same, of whole compressed clusters.
compressed_writes() {
	case $cluster in
	4k) step=4096 ;;
	64k) step=65536 ;;
	2M) step=2097152 ;;
	*) step=512 ;;
	esac
	pick 6
	for _ in $(seq $((picked + 1))); do
		[ $size -ge $step ] || break
		pick $((size / step))
		at=$((picked * step))
		one_of text text noise
		echo "write -c -s $patterns/$word $at $step"
	done
}

# make_qcow2 BELOW: a layer over that file; over none when it is empty.
make_qcow2() {
	layer=$disk.$layers
	some_size
	size=$word
	if [ -n "$1" ]; then
		some_options yes
		qemu-img create -q -f qcow2 -o "$options" -b "$1" -F "$below_format" "$layer" $size
	else
		some_options no
		qemu-img create -q -f qcow2 -o "$options" "$layer" $size
	fi || fail "qemu-img create $options; seed $first_seed"
	pick 8
	some_writes $picked >commands
	rm -f compressed
	# Data files hold none, and compressed clusters do not go over others.
	pick 3
	if [ $picked -gt 0 ] && [ $data_file = no ]; then
		compressed_writes >compressed
		some_writes 2 | cat compressed - commands >all
		mv all commands
	fi
	# A second compressed write to a cluster fails, and leaves it.
	qemu-io -f qcow2 "$layer" <commands >qemu-io.log 2>&1 || [ -f compressed ] ||
		fail "qemu-io; seed $first_seed"
}

# snapshot: an internal one of the top, and writes behind it.
snapshot() {
	qemu-img snapshot -c now "$layer" || fail "qemu-img snapshot; seed $first_seed"
	some_writes 4 | qemu-io -f qcow2 "$layer" >qemu-io.log 2>&1 || fail "qemu-io"
	snapshots=yes
}

# make_raw: a raw file of any length with holes.
make_raw() {
	layer=$disk.$layers
	some_size
	size=$word
	pick 3
	[ $picked -gt 0 ] || size=$((size + 300))
	truncate -s $size "$layer"
	size=$((size / 512 * 512))
	some_writes 4 | qemu-io -f raw "$layer" >qemu-io.log 2>&1 || fail "qemu-io"
}

# make_disk NAME: in NAME.0 up to the top, $layer.
make_disk() {
	disk=$1
	layers=0 below='' below_format=qcow2 snapshots=no first_seed=$seed
	patterns=$PWD
	rm -f "$disk".*
	pick 4
	[ $picked -gt 0 ] || {
		make_raw
		below=$layer below_format=raw layers=1
	}
	pick 3
	for _ in $(seq $((picked + 1))); do
		make_qcow2 "$below"
		below=$layer below_format=qcow2
		layers=$((layers + 1))
	done
	pick 4
	[ $picked -gt 0 ] || [ $data_file = yes ] || snapshot
}
