# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes the manual page of one command from its help: qcow2bm list --help | awk -v name=qcow2bm-list
# -v version=1.2.3 -v also=qcow2bm -f page.awk >qcow2bm-list.1. The text is the help's, word by word, in
# paragraphs that a pager may fill anew; so the page cannot say anything else. `also`: other pages, "a,b".

function escape(line) {
	gsub(/\\/, "\\e", line)
	gsub(/-/, "\\-", line)
	if (line ~ /^[.']/)
		line = "\\&" line
	return line
}

# Options and what stands in `` are bold, words in capitals italic.
function set_fonts(line,   out, word, rest) {
	while (match(line, /`[^`]*`|(^|[ ([{|,])--?[A-Za-z][A-Za-z-]*|(^|[ ([{|,=:\]])[A-Z][A-Z]+/)) {
		word = substr(line, RSTART, RLENGTH)
		out = out escape(substr(line, 1, RSTART - 1))
		rest = substr(line, RSTART + RLENGTH)
		if (word ~ /^`/) {
			out = out "\\fB" escape(substr(word, 2, length(word) - 2)) "\\fR"
		} else {
			if (word !~ /^[-A-Z]/) {
				out = out substr(word, 1, 1)
				word = substr(word, 2)
			}
			out = out (word ~ /^-/ ? "\\fB" : "\\fI") escape(word) "\\fR"
		}
		line = rest
	}
	out = out escape(line)
	return out ~ /^[.']/ ? "\\&" out : out
}

function begin_section(title) {
	end_nesting()
	print ".SH " title
	is_after_heading = 1
}

function begin_paragraph() {
	if (!is_after_heading)
		print ".PP"
	is_after_heading = 0
}

# What stands further right belongs to the item above.
function end_nesting() {
	if (is_nested)
		print ".RE"
	is_nested = 0
}

# Where the meaning begins in "  word  meaning", 0 where there is none in that line.
function find_meaning(line) {
	return match(line, /[^ ]  +[^ ]/) ? RSTART + RLENGTH - 1 : 0
}

function print_item(line,   at, term) {
	at = find_meaning(line)
	term = at ? substr(line, 1, at - 1) : line
	gsub(/^ +| +$/, "", term)
	print ".TP\n" (term ~ /^-/ ? set_fonts(term) : "\\fB" escape(term) "\\fR")
	is_after_heading = 0
	if (at)
		print set_fonts(substr(line, at))
	indent = at ? at - 1 : 0
}

function lower_first(line) {
	return tolower(substr(line, 1, 1)) substr(line, 2)
}

# What stands in `` may go on in the next line.
gsub(/`/, "`") % 2 == 1 && (getline following) > 0 {
	sub(/^ +/, "", following)
	$0 = $0 " " following
}

# ---- What the command is -------------------------------------------------------------------

NR == 1 { part = "usage" }
part == "usage" && /^(Usage:|       )/ {
	line = $0
	sub(/^Usage: +/, "", line)
	sub(/^ +/, "", line)
	if (line ~ /^qcow2bm /)
		forms[++form_count] = line
	else
		forms[form_count] = forms[form_count] " " line
	next
}
part == "usage" {
	line = $0
	sub(/\.$/, "", line)
	print ".\\\" SPDX-License-Identifier: LGPL-2.1-or-later"
	print ".\\\" Made by page.awk from the command's --help"
	print ".TH " toupper(name) " 1 \"\" \"qcow2bm " version "\" \"User Commands\""
	print ".SH NAME\n" escape(name) " \\- " escape(lower_first(line))
	print ".SH SYNOPSIS"
	command = name
	gsub(/-/, " ", command)
	for (i = 1; i <= form_count; i++) {
		if (i > 1)
			print ".br"
		print "\\fB" command "\\fR" set_fonts(substr(forms[i], length(command) + 1))
	}
	begin_section("DESCRIPTION")
	print set_fonts($0)
	is_after_heading = 0
	part = "text"
	is_break = 1
	next
}

# ---- Its text ------------------------------------------------------------------------------

/^$/ {
	is_break = 1
	in_examples = 0
	if (in_code)
		print ".EE"
	in_code = 0
	next
}

/^Examples:$/ { begin_section("EXAMPLES"); in_examples = 1; next }
in_examples {
	if (!in_code)
		print ".EX"
	in_code = 1
	print escape(substr($0, 3))
	next
}

# Sections of options, or of commands, have a heading of their own.
/^[A-Z][^.]*:$/ && is_break {
	title = $0
	sub(/:$/, "", title)
	begin_section(toupper(title))
	is_break = 0
	next
}

/^Exit status: / && !in_status { begin_section("EXIT STATUS"); in_status = 1 }

# An option, or an item of a list.
/^(  -|      --)/ || /^  [^ -]/ { end_nesting(); print_item($0); is_break = 0; in_item = 1; next }

# Below an option: one of the words that its argument may be, or the rest of its meaning.
in_item && /^          / {
	if (match($0, /^          [^ ]/) && find_meaning($0)) {
		if (!is_nested)
			print ".RS"
		is_nested = 1
		print_item($0)
		next
	}
	line = $0
	sub(/^ +/, "", line)
	print set_fonts(line)
	next
}

{
	if (is_break || in_item) {
		end_nesting()
		begin_paragraph()
	}
	is_break = in_item = 0
	is_after_heading = 0
	print set_fonts($0)
}

END {
	if (in_code)
		print ".EE"
	print ".SH SEE ALSO"
	count = split(also, page, ",")
	for (i = 1; i <= count; i++)
		print ".BR " escape(page[i]) " (1)" (i < count ? "," : "")
}
