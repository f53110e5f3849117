"""Tests of processes with wrong settings: each names all wrong settings, prints no value, and opens no port or
connection."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from bouquet_worker.simulate import Simulator
from tests.support.mesh import PROVIDERS
from tests.support.processes import BIN

LONG_S = 60.0
SHOWN = "kept-to-ourselves"
"""Text that most of the wrong values contain. No process may print it."""

MESH = {"BOUQUET_BUS_URL": f"{SHOWN}:5672", "BOUQUET_LOG_LEVEL": f"LOUD {SHOWN}"}
GATEWAY = {
    "BOUQUET_GATEWAY_PORT": f"x {SHOWN}",
    "BOUQUET_GATEWAY_TOKEN_KEY": SHOWN,
    "BOUQUET_GATEWAY_TOKEN_KEYS": SHOWN,
    "BOUQUET_GATEWAY_TRUSTED_PROXIES": SHOWN,
    "BOUQUET_GATEWAY_EXEMPT_TOKENS": SHOWN,
    "BOUQUET_GATEWAY_TERRITORIES": SHOWN,
    "BOUQUET_GATEWAY_MAINTENANCE": SHOWN,
    "BOUQUET_GATEWAY_CACHE_URL": SHOWN,
    "BOUQUET_GATEWAY_JOURNAL_KEY": f"1:{SHOWN}",
    "BOUQUET_GATEWAY_HEDGE_AFTER_S": "60",
    "BOUQUET_GATEWAY_MAX_CALLS_PER_PROVIDER": "0",
    "BOUQUET_GATEWAY_KNOWN_TOKENS": "0",
    "BOUQUET_GATEWAY_PROT": SHOWN,
}
REGISTRY = {
    "BOUQUET_REGISTRY_DATABASE_URL": f"mysql://{SHOWN}",
    "BOUQUET_REGISTRY_SIGNING_KEY": "short",
    "BOUQUET_REGISTRY_NOTICES_TO": f"mailto:{SHOWN}",
    "BOUQUET_REGISTRY_JOURNAL_KEYS": SHOWN,
    "BOUQUET_REGISTRY_PORT": f"x {SHOWN}",
    "BOUQUET_REGISTRY_WEBHOOK_SECRET": SHOWN,
}
API = {"BOUQUET_REGISTRY_API_PORT": f"x {SHOWN}", "BOUQUET_REGISTRY_API_SECRETS": SHOWN}
SERVED = {
    "BOUQUET_FRANCE_CONNECT_CHECKTOKEN_URL": "http://fc.test",
    "BOUQUET_FRANCE_CONNECT_JWKS_URL": "http://fc.test",
    "BOUQUET_FRANCE_CONNECT_ISSUER": "http://fc.test",
}
WORKER = {
    "BOUQUET_FRANCE_CONNECT_CLIENTS": SHOWN,
    "BOUQUET_FRANCE_CONNECT_PRIVATE_KEYS": SHOWN,
    "BOUQUET_FRANCE_CONNECT_TIMEOUT_S": SHOWN,
    "BOUQUET_WORKER_HEALTH_PORT": f"x {SHOWN}",
}
SERVE = ("bouquet-gateway", "serve")


async def told(folder: Path, command: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
    """Runs a process with wrong settings in an empty folder, and returns the lines that it printed. Fails unless the
    process exits with status 2 and leaves no file."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("BOUQUET_", "OTEL_"))}
    process = await asyncio.create_subprocess_exec(
        BIN / command[0],
        *command[1:],
        env={**own, **environ},
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(LONG_S):
        said, _ = await process.communicate()
    assert process.returncode == 2, said.decode()
    assert os.listdir(folder) == []
    return said.decode().splitlines()


def names(lines: list[str]) -> list[str]:
    return sorted(line.partition(":")[0] for line in lines)


@pytest.mark.parametrize(
    ("command", "wrong", "right"),
    [
        (SERVE, MESH | GATEWAY, {"BOUQUET_GATEWAY_PROVIDERS": "cnaf"}),
        ((*SERVE, "--processes", "2"), MESH | GATEWAY, {"BOUQUET_GATEWAY_PROVIDERS": "cnaf"}),
        (("bouquet-registry", "serve"), MESH | REGISTRY, {}),
        (("bouquet-registry", "journal", "serve"), MESH | REGISTRY, {}),
        (("bouquet-registry", "api"), MESH | REGISTRY | API, {}),
        (("bouquet-worker", "run", "france_connect"), MESH | WORKER, SERVED),
        (("bouquet-worker", "simulators"), MESH, {}),
    ],
    ids=["gateway", "several gateways", "registry", "journal", "registry API", "worker", "simulators"],
)
async def test_a_process_names_every_wrong_setting_and_no_value(
    tmp_path: Path, command: tuple[str, ...], wrong: Mapping[str, str], right: Mapping[str, str]
) -> None:
    lines = await told(tmp_path, command, {**right, **wrong})
    assert names(lines) == sorted(wrong)
    assert SHOWN not in "".join(lines)


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        (SERVE, {"BOUQUET_GATEWAY_PROVIDERS": "cnaf", "BOUQUET_GATEWAY_PORT": "x"}),
        (("bouquet-registry", "serve"), {"BOUQUET_REGISTRY_PORT": "x"}),
        (("bouquet-worker", "run", "france_connect"), SERVED | {"BOUQUET_WORKER_HEALTH_PORT": "x"}),
    ],
    ids=["gateway", "registry", "worker"],
)
async def test_a_process_with_a_wrong_setting_does_not_connect_to_the_broker(
    tmp_path: Path, command: tuple[str, ...], wrong: Mapping[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker.setblocking(False)
        port = broker.getsockname()[1]
        await told(tmp_path, command, {**wrong, "BOUQUET_BUS_URL": f"amqp://127.0.0.1:{port}/"})
        with pytest.raises(BlockingIOError):
            broker.accept()


@pytest.mark.parametrize(
    ("processes", "together"), [("1", "BOUQUET_CASEBOOK_CASES"), ("2", "BOUQUET_GATEWAY_PROCESSES")]
)
async def test_contradictory_settings_are_named_with_the_other_wrong_ones(
    tmp_path: Path, processes: str, together: str
) -> None:
    """Tests that a process with contradictory settings and an invalid port names all of them."""
    wrong = {"BOUQUET_GATEWAY_PORT": "x", "BOUQUET_GATEWAY_SANDBOX": "true", "BOUQUET_CASEBOOK_CASES": "nowhere"}
    lines = await told(tmp_path, (*SERVE, "--processes", processes), {**wrong, "BOUQUET_GATEWAY_TOKENS_FROM": "claims"})
    assert names(lines) == sorted(["BOUQUET_GATEWAY_PORT", "BOUQUET_GATEWAY_TOKEN_KEY", together])


async def test_a_worker_names_unusable_certificates_with_the_other_wrong_settings(tmp_path: Path) -> None:
    simulator: Simulator = PROVIDERS["cnaf"][1]
    wrong = {
        "BOUQUET_BUS_URL": "amqps://broker?cafile=/nowhere/ca.pem",
        "BOUQUET_CNAF_HUB_CERTIFICATE_PATH": "/nowhere/certificate.pem",
        "BOUQUET_CNAF_HUB_SCOPE": "",
        "BOUQUET_WORKER_HEALTH_PORT": "x",
    }
    environ = {**simulator.settings("https://hub.test"), **wrong}
    lines = await told(tmp_path, ("bouquet-worker", "run", "cnaf"), environ)
    assert names(lines) == sorted(wrong)


async def test_a_gateway_without_providers_names_it_with_the_other_wrong_settings(tmp_path: Path) -> None:
    lines = await told(tmp_path, SERVE, {"BOUQUET_BUS_URL": "amqp://broker", "BOUQUET_GATEWAY_PORT": "x"})
    assert names(lines) == [
        "BOUQUET_GATEWAY_JOURNAL_KEY",
        "BOUQUET_GATEWAY_PORT",
        "BOUQUET_GATEWAY_PROVIDERS",
        "BOUQUET_GATEWAY_TOKEN_KEY",
    ]


async def test_a_gateway_names_wrong_settings_of_its_embedded_workers(tmp_path: Path) -> None:
    environ = {**SERVED, **WORKER, "BOUQUET_GATEWAY_PORT": "x", "BOUQUET_GATEWAY_PROVIDERS": "france_connect"}
    lines = await told(tmp_path, SERVE, environ)
    hosted = [name for name in WORKER if name.startswith("BOUQUET_FRANCE_CONNECT_")]
    assert {*hosted, "BOUQUET_GATEWAY_PORT"} <= set(names(lines))


async def test_a_gateway_names_wrong_settings_of_its_embedded_registry(tmp_path: Path) -> None:
    environ = {**REGISTRY, "BOUQUET_GATEWAY_PORT": "x", "BOUQUET_GATEWAY_PROVIDERS": "nobody"}
    assert {*REGISTRY, "BOUQUET_GATEWAY_PORT"} <= set(names(await told(tmp_path, SERVE, environ)))


@pytest.mark.parametrize(
    "command", [("bouquet-gateway", "doctor"), ("bouquet-registry", "doctor"), ("bouquet-worker", "doctor", "cnaf")]
)
async def test_a_doctor_names_every_wrong_setting(tmp_path: Path, command: tuple[str, ...]) -> None:
    wrong = {
        "BOUQUET_BUS_URL": "localhost",
        "BOUQUET_GATEWAY_PORT": "x",
        "BOUQUET_REGISTRY_PORT": "x",
        "BOUQUET_CNAF_CONCURRENCY": "x",
    }
    own = {name for name in wrong if name.split("_")[1] in ("BUS", command[-1].upper(), command[0][8:].upper())}
    assert own <= set(names(await told(tmp_path, command, wrong)))
