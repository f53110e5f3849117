"""Tests of failed connections to an upstream."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from bouquet_worker import Upstream
from tests.kit.upstream.fake_upstream import FakeUpstream, error_of, reason_of
from tests.support import raw_http_server as servers
from tests.support.daemon import free_port
from tests.support.upstream_client import open_upstream


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (servers.hang_up, "upstream_timeout"),
        (servers.stop_halfway, "upstream_timeout"),
        (servers.reset, "upstream_unavailable"),
        (servers.answer_malformed, "upstream_malformed"),
    ],
)
async def test_a_broken_exchange_has_a_reason(behave: servers.Behaviour, reason: str) -> None:
    async with servers.raw_server(behave) as server, open_upstream(Upstream("api", server.url)) as upstream:
        assert await reason_of(upstream.post("/")) == reason


@pytest.mark.parametrize("behave", [servers.say_nothing, servers.answer_slowly])
async def test_an_answer_that_does_not_end_in_time_is_a_timeout(behave: servers.Behaviour) -> None:
    async with (
        servers.raw_server(behave) as server,
        open_upstream(Upstream("api", server.url, timeout_s=0.2)) as upstream,
    ):
        assert await reason_of(upstream.post("/")) == "upstream_timeout"


async def test_an_upstream_that_does_not_listen_is_unavailable() -> None:
    async with open_upstream(Upstream("api", f"http://127.0.0.1:{free_port()}")) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"


async def test_an_unknown_host_is_unresolved() -> None:
    async with open_upstream(Upstream("api", "http://api.invalid")) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unresolved"


async def test_a_body_beyond_the_limit_is_malformed(fake: FakeUpstream, url: str) -> None:
    fake.text = "x" * 101
    async with open_upstream(Upstream("api", url, max_body_bytes=100)) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_malformed"


async def test_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    tls = servers.SelfSignedCertificate(tmp_path, "api").server()
    async with (
        servers.raw_server(servers.answer, tls) as server,
        open_upstream(Upstream("api", server.url)) as upstream,
    ):
        error = await error_of(upstream.get("/"))
        assert server.requests == 0
    assert (error.reason, error.cause) == ("upstream_certificate", "CERTIFICATE_VERIFY_FAILED")


async def test_an_upstream_that_speaks_no_tls_is_a_certificate_error() -> None:
    async def in_clear(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(servers.ANSWER)
        writer.close()

    async with await asyncio.start_server(in_clear, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        async with open_upstream(Upstream("api", f"https://127.0.0.1:{port}")) as upstream:
            error = await error_of(upstream.get("/"))
    assert (error.reason, error.cause) == ("upstream_certificate", "WRONG_VERSION_NUMBER")


async def test_a_call_shows_the_worker_s_client_certificate(tmp_path: Path) -> None:
    fake, ours = servers.SelfSignedCertificate(tmp_path, "api"), servers.SelfSignedCertificate(tmp_path, "ours")
    tls = fake.server(trusting=ours)
    async with (
        servers.raw_server(servers.answer, tls) as server,
        open_upstream(Upstream("api", server.url, ssl=ours.client(trusting=fake))) as upstream,
    ):
        assert (await upstream.get("/")).status == 200


async def test_an_upstream_that_refuses_the_client_certificate_is_unavailable(tmp_path: Path) -> None:
    fake, ours, other = (servers.SelfSignedCertificate(tmp_path, name) for name in ("api", "ours", "other"))
    tls = fake.server(trusting=other)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2  # with 1.3, asyncio's server closes the connection without an alert
    async with (
        servers.raw_server(servers.answer, tls) as server,
        open_upstream(Upstream("api", server.url, ssl=ours.client(trusting=fake))) as upstream,
    ):
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"
