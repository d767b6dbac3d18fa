# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes the list of the API from its headers, as JSON that bindings are made from: awk -v
# version=1.2.3 -f api.awk qcow2bm/*.h. What it says of types is C's own text, blanks made one.

# ---- JSON -----------------------------------------------------------------------------------

function quoted(text) {
	gsub(/\\/, "\\\\", text)
	gsub(/"/, "\\\"", text)
	gsub(/\t/, " ", text)
	gsub(/\n/, "\\n", text)
	return "\"" text "\""
}

function pair(key, text) {
	return quoted(key) ": " quoted(text)
}

# What all declarations have: name, header, and the comment that stands above.
function head(name) {
	sub(/\n+$/, "", comment)
	return pair("name", name) ", " pair("header", header) ", " pair("text", comment)
}

function put(kind, text) {
	entries[kind] = entries[kind] (entries[kind] == "" ? "" : ",") "\n  {" text "}"
}

# ---- C --------------------------------------------------------------------------------------

function trim(text) {
	gsub(/[ \t\n]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	return text
}

function without_comments(text,   start, end) {
	while ((start = index(text, "/*")) > 0) {
		end = index(substr(text, start), "*/")
		text = substr(text, 1, start - 1) " " substr(text, start + end + 1)
	}
	return trim(text)
}

# One declarator as a JSON object: type and name, the length of an array, a function's parameters.
function declared(text,   name, type, array, inside, result) {
	text = trim(text)
	if (match(text, /\(\*[a-z_]+\)/)) {
		name = substr(text, RSTART + 2, RLENGTH - 3)
		type = trim(substr(text, 1, RSTART - 1))
		inside = substr(text, RSTART + RLENGTH)
		return pair("name", name) ", \"function\": {" pair("returns", type) \
			", \"parameters\": " parameters(inside) "}"
	}
	if (match(text, /\[[0-9]+\]$/)) {
		array = substr(text, RSTART + 1, RLENGTH - 2)
		text = trim(substr(text, 1, RSTART - 1))
	}
	match(text, /[A-Za-z0-9_]+$/)
	name = substr(text, RSTART)
	result = pair("name", name) ", " pair("type", trim(substr(text, 1, RSTART - 1)))
	return result (array == "" ? "" : ", \"array\": " array)
}

# "(int a, void *b)" as a JSON array.
function parameters(text,   count, part, i, out) {
	text = trim(text)
	sub(/^\(/, "", text)
	sub(/\);?$/, "", text)
	if (text == "void")
		return "[]"
	count = split(text, part, ",")
	for (i = 1; i <= count; i++)
		out = out (i > 1 ? ", " : "") "{" declared(part[i]) "}"
	return "[" out "]"
}

function enum_value(text, before) {
	text = trim(text)
	if (text == "")
		return before + 1
	if (text ~ /^1u << [0-9]+$/)
		return 2 ^ substr(text, 7)
	return text + 0
}

function add_enum(text,   name, count, part, i, side, before, out) {
	name = text ~ /^enum \{/ ? "" : substr(text, 6, index(text, " {") - 6)
	sub(/^[^{]*\{/, "", text)
	sub(/,? *\};$/, "", text)
	count = split(text, part, ",")
	before = -1
	for (i = 1; i <= count; i++) {
		side = index(part[i], "=")
		before = enum_value(side ? substr(part[i], side + 1) : "", before)
		out = out (i > 1 ? ", " : "") "{" \
			pair("name", trim(side ? substr(part[i], 1, side - 1) : part[i])) \
			", \"value\": " before "}"
	}
	put("enums", head(name) ", \"values\": [" out "]")
}

# Members that share a type are declared one by one.
function add_struct(text,   name, count, part, i, names, j, name_count, type, out) {
	name = text
	sub(/^struct /, "", name)
	sub(/[ ;].*/, "", name)
	if (text !~ /\{/) {
		put("structs", head(name) ", \"opaque\": true")
		return
	}
	sub(/^[^{]*\{/, "", text)
	sub(/ *\};$/, "", text)
	count = split(text, part, ";")
	for (i = 1; i < count; i++) {
		name_count = part[i] ~ /\(/ ? 1 : split(part[i], names, ",")
		if (name_count == 1)
			names[1] = part[i]
		type = names[1]
		sub(/[a-z_]+(\[[0-9]+\])? *$/, "", type)
		for (j = 1; j <= name_count; j++)
			out = out (out == "" ? "" : ", ") "{" \
				declared((j > 1 ? type : "") names[j]) "}"
	}
	put("structs", head(name) ", \"opaque\": false, \"members\": [" out "]")
}

# The default of each member, in their order.
function add_macro(text,   name, value, count, part, i, out) {
	gsub(/\\\n/, " ", text)
	text = trim(text)
	sub(/^#define /, "", text)
	name = substr(text, 1, index(text, " ") - 1)
	value = trim(substr(text, index(text, " ")))
	if (name !~ /_INIT$/) {
		if (value ~ /^"/)
			value = "\"string\": " value
		else
			value = value ~ /^[0-9]+$/ ? "\"value\": " value : pair("expression", value)
		put("constants", head(name) ", " value)
		return
	}
	gsub(/^\{ *| *\}$/, "", value)
	count = split(value, part, ",")
	for (i = 1; i <= count; i++)
		out = out (i > 1 ? ", " : "") quoted(trim(part[i]))
	put("defaults", pair("name", name) ", \"values\": [" out "]")
}

function add_function(text, kind,   checked, name, returns) {
	checked = sub(/^QCOW2BM_MUST_CHECK /, "", text)
	sub(/^typedef /, "", text)
	match(text, /qcow2bm_[a-z0-9_]+\(/)
	name = substr(text, RSTART, RLENGTH - 1)
	returns = trim(substr(text, 1, RSTART - 1))
	put(kind, head(name) ", " pair("returns", returns) \
		(kind == "functions" ? ", \"must_check\": " (checked ? "true" : "false") : "") \
		", \"parameters\": " parameters(substr(text, RSTART + RLENGTH - 1)))
}

function add(code) {
	if (code ~ /^#define/) {
		add_macro(code)
		return
	}
	code = without_comments(code)
	if (code ~ /^enum [a-z0-9_]*( ?)\{/)
		add_enum(code)
	else if (code ~ /^struct qcow2bm_[a-z0-9_]+( \{|;)/)
		add_struct(code)
	else
		add_function(code, code ~ /^typedef/ ? "callbacks" : "functions")
}

# ---- The headers, line by line --------------------------------------------------------------

FNR == 1 {
	header = FILENAME
	sub(/.*\//, "", header)
	comment = ""
	next # SPDX
}

# A comment at the margin.
!in_code && /^\/\*/ { in_comment = 1; comment = "" }
in_comment {
	line = $0
	is_last = sub(/ *\*\/$/, "", line)
	sub(/^\/\*+ ?/, "", line)
	sub(/^ \* ?/, "", line)
	comment = comment (comment == "" ? "" : "\n") line
	in_comment = !is_last
	next
}

# Guards, includes and what C++ wants are nobody's business; nor is what the compiler is to check.
!in_code && /^#(if|ifndef|ifdef|else|endif|include|define QCOW2BM_[A-Z]+_H$)/ { next }
!in_code && /^(extern "C" \{|\})$/ { next }
!in_code && /^#define QCOW2BM_MUST_CHECK/ { next }
!in_code && /^$/ { comment = ""; next }

{
	code = in_code ? code "\n" $0 : $0
	in_code = 1
	depth += gsub(/\{/, "{") - gsub(/\}/, "}")
	is_macro = code ~ /^#define/
	if ((is_macro && !/\\$/) || (!is_macro && depth == 0 && /;( *\/\*.*\*\/)?$/)) {
		add(code)
		in_code = 0
		comment = ""
	}
}

END {
	print "{\n" quoted("format") ": {" pair("name", "qcow2bm-api") ", \"version\": 1},"
	print pair("library_version", version) ","
	count = split("constants enums structs defaults callbacks functions", kind, " ")
	for (i = 1; i <= count; i++)
		print quoted(kind[i]) ": [" entries[kind[i]] "]" (i < count ? "," : "")
	print "}"
}
