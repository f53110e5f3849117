"""Tests of the parts of `bouquet-worker dev`. tests/kit/test_from_packages.py runs the whole command."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec import structs

from bouquet_cnous.worker import worker as cnous
from bouquet_worker import __main__ as command
from bouquet_worker.dev_watch import restart_on_change
from bouquet_worker.testing import cases_in
from bouquet_worker.testing.objections import objections
from tests.support.waiting import until

CASES = cases_in(Path(__file__).parents[2] / "services" / "providers" / "cnous" / "cases")


async def test_a_served_provider_starts_again_after_a_change_and_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    """Tests that the process ends with the watch, and that it belongs to another session than the terminal, whose
    Ctrl-C would interrupt its imports."""
    started, code, stop = tmp_path / "started.log", tmp_path / "code", asyncio.Event()
    code.mkdir()

    def pids() -> list[int]:
        return [int(pid) for pid in started.read_text().split()] if started.exists() else []

    served = ["sh", "-c", f"echo $$ >> {started}; exec sleep 1000"]
    watching = asyncio.create_task(restart_on_change(served, [code], stop))
    await until(lambda: len(pids()) == 1)
    assert os.getsid(pids()[0]) == pids()[0] != os.getsid(0)

    while len(pids()) == 1:  # a change is lost if the folder is not yet watched
        (code / "worker.py").write_text(str(os.urandom(8)))
        with suppress(TimeoutError):
            await until(lambda: len(pids()) > 1, within_s=2)
    stop.set()
    await watching
    for pid in pids():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_ctrl_c_ends_a_command_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_list", interrupted)
    assert command.main(["list"]) == 130


def test_objections_name_their_place() -> None:
    case = structs.replace(CASES[0], operation="cnous_v9")
    assert list(objections(cnous, CASES)) == []
    assert list(objections(cnous, [case])) == [f"{case.name}: operation cnous_v9 is not offered"]
