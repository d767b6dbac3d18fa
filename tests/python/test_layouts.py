# SPDX-License-Identifier: LGPL-2.1-or-later
"""What api.json says is what a C compiler makes of the headers: places, sizes, values, defaults."""

import ctypes
import os
import shlex
import subprocess

import pytest

from qcow2bm import _api

API = _api.API
STRUCTS = [struct for struct in API["structs"] if not struct["opaque"]]


def lines_of_c():
    """C statements that print what Python is to know, too."""
    for struct in STRUCTS:
        name = struct["name"]
        yield 'printf("%s %%zu\\n", sizeof(struct %s));' % (name, name)
        for member in struct["members"]:
            yield 'printf("%s.%s %%zu %%zu\\n", offsetof(struct %s, %s), %s);' % (
                name, member["name"], name, member["name"],
                "sizeof(((struct %s *)0)->%s)" % (name, member["name"]),
            )
    for enum in API["enums"]:
        for value in enum["values"]:
            yield 'printf("%s %%lld\\n", (long long)%s);' % (value["name"], value["name"])
    for constant in API["constants"]:
        if "value" in constant:
            yield 'printf("%s %%lld\\n", (long long)%s);' % (constant["name"], constant["name"])
    for default in API["defaults"]:
        name = default["name"][len("QCOW2BM_"):-len("_INIT")].lower()
        yield "{ struct qcow2bm_%s o; memset(&o, 0, sizeof(o));" % name
        yield "o = (struct qcow2bm_%s)%s; const unsigned char *b = (void *)&o;" % (
            name, default["name"],
        )
        yield 'printf("%s"); for (size_t i = 0; i < sizeof(o); i++)' % default["name"]
        yield 'printf(" %u", b[i]); puts(""); }'


def lines_of_python():
    for struct in STRUCTS:
        made = _api.STRUCTS[struct["name"]]
        yield "%s %d" % (struct["name"], ctypes.sizeof(made))
        for member in struct["members"]:
            field = getattr(made, member["name"])
            yield "%s.%s %d %d" % (struct["name"], member["name"], field.offset, field.size)
    for enum in API["enums"]:
        for value in enum["values"]:
            yield "%s %d" % (value["name"], value["value"])
    for constant in API["constants"]:
        if "value" in constant:
            yield "%s %d" % (constant["name"], constant["value"])
    for default in API["defaults"]:
        made = _api.options(default["name"][len("QCOW2BM_"):-len("_INIT")].lower())
        yield " ".join([default["name"], *map(str, bytes(made))])


def test_the_compiler_agrees(tmp_path):
    source = tmp_path / "layouts.c"
    source.write_text(
        "#include <qcow2bm.h>\n#include <stddef.h>\n#include <stdio.h>\n#include <string.h>\n"
        "int main(void)\n{\n%s\nreturn 0;\n}\n" % "\n".join(lines_of_c())
    )
    compiler = shlex.split(os.environ["CC"])
    headers = os.path.join(os.environ["srcdir"], "libqcow2bm")
    subprocess.run(
        [*compiler, "-std=c11", "-I", headers, "-o", tmp_path / "layouts", source], check=True
    )
    printed = subprocess.run([tmp_path / "layouts"], stdout=subprocess.PIPE, check=True).stdout
    assert printed.decode().splitlines() == list(lines_of_python())


def test_every_function_has_its_type_in_c(tmp_path):
    """A second declaration that differs does not compile; one that is missing in the list is seen by
    the map of the library's symbols."""
    declared = []
    for function in API["functions"]:
        parameters = ", ".join(p["type"] + " " + p["name"] for p in function["parameters"])
        declared.append("%s %s(%s);" % (function["returns"], function["name"], parameters or "void"))
    source = tmp_path / "again.c"
    source.write_text("#include <qcow2bm.h>\n" + "\n".join(declared) + "\n")
    headers = os.path.join(os.environ["srcdir"], "libqcow2bm")
    subprocess.run(
        [*shlex.split(os.environ["CC"]), "-std=c11", "-fsyntax-only", "-I", headers, source],
        check=True,
    )
    with open(os.path.join(headers, "libqcow2bm.map"), encoding="utf-8") as symbols:
        exported = [w.rstrip(";") for w in symbols.read().split() if w.startswith("qcow2bm_")]
    assert sorted(exported) == sorted(function["name"] for function in API["functions"])


def test_an_older_library_is_refused(monkeypatch):
    monkeypatch.setitem(API, "library_version", "999.0.0")
    with pytest.raises(ImportError):
        _api._Library()
