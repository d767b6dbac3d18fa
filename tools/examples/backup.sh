#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Backups of the disk of a machine that is off, with qcow2bm, qemu-img, jq and dd.
# backup.sh full DISK FOLDER          a whole copy; from now on the bitmap "backup" records
# backup.sh incremental DISK FOLDER   what was written since the last backup
# backup.sh restore FOLDER RAW        the disk as it was at the last backup, as a raw file

set -eu
bitmap=backup

case $1 in
full)
	qemu-img convert -O qcow2 "$2" "$3/full.qcow2"
	sync -f "$3"
	qcow2bm add "$2" $bitmap
	;;
incremental)
	number=$(find "$3" -name 'increment-*' | wc -l)
	folder=$(printf '%s/increment-%04d' "$3" "$number")
	mkdir "$folder.part"
	file=$(printf '%s\n' "$2" | sed 's/,/,,/g')
	# refused, and nothing is copied, where a crash left the bitmap in-use
	qcow2bm map --output=json "$2" $bitmap >"$folder.part/map"
	jq -r '.[] | select(.type == 1) | "\(.offset) \(.length)"' "$folder.part/map" |
		while read -r offset length; do
			qemu-img convert -O raw --image-opts \
				"driver=raw,offset=$offset,size=$length,file.driver=qcow2,file.file.driver=file,file.file.filename=$file" \
				"$folder.part/$offset"
		done
	sync -f "$3"
	mv "$folder.part" "$folder"
	# only now: what is cut off before copies more the next time, and loses nothing
	qcow2bm clear "$2" $bitmap
	;;
restore)
	qemu-img convert -O raw "$2/full.qcow2" "$3"
	for folder in "$2"/increment-????; do
		[ -d "$folder" ] || continue
		for piece in "$folder"/[0-9]*; do
			[ ! -f "$piece" ] || dd if="$piece" of="$3" bs=1M seek="${piece##*/}" oflag=seek_bytes \
				conv=notrunc status=none
		done
	done
	;;
esac
