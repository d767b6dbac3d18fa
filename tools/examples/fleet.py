#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""fleet.py FOLDER: a line for each FOLDER/*.qcow2, the disk of a machine that is off: its name, whether the
next backup may be an incremental one, the bytes that it copies, and what is to be typed first."""

import pathlib
import shlex
import sys
from datetime import date

import qcow2bm
from qcow2bm import Cure, Severity, Verdict


def command_for(path):
    """What helps: a check tells, but where a crash left bitmaps in-use and nothing else is wrong."""
    quoted = shlex.quote(str(path))
    with qcow2bm.Image(path, damaged=True) as image:
        problems = [p for p in image.check().problems if p.severity is not Severity.NOTE]
        if image.info.version < 3:
            return "qemu-img amend -o compat=1.1 " + quoted
    if problems and all(p.cure is Cure.RECOVER for p in problems):
        return "qcow2bm recover --auto " + quoted
    return "qcow2bm check " + quoted if problems else "qcow2bm add %s chk-%s" % (quoted, date.today())


def judge(path):
    """Verdict and bytes: by the newest checkpoint that changes are known since, if there is one."""
    with qcow2bm.Chain(path) as chain:
        verdicts = [chain.explain(idx).verdict for idx in range(len(chain.checkpoints))]
        size = chain.layers[0].virtual_bytes
        if Verdict.INCREMENTAL not in verdicts:
            return (Verdict.REPAIR if Verdict.REPAIR in verdicts else Verdict.FULL), size
        newest = len(verdicts) - 1 - verdicts[::-1].index(Verdict.INCREMENTAL)
        return Verdict.INCREMENTAL, sum(e.length for e in chain.since(newest) if e.dirty)


for file in sorted(pathlib.Path(sys.argv[1]).glob("*.qcow2")):
    verdict, size, command = "unreadable", "-", ""
    try:
        found, size = judge(file)
        verdict = found.word
    except qcow2bm.Error:
        pass
    try:
        command = "" if verdict == "incremental" else command_for(file)
    except qcow2bm.Error:
        pass
    print(file.name, verdict, size, command, sep="\t")
