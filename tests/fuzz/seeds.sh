# SPDX-License-Identifier: LGPL-2.1-or-later
# For scripts: where the inputs of the fuzz targets begin.

# make_seeds SRCDIR DIRECTORY: DIRECTORY/TARGET has an input in each file. The images of the
# recipes, for the edit target behind scripts, and pieces of one image for the others.
make_seeds() {
	seeds_src=$1
	seeds_dir=$2
	mkdir -p "$seeds_dir"
	for seeds_target in directory edit extension guest header image inflate intent libvirt manifest qmp refcount repair snapshot table undo; do
		mkdir -p "$seeds_dir/$seeds_target"
	done
	"$seeds_src/images/unpack" "$seeds_dir/base"
	for seeds_recipe in "$seeds_src"/tests/hostile/recipes/*.recipe; do
		seeds_name=${seeds_recipe##*/}
		seeds_name=${seeds_name%.recipe}
		seeds_image=$seeds_dir/image/$seeds_name
		make_image "$seeds_recipe" "$seeds_image" "$seeds_dir/base"
		# Larger ones would keep the fuzzer busy for little.
		if [ "$(wc -c <"$seeds_image")" -gt 65000 ]; then
			rm "$seeds_image"
			continue
		fi
		cp "$seeds_image" "$seeds_dir/guest"
		# Options alone; the rest of the input is the image.
		for seeds_options in '\000' '\001' '\144'; do
			{
				printf "$seeds_options"
				cat "$seeds_image"
			} >"$seeds_dir/repair/$seeds_name-${seeds_options#?}"
		done
		# Options, then: add; merge the first into the last; delete; rename; add while the
		# disk fails from the Nth write on.
		for seeds_script in '\004\000\007\377\010' '\004\000\005\001\000' \
			'\003\000\000\001' '\004\000\004\000\302' '\005\060\002\007\377\010' \
			'\005\060\003\007\377\010' '\005\060\004\007\377\010'; do
			{
				printf "$seeds_script"
				cat "$seeds_image"
			} >"$seeds_dir/edit/$seeds_name-$(printf "$seeds_script" | od -An -tx1 |
				tr -d ' \n')"
		done
	done
	seeds_whole=$seeds_dir/base/cluster-512.qcow2
	cp "$seeds_whole" "$seeds_dir/base/zstd.qcow2" "$seeds_dir/base/v2.qcow2" "$seeds_dir/guest"
	# Streams of clusters of 512, 4096 and 65536 bytes; a frame of zstd with 512 times one byte.
	for seeds_bytes in 512-0 4096-3 65536-7; do
		{
			printf "\\000\\00${seeds_bytes#*-}"
			head -c "${seeds_bytes%-*}" "$seeds_src/NEWS" | gzip -9nc | tail -c +11
		} >"$seeds_dir/inflate/zlib-$seeds_bytes"
	done
	printf '\001\000\050\265\057\375\140\000\001\003\020\000a' >"$seeds_dir/inflate/zstd"
	head -c 512 "$seeds_whole" >"$seeds_dir/header/whole"
	{
		printf '\000\160'
		head -c 512 "$seeds_whole"
	} >"$seeds_dir/extension/whole"
	for seeds_target in directory refcount snapshot table; do
		head -c 256 "$seeds_whole" >"$seeds_dir/$seeds_target/header"
	done
	for seeds_parent in '' '<parent><name>c0</name></parent>'; do
		printf '%s' "<domaincheckpoint><name>c1</name><description>a &lt; b</description>$seeds_parent" \
			"<creationTime>1700000000</creationTime><disks><disk name='vda' checkpoint='bitmap'" \
			" bitmap='c1'/><disk name='sda' checkpoint='no'/></disks><domain type='kvm'><name>vm</name>" \
			"<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>" \
			"<source file='/a.qcow2'/><backingStore type='block'><format type='raw'/><source dev='/b'/>" \
			"<backingStore/></backingStore><target dev='vda'/></disk></devices></domain>" \
			'</domaincheckpoint>' >"$seeds_dir/libvirt/checkpoint${seeds_parent:+-child}"
	done
	# A manifest of the target's own, with a word of it changed: its place, and the word.
	for seeds_place in '\000' '\010' '\024' '\036' '\050' '\100'; do
		printf '\001\000'"$seeds_place"'\001\002\003\004' >"$seeds_dir/manifest/at-${seeds_place#?}"
	done
	# Options alone: the target has the undo file that changes are made of.
	for seeds_options in '\000' '\004' '\001' '\020' '\044'; do
		printf "$seeds_options" >"$seeds_dir/undo/options-${seeds_options#?}"
	done
	# The same: how the two images are found, and whether time has passed.
	for seeds_options in '\000' '\001' '\002' '\003' '\004' '\005'; do
		printf "$seeds_options" >"$seeds_dir/intent/options-${seeds_options#?}"
	done
	cp "$seeds_src/tests/hostile/transaction.json" "$seeds_dir/qmp/list"
	printf '%s\n' '{"execute": "qmp_capabilities", "id": [1]}' \
		'{"execute": "x-block-dirty-bitmap-merge", "arguments": {"node": "d", "dst_name": "a", "src_name": "b"}}' \
		'{"execute": "block-dirty-bitmap-add", "arguments": {"node": "d", "name": "n", "granularity": 512}}' \
		'{"execute": "transaction", "arguments": {"properties": {"completion-mode": "individual"}, "actions": [
		{"type": "block-dirty-bitmap-merge", "data": {"node": "d", "target": "a",
		"bitmaps": ["b", {"node": "e", "name": "c"}]}}]}}' >"$seeds_dir/qmp/stream"
	rm -rf "$seeds_dir/base"
}
