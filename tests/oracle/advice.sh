# SPDX-License-Identifier: LGPL-2.1-or-later
# Advice never harms: whatever check tells to type is typed, by a shell, on a copy, in the order
# told, and each alternative on a copy of its own; then check is asked again, three times at most.
# All internal snapshots stay, with what they hold; the guest's disk reads as before; sound bitmaps
# keep their bits unless the line says that they go; each command ends with 0, or with what the
# line promises; there are fewer problems each time; and in the end check finds nothing, or says,
# without a command, that nobody can mend what is left.
# For tests, which begin with functions.sh, call `advise` and end with advice_end.

requires qemu-img qemu-io jq bash

printf qcow2bm >key # of images/luks.qcow2

# to_do IMAGE: what check tells, into told: a line for each step, "do" or "or", why, and what to
# type; the problems that it finds into weight.
to_do() {
	status=0
	weight=0
	: >told
	qcow2bm check --output=json -- "$1" >to-do.json 2>err || status=$?
	case $status in
	0) return ;;
	2 | 3) ;;
	1 | 63) # nothing can be told of such a file, and no command is
		! grep -i 'qemu-img\|qcow2bm [a-z]' err || fail "$case: a command: $(cat err)"
		return
		;;
	*) fail "$case: check ended with $status: $(cat err)" ;;
	esac
	jq -r '.images[0] | ([.problems[] | {"error": 1000000, "warning": 1000,
		"leak": 1, "note": 0}[.severity]] | add // 0), (.["to-do"][] |
		[if .alternative then "or" else "do" end, .why, .command // empty] | join("\t"))
		' to-do.json >answer
	{
		read -r weight
		cat >told
	} <answer
	# People are told the same lines.
	qcow2bm check -- "$1" >human || :
	awk -F '\t' 'NF > 2 { print "  " $3 }' told >lines
	sed -n '/^To do:$/,$p' human | grep '^  [^#]' >shown || :
	cmp -s lines shown || fail "$case: people and scripts are told different things"
	[ "$weight" -eq 0 ] || [ -s told ] ||
		fail "$case: check finds problems and tells nothing to do"
}

# once KIND IMAGE FILE: what `KIND IMAGE FILE` writes; of the same bytes it is asked once.
once() {
	seen=
	if [ "$(stat -c %s "./$2")" -le 33554432 ]; then
		seen=$(md5sum <"$2")
		seen=seen/$1.${seen%% *}
	fi
	if [ -n "$seen" ] && [ -e "$seen" ]; then
		cp "$seen" "$3"
		return
	fi
	"$1" "$2" "$3"
	[ -z "$seen" ] || cp "$3" "$seen"
}

# header IMAGE: how QEMU opens it, for `qemu-img convert $opened "$option"`, and whether there are
# snapshots.
header() {
	opened=--image-opts option=driver=qcow2,file.filename=$1
	fields=$(od -An -v -w32 -tx1 -j32 -N32 "$1" | tr -d ' ')
	case $fields in 00000002*) option=$option,encrypt.key-secret=key ;; esac
	has_snapshots=yes
	case $fields in *00000000) has_snapshots= ;; esac
}

# without_bitmaps IMAGE COPY: a copy that QEMU opens without a look at the bitmaps.
without_bitmaps() {
	printf 'base %s\nset header.autoclear_features be64 0\n' "$1" >bare.recipe
	cp bare.recipe view.recipe
	echo 'set extension[bitmaps].type be32 0x12345678' >>view.recipe
	make_image view.recipe "$2" . 2>/dev/null || make_image bare.recipe "$2" . 2>/dev/null
}

# view IMAGE FILE: what the disk and each snapshot hold, a line for each that can be read.
view() {
	: >"$2"
	cp --sparse=always -- "$1" viewed.qcow2
	without_bitmaps viewed.qcow2 bare.qcow2 || return 0
	header bare.qcow2
	: >tags
	[ -z "$has_snapshots" ] || qemu-img snapshot -l bare.qcow2 2>/dev/null |
		awk 'NR > 2 { print $2 }' >tags || :
	rm -f copy
	if timeout 60 qemu-img convert -q --object secret,id=key,file=key $opened "$option" \
		-m 1 -O qcow2 copy 2>/dev/null; then
		echo "disk $(md5sum <copy)" >>"$2"
	fi
	while read -r tag; do
		rm -f copy
		timeout 60 qemu-img convert -q --object secret,id=key,file=key \
			-l "snapshot.name=$tag" $opened "$option" -m 1 -O qcow2 copy 2>/dev/null || continue
		echo "snapshot $tag $(md5sum <copy)" >>"$2"
	done <tags
}

# bitmaps IMAGE FILE: what the sound bitmaps hold, a line each.
bitmaps() {
	: >"$2"
	qcow2bm list --no-count --output=json -- "$1" 2>/dev/null |
		jq -r '.images[].bitmaps[] | select(.state == "valid" or .state == "disabled") |
			.name' 2>/dev/null >names || :
	while read -r name; do
		qcow2bm map -- "$1" "$name" >map 2>/dev/null || continue
		echo "$name $(md5sum <map)" >>"$2"
	done <names
}

