from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from bouquet_mesh.listen import listening
from bouquet_worker import Upstream, UpstreamClient
from tests.kit.upstream.fake_upstream import FakeUpstream
from tests.support.upstream_client import open_upstream
from tests.support.waiting import TEST_TIMEOUT_S


@pytest.fixture
def fake() -> FakeUpstream:
    return FakeUpstream()


@pytest.fixture
async def url(fake: FakeUpstream) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", fake.answer)
    async with listening(app, "127.0.0.1", 0) as url:
        yield url


@pytest.fixture
async def upstream(url: str) -> AsyncIterator[UpstreamClient]:
    async with open_upstream(Upstream("api", url, timeout_s=TEST_TIMEOUT_S)) as upstream:
        yield upstream
