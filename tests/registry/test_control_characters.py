"""Tests that texts from outside cannot act on an operator's terminal, in a mail or in a log line: whatever door they
come in by, the registry stores them without control characters, or refuses them."""

from __future__ import annotations

import json
import logging
import unicodedata
from argparse import Namespace
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, String, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_mesh.control_characters import escape_control_characters
from bouquet_mesh.doctor.findings import as_json, as_text, wrong
from bouquet_mesh.observe.logs import _Formatter
from bouquet_registry import bulk_import, schema
from bouquet_registry.__main__ import main
from bouquet_registry.cli import Context, render
from bouquet_registry.delivery import open_channel
from bouquet_registry.notices import send_due_notices
from bouquet_registry.refusals import RefusalError
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import Store
from tests.registry.api_client import ApiClient, api_client
from tests.registry.datapass_client import datapass_client
from tests.registry.datapass_events import V1, V2, signed, v1, v2
from tests.support.clock import DatetimeClock
from tests.support.habilitations import SIRET, issue_token
from tests.support.import_files import habilitation_line, import_file, token_line
from tests.support.json_places import json_places
from tests.support.mail_server import mail_server
from tests.support.notices import notice_settings
from tests.support.tls import CertificateFiles

CODES = "\x1b[2J\x9b31m\u202e\r\nCliquez"
"""Escape codes of seven and eight bits, a direction override and a line break, with a word."""


def is_clean(text: str) -> bool:
    return not any(unicodedata.category(one)[0] == "C" for one in text)


def texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, part in value.items():
                yield key
                yield from texts_in(part)
        case list() | tuple():
            for part in value:
                yield from texts_in(part)


async def stored_texts(connection: AsyncConnection) -> list[str]:
    """Returns every text in the registry's tables, those inside JSON documents included."""
    found: list[str] = []
    for table in schema.metadata.sorted_tables:
        columns = [column for column in table.c if isinstance(column.type, JSON | String | Text)]
        if columns:
            for row in await connection.execute(select(*columns)):
                found += texts_in(tuple(row))
    return found


async def assert_stored_texts_are_clean(store: Store) -> None:
    async with store.reading() as connection:
        found = await stored_texts(connection)
    assert [ascii(text) for text in found if not is_clean(text)] == []
    assert any("Cliquez" in text for text in found), "no text with control characters came in"


def poisoned(document: Any) -> Iterator[Any]:
    """Yields copies of a JSON document, in each of which one more text has control characters at its end."""
    for *parents, last in json_places(document):
        copy = json.loads(json.dumps(document))
        parent = copy
        for key in parents:
            parent = parent[key]
        if isinstance(parent[last], str):
            parent[last] += CODES
            yield copy


@pytest.mark.parametrize(("path", "made"), [(V1, v1), (V2, v2)])
async def test_no_text_of_a_datapass_event_is_stored_with_control_characters(
    path: str, made: Any, store: Store, clock: DatetimeClock
) -> None:
    provider = {"id": "arpege", "type": "editor", "siret": "21750001600019"}
    async with datapass_client(store, clock) as datapass:
        for document in poisoned(json.loads(made("approve", datapass.now, service_provider=provider))):
            body = json.dumps(document).encode()
            assert (await datapass.tells(body, path, signed(body)))[0] == 200
    await assert_stored_texts_are_clean(store)


FULL_HABILITATION = {
    "siret": SIRET,
    "name": "MAIRIE",
    "purpose": "Cantine",
    "description": "Tarifs",
    "scopes": ["dss_quotient_familial"],
    "modalities": ["params"],
    "allowed_ips": ["192.0.2.0/24"],
    "contacts": [{"kind": "demandeur", "email": "anne@mairie.example", "name": "Anne"}],
    "public_id": "a-b-c",
    "form_uid": "qf",
    "service_provider": {"id": "arpege", "type": "editor", "siret": "21750001600019"},
    "data_protection_officer": {"email": "dpo@mairie.example", "name": "Zoé"},
    "group_limits": [{"paths": "/v3/dss/", "calls_per_minute": 60}],
}
FULL_EDITOR = {
    "siret": "21750001600019",
    "name": "Arpège",
    "form_uids": ["qf"],
    "allowed_ips": ["192.0.2.0/24"],
    "members": ["zoe@arpege.example"],
    "delegable": True,
}
AUTHOR = {"X-Author": "Anne%1b[2J%e2%80%aeDurant%0d%0aCliquez", "X-Reason": "ticket%c2%9b31m%0aCliquez"}
"""Headers of an act, whose percent-decoded texts have control characters."""


