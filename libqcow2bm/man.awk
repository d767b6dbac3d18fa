# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes the page of one section of the API from its header: awk -v version=1.2.3 -f man.awk
# qcow2bm/image.h >qcow2bm_image.3. Each declaration stands as it is in the header, with the comment
# above it as its text, so that the page cannot say anything else.

# ---- Text -----------------------------------------------------------------------------------

function escape(line) {
	gsub(/\\/, "\\e", line)
	gsub(/-/, "\\-", line)
	if (line ~ /^[.']/)
		line = "\\&" line
	return line
}

# Names of functions and what stands in `` are set off; nothing in a font is set off again.
function set_fonts(line,   out, word) {
	while (match(line, /`[^`]*`|qcow2bm_[a-z0-9_]+\(\)|QCOW2BM_[A-Z0-9_]+/)) {
		word = substr(line, RSTART, RLENGTH)
		out = out substr(line, 1, RSTART - 1)
		if (word ~ /^`/)
			out = out "\\fI" substr(word, 2, length(word) - 2) "\\fR"
		else if (word ~ /\(\)$/)
			out = out "\\fB" substr(word, 1, length(word) - 2) "\\fR()"
		else
			out = out "\\fB" word "\\fR"
		line = substr(line, RSTART + RLENGTH)
	}
	return out line
}

function print_paragraph(text,   label) {
	sub(/^ +/, "", text)
	if (text == "")
		return
	if (match(text, /^(Errors|Crash):/)) {
		label = substr(text, 1, RLENGTH)
		text = substr(text, RLENGTH + 1)
		sub(/^ +/, "", text)
		print ".TP\n.B " label
	} else {
		print ".PP"
	}
	print set_fonts(escape(text))
}

# What can fail, and what a crash leaves, have paragraphs of their own wherever they begin.
function print_text(text,   count, paragraph, i) {
	gsub(/(^|[ \n])(Errors|Crash):/, "\n\n&", text)
	count = split(text, paragraph, /\n[ \n]*\n/)
	for (i = 1; i <= count; i++) {
		gsub(/\n/, " ", paragraph[i])
		print_paragraph(paragraph[i])
	}
}

# ---- Declarations ---------------------------------------------------------------------------

function title(text) {
	if (text ~ /^#define/) {
		sub(/^#define /, "", text)
		sub(/[^A-Z0-9_].*/, "", text)
		return text
	}
	if (match(text, /^(struct|enum) qcow2bm_[a-z_]+( \{|;)/))
		return substr(text, 1, RLENGTH - (text ~ /^[^{]*;/ ? 1 : 2))
	if (text ~ /^enum \{/ && match(text, /QCOW2BM_[A-Z0-9]+/))
		return "Constants " substr(text, RSTART, RLENGTH) "_..."
	if (match(text, /qcow2bm_[a-z0-9_]+\(/))
		return substr(text, RSTART, RLENGTH) ")"
	return "Declarations"
}

function is_function(text) {
	return text ~ /qcow2bm_[a-z0-9_]+\(/ && text !~ /^(typedef|(struct|enum) [a-z0-9_]*( ?)\{|#)/
}

function print_code(text,   count, line, i) {
	print ".PP\n.EX"
	count = split(text, line, "\n")
	for (i = 1; i <= count; i++) {
		gsub(/\t/, "    ", line[i])
		print escape(line[i])
	}
	print ".EE"
}

# ---- The header, line by line ---------------------------------------------------------------

function add(text) {
	parts++
	comments[parts] = comment
	codes[parts] = text
	comment = ""
}

NR == 1 { next } # SPDX

# A comment at the margin.
!in_code && /^\/\*/ { in_comment = 1; comment = "" }
in_comment {
	line = $0
	is_last = sub(/ *\*\/$/, "", line)
	sub(/^\/\*+ ?/, "", line)
	sub(/^ \* ?/, "", line)
	comment = comment line "\n"
	if (!is_last)
		next
	in_comment = 0
	if (summary == "") {
		summary = comment
		comment = ""
	}
	next
}

# Guards, includes and what C++ wants are nobody's business.
!in_code && /^#(if|ifndef|ifdef|else|endif|include|define QCOW2BM_[A-Z]+_H$)/ { next }
!in_code && /^(extern "C" \{|\})$/ { next }
!in_code && /^#define QCOW2BM_MUST_CHECK/ { next }

!in_code && /^$/ {
	if (comment != "")
		add("")
	next
}

{
	code = in_code ? code "\n" $0 : $0
	in_code = 1
	depth += gsub(/\{/, "{") - gsub(/\}/, "}")
	is_macro = code ~ /^#define/
	if ((is_macro && !/\\$/) || (!is_macro && depth == 0 && /;( *\/\*.*\*\/)?$/)) {
		add(code)
		in_code = 0
	}
}

END {
	name = FILENAME
	sub(/.*\//, "", name)
	sub(/\.h$/, "", name)
	gsub(/\n/, " ", summary)
	sub(/\.? Included by qcow2bm\.h\. *$/, "", summary)
	print ".\\\" SPDX-License-Identifier: LGPL-2.1-or-later"
	print ".\\\" Made by man.awk from qcow2bm/" name ".h"
	print ".TH QCOW2BM_" toupper(name) " 3 \"\" \"qcow2bm " version "\" " \
		"\"Library Functions Manual\""
	print ".SH NAME\nqcow2bm_" name " \\- " escape(tolower(substr(summary, 1, 1)) \
		substr(summary, 2))
	print ".SH SYNOPSIS\n.B #include <qcow2bm.h>"
	for (i = 1; i <= parts; i++)
		if (is_function(codes[i])) {
			text = codes[i]
			sub(/^QCOW2BM_MUST_CHECK /, "", text)
			print_code(text)
		}
	print ".SH DESCRIPTION"
	for (i = 1; i <= parts; i++) {
		if (codes[i] != "") {
			print ".SS " escape(title(codes[i]))
			if (!is_function(codes[i]))
				print_code(codes[i])
		}
		print_text(comments[i])
	}
	print ".SH SEE ALSO\n.BR libqcow2bm (3),\n.BR qcow2bm (1)"
}
