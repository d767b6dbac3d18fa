# SPDX-License-Identifier: LGPL-2.1-or-later
"""The C library as ctypes sees it: structs, callbacks and functions, all made from api.json, which
the build makes from the headers, so that nothing here can lag them."""

from __future__ import annotations

import ctypes
import json
import pathlib
import re
from typing import Any, Dict, List

SONAME = "libqcow2bm.so.0"

API: Dict[str, Any] = json.loads(
    pathlib.Path(__file__).with_name("api.json").read_text(encoding="utf-8")
)

NOT_FOUND = ctypes.c_size_t(-1).value
NO_OFFSET = 2**64 - 1

_NUMBERS = {
    "bool": ctypes.c_bool,
    "int": ctypes.c_int,
    "unsigned": ctypes.c_uint,
    "uint8_t": ctypes.c_uint8,
    "uint16_t": ctypes.c_uint16,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "char": ctypes.c_char,
    "void": None,
}

STRUCTS: Dict[str, Any] = {}
CALLBACKS: Dict[str, Any] = {}


def ctype(text: str) -> Any:
    """The ctypes type of a C type. A pointer to what only the library knows is a void pointer."""
    words = re.sub(r"\bconst\b", " ", text).replace("*", " * ").split()
    stars = words.count("*")
    words = [word for word in words if word != "*"]
    if words[0] == "enum":
        base: Any = ctypes.c_uint
    elif words[0] == "struct":
        base = STRUCTS.get(words[1])
        if base is None:
            base, stars = ctypes.c_void_p, stars - 1
    elif words[0] in CALLBACKS:
        base, stars = CALLBACKS[words[0]], stars - 1
    elif words[0] in ("void", "char") and stars:
        base = ctypes.c_void_p if words[0] == "void" else ctypes.c_char_p
        stars -= 1
    else:
        base = _NUMBERS[words[0]]
    for _ in range(stars):
        base = ctypes.POINTER(base)
    return base


def _parameters(function: Dict[str, Any]) -> List[Any]:
    """The types of its parameters; an array is a pointer there."""
    return [
        ctypes.c_void_p if "array" in parameter else ctype(parameter["type"])
        for parameter in function["parameters"]
    ]


def _function_type(function: Dict[str, Any]) -> Any:
    return ctypes.CFUNCTYPE(ctype(function["returns"]), *_parameters(function))


def _fields(members: List[Dict[str, Any]]) -> List[Any]:
    names = {member["name"] for member in members}
    fields = []
    for member in members:
        if "function" in member:
            kind = _function_type(member["function"])
        elif member["name"] + "_bytes" in names:
            kind = ctypes.POINTER(ctypes.c_char)  # ends in no NUL
        else:
            kind = ctype(member["type"])
        fields.append((member["name"], kind * member["array"] if "array" in member else kind))
    return fields


def _make_types() -> None:
    """Structs first, so that they can point to each other; callbacks are known before members."""
    known = [struct for struct in API["structs"] if not struct["opaque"]]
    for struct in known:
        STRUCTS[struct["name"]] = type(struct["name"], (ctypes.Structure,), {})
    for callback in API["callbacks"]:
        CALLBACKS[callback["name"]] = _function_type(callback)
    for struct in known:
        STRUCTS[struct["name"]]._fields_ = _fields(struct["members"])


_make_types()
_VALUES = {value["name"]: value["value"] for enum in API["enums"] for value in enum["values"]}
_DEFAULTS = {default["name"]: default["values"] for default in API["defaults"]}


def options(name: str, **members: Any) -> Any:
    """An option struct as its ..._INIT macro fills it, then with these members."""
    struct = STRUCTS["qcow2bm_" + name]()
    macro = _DEFAULTS["QCOW2BM_%s_INIT" % name.upper()]
    for (member, _), text in zip(struct._fields_, macro):
        if text.startswith("sizeof"):
            setattr(struct, member, ctypes.sizeof(struct))
        elif text in _VALUES:
            setattr(struct, member, _VALUES[text])
    for member, value in members.items():
        setattr(struct, member, value)
    return struct


def flags(prefix: str, **wanted: bool) -> int:
    """The flags QCOW2BM_PREFIX_NAME of those names that are true."""
    return sum(_VALUES["QCOW2BM_%s_%s" % (prefix, name.upper())] for name in wanted if wanted[name])


class _Library:
    """The functions of the library without their prefix; each is looked up when first called."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(SONAME)
        self._functions = {function["name"]: function for function in API["functions"]}
        wanted = tuple(int(part) for part in API["library_version"].split("."))
        found = self.version_number()
        if found < wanted[0] * 10000 + wanted[1] * 100 + wanted[2]:
            raise ImportError("%s is older than this module (%s)" % (SONAME, API["library_version"]))

    def __getattr__(self, name: str) -> Any:
        if "qcow2bm_" + name not in self._functions:
            raise AttributeError(name)
        declared = self._functions["qcow2bm_" + name]
        function = getattr(self._library, "qcow2bm_" + name)
        function.restype = ctype(declared["returns"])
        function.argtypes = _parameters(declared)
        setattr(self, name, function)
        return function


lib = _Library()
