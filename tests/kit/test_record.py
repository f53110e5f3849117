"""Tests of `bouquet-worker record`: what a real upstream answered becomes a simulator's answer and a case, in which no
value of the original is left."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import AsyncMock

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bouquet_mesh.listen import listening
from bouquet_proto.messages import NotFound, encode
from bouquet_worker import ApiKey, UpstreamError
from bouquet_worker.__main__ import main
from bouquet_worker.anonymisation import Anonymiser, scalars
from bouquet_worker.public import KnownFields
from bouquet_worker.recording import Recording, fields_of, new_files, record_question, write
from bouquet_worker.scaffold import write_provider
from bouquet_worker.testing import cases_in, worker_harness
from bouquet_worker.trial_question import QuestionError

NUMBER = "D-7719034"
REAL = ["identifiant=D-7719034", "recipient=13002526500013"]
INVENTED = ["identifiant=D-1000001"]
FILE = {
    "number": NUMBER,
    "state": "O",
    "openedAt": "2023-03-17T10:42:07+01:00",
    "holder": {"lastName": "TREGUIER", "firstName": "Nolwenn", "phone": "0611223344"},
}
PRIVATE = (NUMBER, "2023", "10:42", "TREGUIER", "Nolwenn", "0611223344", "phone")

NAMES = ("etat", "nom", "pere", "enfants", "code")
FIELDS = KnownFields(frozenset(NAMES), frozenset({"etat"}))
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
TREES = st.recursive(
    VALUES | st.dates().map(str) | st.datetimes().map(lambda at: at.isoformat()),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from((*NAMES, "inconnu")), inner, max_size=4)
    ),
    max_leaves=20,
)


def named(values: Any) -> set[str]:
    """Returns the values that say something: the texts and numbers with a letter or a digit."""
    return {str(value) for value in scalars(values) if any(character.isalnum() for character in str(value))}


def without_public(body: Any) -> Any:
    """Returns JSON without the values of the public field."""
    match body:
        case dict():
            return {
                name: without_public(item) for name, item in body.items() if name != "etat" or isinstance(item, dict)
            }
        case list():
            return [without_public(item) for item in body]
        case _:
            return body


@given(TREES)
def test_no_value_of_an_original_is_left_but_those_of_public_fields(original: Any) -> None:
    invented = Anonymiser(original, {}).body(original, FIELDS)
    assert named(without_public(invented)) & named(original) == set()
    assert "inconnu" not in json.dumps(invented)


@given(VALUES, TREES)
def test_invented_values_have_the_types_of_the_original(value: Any, other: Any) -> None:
    invented = Anonymiser([value, other], {}).body(value, FIELDS)
    assert type(invented) is type(value)


@pytest.mark.parametrize("original", ["2023-03-17", "2023-03-17T10:42:07+01:00", "2023-03-17T00:00:00+01:00"])
def test_an_invented_date_is_a_date_at_midnight_if_the_original_is(original: str) -> None:
    invented = str(Anonymiser(original, {}).value(original))
    assert datetime.fromisoformat(invented) and len(invented) == len(original)
    assert ("T00:00:00" in invented) == ("T00:00:00" in original)


@pytest.mark.parametrize("original", ["2023-03-17T10:42:07 TREGUIER", "2023-03-17 à 10:42", "+33 6 11 22 33 44"])
def test_a_text_with_a_date_in_it_is_replaced_as_a_whole(original: str) -> None:
    invented = str(Anonymiser(original, {}).value(original))
    assert len(invented) == len(original)
    assert all(one == other for one, other in zip(invented, original, strict=True) if not other.isalnum())
    assert sum(one != other for one, other in zip(invented, original, strict=True)) > 3
    assert "TREGUIER" not in invented


def test_one_value_has_one_invented_value_and_that_of_the_question_is_kept() -> None:
    anonymiser = Anonymiser(["LE GOFF", 12], {"LE GOFF": "DURAND"})
    assert anonymiser.body(["LE GOFF", 12, 12], FIELDS)[0] == "DURAND"
    assert anonymiser.value(12) == anonymiser.value(12)


# A recording of a new provider


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new provider in a folder, whose modules can be imported."""
    write_provider("acme", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "bouquet_acme"]:
        del sys.modules[name]