# type_line COMMAND WHY: as pasted.
type_line() {
	line=$(printf '%s' "$1" | sed 's/KEYFILE/key/')
	typed=0
	case $2 in
	*'make it larger first (lvextend)'*)
		truncate -s +1M "$behind"
		losetup -c "$device"
		;;
	esac
	timeout 60 bash -c "$line" </dev/null >said 2>&1 || typed=$?
	echo "$line" >>typed
	case $typed,$line,$2 in
	0,*) ;;
	5,*"status 5"*) ;;
	[23],"qcow2bm check "*) ;;
	*) fail "$case: $line: ended with $typed: $(cat said)" ;;
	esac
	case $line in
	*" --drop-all "* | *" --drop-index "* | *" delete "* | *" amend "*) may_drop=yes ;;
	*) case $2 in drops* | "none of them"*) may_drop=yes ;; esac ;;
	esac
}

# judge FILE: against what was before the first line.
judge() {
	once view "$1" after
	while read -r wanted; do
		grep -Fqx "$wanted" after || fail "$case: lost: $wanted; has $(cat after)"
	done <before
	[ -z "$may_drop" ] || return 0
	once bitmaps "$1" bitmaps-after
	if grep -q 'qcow2bm rename ' chosen.*; then # the bits alone
		sed -i 's/.* \([0-9a-f]*\)  -$/\1/' bitmaps-after bitmaps-before
	fi
	while read -r wanted; do
		grep -Fqx "$wanted" bitmaps-after || fail "$case: a bitmap is lost: $wanted"
	done <bitmaps-before
}

# judge_copy FILE: of an image that nothing mends; it has no snapshots, and the line says so.
judge_copy() {
	to_do "$1"
	[ "$weight" -eq 0 ] || fail "$case: check finds problems in the copy"
	once view "$1" after
	grep '^disk' before >disk || :
	same disk after
}

# undo_moved FILE: where a repair made an undo file, it cannot prove that nothing wrote to a copy of
# FILE since: no bitmap comes back valid, and what undo then tells is done.
undo_moved() {
	[ -e "./$1.undo" ] || return 0
	cp --sparse=always -- "./$1" taken.qcow2
	undone=0
	qcow2bm undo taken.qcow2 "./$1.undo" >said 2>&1 || undone=$?
	if [ $undone -eq 1 ] && grep -q '; undo --in-use puts them back' said; then
		undone=0
		qcow2bm undo --in-use taken.qcow2 "./$1.undo" >said 2>&1 || undone=$?
		echo 'qcow2bm undo --in-use' >>typed
	fi
	case $undone,$(cat said) in
	0,*) ;;
	1,*'something else has written since'* | 1,*'cannot prove '*) return ;;
	*) fail "$case: undo ended with $undone: $(cat said)" ;;
	esac
	once bitmaps taken.qcow2 bitmaps-after
	[ ! -s bitmaps-after ] || fail "$case: undo of a copy: valid: $(cat bitmaps-after)"
	may_drop=yes
	follow taken.qcow2 1 0
}

# follow FILE ROUND CHOICE: does all that is told of FILE. CHOICE counts the alternatives: of 0 the
# first ones are taken, of n the nth of the alternatives in its place.
follow() {
	to_do "$1"
	[ "$weight" -ne 0 ] && [ -s lines ] || return 0
	[ "$2" -le 3 ] || fail "$case: to be done for ever: $(cat lines)"
	awk -F '\t' -v choice="$3" '
		$1 == "do" { chosen[++steps] = $0 }
		$1 == "or" && ++others == choice { chosen[steps] = $0 }
		END {
			for (i = 1; i <= steps; i++)
				if (split(chosen[i], fields) > 2)
					print chosen[i]
		}' told >"chosen.$2"
	round_weight=$weight
	while IFS='	' read -r kind why command <&5; do
		type_line "$command" "$why"
	done 5<"chosen.$2"
	judge "${behind:-$1}"
	! grep -q 'qemu-img convert ' "chosen.$2" || {
		judge_copy "$1.new"
		return
	}
	to_do "$1"
	[ "$weight" -lt "$round_weight" ] ||
		fail "$case: no fewer problems after: $(cut -f 3 "chosen.$2")"
	follow "$1" $(($2 + 1)) 0
}

# refusals: what edits of image.qcow2 say on standard error; each command in it is typed.
refusals() {
	for edit in 'add @ new' 'delete --all @' 'clear @ chk' 'rename @ chk new' 'recover --full @' \
		'repair @' 'repair --trust-bitmaps @' 'merge --create --into sum @ chk' \
		'bitmap --add @ new'; do
		cp --sparse=always built.qcow2 edited.qcow2
		# shellcheck disable=SC2086
		timeout 60 qcow2bm $(echo "$edit" | sed 's/@/edited.qcow2/') >/dev/null 2>err || :
		rm -f edited.qcow2.undo
		! grep 'qemu-img check\|qemu-io\|run qcow2bm' err || fail "$case: $edit: $(cat err)"
		sed -n 's/.*; what to do: //p' err | sed 's/; the image is as it was$//
			s/ (byte [0-9]* of the file)$//' >pointed
		while read -r command; do
			typed=0
			bash -c "$command" </dev/null >said 2>&1 || typed=$?
			case $typed,$command in
			[023],'qcow2bm check '*) ;;
			*) fail "$case: $edit: $command: ended with $typed" ;;
			esac
			echo "$command" >>typed
		done <pointed
	done
}

