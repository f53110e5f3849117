"""Tests of dossiers with an editor's token: the recipient in the body decides whose habilitation they use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bouquet_registry.editors.records import Editor
from tests.support import habilitations
from tests.support.editors import create_editor, delegate, issue_editor_token
from tests.support.gateway_client import Answer
from tests.support.habilitations import SIRET
from tests.support.mesh_with_registry import SCOPES, MeshWithRegistry, signed_token
from tests.support.offers import DURANT

OTHER_SIRET = "21750001600019"


@pytest.fixture
async def editor(here: MeshWithRegistry) -> Editor:
    return await create_editor(here.store)


async def send(here: MeshWithRegistry, editor: Editor, *, query: str = "", **changes: Any) -> Answer:
    gate = await here.start_gateway()
    issued = await issue_editor_token(here.store, editor)
    person = {name.removesuffix("[]"): value for name, value in DURANT.items() if name != "recipient"}
    body = {"recipient": SIRET, "identite": person, "resources": {"acme": {"operation": "acme/dossier"}}, **changes}
    return await gate.get(
        "/bouquet/v1/dossiers",
        method="POST",
        query=query,
        body=json.dumps(body).encode(),
        token=signed_token(issued.id),
    )


async def test_a_dossier_by_an_editor_has_the_scopes_of_the_recipient_s_habilitation(
    here: MeshWithRegistry, editor: Editor
) -> None:
    own = await habilitations.create_habilitation(here.store, scopes=("acme_dossier",))
    await delegate(here.store, editor, own)
    answer = await send(here, editor)
    assert answer.json["data"]["acme"]["data"] == {"numero": "1", "titulaire": {"nom": "DURANT"}}
    assert here.acme.requests[0].caller.recipient == SIRET


async def test_a_dossier_for_a_recipient_that_delegates_nothing_is_00213(
    here: MeshWithRegistry, editor: Editor
) -> None:
    await delegate(here.store, editor, await habilitations.create_habilitation(here.store, scopes=SCOPES))
    answer = await send(here, editor, recipient=OTHER_SIRET, query=f"recipient={SIRET}")
    assert (answer.status, answer.codes, here.acme.requests) == (403, ["00213"], [])


async def test_a_dossier_names_one_of_several_delegations(here: MeshWithRegistry, editor: Editor) -> None:
    narrow, _ = await delegate(
        here.store,
        editor,
        await habilitations.create_habilitation(here.store, scopes=("acme_dossier",)),
        await habilitations.create_habilitation(here.store, scopes=SCOPES),
    )
    ambiguous, chosen = await send(here, editor), await send(here, editor, delegation_id=narrow.id)
    assert (ambiguous.status, ambiguous.codes) == (422, ["00212"])
    assert chosen.json["data"]["acme"]["data"] == {"numero": "1", "titulaire": {"nom": "DURANT"}}
