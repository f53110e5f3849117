"""Tests that a caller may name a student by INE only with a habilitation that allows it (arrêté of 18 October 2022)."""

from __future__ import annotations

import asyncio

import pytest

from bouquet_gateway.access.tokens import STAGING_TOKEN_ID
from bouquet_registry.habilitations import Token
from tests.support.editors import create_editor, delegate, issue_editor_token
from tests.support.habilitations import SIRET, change_habilitation, create_habilitation
from tests.support.mesh_with_registry import INE_PATH, SCOPES, AcmeClient, MeshWithRegistry, signed_token
from tests.support.waiting import TEST_TIMEOUT_S


async def outcome(gate: AcmeClient, text: str) -> str:
    answer = await gate.get(INE_PATH, {"recipient": SIRET, "ine": "050617293HK"}, token=text)
    return "200" if answer.status == 200 else f"{answer.status} {answer.error['code']}"


async def becomes(gate: AcmeClient, token: Token, wanted: str) -> None:
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while await outcome(gate, signed_token(token)) != wanted:  # noqa: ASYNC110 - a gateway signals no event
            await asyncio.sleep(0.01)


async def test_a_call_by_ine_needs_a_habilitation_that_allows_it(here: MeshWithRegistry) -> None:
    gate = await here.start_gateway()
    without, with_ = await here.issue_token(), await here.issue_token(ine=True)
    assert await outcome(gate, signed_token(without)) == "403 00100"
    assert await gate.outcome(signed_token(without)) == "200"  # by civil status
    assert await outcome(gate, signed_token(with_)) == "200"


async def test_the_right_to_the_ine_is_given_and_taken_away_at_once(here: MeshWithRegistry) -> None:
    gate, token = await here.start_gateway(), await here.issue_token()
    await change_habilitation(here.store, token, ine=True)
    await becomes(gate, token, "200")
    await change_habilitation(here.store, token, ine=False)
    await becomes(gate, token, "403 00100")


@pytest.mark.parametrize("allowed", [True, False])
async def test_an_editor_names_a_student_by_ine_if_the_habilitation_allows_it(
    here: MeshWithRegistry, allowed: bool
) -> None:
    editor = await create_editor(here.store)
    await delegate(here.store, editor, await create_habilitation(here.store, scopes=SCOPES, ine=allowed))
    token = await issue_editor_token(here.store, editor)
    gate = await here.start_gateway()
    assert await outcome(gate, signed_token(token.id)) == ("200" if allowed else "403 00100")


async def test_a_token_that_states_its_own_rights_may_use_the_ine(here: MeshWithRegistry) -> None:
    demo = await here.start_gateway(tokens_from="claims")
    assert await outcome(demo, signed_token(STAGING_TOKEN_ID, scopes=SCOPES)) == "200"
