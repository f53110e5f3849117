"""Tests of access to the registry's internal API. Every request needs a client's secret or certificate, and every act
also needs an author and a reason."""

from __future__ import annotations

import logging
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import ClientConnectorError, ClientError, ClientOSError, ClientSession, ServerDisconnectedError

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_registry.api import openapi
from bouquet_registry.api.access import Clients, check_access
from bouquet_registry.api.route import Route
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import Store, open_store
from tests.registry.api_client import AUTHOR, ROUTES, SECRET, SIGNING_KEY, ApiClient, api_client, api_environ
from tests.support.administrative_acts import recorded_acts
from tests.support.processes import running_command
from tests.support.tls import CertificateFiles, certificate_files
from tests.support.waiting import until

ACTS = [route for route in ROUTES if route.is_act]


def path_of(route: Route) -> str:
    return route.path.replace("{id}", "an-id")


def named(route: Route) -> str:
    return route.name


@pytest.fixture
async def store(sqlite_with_tables: Path, tmp_path: Path) -> AsyncIterator[Store]:
    file = shutil.copy(sqlite_with_tables, tmp_path / "registry.db")
    async with open_store(Secret(f"sqlite:///{file}")) as opened:
        yield opened


@pytest.fixture
async def api(store: Store) -> AsyncIterator[ApiClient]:
    async with api_client(store) as client:
        yield client


@pytest.mark.parametrize("route", ROUTES, ids=named)
async def test_no_route_answers_a_client_without_the_secret(route: Route, api: ApiClient) -> None:
    for secret in ("", "t" * 40, SECRET[:-1], f"{SECRET}s", "é"):
        answer = await api.send(route.method, path_of(route), body={}, secret=secret)
        assert (answer.status, answer.errors) == (401, {("unauthenticated", "")})
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", [openapi.PATH, "/nothing", "/"])
async def test_no_other_path_answers_a_client_without_the_secret(path: str, api: ApiClient) -> None:
    assert (await api.send("GET", path, secret="")).status == 401


@pytest.mark.parametrize("route", ACTS, ids=named)
async def test_no_act_is_done_without_author_and_reason(route: Route, api: ApiClient, store: Store) -> None:
    for headers in ({}, {"X-Author": "Anne"}, {"X-Reason": "r"}, {"X-Author": " ", "X-Reason": "%00"}):
        answer = await api.send(route.method, path_of(route), body={}, headers=headers)
        missing = {name for name in AUTHOR if not headers.get(name, "").strip(" %0")}
        assert answer.status == 422
        assert {("invalid", name) for name in missing} <= answer.errors
    assert await recorded_acts(store) == []


