"""Tests of `make sandbox`: it prints READY and calls that work, and ends with Ctrl-C."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sandbox.folders import Folder, found
from tests.sandbox.public import CASES, HERE
from tests.support.daemon import free_port
from tests.support.sandbox_gateway import OURS, RECIPIENT

ROOT = Path(__file__).parents[2]
JOBSEEKER = "api_particulier_v3_france_travail_statut_with_identifiant"
READY = re.compile(r"READY (http://127\.0\.0\.1:\d+) token=(\S+)\n")

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@contextmanager
def running(cases: Path, *arguments: str) -> Iterator[tuple[str, str, list[str]]]:
    """Runs the sandbox and yields its URL, its token and the calls that it printed."""
    command = [sys.executable, "deploy/demo/demo.py", "--cases", str(cases), "--port", str(free_port()), *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, "")
            ready = next(found for found in map(READY.fullmatch, lines) if found)
            yield ready[1], ready[2], [next(lines), next(lines)]
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=120)
        assert process.returncode == 0
        assert "Traceback" not in errors


def curl(*arguments: str) -> tuple[int, str]:
    told = subprocess.run(["curl", *arguments, "-w", "\n%{http_code}"], stdout=subprocess.PIPE, text=True, check=True)
    body, _, status = told.stdout.rpartition("\n")
    return int(status), body


def ask(url: str, token: str, identifiant: str) -> tuple[int, str]:
    path = f"/v3/france_travail/statut/identifiant?recipient={RECIPIENT}&identifiant={identifiant}"
    return curl("-s", "-H", f"Authorization: Bearer {token}", url + path)


def test_the_calls_that_make_sandbox_prints_work() -> None:
    with running(OURS) as (url, token, calls):
        answers = [curl(*shlex.split(call)[1:]) for call in calls]
        absent = ask(url, token, "nobody")
    for status, body in answers:
        assert (status, json.loads(body)["data"]["quotient_familial"]["fournisseur"]) == (200, "CNAF")
    assert absent[0] == 404


def test_a_case_added_by_hand_is_answered_without_a_restart(tmp_path: Path) -> None:
    folder = Folder(tmp_path, JOBSEEKER)
    with running(tmp_path) as (url, token, _):
        before = ask(url, token, "a")
        folder.add("a.yaml", {"identifiant": "a"}, found({"identifiant": "a"}))
        after = ask(url, token, "a")
    assert (before[0], after[0]) == (404, 200)


@HERE
def test_the_sandbox_runs_on_the_public_cases() -> None:
    with running(CASES) as (url, token, _):
        assert ask(url, token, "default")[0] == 200


@pytest.mark.broker
def test_over_rabbitmq_the_casebook_runs_in_its_own_process(broker_url: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path, JOBSEEKER)
    folder.add("a.yaml", {"identifiant": "a"}, found({"identifiant": "a"}))
    with running(tmp_path, "--bus", broker_url) as (url, token, _):
        before = ask(url, token, "b")
        folder.add("b.yaml", {"identifiant": "b"}, found({"identifiant": "b"}))
        assert [status for status, _ in (ask(url, token, "a"), before, ask(url, token, "b"))] == [200, 404, 200]


def test_a_missing_folder_of_cases_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "deploy/demo/demo.py", "--cases", str(tmp_path / "typo")]
    told = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert (told.returncode, "typo is not a folder" in told.stderr) == (2, True)


def test_make_sandbox_starts_the_documented_command() -> None:
    told = subprocess.run(
        ["make", "-n", "sandbox", "CASES=/some/cases", "PORT=8123", "-o", ".venv/run"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert "deploy/demo/demo.py --cases /some/cases --port 8123" in told.stdout
    told = subprocess.run(
        ["make", "-n", "sandbox", "-o", ".venv/run"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    assert "deploy/demo/demo.py --cases deploy/sandbox/cases" in told.stdout
