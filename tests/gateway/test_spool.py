"""Tests of the spool, the folder in which access records wait until they are sent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bouquet_gateway.journal import spool as spools
from bouquet_gateway.journal.spool import Spool, SpoolFull, open_spool, records_in
from tests.support.mesh_with_journal import spooled_records

ROOM = 1_000_000


def numbered(count: int) -> list[bytes]:
    return [b'{"id":"%d"}' % n for n in range(count)]


def drained(spool: Spool) -> list[bytes]:
    records = []
    while (segment := spool.next_segment()) is not None:
        records += records_in(segment)
        spool.forget(segment)
    return records


def left_behind(folder: Path, *segments: bytes) -> None:
    """Creates a spool folder such as a killed process leaves: with a file for each of `segments`, and without a
    lock."""
    own = folder / "0123456789abcdef"
    own.mkdir(parents=True)
    for number, content in enumerate(segments):
        (own / f"{1_700_000_000 + number:017.6f}-{number}.jsonl").write_bytes(content)


def test_a_record_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    with open_spool(tmp_path, ROOM) as spool:
        for n, record in enumerate(numbered(3), 1):
            spool.append(record)
            assert spooled_records(tmp_path) == numbered(n)


def test_sent_segments_are_deleted(tmp_path: Path) -> None:
    with open_spool(tmp_path, ROOM) as spool:
        for record in numbered(10):
            spool.append(record)
        assert spool.used_bytes == sum(len(record) + 1 for record in numbered(10))
        assert drained(spool) == numbered(10)
        assert (spool.used_bytes, spool.oldest_age_s()) == (0, 0.0)
    assert list(tmp_path.iterdir()) == []


def test_segments_have_a_maximum_size_and_are_sent_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 50)
    with open_spool(tmp_path, ROOM) as spool:
        for record in numbered(40):
            spool.append(record)
        assert len(list(tmp_path.glob("*/*"))) > 5
        assert drained(spool) == numbered(40)


def test_records_written_while_a_segment_is_sent_go_into_another(tmp_path: Path) -> None:
    with open_spool(tmp_path, ROOM) as spool:
        spool.append(b"first")
        segment = spool.next_segment()
        assert segment
        spool.append(b"second")
        assert records_in(segment) == [b"first"]
        spool.forget(segment)
        assert drained(spool) == [b"second"]


def test_records_left_by_one_process_are_sent_by_the_next(tmp_path: Path) -> None:
    with open_spool(tmp_path, ROOM) as spool:
        spool.append(b"kept")
    with open_spool(tmp_path, ROOM) as spool:
        spool.append(b"new")
        assert drained(spool) == [b"kept", b"new"]
    assert list(tmp_path.iterdir()) == []


def test_a_torn_line_is_sent_alone_without_damage_to_others(tmp_path: Path) -> None:
    left_behind(tmp_path, b'{"id":"0"}\n{"id":"1"}\n{"id":', b'{"id":"2"}\n')
    with open_spool(tmp_path, ROOM) as spool:
        spool.append(b"new")
        assert drained(spool) == [b'{"id":"0"}', b'{"id":"1"}', b'{"id":', b'{"id":"2"}', b"new"]


def test_only_spools_of_ended_processes_are_adopted_and_only_once(tmp_path: Path) -> None:
    with open_spool(tmp_path, ROOM) as one:
        one.append(b"one's")
        left_behind(tmp_path, b"left\n")
        with open_spool(tmp_path, ROOM) as other:
            one.adopt()
            other.adopt()
            assert drained(one) == [b"one's"]
            assert drained(other) == [b"left"]


DRAIN = """
import sys
from pathlib import Path
from bouquet_gateway.journal.spool import open_spool, records_in

with open_spool(Path(sys.argv[1]), 1000) as spool:
    while segment := spool.next_segment():
        print(*map(bytes.decode, records_in(segment)), sep="\\n")
        spool.forget(segment)
