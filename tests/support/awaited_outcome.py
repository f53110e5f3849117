"""Waiting for gateways to apply a change of a token in the registry."""

from __future__ import annotations

import asyncio

from tests.support.mesh_with_registry import AcmeClient
from tests.support.waiting import TEST_TIMEOUT_S


async def until_outcome(gate: AcmeClient, text: str, told: str) -> None:
    """Repeats a call with the token `text` until its outcome is `told`, such as `200` or `401 00103`."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while await gate.outcome(text) != told:  # noqa: ASYNC110 - the gateway tells nobody what it hears
            await asyncio.sleep(0.01)
