"""Tests of TLS to the broker, to redis and to an upstream: nothing is sent to an unverified server or in plain text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from aiohttp import web

from bouquet_gateway.access.open_counters import open_counters
from bouquet_gateway.access.rate_limit import RateWindow
from bouquet_gateway.stores.open_cache import open_cache
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.observe.metrics import CERTIFICATE_END
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.certificates import server_certificate_end
from bouquet_mesh.tls.context import client_context, verified_url
from bouquet_msa.simulator import simulator
from bouquet_msa.worker import worker as msa
from bouquet_proto.messages import Failed
from bouquet_worker import Upstream
from bouquet_worker.doctor import examine
from bouquet_worker.errors import UpstreamError
from tests.conftest import need
from tests.support.bus import FOUND, PROVIDER, lookup_request, reply_found, serving
from tests.support.processes import running_command
from tests.support.rabbitmq import RABBITMQ_3
from tests.support.redis import PROGRAM
from tests.support.tls import HOST, CertificateFiles, TlsRabbit, TlsRedis, certificate_files, tls_site
from tests.support.upstream_client import open_upstream

SECRET = Secret("the secret of the tests' cache, long enough")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def ours(folder: Path) -> CertificateFiles:
    """Returns a certificate signed by an authority that all processes of these tests trust."""
    return certificate_files(folder / "ours")


@pytest.fixture(scope="module")
def theirs(folder: Path) -> CertificateFiles:
    """Returns a certificate for the same host name, signed by an authority that nobody trusts."""
    return certificate_files(folder / "theirs")


@pytest.fixture(scope="module")
def broker(folder: Path, ours: CertificateFiles) -> Iterator[TlsRabbit]:
    need(RABBITMQ_3.is_installed, RABBITMQ_3.name)
    with TlsRabbit(folder / "rabbitmq", ours) as node:
        yield node


@pytest.fixture(scope="module")
def store(folder: Path, ours: CertificateFiles) -> Iterator[TlsRedis]:
    need(PROGRAM is not None, "redis")
    with TlsRedis(folder / "redis", ours) as server:
        yield server


def bus_url(
    node: TlsRabbit, trusted: CertificateFiles, host: str = HOST, *, shown: CertificateFiles | None = None
) -> str:
    own = {"cafile": trusted.ca} | ({"certfile": shown.certificate, "keyfile": shown.key} if shown else {})
    return f"amqps://guest:guest@{host}:{node.tls_port}/?{urlencode(own)}"


def store_url(
    server: TlsRedis, trusted: CertificateFiles, host: str = HOST, *, shown: CertificateFiles | None = None
) -> Secret:
    own = {"ssl_ca_certs": trusted.ca} | (
        {"ssl_certfile": shown.certificate, "ssl_keyfile": shown.key} if shown else {}
    )
    return Secret(f"rediss://{host}:{server.port}/0?{urlencode(own)}")


# The broker


async def is_away(url: str, caplog: pytest.LogCaptureFixture) -> str:
    """Asserts that a bus cannot connect to the broker at `url`, and returns the logged error."""
    async with open_bus(url, "tests") as bus:
        assert await bus.call(PROVIDER, lookup_request()) == Failed("bus_unavailable")
        assert not bus.ready
    [told] = [record for record in caplog.records if record.message == "broker unavailable"]
    assert "guest" not in caplog.text
    return str(vars(told)["error"])


@pytest.mark.broker
async def test_the_bus_works_over_tls_with_both_certificates_shown(broker: TlsRabbit, ours: CertificateFiles) -> None:
    url = bus_url(broker, ours, shown=ours)
    async with open_bus(url, "caller") as caller, open_bus(url, "worker") as worker, serving(worker, reply_found):
        assert await caller.call(PROVIDER, lookup_request()) == FOUND
    assert server_certificate_end(HOST)


@pytest.mark.broker
async def test_a_doctor_reports_how_long_the_broker_s_own_certificate_is_valid(
    broker: TlsRabbit, ours: CertificateFiles
) -> None:
    environ = {**simulator.settings("http://127.0.0.1:1"), "BOUQUET_BUS_URL": bus_url(broker, ours, shown=ours)}
    findings = {finding.subject: finding for finding in await examine(msa, environ)}
    assert findings[f"certificate of {HOST} (BOUQUET_BUS_URL)"].says == "good until 3000-01-01"


@pytest.mark.broker
async def test_a_broker_with_a_certificate_of_another_authority_is_refused(
    broker: TlsRabbit, ours: CertificateFiles, theirs: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    assert "certificate" in await is_away(bus_url(broker, theirs, shown=ours), caplog)


@pytest.mark.broker
async def test_each_node_of_a_broker_must_have_its_own_name(
    broker: TlsRabbit, ours: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    """Gives the bus two host names of one broker, whose certificate contains only the first. The bus connects under the
    first name, and refuses to connect under the second."""
    caplog.set_level("INFO")
    url = bus_url(broker, ours, f"{HOST}:{broker.tls_port},127.0.0.1", shown=ours)
    while "broker node unavailable" not in caplog.messages:
        async with open_bus(url, "tests") as bus, serving(bus, reply_found):
            assert await bus.call(PROVIDER, lookup_request()) == FOUND
    events = [(record.message, vars(record).get("node")) for record in caplog.records if "node" in vars(record)]
    assert set(events) == {
        ("broker connected", f"{HOST}:{broker.tls_port}"),
        ("broker node unavailable", f"127.0.0.1:{broker.tls_port}"),
    }


@pytest.mark.broker
async def test_a_broker_with_a_certificate_for_another_name_is_refused(
    broker: TlsRabbit, ours: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    assert "IP address mismatch" in await is_away(bus_url(broker, ours, "127.0.0.1", shown=ours), caplog)


@pytest.mark.broker
@pytest.mark.parametrize("shows", ["nothing", "another authority's"])
async def test_a_broker_refuses_a_client_without_our_certificate(
    shows: str, broker: TlsRabbit, ours: CertificateFiles, theirs: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    await is_away(bus_url(broker, ours, shown=None if shows == "nothing" else theirs), caplog)


@pytest.mark.broker
async def test_no_connection_falls_back_to_plain_text(
    broker: TlsRabbit, ours: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    """Tests that the bus cannot connect by a TLS URL to the broker's port without TLS, and does not try a plain
    connection."""
    plain = bus_url(broker, ours, shown=ours).replace(str(broker.tls_port), str(broker.port))
    assert await is_away(plain, caplog)


# Redis


@pytest.mark.broker
async def test_cache_and_rate_limit_work_over_tls(store: TlsRedis, ours: CertificateFiles) -> None:
    CERTIFICATE_END.clear()
    url = store_url(store, ours, shown=ours)
    async with open_cache(url, SECRET) as cache, open_counters(url) as one, open_counters(url) as other:
        await cache.set("key", b"value", 60)
        stored = await cache.get("key")
        assert stored is not None
        assert stored.value == b"value"
        assert [await each.increment("pace", RateWindow(60, 1)) for each in (one, other)] == [1, 2]
    assert server_certificate_end(HOST)


@pytest.mark.broker
@pytest.mark.parametrize("wrong", ["authority", "host", "no certificate of ours"])
async def test_a_redis_whose_certificate_is_not_verified_is_not_used(
    wrong: str, store: TlsRedis, ours: CertificateFiles, theirs: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    url = {
        "authority": store_url(store, theirs, shown=ours),
        "host": store_url(store, ours, "127.0.0.1", shown=ours),
        "no certificate of ours": store_url(store, ours),
    }[wrong]
    async with open_cache(url, SECRET) as cache:
        await cache.set("key of a stranger", b"value", 60)
        assert await cache.get("key of a stranger") is None
    [told] = [vars(record)["error"] for record in caplog.records if record.message == "store unavailable"]
    if wrong != "no certificate of ours":  # with TLS 1.3 the server closes the connection after our first data
        assert "certificate" in told or "mismatch" in told
    async with open_cache(store_url(store, ours, shown=ours), SECRET) as cache:
        assert await cache.get("key of a stranger") is None


# An upstream


@asynccontextmanager
async def tls_upstream(own: CertificateFiles) -> AsyncIterator[str]:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    async with tls_site(app, own) as url:
        yield url


async def asked(url: str, ca: CertificateFiles, shown: CertificateFiles | None) -> str:
    """Calls an upstream, and returns the HTTP status as text or, if the call fails, the reason. The client trusts the
    authority of `ca`, and presents the certificate `shown` if there is one."""
    files = (str(shown.certificate), str(shown.key)) if shown else ()
    async with open_upstream(Upstream("files", url, ssl=client_context("FILES", url, str(ca.ca), *files))) as upstream:
        try:
            return str((await upstream.get("/")).status)
        except UpstreamError as error:
            return error.reason


async def test_an_upstream_sees_our_certificate(ours: CertificateFiles) -> None:
    async with tls_upstream(ours) as url:
        assert await asked(url, ours, ours) == "200"


async def test_an_upstream_with_another_certificate_receives_no_request(
    ours: CertificateFiles, theirs: CertificateFiles
) -> None:
    async with tls_upstream(ours) as url:
        assert await asked(url, theirs, ours) == "upstream_certificate"
        assert await asked(url.replace(HOST, "127.0.0.1"), ours, ours) == "upstream_certificate"


async def test_an_upstream_that_refuses_our_certificate_is_a_typed_failure(
    ours: CertificateFiles, theirs: CertificateFiles
) -> None:
    async with tls_upstream(ours) as url:
        for shown in (None, theirs):
            assert (await asked(url, ours, shown)).startswith("upstream_")


# Settings


@pytest.mark.parametrize(
    "url",
    [
        "amqps://u:secret@h/?no_verify_ssl=1",
        "amqps://u:secret@h/?no_verify_ssl",
        "rediss://:secret@h/0?ssl_cert_reqs=none",
        "rediss://:secret@h/0?ssl_check_hostname=false",
        "amqp://u:secret@h/?cafile=/ca.pem",
        "redis://:secret@h/0?ssl_ca_certs=/ca.pem",
        "amqps://u:secret@h/?cafile=/nowhere/ca.pem",
        "rediss://:secret@h/0?ssl_certfile=/nowhere/c.pem",
    ],
)
def test_a_url_whose_tls_would_verify_nothing_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="^BOUQUET_URL: ") as refused:
        verified_url(Secret(url), "BOUQUET_URL")
    assert "secret" not in str(refused.value)


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(SettingsError, match="certificates cannot be used"):
        client_context("BOUQUET_URL", "https://h", str(tmp_path / "ca.pem"))


async def test_a_process_refuses_to_start_without_verification() -> None:
    environ = {"BOUQUET_BUS_URL": "amqps://bouquet:a-password-of-ours@localhost/?no_verify_ssl=1"}
    settings = {"TOKEN_KEY": "k" * 40, "PROVIDERS": "cnaf", "JOURNAL": "false"}
    own = {f"BOUQUET_GATEWAY_{name}": value for name, value in settings.items()}
    async with running_command(environ | own, "bouquet-gateway", "serve") as gateway:
        assert await gateway.wait() == 2
    assert "BOUQUET_BUS_URL: must verify the server's certificate" in gateway.output
    assert "a-password-of-ours" not in gateway.output
