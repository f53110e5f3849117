"""Tests of the Model Context Protocol with the registry: the flag of a token, and the purpose in the journal."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from bouquet_mesh.outbox.memory import MemoryOutbox
from bouquet_registry import transactions
from bouquet_registry.clock import utc_now
from bouquet_registry.habilitations import Token
from bouquet_registry.journal import queries
from bouquet_registry.journal.worker import writing
from bouquet_registry.store import Store
from tests.registry.accesses import count
from tests.support.editors import create_editor, issue_editor_token
from tests.support.gateway_client import RECIPIENT, Answer
from tests.support.habilitations import ADMINISTRATOR, read_token
from tests.support.mesh_with_journal import journal_settings
from tests.support.mesh_with_registry import AcmeClient, MeshWithRegistry, mesh_with_registry, signed_token
from tests.support.offers import DURANT
from tests.support.waiting import TEST_TIMEOUT_S

PURPOSE = "Calcul du tarif de la cantine"


async def call(gate: AcmeClient, bearer: str) -> Answer:
    arguments = {name.removesuffix("[]"): value for name, value in DURANT.items()}
    given = arguments | {"recipient": RECIPIENT, "finalite": PURPOSE}
    params = {"name": "acme.dossier.identite", "arguments": given}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers = {"MCP-Protocol-Version": "2025-11-25"}
    return await gate.get("/mcp", method="POST", body=body, headers=headers, token=bearer)


async def flag(store: Store, token: Token, *, mcp: bool) -> None:
    async with transactions.begin(store, ADMINISTRATOR, utc_now) as transaction:
        await transaction.set_mcp(await read_token(store, token.id), mcp=mcp)


async def test_the_flag_in_the_registry_decides_whatever_the_token_says(here: MeshWithRegistry) -> None:
    gate = await here.start_gateway(mcp=True)
    token = await here.issue_token()
    bearer = signed_token(token)
    assert (await call(gate, bearer)).status == 401
    for mcp, status in ((True, 200), (False, 401)):
        await flag(here.store, token, mcp=mcp)
        await status_becomes(gate, bearer, status)


async def status_becomes(gate: AcmeClient, bearer: str, status: int) -> None:
    """Waits until the gateway has learnt of a change of the token, and answers with `status`."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while (await call(gate, bearer)).status != status:  # noqa: ASYNC110 - the gateway polls, without an event
            await asyncio.sleep(0.01)


async def test_a_token_of_an_editor_is_refused(here: MeshWithRegistry) -> None:
    editor = await create_editor(here.store)
    bearer = signed_token((await issue_editor_token(here.store, editor)).id)
    answer = await call(await here.start_gateway(mcp=True), bearer)
    assert (answer.status, answer.json) == (401, {"error": "not_authorized"})


async def test_the_journal_shows_the_purpose_of_a_call(sqlite: Store, tmp_path: Path) -> None:
    outbox = MemoryOutbox()
    async with writing(outbox, sqlite), mesh_with_registry("memory:", sqlite) as place:
        token = await place.issue_token()
        await flag(sqlite, token, mcp=True)
        gate = await place.start_gateway(outbox, mcp=True, **journal_settings(tmp_path))
        answer = await call(gate, signed_token(token))
        assert answer.json["result"]["structuredContent"]["data"]["numero"] == "1"
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while not await count(sqlite):  # noqa: ASYNC110 - the record takes its time
                await asyncio.sleep(0.01)
    async with sqlite.reading() as connection:
        [only] = await queries.accesses_of_request(connection, answer.headers["X-Request-Id"])
    assert (only["operation"], only["outcome"], only["purpose"]) == ("acme_v3_dossier", "found", PURPOSE)