async def test_no_text_of_a_request_to_the_internal_api_is_stored_with_control_characters(store: Store) -> None:
    async with api_client(store) as api:
        for path, full in (("/habilitations", FULL_HABILITATION), ("/editors", FULL_EDITOR)):
            for document in poisoned(full):
                assert (await act(api, path, document)).status in (201, 422)
        own = (await act(api, "/habilitations", FULL_HABILITATION)).json["id"]
        editor = (await act(api, "/editors", FULL_EDITOR)).json["id"]
        delegation = await act(api, "/delegations", {"editor": editor, "habilitation": own})
        issued = await act(api, f"/editors/{editor}/tokens", {"label": f"Concerto{CODES}"})
        made = await act(api, f"/habilitations/{own}/tokens", {})
        for answer, acts in ((delegation, "delegations"), (issued, "editor-tokens"), (made, "tokens")):
            id_ = (answer.json.get("token") or answer.json)["id"]
            assert (await act(api, f"/{acts}/{id_}/revoke", {"version": 1})).status == 200
        assert (await act(api, "/keys/withdraw", {"kid": "2026-01"})).status == 200
    await assert_stored_texts_are_clean(store)


async def act(api: ApiClient, path: str, body: Any) -> Any:
    return await api.send("POST", path, body=body, headers=AUTHOR)


async def test_no_text_of_an_import_is_stored_with_control_characters(store: Store, tmp_path: Path) -> None:
    full = {name: value for name, value in FULL_HABILITATION.items() if name != "siret"}
    lines = [habilitation_line(number, **fields) for number, fields in enumerate(poisoned(full))]
    context = Context(store, RegistrySettings())
    for line in lines:
        given = Namespace(file=import_file(tmp_path, line), dry_run=False, author=f"Anne{CODES}", why=CODES)
        try:
            await bulk_import.import_file(context, given)
        except RefusalError as refused:
            assert is_clean(str(refused).replace("\n", ""))
    last = token_line(of=900, blacklist_reason=CODES, kid=f"a{CODES}")
    given = Namespace(
        file=import_file(tmp_path, habilitation_line(900), last), dry_run=False, author="Anne", why="ticket"
    )
    with pytest.raises(RefusalError, match="kid"):
        await bulk_import.import_file(context, given)
    given.file = import_file(tmp_path, habilitation_line(900), last | {"kid": "a"})
    await bulk_import.import_file(context, given)
    await assert_stored_texts_are_clean(store)


@pytest.mark.parametrize("is_json", [True, False])
def test_a_terminal_gets_no_control_character_whatever_the_database_holds(is_json: bool) -> None:
    shown = [{"id": "1", "name": f"Ville{CODES}", "contacts": [{"name": CODES}]}]
    for text in (render(shown, json=is_json), render(shown[0], json=is_json)):
        assert is_clean(text.replace("\n", ""))
        assert "Cliquez" in text
    if is_json:
        assert json.loads(render(shown, json=True)) == shown


def test_the_doctor_shows_no_control_character_of_what_it_examined() -> None:
    finding = wrong("certificate", f"is of {CODES}", "renew it")
    assert is_clean(as_text([finding]).replace("\n", ""))
    assert json.loads(as_json([finding]))["findings"][0]["says"] == finding.says
    assert is_clean(as_json([finding]))


def test_a_log_line_holds_no_control_character() -> None:
    record = logging.LogRecord("bouquet", logging.INFO, "", 0, "registry started", None, None)
    record.path = CODES
    line = _Formatter("bouquet").format(record)
    assert is_clean(line)
    assert json.loads(line)["path"] == CODES


def test_a_refusal_on_a_terminal_shows_no_control_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOUQUET_REGISTRY_DATABASE_URL", f"sqlite:///{tmp_path}/registry.db")
    file = import_file(tmp_path, habilitation_line(1) | {CODES: 1})
    assert main(["import", str(file), "--author", "Anne", "--why", "ticket"]) == 1
    shown = capsys.readouterr().err
    assert "Cliquez" in shown
    assert is_clean(shown.replace("\n", ""))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Cantine de l’école – Jean-Jaurès 日本 🙂\n\tdeux", "Cantine de l’école – Jean-Jaurès 日本 🙂\n\tdeux"),
        ("a\x1b[2J", r"a\u001b[2J"),
        ("a\x9b2J\x7f", r"a\u009b2J\u007f"),
        ("a\u202eb\u2028", r"a\u202eb\u2028"),
        ("\U000e0001", r"\udb40\udc01"),
        ("\udcff", r"\udcff"),
        ("a\r", r"a\u000d"),
    ],
)
def test_control_and_formatting_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    assert escape_control_characters(text) == shown


async def test_a_mail_holds_no_control_character_of_what_a_former_version_stored(
    store: Store, clock: DatetimeClock, own: CertificateFiles
) -> None:
    made = await issue_token(store, clock)
    async with store.writing() as connection:
        await connection.execute(schema.habilitations.update().values(purpose=f"Cantine{CODES}", datapass_id=CODES))
    clock.now = made.expires_at - timedelta(days=30)
    async with mail_server(own) as (inbox, url), open_channel(notice_settings(url)) as channel:
        assert channel
        await send_due_notices(store, channel, clock)
    lines = inbox.mails[0][1].get_content().split("\r\n")
    assert is_clean("".join(lines))
    assert [line for line in lines if line.startswith("Cliquez")] == []
