# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of qcow2bm for bash: commands, options, files, names of bitmaps.

# Prints the names of the bitmaps of image $1, one a line, as an operand may name them.
_qcow2bm_bitmaps() {
	if command -v jq >/dev/null 2>&1; then
		qcow2bm list -q -U --no-count --output=json -- "$1" 2>/dev/null |
			jq -r '.images[].bitmaps[].name | select(test("[\u0000-\u001f]") | not)'
	else
		# NAME, GRANULARITY (two words), STATE ...: what stands before the granularity
		qcow2bm list -q -U --no-count -- "$1" 2>/dev/null |
			sed -n -e '1,2d' -e 's/  *[0-9.]* [KMGTPE]*i*B  [a-z].*//p'
	fi
}

# Prints the options of a command, from its own help.
_qcow2bm_options() {
	qcow2bm "$@" --help 2>/dev/null |
		sed -n -e 's/^  \(-[a-zA-Z]\), \(--[a-z-]*\).*/\1 \2/p' -e 's/^      \(--[a-z-]*\).*/\1/p'
}

# Prints the checkpoints of the images among the words of the command line.
_qcow2bm_checkpoints() {
	local word
	for word in "${COMP_WORDS[@]:3}"; do
		if [[ $word != -* && -f $word ]]; then
			qcow2bm chain show -q -U --output=json -- "$word" 2>/dev/null |
				jq -r '.verdicts[].checkpoint | select(test("[\u0000-\u001f]") | not)'
		fi
	done
}

_qcow2bm_chain() {
	local current=$1 previous=$2 word
	local -a names
	if [ "$COMP_CWORD" -eq 2 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(qcow2bm chain --help |
			sed -n 's/^  \([a-z]*\)  .*/\1/p') --help" -- "$current")
		return
	fi
	case $previous in
	--output)
		mapfile -t COMPREPLY < <(compgen -W "human json" -- "$current")
		return
		;;
	--scheme | --to)
		mapfile -t COMPREPLY < <(compgen -W "nested delta" -- "$current")
		return
		;;
	-c | --checkpoint | --at)
		mapfile -t names < <(_qcow2bm_checkpoints)
		for word in "${names[@]}"; do
			if [[ $word == "$current"* ]]; then
				COMPREPLY+=("$(printf '%q' "$word")")
			fi
		done
		return
		;;
	--as | --order | --start | --length | --wait)
		return
		;;
	esac
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_qcow2bm_options chain "${COMP_WORDS[2]}")" -- "$current")
		return
	fi
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

_qcow2bm_libvirt() {
	local current=$1 previous=$2
	if [ "$COMP_CWORD" -eq 2 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(qcow2bm libvirt --help |
			sed -n 's/^  \([a-z]*\)  .*/\1/p') --help" -- "$current")
		return
	fi
	case $previous in
	--output)
		mapfile -t COMPREPLY < <(compgen -W "human json" -- "$current")
		return
		;;
	--domain)
		mapfile -t COMPREPLY < <(compgen -W "$(virsh -q list --all --name 2>/dev/null)" -- "$current")
		return
		;;
	-c | --checkpoint | --wait)
		return
		;;
	esac
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_qcow2bm_options libvirt "${COMP_WORDS[2]}")" -- "$current")
		return
	fi
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

_qcow2bm() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} image='' i word
	local -a names
	local IFS=$' \t\n'
	COMPREPLY=()
	if [[ $command == chain ]]; then
		_qcow2bm_chain "$current" "$previous"
		return
	fi
	if [[ $command == libvirt ]]; then
		_qcow2bm_libvirt "$current" "$previous"
		return
	fi
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "list info map compare add delete rename clear enable \
			disable merge bitmap apply check repair undo recover verify digest chain libvirt --help --version" -- "$current")
		return
	fi
	case $previous in
	--output)
		word='human json'
		if [[ $command == list || $command == check ]]; then word+=' jsonl'; fi
		mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
		return
		;;
	--old-format)
		mapfile -t COMPREPLY < <(compgen -W "qcow2 raw manifest" -- "$current")
		return
		;;
	-f | -F | --format | --source-format)
		mapfile -t COMPREPLY < <(compgen -W "qcow2 raw" -- "$current")
		return
		;;
	--node)
		# NODE=IMAGE: = ends a word
		return
		;;
	=)
		if [[ ${COMP_WORDS[COMP_CWORD - 3]} == --node ]]; then
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$current")
		fi
		return
		;;
	-T)
		mapfile -t COMPREPLY < <(compgen -W "none writeback unsafe directsync \
			writethrough" -- "$current")
		return
		;;
	-b | --source-file | --base | --compare)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	-g | --granularity | --start | --length | --wait | --match | --object | --carved | --as | \
		--snapshot | --other-snapshot | --threads)
		return
		;;
	esac
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_qcow2bm_options "$command")" -- "$current")
		return
	fi
	for ((i = 2; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case ${COMP_WORDS[i - 1]} in
		--output | -f | -F | -b | -g | --format | --source-f* | --granularity | --start | \
			--length | --wait | --match | --object | --into | --merge | --carved | --as | --base | --compare | \
			--old-format | --since | --scheme | --order | --snapshot | --other-snapshot | --threads)
			continue
			;;
		esac
		if [[ $word != -* && -z $image ]]; then
			image=$word
		fi
	done
	if [[ -z $image || $command == list || $command == info || $command == check || $command == undo || $command == apply ||
		$command == verify || $command == digest || $command == compare ]]; then
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
	fi
	mapfile -t names < <(_qcow2bm_bitmaps "$image")
	for word in "${names[@]}"; do
		if [[ $word == "$current"* ]]; then
			COMPREPLY+=("$(printf '%q' "$word")")
		fi
	done
}

complete -F _qcow2bm qcow2bm
