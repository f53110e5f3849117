"""Tests of `/v3/token/introspect`, which describes the caller's token as the registry knows it
(docs/reference/contract.md §2.5)."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import pytest

from bouquet_registry.editors.records import Editor, EditorToken
from tests.support import habilitations
from tests.support.editors import EDITOR_SIRET, create_editor, delegate, issue_editor_token
from tests.support.gateway_client import Answer
from tests.support.habilitations import SIRET
from tests.support.mesh_with_registry import AcmeClient, MeshWithRegistry, signed_token

PATH = "/v3/token/introspect"
OTHER_SIRET = "21750001600019"
SCOPES = ("acme_age", "acme_dossier")


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


async def describe(gate: AcmeClient, token: Any, **query: str) -> Answer:
    return await gate.get(PATH, query, token=signed_token(token))


async def test_a_token_is_described_as_the_registry_knows_it(here: MeshWithRegistry) -> None:
    """Tests that the answer has the habilitation's facts, and neither its addresses nor other settings of security."""
    issued = await here.issue_token(
        scopes=SCOPES, datapass_id="4321", calls_per_minute=50, allowed_ips=("127.0.0.0/8",)
    )
    answer = await describe(await here.start_gateway(), issued)
    assert answer.status == 200
    assert answer.json == {
        "data": {
            "id": issued.id,
            "type": "standard",
            "scopes": [*SCOPES],
            "datapass_id": "4321",
            "siret_souscripteur": SIRET,
            "date_emission": iso(issued.issued_at),
            "date_expiration": iso(issued.expires_at),
            "rate_limit_par_minute": 50,
            "delegation": None,
        },
        "links": {"datapass": "https://datapass.api.gouv.fr/demandes/4321"},
        "meta": {},
    }


async def test_a_recipient_changes_nothing_for_the_token_of_a_habilitation(here: MeshWithRegistry) -> None:
    issued = await here.issue_token()
    gate = await here.start_gateway()
    assert (await describe(gate, issued, recipient="nonsense")).json == (await describe(gate, issued)).json


@pytest.fixture
async def editor(here: MeshWithRegistry) -> Editor:
    return await create_editor(here.store)


@pytest.fixture
async def own(here: MeshWithRegistry, editor: Editor) -> EditorToken:
    return await issue_editor_token(here.store, editor)


async def test_an_editor_s_token_is_described_without_a_recipient(here: MeshWithRegistry, own: EditorToken) -> None:
    answer = await describe(await here.start_gateway(), own)
    assert answer.json["data"] == {
        "id": own.id,
        "type": "editeur",
        "scopes": [],
        "datapass_id": None,
        "siret_souscripteur": EDITOR_SIRET,
        "date_emission": iso(own.issued_at),
        "date_expiration": iso(own.expires_at),
        "rate_limit_par_minute": None,
        "delegation": None,
    }
    assert answer.json["links"] == {"datapass": None}


async def test_an_editor_s_token_has_the_rights_of_the_recipient_s_delegation(
    here: MeshWithRegistry, editor: Editor, own: EditorToken
) -> None:
    delegated = await habilitations.create_habilitation(
        here.store, scopes=SCOPES, datapass_id="8765", calls_per_minute=7
    )
    [delegation] = await delegate(here.store, editor, delegated)
    answer = await describe(await here.start_gateway(), own, recipient=SIRET)
    assert answer.json["data"] == {
        "id": own.id,
        "type": "editeur",
        "scopes": [*SCOPES],
        "datapass_id": "8765",
        "siret_souscripteur": SIRET,
        "date_emission": iso(own.issued_at),
        "date_expiration": iso(own.expires_at),
        "rate_limit_par_minute": 7,
        "delegation": {"id": delegation.id, "siret_delegant": SIRET},
    }
    assert answer.json["links"] == {"datapass": "https://datapass.api.gouv.fr/demandes/8765"}


async def test_the_checks_of_a_delegation_apply_with_a_recipient(
    here: MeshWithRegistry, editor: Editor, own: EditorToken
) -> None:
    several = [await habilitations.create_habilitation(here.store, scopes=SCOPES) for _ in range(2)]
    [first, _] = await delegate(here.store, editor, *several)
    gate = await here.start_gateway()
    for query, code in (
        ({"recipient": ""}, "00210"),
        ({"recipient": "12345678901234"}, "00210"),
        ({"recipient": OTHER_SIRET}, "00213"),
        ({"recipient": SIRET}, "00212"),
        ({"recipient": SIRET, "delegation_id": str(uuid.uuid4())}, "00213"),
    ):
        assert (await describe(gate, own, **query)).error["code"] == code
    answer = await describe(gate, own, recipient=SIRET, delegation_id=first.id)
    assert answer.json["data"]["delegation"]["id"] == first.id


async def test_a_habilitation_without_an_id_in_datapass_has_no_link(here: MeshWithRegistry) -> None:
    answer = await describe(await here.start_gateway(), await here.issue_token())
    assert (answer.json["data"]["datapass_id"], answer.json["links"]) == (None, {"datapass": None})