"""


def test_processes_that_start_together_adopt_each_segment_once(tmp_path: Path) -> None:
    for n in range(50):
        own = tmp_path / f"dead{n}"
        own.mkdir()
        (own / f"{1_700_000_000 + n:017.6f}-1.jsonl").write_bytes(b"%d\n" % n)
    starting = [subprocess.Popen([sys.executable, "-c", DRAIN, tmp_path], stdout=subprocess.PIPE) for _ in range(4)]
    sent = b"\n".join(process.communicate(timeout=200)[0] for process in starting)
    assert sorted(map(int, sent.split())) == list(range(50))
    assert list(tmp_path.iterdir()) == []


def test_the_spool_logs_that_it_fills_before_it_refuses(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", spools.__name__)
    told: list[tuple[str, bool]] = []
    with open_spool(tmp_path, 1000) as spool:
        for _ in range(100):
            spool.append(b"x" * 9)
            if len(caplog.records) > len(told):
                told.append((caplog.records[-1].message, spool.is_full))
        assert told == [("journal spool is filling", False), ("journal spool is full", True)]
        with pytest.raises(SpoolFull):
            spool.append(b"one more")
        assert spool.used_bytes == len(b"".join(spooled_records(tmp_path))) + 100 == 1000
        drained(spool)
        assert not spool.is_full
        spool.append(b"room again")
    assert [record.message for record in caplog.records[2:]] == ["journal spool has room again"]


def test_a_half_written_line_is_the_last_of_its_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with open_spool(tmp_path, ROOM) as spool:
        spool.append(b"whole")
        monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
        with pytest.raises(SpoolFull):
            spool.append(b"torn")
        monkeypatch.undo()
        spool.append(b"after")
        assert drained(spool) == [b"whole", b"tor", b"after"]
        assert spool.used_bytes == 0


def test_a_disk_that_refuses_writes_is_a_full_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with open_spool(tmp_path, ROOM) as spool:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(SpoolFull):
            spool.append(b"lost")
        monkeypatch.undo()
        spool.append(b"kept")
        assert drained(spool) == [b"kept"]


def test_a_disk_that_refuses_writes_leaks_no_descriptor_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spools, "TRIED_EVERY_S", 0.0)
    with open_spool(tmp_path, ROOM) as spool:
        before = len(os.listdir("/proc/self/fd"))
        with monkeypatch.context() as disk:
            disk.setattr(os, "write", full)
            disk.setattr(Path, "write_bytes", full)
            for _ in range(20):
                with pytest.raises(SpoolFull):
                    spool.append(b"lost")
            assert spool.is_full
            assert len(os.listdir("/proc/self/fd")) <= before + 1
            assert len(list(tmp_path.glob("*/*.jsonl"))) == 1
        assert not spool.is_full
        spool.append(b"kept")
        assert drained(spool) == [b"kept"]


def test_a_disk_that_refused_writes_is_tried_again_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with open_spool(tmp_path, ROOM) as spool:
        with monkeypatch.context() as disk:
            disk.setattr(os, "write", full)
            with pytest.raises(SpoolFull):
                spool.append(b"lost")
        assert spool.is_full
        monkeypatch.setattr(spools, "TRIED_EVERY_S", 0.0)
        assert not spool.is_full


def test_the_age_of_the_oldest_record_includes_adopted_segments(tmp_path: Path) -> None:
    left_behind(tmp_path, b"old\n")
    with open_spool(tmp_path, ROOM) as spool:
        spool.append(b"new")
        assert abs(spool.oldest_age_s() - (time.time() - 1_700_000_000)) < 60


def test_only_an_empty_spool_adopts_more_than_its_limit(tmp_path: Path) -> None:
    with open_spool(tmp_path, 100) as spool:
        spool.append(b"x" * 50)
        left_behind(tmp_path, b"y" * 98 + b"\n")
        spool.adopt()
        assert drained(spool) == [b"x" * 50]
        spool.adopt()
        assert spool.is_full
        assert drained(spool) == [b"y" * 98]


def test_only_the_owner_may_read_the_spool(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    with open_spool(folder, ROOM) as spool:
        spool.append(b"somebody's")
        for path in (folder, *folder.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path


def test_foreign_files_in_the_spool_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("not a segment")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read-me.jsonl").write_text("not a segment either")
    with open_spool(tmp_path, ROOM) as spool:
        assert spool.next_segment() is None
    assert {path.name for path in tmp_path.rglob("*")} == {"README", "notes", "read-me.jsonl"}
