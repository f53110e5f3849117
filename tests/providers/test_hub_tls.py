"""Tests of a hub whose API and token endpoint both require client certificates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from bouquet_mesh.bus.memory import MemoryBus
from bouquet_msa.simulator import simulator
from bouquet_msa.worker import worker
from bouquet_proto.messages import Failed, Found
from bouquet_proto.quotient_familial import OPERATION
from tests.providers.worker_client import WorkerClient, identite
from tests.support.tls import certificate_files, tls_site

REMI = identite("Castagnos", "Rémi", "Gaston", born="1978-09-03", sexe="M", commune="32013")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Mapping[str, str]]:
    """Starts a simulated hub over TLS, and yields the settings of a worker that trusts it."""
    own = certificate_files(tmp_path)
    async with tls_site(simulator.app(), own) as url:
        yield {**simulator.settings(url), "BOUQUET_MSA_HUB_CA_PATH": str(own.ca)}


async def test_a_worker_with_its_client_certificate_is_answered(hub: Mapping[str, str], tmp_path: Path) -> None:
    shown = {
        "BOUQUET_MSA_HUB_CERTIFICATE_PATH": str(tmp_path / "certificate.pem"),
        "BOUQUET_MSA_HUB_KEY_PATH": str(tmp_path / "key.pem"),
    }
    bus = MemoryBus()
    async with worker.running(bus, {**hub, **shown}):
        assert isinstance(await WorkerClient(bus, "msa", simulator.app())(OPERATION.id, REMI), Found)


async def test_a_worker_without_a_client_certificate_has_a_typed_failure(hub: Mapping[str, str]) -> None:
    bus = MemoryBus()
    async with worker.running(bus, hub):
        reply = await WorkerClient(bus, "msa", simulator.app())(OPERATION.id, REMI)
    assert isinstance(reply, Failed) and reply.reason.startswith("upstream_")
