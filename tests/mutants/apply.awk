# SPDX-License-Identifier: LGPL-2.1-or-later
# awk -f apply.awk MUTANT FILE: the file with the mutant's pieces in place of what they name. White
# space does not count, so that a piece outlives what clang-format does to it.

function fail(sentence)
{
	printf "%s: %s\n", ARGV[1], sentence > "/dev/stderr"
	failed = 1
	exit 1
}

function squeezed(text)
{
	gsub(/[ \t\n]/, "", text)
	return text
}

# The place in `source` of the character that is number n of those that are not white space.
function place_of(n,    low, high, middle)
{
	low = 1
	high = lines
	while (low < high) {
		middle = int((low + high) / 2)
		if (before[middle + 1] >= n)
			high = middle
		else
			low = middle + 1
	}
	n -= before[low]
	for (middle = 1; n > 0; middle++)
		n -= substr(line[low], middle, 1) !~ /[ \t]/
	return start[low] + middle - 1
}

NR == FNR {
	if (FNR <= 2)
		next
	kind = substr($0, 1, 1)
	if (kind == "-") {
		if (last != "-")
			pieces++
		old[pieces] = old[pieces] squeezed(substr($0, 2))
	} else if (kind == "+" && pieces != 0) {
		text[pieces] = text[pieces] substr($0, 2) "\n"
	} else {
		fail("line " FNR " is neither - nor +")
	}
	last = kind
	next
}

{
	line[++lines] = $0
	start[lines] = length(source)
	source = source $0 "\n"
	bare = bare squeezed($0)
	before[lines + 1] = length(bare)
}

END {
	if (failed)
		exit 1
	if (pieces == 0)
		fail("no piece")
	done = 0
	for (p = 1; p <= pieces; p++) {
		at = index(bare, old[p])
		if (at == 0)
			fail("piece " p " does not stand there")
		if (index(substr(bare, at + 1), old[p]) != 0)
			fail("piece " p " stands there more than once")
		first = place_of(at)
		if (first <= done)
			fail("piece " p " stands before the one before it")
		printf "%s%s", substr(source, done + 1, first - 1 - done), text[p]
		done = place_of(at + length(old[p]) - 1)
	}
	printf "%s", substr(source, done + 1)
}
