# SPDX-License-Identifier: LGPL-2.1-or-later
"""The module lags the headers in nothing. Run behind the other tests: a function that none of them
called is one that the module does not offer, or that is not tested."""

import dataclasses
import pathlib
import re

import qcow2bm
from qcow2bm import _api, errors, records, values

API = _api.API

# What Python has of its own, or the module asks for in another way.
NOT_OFFERED = {"code_name": "Code.name", "utf8_decode": "str"}

# Enums without a class of the same name.
CLASSES = {"carved_state": "CarvedState", "change_kind": "ChangeKind", "chain_cure": "ChainCure",
           "resume_held": "ResumeHeld", "resume_outcome": "ResumeOutcome", "old_kind": "OldKind",
           "disk_kind": "DiskKind"}

# Members that a record leaves to another field, or to the type of one.
NOT_FIELDS = {("plan", "changes"): "the changes themselves", ("resume_result", "count"): "len()",
              ("cut_off", "note_bytes"): "len()", ("cut_off", "filename_count"): "len()"}

RECORDS = {"disk_extent": "DiskExtent", "old_info": "OldInfo", "old_checkpoint": "OldCheckpoint",
           "proof_extent": "ProofExtent", "bitmap": "BitmapInfo", "image_info": "ImageInfo", "resume_result": "ResumeResult",
           "resume_image": "ResumeImage", "undo_result": "UndoResult", "cut_off": "CutOff"}

# Structs that the module fills or reads itself.
INSIDE = {"error", "together_file", "watch", "backing", "layer", "layer_bitmap", "together_edit"}


def test_every_word_is_told():
    for name in dir(values):
        kind = getattr(values, name)
        if isinstance(kind, type) and issubclass(kind, values._Value) and kind is not values._Value:
            assert all(value.word for value in kind)
    assert qcow2bm.State.IN_USE_STALE.word == "in-use-stale"
    assert qcow2bm.Recording.KEEP.word == "keep"


def test_every_function_is_called():
    called = set(vars(_api.lib)) | set(NOT_OFFERED)
    wanted = {function["name"][len("qcow2bm_"):] for function in API["functions"]}
    qcow2bm.library_version()
    assert wanted - called - {"version"} == set()


def test_enums_are_the_headers():
    for enum in API["enums"]:
        if not enum["name"]:
            continue
        name = enum["name"][len("qcow2bm_"):]
        kind = getattr(values, CLASSES.get(name, name.capitalize()))
        named = [v for v in enum["values"] if not v["name"].endswith("_COUNT")]
        assert len(named) == len(kind), name
        for value in named:
            assert value["name"].endswith("_" + kind(value["value"]).name), value["name"]
            assert int(kind(value["value"])) == value["value"]


def test_flags_are_all_offered():
    source = ""
    for module in ("image", "edit", "check", "chain", "together", "undo", "guest", "differ"):
        source += pathlib.Path(qcow2bm.__file__).with_name(module + ".py").read_text()
    for enum in API["enums"]:
        for value in [] if enum["name"] else enum["values"]:
            _, prefix, *rest = value["name"].lower().split("_")
            assert re.search(
                r'flags\(\s*"%s",[^)]*\b%s=' % (prefix.upper(), "_".join(rest)), source
            ), value["name"]


def test_records_have_every_member():
    for struct in API["structs"]:
        name = struct["name"][len("qcow2bm_"):]
        if struct["opaque"] or name in INSIDE or name.endswith("_options"):
            continue
        record = getattr(records, RECORDS.get(name, name.capitalize()))
        members = {member["name"] for member in struct["members"]}
        lengths = {m for m in members if m.endswith("_bytes") and m[: -len("_bytes")] in members}
        left_to_others = {member for owner, member in NOT_FIELDS if owner == name}
        fields = {field.name for field in dataclasses.fields(record)}
        assert members - lengths - left_to_others <= fields, name
        assert fields <= members | {"images"}, name


def test_every_code_has_its_exception():
    assert set(errors.CLASSES) == set(values.Code) - {values.Code.OK}
    assert len(set(errors.CLASSES.values())) == len(errors.CLASSES)
