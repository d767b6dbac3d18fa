# SPDX-License-Identifier: LGPL-2.1-or-later
"""type_in_shell.py SETUP SHELL...: runs an interactive shell in a terminal; of each line of standard input, types
it and a tab, and prints the words that the shell then has."""

import os
import pty
import select
import sys

setup, shell = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(TERM="dumb", PS1="", HISTFILE="/dev/null")
    os.execvp(shell[0], shell)


def read_until(mark):
    """What the terminal shows up to and with the mark."""
    seen = b""
    while mark not in seen:
        if not select.select([terminal], [], [], 20)[0]:
            sys.exit("no %r in %r" % (mark, seen))
        seen += os.read(terminal, 4096)
    return seen


os.write(terminal, setup.encode() + b"\nargs() { printf '<%s>' \"$@\"; echo ' END'; }; args ready\n")
read_until(b"<ready> END")
for line in sys.stdin:
    os.write(terminal, line.rstrip("\n").encode() + b"\t")
    # what is typed behind a completion waits for it; its marker is another one for each line
    os.write(terminal, b"\x01args \x05\n")
    shown = read_until(b" END")
    words = shown[shown.rindex(b"<qcow2bm>"):shown.rindex(b" END")]
    print(words.decode())
os.write(terminal, b"\x15exit\n")