async def test_a_client_that_leaves_before_its_body_ends_is_no_fault_of_the_database(
    api: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        raise ConnectionResetError

    with caplog.at_level(logging.INFO):
        with suppress(ClientError):
            await api.send("POST", "/habilitations", data=body())
        await until(lambda: "api request answered" in caplog.messages)
    assert [record.message for record in caplog.records if record.levelno > logging.INFO] == []


def test_every_route_that_is_no_get_and_stores_something_is_an_act() -> None:
    stores_nothing = ["draft_demande"]
    assert [route.name for route in ROUTES if route.method != "GET" and not route.is_act] == stores_nothing


async def test_the_log_of_the_api_names_the_client_and_shows_no_secret_and_no_token(tmp_path: Path) -> None:
    async with running_command(api_environ(tmp_path), "bouquet-registry", "api") as process:
        port = (await process.until_logged("registry api started"))["port"]
        headers = AUTHOR | {"Authorization": f"Bearer {SECRET}"}
        async with ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
            async with session.post("/habilitations", json={"siret": "13002526500013"}) as response:
                id_ = (await response.json())["id"]
            async with session.post(f"/habilitations/{id_}/tokens", json={}) as response:
                jwt = (await response.json())["jwt"]
        line = await process.until_logged("api request answered", times=2)
        assert (line["operation"], line["status"], line["client"]) == ("issue_token", 201, "portal")
        assert await process.stop() == 0
    assert [text for text in (SECRET, jwt, SIGNING_KEY.reveal(), "ticket 12", "Anne") if text in process.output] == []


async def test_the_api_with_a_client_authority_refuses_other_certificates(tmp_path: Path) -> None:
    authority = trustme.CA()
    own, foreign = certificate_files(tmp_path / "own", authority), certificate_files(tmp_path / "foreign")
    settings = api_environ(tmp_path) | {
        "BOUQUET_REGISTRY_API_CERTIFICATE": str(own.certificate),
        "BOUQUET_REGISTRY_API_KEY": str(own.key),
        "BOUQUET_REGISTRY_API_CLIENT_CA": str(own.ca),
    }
    del settings["BOUQUET_REGISTRY_API_SECRETS"]
    async with running_command(settings, "bouquet-registry", "api") as process:
        port = (await process.until_logged("registry api started"))["port"]
        assert await status_with(port, own, own) == 200
        for certificate in (None, foreign):
            with pytest.raises((ClientOSError, ClientConnectorError, ServerDisconnectedError)):
                await status_with(port, own, certificate)
        assert await process.stop() == 0


async def status_with(port: int, server: CertificateFiles, own: CertificateFiles | None) -> int:
    context = ssl.create_default_context(cafile=str(server.ca))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    async with (
        ClientSession(f"https://localhost:{port}") as session,
        session.get("/habilitations", ssl=context) as response,
    ):
        return response.status


async def test_the_api_without_a_signing_key_or_clients_names_both_settings_and_exits(tmp_path: Path) -> None:
    settings = api_environ(tmp_path)
    del settings["BOUQUET_REGISTRY_SIGNING_KEY"], settings["BOUQUET_REGISTRY_API_SECRETS"]
    async with running_command(settings, "bouquet-registry", "api") as process:
        assert await process.wait() == 2
        assert "BOUQUET_REGISTRY_SIGNING_KEY: is required" in process.output
        assert "BOUQUET_REGISTRY_API_SECRETS: is required" in process.output


def settings_of(own: CertificateFiles | None = None, **others: Any) -> RegistrySettings:
    """Returns settings for the API, which uses TLS only if a certificate is given as `own`."""
    files: dict[str, Any] = {} if own is None else {"api_certificate": str(own.certificate), "api_key": str(own.key)}
    return RegistrySettings(**files, **others)


def test_the_api_listens_beyond_the_machine_with_tls_only(own: CertificateFiles) -> None:
    clients = Secret(f"portal:{SECRET}")
    with pytest.raises(SettingsError, match="API_HOST: must be this machine's"):
        check_access(settings_of(api_secrets=clients, api_host="0.0.0.0"))
    with pytest.raises(SettingsError, match="API_HOST: must be this machine's"):
        check_access(settings_of(api_secrets=clients, api_host=""))
    assert check_access(settings_of(own, api_secrets=clients, api_host="0.0.0.0")) is not None
    assert check_access(settings_of(api_secrets=clients)) is None


def test_the_api_refuses_to_let_in_anybody(own: CertificateFiles) -> None:
    with pytest.raises(SettingsError, match="anybody could call"):
        check_access(settings_of(own))
    assert check_access(settings_of(own, api_client_ca=str(own.ca))) is not None
    with pytest.raises(SettingsError, match="API_CLIENT_CA: needs"):
        check_access(settings_of(api_client_ca=str(own.ca)))


def test_tls_files_of_the_api_that_cannot_be_read_are_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="API_CERTIFICATE: its certificates cannot be used"):
        check_access(RegistrySettings(api_certificate="/nothing", api_secrets=Secret(f"a:{SECRET}")))


@pytest.mark.parametrize("setting", ["portal", "portal:", f":{SECRET}", "portal:short", f"a:{SECRET},"])
def test_malformed_secrets_of_the_api_are_a_settings_error_that_quotes_nothing(setting: str) -> None:
    with pytest.raises(SettingsError, match="API_SECRETS: must be name:secret") as caught:
        Clients(Secret(setting))
    assert SECRET not in str(caught.value)


def test_each_client_of_the_api_has_a_secret_of_its_own() -> None:
    clients = Clients(Secret(f"portal:{SECRET}, script:{'t' * 40}"))
    assert clients.name_of({"Authorization": f"Bearer {'t' * 40}"}) == "script"
    assert clients.name_of({"Authorization": f"bearer {SECRET}"}) == "portal"
    assert clients.name_of({"Authorization": f"Basic {SECRET}"}) == ""