def module(name: str) -> ModuleType:
    return importlib.import_module(f"bouquet_acme.{name}")


async def recorded(fields: KnownFields, instead: Sequence[str] = INVENTED, words: Sequence[str] = REAL) -> Recording:
    """Records the answer of an upstream that knows the file `FILE`, with a gateway that records every question."""
    worker, simulator = module("worker").worker, module("simulator").simulator
    upstream, gateway = simulator.app(), web.Application()
    gateway.router.add_get("/v3/acme/dossier/identifiant", _found)
    module("simulator").FILES[NUMBER] = FILE
    async with listening(upstream, "127.0.0.1", 0) as url, listening(gateway, "127.0.0.1", 0) as gateway_url:
        own = {"BOUQUET_TRY_REAL": "yes", "BOUQUET_TRY_GATEWAY_URL": gateway_url, "BOUQUET_TRY_TOKEN": "token"}
        environ = {**simulator.settings(url), **own}
        try:
            return await record_question(worker, simulator, fields, words, instead, environ)
        finally:
            del module("simulator").FILES[NUMBER]


async def _found(_: web.Request) -> web.Response:
    return web.json_response({"data": {}})


async def test_a_recording_is_a_case_that_the_simulator_answers(acme: Path) -> None:
    worker, simulator = module("worker").worker, module("simulator").simulator
    recording = await recorded(fields_of("bouquet_acme.worker"))
    files = new_files("dossier_recorded", acme / "bouquet_acme" / "recorded", acme / "cases")
    write(recording, *files)

    [case] = [case for case in cases_in(acme / "cases") if case.name == "dossier_recorded"]
    async with worker_harness(worker, simulator) as harness:
        reply = await harness.ask(case)
    assert json.loads(encode(reply)) == json.loads(encode(case.reply))
    data = json.loads(files[1].read_text())["reply"]["data"]
    assert data["statut"] == "ouvert" and len(data["titulaire"]["nom"]) == len("TREGUIER")


async def test_the_files_of_a_recording_hold_no_value_of_the_real_person(acme: Path) -> None:
    files = new_files("dossier_recorded", acme / "bouquet_acme" / "recorded", acme / "cases")
    write(await recorded(fields_of("bouquet_acme.worker")), *files)
    text = "".join(file.read_text() for file in files)
    assert "D-1000001" in text
    assert [value for value in PRIVATE if value in text] == []


async def test_a_worker_that_must_know_a_value_needs_its_field_to_be_public(acme: Path) -> None:
    fields = fields_of("bouquet_acme.worker")
    assert fields.public == {"state", "error"}
    unknown = ["identifiant=D-9999999", "recipient=13002526500013"]
    with pytest.raises(QuestionError, match="mark as Public the fields whose values it knows"):
        await recorded(KnownFields(fields.read, frozenset()), words=unknown)  # the text of its 404 is invented too
    assert (await recorded(fields, words=unknown)).reply == NotFound("no_file")


async def test_refused_credentials_are_the_reason_that_nothing_is_recorded(
    acme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = UpstreamError("upstream_unknown", cause="credentials refused")
    monkeypatch.setattr(ApiKey, "headers", AsyncMock(side_effect=refused))
    with pytest.raises(QuestionError, match=r"^no request to the upstream: upstream_unknown, credentials refused$"):
        await recorded(fields_of("bouquet_acme.worker"))


async def test_the_invented_person_must_have_other_values_than_the_real_one(acme: Path) -> None:
    with pytest.raises(QuestionError, match="identifiant: --as must have another value"):
        await recorded(fields_of("bouquet_acme.worker"), [f"identifiant={NUMBER}"])


def test_the_command_asks_nothing_where_the_environment_does_not_allow_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BOUQUET_TRY_REAL", raising=False)
    question = ["api_particulier_v5_cnous_etudiant_boursier_with_ine", "ine=050617293HK", "--as", "ine=110617293HK"]
    assert main(["record", "cnous", "scholar_recorded", *question, "--cases", str(tmp_path)]) == 2
    assert "BOUQUET_TRY_REAL: must be yes" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_recording_does_not_replace_a_file(acme: Path) -> None:
    with pytest.raises(QuestionError, match=r"dossier_open\.json exists already"):
        new_files("dossier_open", acme / "cases")
