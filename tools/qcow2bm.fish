# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of qcow2bm for fish. The program knows what may stand where.

function __qcow2bm_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null
end

function __qcow2bm_wants_files
    test "$(__qcow2bm_complete)" = files
end

complete -c qcow2bm -f
complete -c qcow2bm -n __qcow2bm_wants_files -F
complete -c qcow2bm -n 'not __qcow2bm_wants_files' -f -a '(__qcow2bm_complete)'
