# SPDX-License-Identifier: LGPL-2.1-or-later
"""Failures are exceptions with code, errno and offset; what is used too late is refused, not a crash."""

import errno
import gc

import pytest

import qcow2bm
from images import UNPACKED, copied, made
from qcow2bm import Code


def test_code_errno_and_offset(tmp_path):
    with pytest.raises(qcow2bm.SystemCallError) as caught:
        qcow2bm.Image(tmp_path / "none.qcow2")
    assert caught.value.code is Code.ESYSTEM and caught.value.errno == errno.ENOENT
    assert caught.value.offset is None
    assert str(caught.value).startswith(str(tmp_path / "none.qcow2: "))
    torn = made(tmp_path, "torn.qcow2", "empty 64M", "bitmap a", "set entry[0].table_offset be64 511")
    with qcow2bm.Image(torn) as image:
        with pytest.raises(qcow2bm.DamagedImage) as caught:
            image.bitmaps[0].measure()
        assert caught.value.code is Code.EIMAGE and caught.value.offset > 0
    (tmp_path / "text").write_text("no image")
    with pytest.raises(qcow2bm.NotQcow2):
        qcow2bm.Image(tmp_path / "text")


def test_two_writers(tmp_path):
    path = copied(tmp_path, "enabled.qcow2")
    with qcow2bm.Image(path, write=True), pytest.raises(qcow2bm.Busy):
        qcow2bm.Image(path, write=True)
    qcow2bm.Image(path, write=True).close()


def test_what_is_closed_or_old_is_refused(tmp_path):
    path = copied(tmp_path, "enabled.qcow2")
    image = qcow2bm.Image(path, write=True)
    first, last = image.bitmaps[0], image.bitmaps[-1]
    edit = image.edit()
    edit.delete(first.name)
    edit.commit()
    for old in (first, last):
        with pytest.raises(qcow2bm.Invalid):
            old.measure()
    late = image.edit()
    image.close()
    image.close()
    with pytest.raises(qcow2bm.Invalid):
        late.delete("chk-2026-11-08")
    late.discard()
    for use in (lambda: image.bitmaps, lambda: image.info, image.edit, image.check):
        with pytest.raises(qcow2bm.Invalid):
            use()
    with pytest.raises(qcow2bm.Invalid):
        late.commit()


def test_a_report_outlives_its_image():
    with qcow2bm.Image(UNPACKED / "enabled.qcow2") as image:
        report = image.check()
    del image
    gc.collect()
    assert report.is_clean and report.totals.clusters > 0
    del report
    gc.collect()


def test_a_watch_stops_and_is_told():
    with qcow2bm.Image(UNPACKED / "enabled.qcow2") as image:
        with pytest.raises(qcow2bm.Interrupted):
            image.check(watch=qcow2bm.Watch(interrupted=lambda: True))
        told = []
        image.check(watch=qcow2bm.Watch(progress=lambda done, all_: told.append((done, all_))))
        assert told and told[-1][0] <= told[-1][1]


def test_exceptions_in_callbacks_come_through():
    class Mine(Exception):
        pass

    def raising(*_arguments):
        raise Mine

    with qcow2bm.Image(UNPACKED / "enabled.qcow2") as image:
        for call in (
            lambda: image.metadata(raising),
            lambda: image.check(watch=qcow2bm.Watch(interrupted=raising)),
            lambda: image.check(watch=qcow2bm.Watch(progress=raising)),
        ):
            with pytest.raises(Mine):
                call()


def test_a_value_that_is_newer_counts_as_the_most_cautious():
    assert qcow2bm.State(99) is qcow2bm.State.CORRUPT
    assert qcow2bm.Guarantee(99) is qcow2bm.Guarantee.UNSAFE
    assert qcow2bm.Verdict(99) is qcow2bm.Verdict.FULL
    assert qcow2bm.Severity(99) is qcow2bm.Severity.ERROR
    assert qcow2bm.ChangeKind(99) is qcow2bm.ChangeKind.UPDATE
    assert qcow2bm.Cure(99) is qcow2bm.Cure.NOBODY
    assert qcow2bm.ChainCure(99) is qcow2bm.ChainCure.CHECK


def test_arguments_outside_their_limits(tmp_path):
    with qcow2bm.Image(copied(tmp_path, "enabled.qcow2"), write=True) as image:
        edit = image.edit()
        for wrong in (0, -4096, 5000, 1 << 40):
            with pytest.raises(qcow2bm.Invalid):
                edit.add("new", granularity=wrong)
        with pytest.raises(qcow2bm.Exists):
            edit.add("chk-2026-11-08")
        with pytest.raises(qcow2bm.Invalid):
            edit.add("")
