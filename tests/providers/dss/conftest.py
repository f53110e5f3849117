from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bouquet_dss.simulator import simulator
from bouquet_dss.worker import worker
from tests.providers.worker_client import WorkerClient, worker_client


@pytest.fixture
async def dss(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked
