"""Tests of `bouquet-registry import`: tokens of another system go on working, and a file is imported whole or not at
all."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
from contextlib import AbstractAsyncContextManager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bouquet_mesh.secret import Secret
from bouquet_registry import acts, bulk_import, queries, token_signing
from bouquet_registry.__main__ import main
from bouquet_registry.clock import utc_now
from bouquet_registry.refusals import RefusalError
from bouquet_registry.served_scopes import ScopeReports
from bouquet_registry.store import Store
from bouquet_registry.token_signing import Signer
from bouquet_registry.transactions import Transaction
from tests.support.awaited_lock import until_lock_is_awaited
from tests.support.habilitations import create_habilitation, habilitation_of, issue_token, read_token
from tests.support.import_files import (
    IMPORTED_AT,
    habilitation_line,
    import_file,
    import_records,
    record_id,
    token_line,
)
from tests.support.mesh_with_registry import SCOPES, MeshWithRegistry
from tests.support.processes import Process, running_command
from tests.support.waiting import TEST_TIMEOUT_S

ROOT = Path(__file__).parents[2]
HABILITATIONS, TOKENS = 1000, 1500


async def test_control_characters_in_names_of_an_import_become_spaces(store: Store, tmp_path: Path) -> None:
    provider = {"id": "a\0b", "type": "saas\n", "siret": "\x1b[2J"}
    officer = {"email": "dpo@ville.example", "name": "Anne\x1b[2JDurant"}
    line = habilitation_line(service_provider=provider, data_protection_officer=officer)
    await import_records(store, import_file(tmp_path, line))
    async with store.reading() as connection:
        made = await queries.habilitation(connection, line["id"])
    assert made.service_provider and made.data_protection_officer
    assert (made.service_provider.id, made.service_provider.type) == ("a b", "saas")
    assert made.data_protection_officer.name == "Anne [2JDurant"


async def is_empty(store: Store) -> bool:
    async with store.reading() as connection:
        return not await queries.habilitations(connection, archived=True) and not await queries.tokens(connection)


def situation(number: int) -> tuple[dict[str, Any], str]:
    """Returns the fields that make the imported token `number` special, such as a past expiry (`{}` for an ordinary
    token), and the outcome that a call with this token must have, such as `401 00105`."""
    match number % 10:
        case 3:
            return {"blacklisted_at": IMPORTED_AT - timedelta(days=1), "blacklist_reason": "leaked"}, "401 00105"
        case 4:
            return {"expires_at": IMPORTED_AT - timedelta(days=1)}, "401 00103"
        case 5:
            return {"blacklisted_at": IMPORTED_AT + timedelta(days=1)}, "200"
        case _:
            return {}, "200"


async def test_tokens_signed_with_another_key_work_as_before_after_an_import(
    here: MeshWithRegistry, tmp_path: Path
) -> None:
    lines = [habilitation_line(number) for number in range(HABILITATIONS)]
    lines += [token_line(number, number % HABILITATIONS, **situation(number)[0]) for number in range(TOKENS)]
    report = await import_records(here.store, import_file(tmp_path, *lines))
    assert [row["line"] for row in report] == list(range(1, HABILITATIONS + TOKENS + 1))
    former_key = Secret(token_signing.new_key("former-2025"))
    signer, keys = Signer(former_key), Secret(token_signing.verification_keys(former_key))
    gateway = await here.start_gateway(token_keys=keys)
    stranger = await here.start_gateway()
    for number in range(0, TOKENS, 7):  # all situations occur among these, since 7 and 10 have no common divisor
        made = await read_token(here.store, record_id(2, number))
        assert made.issued_at == IMPORTED_AT - timedelta(days=200)
        text = signer.sign(made, await habilitation_of(here.store, made))
        assert await gateway.outcome(text) == situation(number)[1], number
    assert await stranger.outcome(signer.sign(made, await habilitation_of(here.store, made))) == "401 00101"


BAD: dict[str, tuple[dict[str, Any] | str, str]] = {
    "no json": ("{", "is no JSON"),
    "no kind": ({"id": record_id(1, 9)}, "Object missing required field `kind`"),
    "an unknown field": (habilitation_line(9, roles=[]), "Object contains unknown field `roles`"),
    "no siret": (habilitation_line(9, siret="1"), "siret: is no SIRET"),
    "no scope": (habilitation_line(9, scopes=["Not One"]), "scopes[0]: is no scope"),
    "an id that gateways refuse": (token_line(9) | {"id": "jti-9"}, "id: is no UUID in small letters"),
    "the id of staging": (token_line(9) | {"id": bulk_import.STAGING_TOKEN_ID}, "id: is no UUID in small letters"),
    "a second token of an id": (token_line(1), "id: is another record's"),
    "a second habilitation of an id": (habilitation_line(1, datapass_id="9"), "id: is another record's"),
    "a second datapass id": (habilitation_line(9, datapass_id="1"), "datapass_id: is another habilitation's"),
    "no such habilitation": (token_line(9, 99), "habilitation: is neither in the file nor in the database"),
    "other scopes": (token_line(9, scopes=["acme_dossier"]), "scopes: are not those of its habilitation"),
    "an end before its beginning": (
        token_line(9, expires_at=IMPORTED_AT - timedelta(days=900)),
        "expires_at: is not after issued_at",
    ),
    "a time that no database represents": (
        token_line(9, issued_at="0001-01-01T00:00:00+01:00"),
        "issued_at: is not between the years 1970 and 9000",
    ),
    "a time after all others": (
        token_line(9, last_used_at="9999-12-31T23:59:59-01:00"),
        "last_used_at: is not between the years 1970 and 9000",
    ),
    "a text that PostgreSQL refuses": (habilitation_line(9, form_uid="a\0b"), "form_uid: contains a control character"),
    "an officer without an address": (
        habilitation_line(9, data_protection_officer={"email": "nobody"}),
        "data_protection_officer.email: is no e-mail address",
    ),
    "a NUL in a modality": (
        habilitation_line(9, modalities=["params\0"]),
        "modalities[0]: contains a control character",
    ),
    "text in an address": (
        habilitation_line(9, allowed_ips=["::1%\x1b[2J"]),
        "allowed_ips[0]: is no address nor range",
    ),
    "no time zone": (token_line(9, expires_at="2027-01-01T00:00:00"), "Expected `datetime` with a timezone component"),
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_line_is_reported_and_nothing_is_imported(store: Store, tmp_path: Path, bad: str) -> None:
    line, problem = BAD[bad]
    file = import_file(tmp_path, habilitation_line(), token_line(), "", line)
    for dry_run in (True, False):
        with pytest.raises(RefusalError) as refused:
            await import_records(store, file, dry_run=dry_run)
        first, last = str(refused.value).splitlines()
        assert first.startswith(f"line 4: {problem}") and last == "nothing was imported"
    assert await is_empty(store)


async def test_all_bad_lines_of_a_file_are_reported(store: Store, tmp_path: Path) -> None:
    lines = [habilitation_line(), token_line(), *(line for line, _ in BAD.values())]
    with pytest.raises(RefusalError) as refused:
        await import_records(store, import_file(tmp_path, *lines))
    named = {int(number) for number in re.findall(r"^line (\d+): ", str(refused.value), re.MULTILINE)}
    assert named == set(range(3, len(lines) + 1))
    assert await is_empty(store)


async def test_records_of_the_database_are_not_imported_again(store: Store, tmp_path: Path) -> None:
    own = await create_habilitation(store, datapass_id="1")
    held = await issue_token(store)
    lines = [
        habilitation_line(2) | {"id": own.id},
        habilitation_line(),
        token_line(of=3) | {"id": held.id, "habilitation": own.id},
    ]
    with pytest.raises(RefusalError) as refused:
        await import_records(store, import_file(tmp_path, *lines))
    assert str(refused.value).splitlines()[:-1] == [
        "line 1: id: is another record's",
        "line 2: datapass_id: is another habilitation's",
        "line 3: id: is another record's",
    ]


async def test_a_dry_run_reports_the_lines_and_creates_nothing(store: Store, tmp_path: Path) -> None:
    report = await import_records(store, import_file(tmp_path, habilitation_line(), token_line()), dry_run=True)
    assert [(row["line"], row["kind"]) for row in report] == [(1, "habilitation"), (2, "token")]
    assert await is_empty(store)


def test_the_example_of_the_page_about_moving_in_can_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOUQUET_REGISTRY_DATABASE_URL", f"sqlite:///{tmp_path}/registry.db")
    page = (ROOT / "docs" / "operations" / "moving-in.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    file = import_file(tmp_path, *example.splitlines())
    assert main(["import", str(file), "--dry-run"]) == 0
    assert main(["import", str(file), "--why", "moving in", "--json"]) == 0
    *_, report = capsys.readouterr().out.splitlines()
    assert [row["kind"] for row in json.loads(report)] == ["habilitation", "token", "token"]
    assert main(["import", str(file), "--why", "moving in"]) == 1
    assert main(["import", str(tmp_path / "missing")]) == 2


@pytest.mark.parametrize("text", [b"", b"\n \r\n", b"\xef\xbb\xbf\n"])
async def test_a_file_without_records_is_refused(store: Store, tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "import.jsonl"
    file.write_bytes(text)
    with pytest.raises(RefusalError, match="no records"):
        await import_records(store, file)


async def test_a_byte_order_mark_and_windows_line_ends_are_accepted(store: Store, tmp_path: Path) -> None:
    file = import_file(tmp_path, habilitation_line(1), token_line(1))
    file.write_bytes(bulk_import.BOM + file.read_bytes().replace(b"\n", b"\r\n"))
    assert [row["line"] for row in await import_records(store, file)] == [1, 2]


async def test_of_two_imports_of_a_file_at_once_one_imports_all_and_the_other_nothing(
    store: Store, tmp_path: Path
) -> None:
    file = import_file(
        tmp_path, *(habilitation_line(number) for number in range(20)), *(token_line(n, n) for n in range(20))
    )
    outcomes = await asyncio.gather(import_records(store, file), import_records(store, file), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RefusalError", "list"]
    async with store.reading() as connection:
        assert len(await queries.habilitations(connection)) == 20


async def test_an_import_that_is_interrupted_leaves_nothing_and_can_be_run_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = import_file(
        tmp_path, *(habilitation_line(number) for number in range(5)), *(token_line(n, n) for n in range(5))
    )
    add_token, added = Transaction.add_token, []

    async def interrupted(own: Transaction, made: Any, act: str) -> Any:
        added.append(made)
        if len(added) == 3:
            raise asyncio.CancelledError
        return await add_token(own, made, act)

    with monkeypatch.context() as patched, pytest.raises(asyncio.CancelledError):
        patched.setattr(Transaction, "add_token", interrupted)
        await import_records(store, file)
    assert await is_empty(store)
    assert len(await import_records(store, file)) == 10


@pytest.mark.parametrize("dry_run", [True, False])
async def test_scopes_that_no_provider_serves_are_imported_with_a_warning(
    store: Store, tmp_path: Path, dry_run: bool
) -> None:
    reports = ScopeReports(store, utc_now)
    reports.note(SCOPES)
    await reports.write()
    file = import_file(tmp_path, habilitation_line(1), habilitation_line(2, scopes=[*SCOPES, "another"]), token_line(1))
    report = await import_records(store, file, dry_run=dry_run)
    number = len(SCOPES)
    assert [row.get("warning") for row in report] == [None, f"scopes[{number}]: is served by no provider", None]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_an_import_killed_in_its_transaction_on_sqlite_leaves_nothing_and_can_be_run_again(
    store: Store, database: Secret, tmp_path: Path
) -> None:
    file = many_lines(tmp_path)
    async with importing(database, file) as process:
        await stop_in_transaction(process, database.reveal().removeprefix("sqlite:///"))
        await process.kill()
    await assert_nothing_was_imported(store, file)


@pytest.mark.broker
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_an_import_killed_in_its_transaction_on_postgresql_leaves_nothing_and_can_be_run_again(
    store: Store, database: Secret, tmp_path: Path
) -> None:
    """Kills the import when it has written all habilitations and one token: a lock on the table of signatures makes the
    process wait there."""
    file = many_lines(tmp_path)
    async with importing(database, file) as process, store.writing() as connection:
        await connection.execute(text("LOCK TABLE signatures IN EXCLUSIVE MODE"))
        await until_lock_is_awaited(store, "signatures")
        await process.kill()
    await assert_nothing_was_imported(store, file)


def many_lines(folder: Path) -> Path:
    lines = [habilitation_line(number) for number in range(HABILITATIONS)]
    return import_file(folder, *lines, *(token_line(number, number % HABILITATIONS) for number in range(TOKENS)))


def importing(database: Secret, file: Path) -> AbstractAsyncContextManager[Process]:
    settings = {"BOUQUET_REGISTRY_DATABASE_URL": database.reveal()}
    return running_command(settings, "bouquet-registry", "import", str(file), "--why", "moving in")


async def stop_in_transaction(process: Process, file: str) -> None:
    """Suspends a process at a moment at which it holds the write lock of an SQLite file."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while True:
            process.signal(signal.SIGSTOP)
            if is_locked(file):
                return
            process.signal(signal.SIGCONT)
            await asyncio.sleep(0.01)
            assert process.is_running, process.output


def is_locked(file: str) -> bool:
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
        return False


async def assert_nothing_was_imported(store: Store, file: Path) -> None:
    """Asserts that an import left neither records nor acts, and that the same file can be imported afterwards."""
    assert await is_empty(store)
    async with store.reading() as connection:
        assert await acts.acts(connection) == []
    assert len(await import_records(store, file)) == HABILITATIONS + TOKENS
