from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bouquet_dss.simulator import simulator
from bouquet_dss.worker import worker
from tests.providers.asking import Asked, asking


@pytest.fixture
async def dss(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asked]:
    async with asking(worker, simulator, monkeypatch) as asked:
        yield asked
