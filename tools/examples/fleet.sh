#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# fleet.sh FOLDER: a line for each FOLDER/*.qcow2, the disk of a machine that is off: its name, whether the next
# backup may be an incremental one, the bytes that it copies, and what is to be typed first, tab between tab.

# shellcheck disable=SC2016 # what xargs starts has its own $1
one='
image=$1
quoted=$(jq -nr --arg image "$image" "\$image | @sh")
# the newest checkpoint that changes are known since; else what a repair or a full backup copies
best=$(qcow2bm chain show -q --output=json -- "$image" 2>/dev/null | jq -r ".disks[0] | .\"virtual-size\" as \$all |
	.checkpoints | (map(select(.verdict == \"incremental\")) | last) // (map(select(.verdict == \"repair\")) | last) //
	{verdict: \"full\", bytes: \$all} | \"\(.verdict) \(.bytes)\"")
verdict=${best% *} bytes=${best#* } command=
if [ "$verdict" != incremental ]; then
	command=$(qcow2bm check -q --output=json -- "$image" 2>/dev/null |
		jq -r ".images[0].\"to-do\"[0].command // empty")
fi
if [ "$verdict" = full ] && [ -z "$command" ]; then
	command="qcow2bm add $quoted chk-$(date +%F)"
	qcow2bm info --output=json -- "$image" | jq -e ".\"format-specific\".data.compat == \"1.1\"" >/dev/null ||
		command="qemu-img amend -o compat=1.1 $quoted"
fi
printf "%s\t%s\t%s\t%s\n" "${image##*/}" "${verdict:-unreadable}" "${bytes:--}" "$command"'

find "$1" -maxdepth 1 -name '*.qcow2' -print0 | xargs -0 -r -P 4 -n 1 sh -c "$one" one | sort
