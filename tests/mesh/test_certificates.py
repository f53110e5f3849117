"""Tests of the metric that tells when certificates expire."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isnan
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from prometheus_client import REGISTRY

from bouquet_mesh.tls.certificates import certificate_end
from bouquet_mesh.tls.context import client_context
from bouquet_worker import Upstream
from tests.support.tls import HOST, certificate_files, tls_site
from tests.support.upstream_client import open_upstream

EARLIER, LATER = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    blobs = [trustme.CA().issue_cert("localhost", not_after=end).cert_chain_pems[0].bytes() for end in (LATER, EARLIER)]
    path = tmp_path / "bundle.pem"
    path.write_bytes(b"".join(blobs))
    return path


def test_an_own_certificate_chain_ends_with_its_earliest_end(bundle: Path) -> None:
    assert certificate_end(str(bundle), "own") == EARLIER.timestamp()


def test_a_file_of_authorities_ends_with_the_latest_end(bundle: Path) -> None:
    assert certificate_end(str(bundle), "authority") == LATER.timestamp()


def test_a_certificate_file_that_is_missing_or_invalid_has_no_end(tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    assert isnan(certificate_end(str(tmp_path / "text.pem"), "own"))
    assert isnan(certificate_end(str(tmp_path / "gone.pem"), "own"))


def test_the_metric_of_a_settings_certificate_follows_its_renewal(bundle: Path) -> None:
    client_context("BOUQUET_TEST_URL", "https://localhost", ca_path=str(bundle))
    name, labels = (
        "bouquet_certificate_not_after_timestamp_seconds",
        {"setting": "BOUQUET_TEST_URL", "use": "authority"},
    )
    assert REGISTRY.get_sample_value(name, labels) == LATER.timestamp()
    renewed = trustme.CA().issue_cert("localhost", not_after=EARLIER)
    bundle.write_bytes(renewed.cert_chain_pems[0].bytes())
    assert REGISTRY.get_sample_value(name, labels) == EARLIER.timestamp()


async def test_a_servers_certificate_end_is_recorded_at_the_tls_handshake(tmp_path: Path) -> None:
    own = certificate_files(tmp_path, ends_at=EARLIER)
    async with tls_site(web.Application(), own) as url:
        tls = client_context("BOUQUET_TEST_URL", url, str(own.ca), str(own.certificate), str(own.key))
        async with open_upstream(Upstream("files", url, ssl=tls)) as upstream:
            await upstream.get("/")
    labels = {"setting": HOST, "use": "server"}
    assert REGISTRY.get_sample_value("bouquet_certificate_not_after_timestamp_seconds", labels) == EARLIER.timestamp()
