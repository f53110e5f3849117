"""Tests that the certificate of a PostgreSQL server is verified unless the URL switches TLS off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.context import is_this_machine, tls_error_of
from bouquet_registry.database_url import database_of
from bouquet_registry.store import open_store, upgrade
from bouquet_registry.worker import registry
from tests.conftest import need
from tests.support.postgres import PROGRAM, PostgresServer
from tests.support.tls import HOST, CertificateFiles, TlsPostgres

PLACE = "postgresql://town:swordfish@database.example/registry"


@pytest.fixture(scope="module")
def server(own: CertificateFiles) -> Iterator[TlsPostgres]:
    need(PROGRAM is not None, "PostgreSQL")
    with TlsPostgres(own) as running:
        yield running


@pytest.fixture
def place(server: TlsPostgres) -> str:
    """Returns the URL of an empty database, without TLS parameters."""
    return make_url(server.database()).set(host=HOST, query={}).render_as_string(hide_password=False)


def spelt(place: str, **options: object) -> Secret:
    return Secret(f"{place}?{urlencode(options)}")


async def is_encrypted(url: Secret) -> bool:
    await upgrade(url)
    async with open_store(url) as store, store.reading() as connection:
        question = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        return bool(await connection.scalar(text(question)))


@pytest.mark.broker
@pytest.mark.parametrize("said", [{}, {"sslmode": "verify-full"}, {"ssl": "verify-full"}])
async def test_every_spelling_of_verify_full_verifies_the_server(
    said: dict[str, str], place: str, own: CertificateFiles
) -> None:
    assert await is_encrypted(spelt(place, sslrootcert=own.ca, **said))


@pytest.mark.broker
async def test_a_database_server_of_an_unknown_authority_is_refused(place: str, other: CertificateFiles) -> None:
    for url in (Secret(place), spelt(place, sslmode="verify-full"), spelt(place, sslrootcert=other.ca)):
        with pytest.raises(OSError) as refused:
            await upgrade(url)
        assert "self-signed" in tls_error_of(refused.value) or "issuer" in tls_error_of(refused.value)


@pytest.mark.broker
async def test_a_database_server_with_another_host_name_is_refused(place: str, own: CertificateFiles) -> None:
    with pytest.raises(OSError) as refused:
        await upgrade(spelt(place.replace(HOST, "127.0.0.1"), sslrootcert=own.ca))
    assert "mismatch" in tls_error_of(refused.value)


@pytest.mark.broker
async def test_a_database_server_without_tls_is_refused(postgres_server: PostgresServer, own: CertificateFiles) -> None:
    """Tests that the registry refuses to use a database server without TLS."""
    # An attacker between registry and database could make any server seem to have no TLS.
    place = postgres_server.database().partition("?")[0]
    for url in (Secret(place), spelt(place, sslrootcert=own.ca)):
        with pytest.raises(OSError, match="rejected SSL upgrade"):
            await upgrade(url)


@pytest.mark.broker
async def test_sslmode_disable_connects_without_tls(place: str) -> None:
    assert not await is_encrypted(spelt(place, sslmode="disable"))


@pytest.mark.parametrize(
    "said",
    [
        "sslmode=prefer",
        "sslmode=require",
        "sslmode=verify-ca",
        "ssl=true",
        "sslmode=verify-full&sslmode=disable",
        "sslmode=verify-full&ssl=disable",
        "sslmode=disable&sslrootcert=/ca.pem",
        "sslrootcert=/nowhere/ca.pem",
        "sslmode=verify-full&sslcert=/nowhere/own.pem",
    ],
)
def test_a_url_that_would_verify_nothing_is_a_settings_error_that_quotes_nothing(said: str) -> None:
    with pytest.raises(SettingsError, match="^BOUQUET_REGISTRY_DATABASE_URL: ") as refused:
        registry.settings({"BOUQUET_REGISTRY_DATABASE_URL": f"{PLACE}?{said}"})
    assert "swordfish" not in str(refused.value) and "nowhere" not in str(refused.value)


def test_a_unix_socket_and_sqlite_need_no_sslmode() -> None:
    assert database_of(Secret(f"sqlite:///{Path('registry.db')}")).arguments == {}
    assert database_of(Secret("postgresql:///registry?host=/run/postgresql")).url.query["host"] == "/run/postgresql"


@pytest.mark.broker
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2.nip.invalid"])
async def test_an_unencrypted_database_is_logged_as_a_warning(
    host: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = spelt(place.replace(HOST, host), sslmode="disable")
    try:
        await upgrade(url)
    except OSError:
        assert host != "127.0.0.1"
    assert ("connection is not encrypted" in caplog.messages) == (host != "127.0.0.1")


@pytest.mark.parametrize(
    ("query", "is_local"),
    [
        ("host=/var/run/postgresql", True),
        ("host=::1", True),
        ("host=127.0.0.1:5432&host=localhost:5433", True),
        ("host=database.example", False),
        ("host=localhost:5432&host=database.example:5432", False),
        ("host=localhost,database.example&port=5432,5432", False),
    ],
)
def test_hosts_in_the_query_of_a_database_url_count_as_those_before_its_path(query: str, is_local: bool) -> None:
    hosts = database_of(Secret(f"postgresql:///registry?{query}&sslmode=disable")).hosts
    assert all(map(is_this_machine, hosts)) == is_local


def test_a_password_with_a_raw_at_sign_is_a_settings_error_that_does_not_quote_it() -> None:
    with pytest.raises(SettingsError) as raised:
        database_of(Secret("postgresql://bouquet:sword@fish@db.example/bouquet"))
    assert "%40" in str(raised.value) and "fish" not in str(raised.value)
