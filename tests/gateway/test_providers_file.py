"""Tests of the file of providers, BOUQUET_GATEWAY_PROVIDERS_FILE, which is read again while the gateway runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from bouquet_gateway.offers import discovery, providers_file
from bouquet_gateway.offers.providers_file import read_names
from bouquet_gateway.start.serve import read
from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.process import read_process
from bouquet_mesh.settings import SettingsError, read_all
from bouquet_proto.messages import Rejected, Reply, Request
from bouquet_proto.offer import Offer
from tests.support.gateway import gateway_in_process
from tests.support.gateway_client import TOKEN_KEY, GatewayClient, token
from tests.support.offers import describing, dossier, offer
from tests.support.waiting import TEST_TIMEOUT_S, until

ACME, ZEBRE = "/v3/acme/dossier/identite", "/v3/zebre/dossier/identite"
SESSION = "/v3/acme/dossier/france_connect"


def zebre() -> Offer:
    own = offer(dossier(id="zebre_v3_dossier", path=ZEBRE))
    return Offer(
        provider="zebre", owner="team-zebre", authority=own.authority, operations=own.operations, problems=own.problems
    )


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(providers_file, "READ_EVERY_S", 0.02)
    monkeypatch.setattr(discovery, "MISSING_RETRY_S", 0.02)
    path = tmp_path / "providers"
    path.write_text("acme\n")
    return path


async def refuse_session(_: Request) -> Reply:
    return Rejected("session_unknown")


@asynccontextmanager
async def gateway_with(path: Path, acme: Offer | None = None) -> AsyncIterator[GatewayClient]:
    """Runs a gateway on a bus with the workers `acme`, `zebre` and `france_connect`, and yields its client."""
    bus = MemoryBus()
    async with (
        bus.serve("acme", describing(acme or offer()), concurrency=9),
        bus.serve("zebre", describing(zebre()), concurrency=9),
        bus.serve("france_connect", refuse_session, concurrency=9),
        gateway_in_process(bus, providers=read_names(str(path)), providers_file=str(path)) as (_, client),
    ):
        yield client


async def status_of(client: GatewayClient, path: str) -> int:
    return (await client.get(path, token=token("acme_dossier"))).status


async def until_status(client: GatewayClient, path: str, status: int) -> None:
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while await status_of(client, path) != status:  # noqa: ASYNC110 - no event announces it
            await asyncio.sleep(0.02)


def rewrite(path: Path, text: str | None) -> None:
    """Replaces the file as a whole, so that no reader sees half of it. With `None`, removes it."""
    if text is None:
        path.unlink()
        return
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


def is_refused() -> bool:
    return bool(REGISTRY.get_sample_value("bouquet_gateway_providers_file_refused"))


async def test_a_provider_added_to_the_file_is_served_without_a_restart(path: Path) -> None:
    async with gateway_with(path) as client:
        assert await status_of(client, ZEBRE) == 404
        rewrite(path, "acme\nzebre  # since 30 November\n")
        await until_status(client, ZEBRE, 422)
        assert await status_of(client, ACME) == 422


async def test_a_provider_removed_from_the_file_is_no_longer_served(path: Path) -> None:
    rewrite(path, "acme\nzebre\n")
    async with gateway_with(path) as client:
        assert await status_of(client, ZEBRE) == 422
        rewrite(path, "acme\n")
        await until_status(client, ZEBRE, 404)
        assert await status_of(client, ACME) == 422


@pytest.mark.parametrize("wrong", ["acme\nZebre!\n", "", "# nobody\n", "acme\n" * 20_000, None])
async def test_a_wrong_file_keeps_the_providers_read_before_and_is_reported(
    path: Path, wrong: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway_with(path) as client:
        rewrite(path, wrong)
        await until(is_refused)
        assert await status_of(client, ACME) == 422
        assert "Zebre" not in caplog.text
        rewrite(path, "zebre\n")
        await until_status(client, ZEBRE, 422)
        assert not is_refused()
    refused = [record for record in caplog.records if record.message == "file of providers refused"]
    assert len(refused) == 1, "it is logged once, and not at every reading"


async def test_sessions_are_opened_once_the_file_names_their_provider(path: Path) -> None:
    by_session = dossier(id="acme_v3_dossier_fc", path=SESSION, modality="france_connect", checks=())
    async with gateway_with(path, offer(by_session)) as client:
        assert await status_of(client, SESSION) == 502
        rewrite(path, "acme\nfrance_connect\n")
        await until_status(client, SESSION, 401)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("acme\n", ("acme",)),
        ("\n# ours\ncnaf\n  msa # CCMSA\n\nfrance_travail", ("cnaf", "msa", "france_travail")),
        ("cnaf,msa", ("cnaf", "msa")),
        ("cnaf\ncnaf\n", ("cnaf",)),
        ("acme\r\nmsa\r\n", ("acme", "msa")),
    ],
)
def test_a_file_has_one_name_per_line(path: Path, text: str, names: tuple[str, ...]) -> None:
    path.write_text(text, newline="")
    assert read_names(str(path)) == names


def test_all_wrong_lines_are_named_and_not_quoted(path: Path) -> None:
    path.write_text("acme\nsecret-token\nmsa\n../etc\n")
    with pytest.raises(SettingsError) as raised:
        read_names(str(path))
    assert raised.value.problems == [
        "BOUQUET_GATEWAY_PROVIDERS_FILE: line 2, 4 is not the name of a provider, such as france_travail"
    ]


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"BOUQUET_BUS_URL": "memory:"}, "PROVIDERS_FILE: needs a broker, and BOUQUET_BUS_URL names none"),
        ({"BOUQUET_GATEWAY_PROVIDERS": "msa"}, "PROVIDERS_FILE: cannot be given together with BOUQUET_GATEWAY_PROV"),
        ({"BOUQUET_GATEWAY_PROVIDERS_FILE": "/nowhere"}, "PROVIDERS_FILE: cannot be read (No such file or directory)"),
    ],
)
def test_settings_that_contradict_the_file_are_refused(path: Path, environ: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        providers_of({"BOUQUET_GATEWAY_PROVIDERS_FILE": str(path)} | environ)
    # With the embedded bus, the settings that its workers lack are reported too.
    assert [one for one in raised.value.problems if f"BOUQUET_GATEWAY_{problem}" in one]


def test_the_file_replaces_the_list_in_the_settings(path: Path) -> None:
    path.write_text("acme\nmsa\n")
    assert providers_of({"BOUQUET_GATEWAY_PROVIDERS_FILE": str(path)}) == ("acme", "msa")


def providers_of(environ: dict[str, str]) -> tuple[str, ...]:
    own = {
        "BOUQUET_BUS_URL": "amqp://localhost",
        "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(),
        "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
    }
    _, hosting = read_all(own | environ, lambda reader: read_process(reader, read))
    return hosting.settings.providers
