# SPDX-License-Identifier: LGPL-2.1-or-later
# Random QMP commands on dirty bitmaps, one a line: for QEMU to the file `qemus`, and the same, here
# and there in the words of older QEMUs, to the file `ours_lines`. What is there is followed only so far
# that most of them succeed. Variables: seed, count, first (number of the first one), have0 and
# have1 (the names that are there).

function random(n) {
	seed = (seed * 16807) % 2147483647
	return int(seed / 2147483647 * n)
}

# One of the words of a list.
function one_of(list,    words, n) {
	n = split(list, words, " ")
	return words[random(n) + 1]
}

function has(disk, name) {
	return index(names[disk], " " name " ") != 0
}

# A name of a bitmap that the disk has, mostly; else all will fail.
function some_name(disk,    name) {
	name = random(60) == 0 || names[disk] == " " ? one_of("a b c d e f g") : one_of(names[disk])
	if (!has(disk, name) || disk == 2)
		will_fail = 1
	return name
}

# Adds an action's text to what QEMU and we get; the commands differ where a is not b.
function say(type, old_type, data, old_data) {
	n_actions++
	type = "block-dirty-bitmap-" type
	old_type = random(3) == 0 ? old_type "block-dirty-bitmap-" substr(type, 20) : type
	if (old_type == type)
		old_data = data
	type_of[n_actions] = type
	data_of[n_actions] = data
	old_type_of[n_actions] = old_type
	old_data_of[n_actions] = old_data
}

function add(disk,    name, data, granularity) {
	is_temporary = random(5) < 2
	name = is_temporary ? "t" number "-" random(3) : one_of("a b c d e f g")
	if (has(disk, name) || index(gone[disk], " " name " ") != 0) {
		if (random(20) != 0)
			return
		will_fail = 1
	}
	granularity = one_of("0 0 512 4096 65536 1048576 33554432 3000 256")
	if (granularity == 3000 || granularity == 256) {
		if (random(20) == 0)
			will_fail = 1
		else
			granularity = 8192
	}
	data = "\"node\":\"d" disk "\",\"name\":\"" name "\""
	if (granularity != 0)
		data = data ",\"granularity\":" granularity
	if (!is_temporary)
		data = data ",\"persistent\":true"
	else if (random(2))
		data = data ",\"persistent\":false"
	if (random(2))
		say("add", "x-vz-", data ",\"disabled\":true", data ",\"x-disabled\":true")
	else
		say("add", "x-vz-", data, data)
	names[disk] = names[disk] name " "
}

function merge(disk,    target, sources, k, from, name) {
	target = some_name(disk)
	if (random(3) == 0) {
		name = some_name(disk)
		data = "\"node\":\"d" disk "\","
		say("merge", random(2) ? "x-" : "x-vz-",
			data "\"target\":\"" target "\",\"bitmaps\":[\"" name "\"]",
			data "\"dst_name\":\"" target "\",\"src_name\":\"" name "\"")
		return
	}
	sources = ""
	# QEMU 7.2 dies of a merge of nothing.
	for (k = random(3) + 1; k > 0; k--) {
		from = random(4) == 0 ? 1 - disk : disk
		if (random(60) == 0)
			from = 2
		name = some_name(from)
		sources = sources (sources == "" ? "" : ",")
		if (from != disk || random(4) == 0)
			sources = sources "{\"node\":\"d" from "\",\"name\":\"" name "\"}"
		else
			sources = sources "\"" name "\""
	}
	data = "\"node\":\"d" disk "\",\"target\":\"" target "\",\"bitmaps\":[" sources "]"
	say("merge", "", data, data)
}

function by_name(disk, verb,    name, data) {
	name = some_name(disk)
	data = "\"node\":\"d" disk "\",\"name\":\"" name "\""
	say(verb, verb ~ /able/ ? "x-" : "x-vz-", data, data)
	if (verb != "remove")
		return
	sub(" " name " ", " ", names[disk])
	gone[disk] = gone[disk] name " "
}

function act(    what, disk) {
	what = random(16)
	disk = random(2)
	if (what < 4)
		add(disk)
	else if (what < 10)
		merge(disk)
	else if (what < 12)
		by_name(disk, "clear")
	else if (what < 13)
		by_name(disk, "enable")
	else if (what < 14)
		by_name(disk, "disable")
	else
		by_name(disk, "remove")
}

function transaction(file, types, datas,    i) {
	printf "{\"execute\":\"transaction\",\"id\":%d,\"arguments\":{\"actions\":[", number >file
	for (i = 1; i <= n_actions; i++)
		printf "%s{\"type\":\"%s\",\"data\":{%s}}", (i == 1 ? "" : ","), types[i], datas[i] >file
	printf "]}}\n" >file
}

BEGIN {
	names[0] = have0 == "" ? " " : " " have0 " "
	names[1] = have1 == "" ? " " : " " have1 " "
	names[2] = " a "
	for (number = first; number < first + count; number++) {
		n_actions = will_fail = 0
		gone[0] = gone[1] = " "
		before[0] = names[0]
		before[1] = names[1]
		wanted = one_of("1 1 2 3 4 5 6 8 10")
		for (tries = 0; n_actions < wanted && tries < 40; tries++)
			act()
		if (n_actions == 1 && random(2)) {
			printf "{\"execute\":\"%s\",\"id\":%d,\"arguments\":{%s}}\n", type_of[1], number, data_of[1] >"qemus"
			printf "{\"execute\":\"%s\",\"id\":%d,\"arguments\":{%s}}\n", old_type_of[1], number, old_data_of[1] >"ours_lines"
		} else {
			transaction("qemus", type_of, data_of)
			transaction("ours_lines", old_type_of, old_data_of)
		}
		# QEMU keeps temporary ones; we do not, and no later transaction names them.
		for (disk = 0; disk < 2; disk++) {
			if (will_fail)
				names[disk] = before[disk]
			gsub(/t[0-9]*-[0-9] /, "", names[disk])
		}
	}
}
