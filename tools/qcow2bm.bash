# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of qcow2bm for bash. The program knows what may stand where; here are bash's quotes, and
# its habit to break words at = and :.

_qcow2bm() {
	local IFS=$' \t\n' word broken='' line i
	local -a words=() found=()
	# words as they were typed: what bash broke at = and : is one again
	for ((i = 1; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ ${#words[@]} -gt 0 && -n $broken && $COMP_LINE == *"${words[-1]}$word"* ]] ||
			[[ ${#words[@]} -gt 0 && $word == [=:]* && $COMP_LINE == *"${words[-1]}$word"* ]]; then
			words[-1]+=$word
		else
			words+=("$word")
		fi
		broken=
		[[ $word != [=:]* ]] || broken=yes
	done
	mapfile -t found < <("${COMP_WORDS[0]/#\~/$HOME}" __complete "${words[@]}" 2>/dev/null)
	COMPREPLY=()
	if [[ ${found[*]} == files ]]; then
		compopt -o filenames
		line=${COMP_WORDS[COMP_CWORD]}
		[[ $line != [=:] ]] || line=
		line=${line/#\~\//$HOME/}
		mapfile -t COMPREPLY < <(compgen -f -- "$(printf '%b' "${line//\\ / }")")
		return
	fi
	# bash replaces what stands behind the last = or : alone
	line=${words[-1]%"${COMP_WORDS[COMP_CWORD]#[=:]}"}
	for word in "${found[@]}"; do
		word=$(printf '%q' "$word")
		COMPREPLY+=("${word#"$line"}")
	done
}

complete -F _qcow2bm qcow2bm
