"""Tests that a gateway sends the access records that a killed gateway of another release left on its disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.upgrade.releases import PRESENT, Release

RECORDS = ("first", "second", "third")
WRITE = """
import os, sys
from pathlib import Path
from bouquet_gateway.journal.spool import open_spool

folder, *records = sys.argv[1:]
with open_spool(Path(folder), 1_000_000) as spool:
    for record in records:
        spool.append(record.encode())
    os._exit(0)  # as a killed process: nothing is closed
"""
READ = """
import sys
from pathlib import Path
from bouquet_gateway.journal.spool import open_spool, records_in

with open_spool(Path(sys.argv[1]), 1_000_000) as spool:
    while (segment := spool.next_segment()) is not None:
        for record in records_in(segment):
            print(record.decode())
        spool.forget(segment)
"""


@pytest.mark.parametrize("is_upgrade", [True, False], ids=["upgrade", "rollback"])
def test_records_left_by_a_gateway_of_the_other_release_are_sent(
    former: Release, is_upgrade: bool, tmp_path: Path
) -> None:
    writer, reader = (former, PRESENT) if is_upgrade else (PRESENT, former)
    writer.output_of(["-c", WRITE, str(tmp_path), *RECORDS])
    assert list(tmp_path.rglob("*.jsonl"))
    assert reader.output_of(["-c", READ, str(tmp_path)]).split() == list(RECORDS)
    assert not list(tmp_path.rglob("*.jsonl"))
