# SPDX-License-Identifier: LGPL-2.1-or-later
# From lines `CASE title TEXT` and `CASE SIDE MICROSECONDS KIB` the table of the smallest times.

$2 == "title" {
	number = $1
	sub(/^[0-9]+ title /, "")
	title[number] = $0
	order[++cases] = number
	next
}

{
	key = $1 " " $2
	if (!(key in time) || $3 < time[key])
		time[key] = $3
	if ($4 > memory[key])
		memory[key] = $4
}

function ms(side) {
	return number " " side in time ? sprintf("%.2f", time[number " " side] / 1000) : "-"
}

function mib(side) {
	return number " " side in memory ? sprintf("%.1f", memory[number " " side] / 1024) : "-"
}

function ratio(over, under) {
	if (!(number " " over in time) || !(number " " under in time))
		return "-"
	return sprintf("%.2f", time[number " " over] / time[number " " under])
}

END {
	format = "%-38s %9s %10s %9s %9s %9s %9s %9s\n"
	printf format, "case", "ours ms", "qemu ms", "qemu/ours", "ours MiB", "qemu MiB",
		"floor ms", "ours/floor"
	for (i = 1; i <= cases; i++) {
		number = order[i]
		printf format, title[number], ms("ours"), ms("qemu"), ratio("qemu", "ours"),
			mib("ours"), mib("qemu"), ms("floor"), ratio("ours", "floor")
	}
}