# follow_all CASE [NAME]: of image.qcow2, under this name.
follow_all() {
	case=$1
	target=${2:-$1.qcow2}
	cp --sparse=always image.qcow2 built.qcow2
	once view built.qcow2 before
	once bitmaps built.qcow2 bitmaps-before
	to_do image.qcow2
	[ "$status" -ne 1 ] && [ "$status" -ne 63 ] && [ "$weight" -ne 0 ] || return 0
	[ "$target" = plain.qcow2 ] || refusals
	choices=$(grep -c '^or' told || :)
	for choice in $(seq 0 "$choices"); do
		case="$1 ($choice)"
		may_drop=
		rm -f -- *.undo* *.new chosen.*
		cp --sparse=always built.qcow2 "./$target"
		follow "$target" 1 "$choice"
		[ "$choice" -ne 0 ] || undo_moved "$target"
		rm -f -- "./$target" *.undo* *.new
	done
	echo "$1" >>advised
}

# follow_device CASE ROOM: of image.qcow2 on a block device, where no undo file can stand beside it,
# and which has so much room behind the image.
follow_device() {
	case="$1 on a device, room $2"
	may_drop=
	cp --sparse=always image.qcow2 behind
	truncate -s %4096 behind
	truncate -s "+$2" behind
	device=$(losetup --show -f behind)
	trap 'losetup -d "$device"' EXIT
	once view behind before
	once bitmaps behind bitmaps-before
	behind=behind
	follow "$device" 1 0
	echo "$case" >>advised
}

# advise_device CASE ROOM: the same; what fails does not hide what else does.
advise_device() {
	follow_device "$@" &
	wait $! || failed=$((failed + 1))
	rm -f -- *.undo* chosen.*
}

# advise CASE [NAME]: the same; what fails does not hide what else does.
advise() {
	follow_all "$@" &
	wait $! || failed=$((failed + 1))
}

# is_wanted N: whether the next case is tried: each Nth is, or with QCOW2BM_ADVICE_ALL=1 all are;
# with QCOW2BM_ADVICE_PART=K/M those of one part of M.
is_wanted() {
	turn=$((turn + 1))
	if [ -n "$QCOW2BM_ADVICE_PART" ]; then
		[ $((turn % ${QCOW2BM_ADVICE_PART#*/})) -eq "${QCOW2BM_ADVICE_PART%/*}" ]
	else
		[ -n "$QCOW2BM_ADVICE_ALL" ] || [ $((turn % $1)) -eq 0 ]
	fi
}

# has_news IMAGE: whether check finds a problem there, with its cure, that no image before had.
has_news() {
	qcow2bm check --output=json -- "$1" 2>/dev/null |
		sed -n 's/^ *"code": "\(.*\)",$/\1/p; s/^ *"cure": "\(.*\)"$/\1/p' |
		paste -d ' ' - - | sort -u >codes-here
	[ -n "$(comm -23 codes-here codes-all)" ] || return 1
	sort -u codes-here codes-all >codes-more
	mv codes-more codes-all
}

turn=0
failed=0
behind=
: >codes-all
: >typed
: >advised
mkdir seen
"$srcdir/images/unpack" images
cp images/empty.qcow2 images/*.raw . # backing files and data files of some

# Two snapshots, the disk with data of its own, two valid bitmaps and one that does not record.
qemu-img create -q -f qcow2 -o cluster_size=4k,lazy_refcounts=on images/kept.qcow2 4M
qemu-io -f qcow2 -c 'write -P 1 0 1M' images/kept.qcow2 >/dev/null
qemu-img snapshot -c first images/kept.qcow2
qemu-io -f qcow2 -c 'write -P 2 0 256k' images/kept.qcow2 >/dev/null
qemu-img snapshot -c second images/kept.qcow2
qemu-io -f qcow2 -c 'write -P 3 512k 256k' images/kept.qcow2 >/dev/null
qemu-img bitmap --add -f qcow2 images/kept.qcow2 one
qemu-img bitmap --add -f qcow2 images/kept.qcow2 two
qemu-img bitmap --add --disable -f qcow2 images/kept.qcow2 three
qemu-io -f qcow2 -c 'write -P 4 1M 64k' images/kept.qcow2 >/dev/null

# advice_end: the last line of a test.
advice_end() {
	echo "$(wc -l <advised) images, $(wc -l <typed) lines typed, $failed failed"
	[ $failed -eq 0 ]
}
