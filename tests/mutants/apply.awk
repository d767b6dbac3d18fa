# SPDX-License-Identifier: LGPL-2.1-or-later
# awk -f apply.awk MUTANT FILE: the file with the mutant's pieces in place of what they name.

function trimmed(line)
{
	gsub(/^[ \t]+|[ \t]+$/, "", line)
	return line
}

function fail(sentence)
{
	printf "%s: %s\n", ARGV[1], sentence > "/dev/stderr"
	failed = 1
	exit 1
}

NR == FNR {
	if (FNR <= 2)
		next
	kind = substr($0, 1, 1)
	if (kind == "-") {
		if (last != "-")
			pieces++
		old[pieces, ++olds[pieces]] = trimmed(substr($0, 2))
	} else if (kind == "+" && pieces != 0) {
		text[pieces] = text[pieces] substr($0, 2) "\n"
	} else {
		fail("line " FNR " is neither - nor +")
	}
	last = kind
	next
}

{ lines[++count] = $0 }

END {
	if (failed)
		exit 1
	if (pieces == 0)
		fail("no piece")
	for (p = 1; p <= pieces; p++) {
		found = 0
		for (i = 1; i + olds[p] - 1 <= count; i++) {
			for (k = 1; k <= olds[p]; k++)
				if (trimmed(lines[i + k - 1]) != old[p, k])
					break
			if (k <= olds[p])
				continue
			found++
			at[i] = p
		}
		if (found != 1)
			fail("piece " p " stands there " found " times")
	}
	for (i = 1; i <= count; i++) {
		if (i in at) {
			printf "%s", text[at[i]]
			i += olds[at[i]] - 1
		} else {
			print lines[i]
		}
	}
}
