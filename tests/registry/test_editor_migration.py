"""Tests that a filled database of the former version is migrated while a gateway goes on serving its callers."""

from __future__ import annotations

import asyncio

import pytest

from bouquet_gateway.access import registry_client
from bouquet_mesh.secret import Secret
from bouquet_registry.editors import queries
from bouquet_registry.store import Store, upgrade
from tests.registry.accesses import tamper
from tests.support.editors import EDITOR_SIRET, issue_editor_token
from tests.support.former_revisions import BACK_TO_REVISION_0005
from tests.support.habilitations import SIRET, create_habilitation
from tests.support.mesh_with_registry import SCOPES, AcmeClient, mesh_with_registry, signed_token
from tests.support.waiting import TEST_TIMEOUT_S


async def keep_calling(gate: AcmeClient, text: str, seen: set[str]) -> None:
    while True:
        seen.add(await gate.outcome(text))


async def test_a_gateway_serves_while_the_tables_of_a_former_version_are_migrated(
    store: Store, database: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_client, "POLL_S", 0.02)
    monkeypatch.setattr(registry_client, "SILENT_AFTER_S", 0.2)
    async with mesh_with_registry("memory:", store) as made:
        holder = await made.issue_token()
        delegated = await create_habilitation(store, scopes=SCOPES, siret=SIRET)
        gate = await made.start_gateway()
        text = signed_token(holder)
        assert await gate.outcome(text) == "200"
        await made.close_registry()
        await tamper(store, *BACK_TO_REVISION_0005)
        listed = f'[{{"siret": "{EDITOR_SIRET}", "name": "Arpège"}}]'
        await tamper(store, f"UPDATE habilitations SET delegations = '{listed}' WHERE id = '{delegated.id}'")
        seen: set[str] = set()
        calling = asyncio.create_task(keep_calling(gate, text, seen))
        await upgrade(database)
        await made.open_registry()
        async with store.reading() as connection:
            [editor] = await queries.editors(connection)
        token = signed_token((await issue_editor_token(store, editor)).id)
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while await gate.outcome(token) != "200":  # noqa: ASYNC110 - a gateway signals no event
                await asyncio.sleep(0.01)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        assert seen == {"200"}
