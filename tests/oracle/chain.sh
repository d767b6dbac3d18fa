# SPDX-License-Identifier: LGPL-2.1-or-later
# Shell helpers of the tests of data that is copied between layers, behind tests/functions.sh: a disk of
# three layers with four checkpoints, and what changed since each.

requires qemu-img qemu-io jq

is() {
	[ "$1" = "$2" ] || fail "$3: '$1' instead of '$2'"
}

write() {
	qemu-io -c "write -P $2 $3k 96k" "$1" >/dev/null
}

# left IMAGE: the checkpoints, the oldest first, with their verdicts.
left() {
	qcow2bm chain show --output=json "$1" |
		jq -r '[.verdicts[] | "\(.checkpoint) \(.verdict)"] | join(" ")'
}

# dirty IMAGE NAME...: what changed since each.
dirty() {
	image=$1
	shift
	for one in "$@"; do
		qcow2bm chain since --output=json -c "$one" "$image" |
			jq -r --arg n "$one" '.[] | select(.type == 1) | "\($n) \(.offset / 1024)+\(.length / 1024)"'
	done
}

# true_since IMAGE NAME...
true_since() {
	image=$1
	shift
	qemu-img convert -O raw "$image" now
	for one in "$@"; do
		cp "then-$one" copy
		truncate -s "$(stat -c %s now)" copy
		qcow2bm chain since --output=json -c "$one" "$image" >since || fail "no since $one"
		jq -r '.[] | select(.type == 1) | "\(.offset / 4096) \(.length / 4096)"' since |
		while read -r at count; do
			dd if=now of=copy bs=4096 skip="$at" seek="$at" count="$count" \
				conv=notrunc 2>/dev/null
		done
		cmp copy now || fail "$image: since $one lacks something"
	done
}

# checkpoint IMAGE NAME [OLD]: with OLD in the delta scheme.
checkpoint() {
	[ -z "$3" ] || qemu-img bitmap --disable "$1" "$3"
	qemu-img bitmap --add -g 32k "$1" "$2"
	[ -e "then-${2%^*}" ] || qemu-img convert -O raw "$1" "then-${2%^*}"
}

# make SCHEME: base.qcow2 with A and B, mid.qcow2 with C, top.qcow2 with D.
make() {
	old_a='' old_b='' old_c='' b=B c=C d=D
	[ "$1" = nested ] || { old_a=A old_b='B^A' old_c='C^B' b='B^A' c='C^B' d='D^C'; }
	qemu-img create -q -f qcow2 base.qcow2 6M
	write base.qcow2 1 0
	checkpoint base.qcow2 A
	write base.qcow2 2 128
	checkpoint base.qcow2 "$b" "$old_a"
	write base.qcow2 3 256
	qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 mid.qcow2
	qcow2bm chain snapshot base.qcow2 mid.qcow2
	write mid.qcow2 4 384
	checkpoint mid.qcow2 "$c" "$old_b"
	write mid.qcow2 5 64
	qemu-img create -q -f qcow2 -o cluster_size=${cluster:-64k} -b mid.qcow2 -F qcow2 top.qcow2
	qcow2bm chain snapshot mid.qcow2 top.qcow2
	write top.qcow2 6 512
	checkpoint top.qcow2 "$d" "$old_c"
	qemu-io -c "write -z 192k 64k" top.qcow2 >/dev/null
	write top.qcow2 7 4224
}

fresh() {
	rm -f ./*.qcow2
	cp "$made"/*.qcow2 .
}
