"""Proofs of answers in tests: settings of a gateway that makes them, and calls that request and verify them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from bouquet_mesh.secret import Secret
from tests.support.gateway_client import Answer
from tests.support.mesh import Mesh
from tests.support.people import CAF_ALLOCATAIRE

WANTED = {"X-Generate-Proof": "proof-only"}
HOST = "https://bouquet.example"
PROVING: dict[str, Any] = {
    "proof_keys": Secret(f"2026:{'k' * 32}"),
    "proof_checks_per_minute": 1000,
    "public_url": f"{HOST}/",
}
"""Settings of a gateway that makes and verifies proofs."""
PAGE = {"Accept": "text/html,application/xhtml+xml"}
"""Header of a browser."""


async def proved(client: Mesh, **options: Any) -> Answer:
    """Calls for a quotient familial with a proof."""
    answer = await client.get(params=CAF_ALLOCATAIRE, headers=WANTED, **options)
    assert answer.status == 200
    return answer


async def verified(client: Mesh, answer: Answer, **headers: str) -> Answer:
    """Follows the verification link of an answer, without a token."""
    link = urlsplit(answer.json["meta"]["verification_url"])
    return await client.get(link.path, query=link.query, token="", headers=headers)


async def sections(client: Mesh, answer: Answer) -> dict[str, list[dict[str, str]]]:
    """Returns what the verification of an answer's proof shows: values by label, for each entry of each section."""
    return values_of((await verified(client, answer)).json["data"]["sections"])


def values_of(sections: list[Any]) -> dict[str, list[dict[str, str]]]:
    """Returns the sections of a verification: values by label, for each entry of each section."""
    return {
        one["titre"]: [{row["libelle"]: row["valeur"] for row in rows} for rows in one["entrees"]] for one in sections
    }
