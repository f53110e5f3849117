"""Tests of the `bouquet-registry journal` commands."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bouquet_mesh.secret import Secret
from bouquet_proto.access_record import Access
from bouquet_registry.__main__ import main
from bouquet_registry.store import open_store
from tests.registry import accesses
from tests.registry.accesses import KEY, access
from tests.support import habilitations
from tests.support.registry_commands import with_reason

PERSON = {"nom": "Kervallan", "prenom": "Ève Marie", "naissance": "1990-03-07", "sexe": "F", "commune": "29019"}
OPTIONS = [word for name, value in PERSON.items() for word in (f"--{name}", value)]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Secret:
    url = f"sqlite:///{tmp_path}/registry.db"
    monkeypatch.setenv("BOUQUET_REGISTRY_DATABASE_URL", url)
    monkeypatch.setenv("BOUQUET_REGISTRY_JOURNAL_KEYS", f"2025:{'k' * 32},2026:{KEY.reveal()}")
    return Secret(url)


def written(url: Secret, made: Iterable[Access]) -> None:
    async def write() -> None:
        async with open_store(url) as store:
            await accesses.write(store, made)

    asyncio.run(write())


def forged(url: Secret, statement: str) -> None:
    async def tamper() -> None:
        async with open_store(url) as store:
            await accesses.tamper(store, statement)

    asyncio.run(tamper())


class Operator:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def reads(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        """Runs a command, asserts its exit status, and returns its output and error output."""
        assert main(["journal", *with_reason(arguments)]) == status
        return self._capsys.readouterr()

    def gets(self, *arguments: str) -> Any:
        return json.loads(self.reads(*arguments, "--json")[0])

    def is_told(self, *arguments: str, status: int = 1) -> str:
        out, err = self.reads(*arguments, status=status)
        assert out == ""
        return err


@pytest.fixture
def operator(capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(capsys)


def test_journal_verify_names_a_changed_record_and_exits_with_1(url: Secret, operator: Operator) -> None:
    written(url, (access(n) for n in range(1, 6)))
    noted = operator.gets("head")["head"]
    assert noted.startswith("5:")
    verified = operator.gets("verify", "--head", noted)
    assert verified == {"whole": True, "from": 1, "head": noted, "pruned_to": f"0:{'00' * 32}", "prunings": []}
    forged(url, "UPDATE journal SET recipient = '21290019400013' WHERE number = 4")
    assert operator.is_told("verify") == "record 4 was changed\n"
    assert operator.gets("verify", "--from", "5")["whole"]


def test_old_records_are_pruned(url: Secret, operator: Operator) -> None:
    written(url, (access(n) for n in range(1, 6)))
    pruned = operator.gets("prune", "--before", "2026-04-16T00:00+02:00")
    assert pruned["pruned"] == 5
    verified = operator.gets("verify")
    assert verified["head"] == pruned["head"]
    assert verified["pruned_to"] == pruned["pruned_to"]
    [told] = verified["prunings"]
    assert told.startswith(f"{pruned['pruned_to']} at 20")
    assert told.endswith("Z, record 6")


def test_journal_who_read_lists_the_calls_about_a_citizen(url: Secret, operator: Operator) -> None:
    written(url, [access(1), access(2, person="", at=1.0)])
    [row] = operator.gets("who-read", *OPTIONS)
    assert (row["at"], row["recipient"], row["left_out"]) == ("2026-04-15T12:00:00Z", habilitations.SIRET, [])
    out, err = operator.reads("who-read", *OPTIONS)
    assert out == f"2026-04-15 12:00:00+00:00  -  {habilitations.SIRET}  dss.quotient_familial.v4  found  -\n"
    assert err == ""


def test_journal_who_read_reads_the_identity_from_standard_input(
    url: Secret, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(url, [access(1)])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(PERSON).encode())))
    assert len(operator.gets("who-read")) == 1


def test_journal_who_read_prompts_for_the_identity_at_a_terminal(
    url: Secret, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    written(url, [access(1)])
    monkeypatch.setattr("sys.stdin", Terminal("\n".join([*PERSON.values(), "", ""])))
    out, err = operator.reads("who-read")
    assert out.startswith("2026-04-15")
    assert err.startswith("nom de naissance: prénom, or all of them: ")


@pytest.mark.parametrize(
    "given", ["KERVALLAN", '{"nom": 7, "KERVALLAN": 1}', "[]", '{"nom": "KERVALLAN"}', '{"ine": "\xff"}']
)
def test_an_invalid_identity_is_refused_without_being_repeated(
    url: Secret, operator: Operator, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given.encode("latin-1"))))
    told = operator.is_told("who-read")
    assert "KERVALLAN" not in told
    assert told.startswith(("standard input: must be a JSON object of nom, prenom,", "prenom: is missing"))


def test_journal_who_read_needs_a_key(url: Secret, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOUQUET_REGISTRY_JOURNAL_KEYS")
    told = operator.is_told("who-read", *OPTIONS, status=2)
    assert told == "BOUQUET_REGISTRY_JOURNAL_KEYS: must be name:secret,… of every key that pseudonyms are made with\n"


def test_journal_stats_counts_two_months_of_calls(url: Secret, operator: Operator) -> None:
    day_s, now = 24 * 3600, time.time()
    written(url, [access(n, at=now - n * 10 * day_s) for n in range(1, 10)])
    [row] = operator.gets("stats", "--habilitation", "h-1")
    assert row["calls"] == row["justificatifs_evites"] in (5, 6)
    assert operator.gets("stats", "--months", "12")[0]["calls"] == 9
    assert operator.reads("stats", "--habilitation", "h-2")[0] == "none\n"


def test_journal_rollup_counts_each_record_once_and_leaves_an_act(
    url: Secret, operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    written(url, (access(n) for n in range(1, 6)))
    assert operator.gets("rollup") == {"counted": 5}
    assert operator.gets("rollup") == {"counted": 0}
    assert operator.reads("rollup")[0] == "counted  0\n"
    assert main(["act", "list", "--json"]) == 0
    acts = [act["act"] for act in json.loads(capsys.readouterr().out)]
    assert acts == ["journal rollup"] * 3


def test_journal_rollup_with_rebuild_counts_kept_records_again_and_leaves_the_numbers(
    url: Secret, operator: Operator
) -> None:
    now = time.time()
    written(url, (access(n, at=now - n) for n in range(1, 6)))
    operator.gets("rollup")
    before = operator.gets("stats")
    assert operator.gets("rollup", "--rebuild") == {"counted": 5}
    assert operator.gets("stats") == before
    assert before[0]["calls"] == 5


def test_journal_rollup_with_rebuild_keeps_the_numbers_of_pruned_records(url: Secret, operator: Operator) -> None:
    day_s, now = 24 * 3600, time.time()
    written(url, (access(n, at=now - (20 if n < 3 else 1) * day_s) for n in range(1, 6)))
    before = operator.gets("stats")
    limit = datetime.fromtimestamp(now - 10 * day_s, UTC).isoformat()
    assert operator.gets("prune", "--before", limit)["pruned"] == 2
    assert operator.gets("rollup", "--rebuild") == {"counted": 4}  # three calls, and the record of the pruning
    assert operator.gets("stats") == before


def test_the_help_of_who_read_warns_of_the_command_line(url: Secret) -> None:
    command = [sys.executable, "-m", "bouquet_registry", "journal", "who-read", "--help"]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=True, timeout=200)
    assert "everyone on the machine can see a command line" in " ".join(done.stdout.split())


@pytest.mark.parametrize("arguments", [("verify", "--head", "7"), ("verify", "--head", "x:00"), ("prune",), ()])
def test_an_invalid_journal_argument_is_a_usage_error(url: Secret, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["journal", *arguments])
    assert caught.value.code == 2
