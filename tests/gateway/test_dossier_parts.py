"""Table test of dossiers: for each operation of the offers and each outcome, a part equals the single call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from bouquet_gateway.errors.nomenclature import reasons_of
from bouquet_gateway.errors.problems import GATEWAY_ONLY, failure_of
from bouquet_gateway.offers.catalogue import Catalogue, ServedOperation
from bouquet_proto.failures import Kind
from bouquet_proto.messages import Failed, NotFound, Rejected, Reply
from bouquet_proto.offer import Operation
from tests.support.gateway_client import RECIPIENT, Answer
from tests.support.sandbox_gateway import NOBODY, OPERATIONS
from tests.support.scripted_providers import OF_ONE_PART, SESSION, DossierClient, offers, scripted_gateway

CATALOGUE = Catalogue(offers())
NO_CACHE = {"Cache-Control": "no-cache"}
REPLY_OF: Mapping[Kind, type[NotFound] | type[Rejected]] = {
    Kind.NOT_FOUND: NotFound,
    Kind.WRONG_PARAMETER: Rejected,
    Kind.CONFLICT: Rejected,
}
"""Reply in which a provider gives a reason, by the reason's kind; every other kind is a `Failed`."""
WRONG = {"nomNaissance": "", "ine": "", "identifiant": "", "jourDateNaissance": 32, "sexeEtatCivil": "X"}
"""Parameters that the rules of every operation refuse."""
STATUS_OF: Mapping[type[Reply], str] = {NotFound: "not_found", Rejected: "rejected", Failed: "failed"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[DossierClient]:
    async with scripted_gateway() as client:
        yield client


def part_of(operation: Operation) -> dict[str, Any]:
    _, version, *resource, modality = operation.path.split("/")
    return {
        "operation": "/".join(resource),
        "version": int(version[1:]),
        "modality": modality,
        "parameters": {name: NOBODY[name] for name in OF_ONE_PART},
    }


def bearer_of(operation: Operation) -> dict[str, Any]:
    return {"token": SESSION} if operation.by_session else {}


async def single(client: DossierClient, operation: Operation, **more: Any) -> Answer:
    lists = {f"{name}[]" if isinstance(value, list) else name: value for name, value in NOBODY.items()}
    params = {"recipient": RECIPIENT, **lists, **more.pop("changes", {})}
    return await client.get(operation.path, params, headers=NO_CACHE, **bearer_of(operation) | more)


def shown(answer: Answer) -> dict[str, Any]:
    """Returns what a part has of a single call: its data and `meta`, or its errors, and the seconds to wait."""
    wait = answer.headers.get("Retry-After")
    kept = {name: answer.json[name] for name in ("data", "errors", "meta") if answer.json.get(name)}
    return kept | ({} if wait is None else {"retry_in": int(wait)})


def of_call(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part[name] for name in ("data", "errors", "meta", "retry_in") if name in part}


def replies(served: ServedOperation) -> Iterator[Reply]:
    """Yields a reply for each reason that the providers of an operation may give."""
    for reason in reasons_of(served):
        kind = failure_of(reason, served.problems).kind
        if reason not in GATEWAY_ONLY:
            yield REPLY_OF[kind](reason) if kind in REPLY_OF else Failed(reason, retry_in_s=7)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_a_part_equals_the_single_call(client: DossierClient, operation: Operation) -> None:
    [served] = CATALOGUE.by_path[operation.path]
    part, bearer = part_of(operation), bearer_of(operation)

    expected = await single(client, operation)
    found = await client.part(part, headers=NO_CACHE, **bearer)
    assert (expected.status, found["status"], found["cached"]) == (200, "found", False)
    assert of_call(found) == shown(expected)

    if not operation.by_session:
        for scopes in (["nothing"], [operation.scopes[0]]):
            alone, within = await single(client, operation, scopes=scopes), await client.part(part, scopes=scopes)
            assert of_call(within) == shown(alone), scopes
        wrong = {**part, "parameters": part["parameters"] | WRONG}
        alone, within = await single(client, operation, changes=WRONG), await client.part(wrong)
        assert (within["status"], of_call(within)) == ("rejected", shown(alone))

    for reply in replies(served):
        client.script.replies[operation.id] = reply
        alone = await single(client, operation)
        within = await client.part(part, headers=NO_CACHE, **bearer)
        assert of_call(within) == shown(alone), reply
        if not isinstance(reply, Rejected) or alone.status < 500:
            assert within["status"] == STATUS_OF[type(reply)], reply
    del client.script.replies[operation.id]
