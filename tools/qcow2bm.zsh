#compdef qcow2bm
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of qcow2bm for zsh. The program knows what may stand where.

local -a found
found=("${(@f)$(${(Q)words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
if [[ "$found" == files ]]; then
	_files
elif [[ -n "$found" ]]; then
	compadd -- "${found[@]}"
fi
