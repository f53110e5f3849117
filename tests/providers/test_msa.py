"""Tests of the MSA's worker on a simulated hub: its requests and replies."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from bouquet_msa.simulator import simulator
from bouquet_msa.worker import worker
from bouquet_proto.messages import Found, NotFound
from bouquet_proto.quotient_familial import OPERATION, OPERATIONS, QuotientFamilial
from tests.providers.worker_client import WorkerClient, identite, worker_client

REMI = identite("Castagnos", "Rémi", "Gaston", born="1978-09-03", sexe="M", commune="32013")


@pytest.fixture
async def msa(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def test_a_file_is_the_msas_and_of_today(msa: WorkerClient) -> None:
    reply = await msa(OPERATION.id, REMI)
    assert isinstance(reply, Found)
    value = msgspec.json.decode(reply.data, type=QuotientFamilial).quotient_familial
    assert msgspec.structs.asdict(value) == {
        "fournisseur": "MSA",
        "valeur": 431,
        "annee": 2026,
        "mois": 4,
        "annee_calcul": 2026,
        "mois_calcul": 4,
    }


async def test_a_person_of_the_caf_has_no_file_at_the_msa(msa: WorkerClient) -> None:
    assert await msa(OPERATION.id, identite("LE GOUADEC", "MAELYS", "INES")) == NotFound("no_file")


def test_the_msa_offers_the_operations_of_both_providers_in_its_own_name() -> None:
    offer = worker.offer()
    assert offer.operations == OPERATIONS
    assert (offer.authority.label, offer.authority.prefix) == ("MSA", "10")
