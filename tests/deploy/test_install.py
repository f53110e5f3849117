"""Tests of the sandbox's manifests without a cluster: its containers run as processes on real servers."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from sqlalchemy.exc import DBAPIError
from yarl import URL

from bouquet_mesh.secret import Secret
from bouquet_registry.store import upgrade
from tests.conftest import need
from tests.deploy.conftest import read_env
from tests.deploy.environment import environment, program_of
from tests.deploy.manifests import OVERLAYS, ROOT, Pod, of_kind, pods, rendered
from tests.support.daemon import Daemon, free_port
from tests.support.people import CAF_ALLOCATAIRE
from tests.support.postgres import PROGRAM as POSTGRES
from tests.support.postgres import PostgresServer
from tests.support.programs import output_of, started, until_status
from tests.support.rabbitmq import RABBITMQ_3, RabbitNode
from tests.support.redis import PROGRAM as REDIS

pytestmark = pytest.mark.broker

Container = dict[str, Any]

MOUNT = "/run/secrets/bouquet"
MODULES = {"gateway": "bouquet_gateway", "registry": "bouquet_registry", "portal": "bouquet_portal"}
STARTED = ("registry", "journal", "api", "simulators", "worker-cnaf", "worker-msa", "gateway", "portal")
PATH = "/v3/dss/quotient_familial/identite"
PATIENCE_S = 180.0
AS_JSON = ("--why", "test", "--json")
"""Options of a registry command that changes a record: the reason of the act, and JSON as the format of the result."""
"""Longest wait, in seconds, for processes to become ready and for a record to be written."""


class Redis(Daemon):
    def __init__(self, folder: Path, settings: str) -> None:
        super().__init__(folder, free_port(), ready_within_s=20)
        (folder / "redis.conf").write_text(settings)

    def command(self) -> list[str]:
        assert REDIS, "redis-server is not installed"
        return [REDIS, str(self.folder / "redis.conf"), "--bind", "127.0.0.1", "--tls-port", str(self.port)]

    def is_ready(self, connection: socket.socket) -> bool:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(connection) as secured:
            secured.sendall(b"PING\r\n")
            return secured.recv(7) == b"-NOAUTH"


class Broker(RabbitNode):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tls_port = free_port()

    def settle_for(self, settings: str) -> None:
        """Writes the sandbox's RabbitMQ configuration to the broker's folder. Call it before the broker starts."""
        own = settings.replace("listeners.ssl.default = 5671", f"listeners.ssl.default = 127.0.0.1:{self.tls_port}")
        kept = [line for line in own.splitlines() if not line.startswith(("listeners.tcp", "management.", "log."))]
        with (self.folder / "rabbitmq.conf").open("a") as configuration:
            configuration.writelines(f"{line}\n" for line in kept)


class Postgres(PostgresServer):
    def __init__(self) -> None:
        super().__init__()
        self.start()
        self.name = URL(self.database()).path.removeprefix("/")

    def settle_for(self, arguments: list[str], hba: str, secrets: Path) -> None:
        """Creates users as the PostgreSQL image does at its first start, then restarts the server with the sandbox's
        configuration."""
        password = (secrets / "password").read_text()
        self.run(self.name, f"ALTER ROLE bouquet PASSWORD '{password}'")
        for statement in (secrets / "roles.sql").read_text().splitlines():
            self.run(self.name, statement)  # one at a time, since a database cannot be created in a transaction
        self.kill()
        own = self.folder / "secrets"
        shutil.copytree(secrets, own)
        (self.folder / "pg_hba.conf").write_text(hba)
        for path in (self.folder / "pg_hba.conf", own, *own.iterdir()):
            self.give(path)
        places = {MOUNT: own, "/etc/postgresql": self.folder}
        for place, here in places.items():
            arguments = [argument.replace(place, str(here)) for argument in arguments]
        self.options = tuple(arguments)
        self.start()

    def is_ready(self, connection: socket.socket) -> bool:
        asked = [str(Path(POSTGRES or "").with_name("pg_isready")), "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False, stdout=subprocess.DEVNULL).returncode == 0


class Sandbox:
    """Sandbox whose pods run as processes on this machine, with local ports and paths."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in STARTED}
        self.api_port = free_port()
        self.secrets = secrets
        self._manifests = rendered(OVERLAYS["sandbox"])
        self._pods = {pod.owner.split()[1]: pod for pod in pods(self._manifests)}

    def environ(self, name: str, container: Container | None = None) -> dict[str, str]:
        pod = self._pods[name]
        container = container or pod.containers[0]
        settings = {
            f"providers-{f.stem.replace('_', '-')}": read_env(f) for f in (self.secrets / "providers").iterdir()
        }
        variables = environment(container, self._manifests, settings)
        places = self._files(pod, container)
        found = {key: self.here(_placed(value, places), secret_of(pod, container)) for key, value in variables.items()}
        return found | {
            "BOUQUET_GATEWAY_PORT": str(self.ports["gateway"]),
            "BOUQUET_PORTAL_PORT": str(self.ports["portal"]),
            "BOUQUET_PORTAL_METRICS_PORT": "0",
            "BOUQUET_PORTAL_GATEWAY_URL": f"http://127.0.0.1:{self.ports['gateway']}",
            "BOUQUET_GATEWAY_JOURNAL_SPOOL": str(self.folder / "spool"),
            "BOUQUET_REGISTRY_PORT": str(self.ports[name if name in ("journal", "api") else "registry"]),
            "BOUQUET_REGISTRY_API_PORT": str(self.api_port),
            "BOUQUET_WORKER_HEALTH_PORT": str(self.ports.get(name, 0)),
        }

    def _files(self, pod: Pod, container: Container) -> dict[str, Path]:
        """Writes the files of the ConfigMaps that a container mounts. Returns a local folder for each mount path."""
        maps = {found["metadata"]["name"]: found["data"] for found in of_kind(self._manifests, "ConfigMap")}
        volumes = {one["name"]: one["configMap"]["name"] for one in pod.spec["volumes"] if "configMap" in one}
        folders = {}
        for mount in container.get("volumeMounts", []):
            if mount["name"] in volumes and "subPath" not in mount:
                folder = folders[mount["mountPath"]] = self.folder / "files" / mount["name"]
                folder.mkdir(parents=True, exist_ok=True)
                for name, content in maps[volumes[mount["name"]]].items():
                    (folder / name).write_text(content)
        return folders

    def here(self, text: str, secret: str) -> str:
        """Returns the text of a setting, with the container's paths replaced by local ones."""
        return text.replace(MOUNT, f"{self.secrets}/{secret}")

    def command(self, name: str) -> list[str]:
        pod = self._pods[name]
        container = pod.containers[0]
        module = MODULES.get(program_of(container), "bouquet_worker")
        arguments = [argument.replace("$(PROVIDER)", _provider(pod)) for argument in container["args"]]
        if name == "simulators":
            arguments[arguments.index("--port") + 1] = str(self.ports[name])
        return [module, *arguments]

    def arguments(self, name: str) -> list[str]:
        arguments: list[str] = self._pods[name].containers[0]["args"]
        return arguments

    def prepare(self, name: str) -> None:
        for container in self._pods[name].spec["initContainers"]:
            module = MODULES[program_of(container)]
            output_of(self.environ(name, container), module, *container["args"])

    def admin(self, *command: str) -> str:
        return output_of(self.environ("admin"), "bouquet_registry", *command)

    def settings(self, name: str, file: str) -> str:
        [volume] = (volume for volume in self._pods[name].spec["volumes"] if "configMap" in volume)
        [found] = (
            m for m in of_kind(self._manifests, "ConfigMap") if m["metadata"]["name"] == volume["configMap"]["name"]
        )
        return self.here(found["data"][file], secret_of(self._pods[name], self._pods[name].containers[0]))


def secret_of(pod: Pod, container: Container) -> str:
    """Returns the name of the secret that a container mounts at the path `MOUNT`, or "" if it mounts none there."""
    mounted = (mount["name"] for mount in container.get("volumeMounts", []) if mount["mountPath"] == MOUNT)
    return next((pod.secrets[name] for name in mounted), "")


def _placed(text: str, places: dict[str, Path]) -> str:
    """Returns a text in which the local folder stands for each mount path in `places`."""
    for path, folder in places.items():
        text = text.replace(path, str(folder))
    return text


def _provider(pod: Pod) -> str:
    return pod.labels.get("bouquet/provider", "")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    tmp_path = tmp_path_factory.mktemp("sandbox")
    need(None not in (REDIS, POSTGRES) and RABBITMQ_3.is_installed, "redis, PostgreSQL or RabbitMQ")
    secrets = tmp_path / "secrets"
    sandbox = Sandbox(tmp_path, secrets)
    with ExitStack() as running:
        broker = Broker(tmp_path / "rabbitmq")
        redis = Redis(tmp_path / "redis", sandbox.settings("redis", "redis.conf"))
        postgres = running.enter_context(closing_server(Postgres()))
        places = {
            "--broker": f"127.0.0.1:{broker.tls_port}",
            "--cache": f"127.0.0.1:{redis.port}/0",
            "--database": f"127.0.0.1:{postgres.port}/{postgres.name}",
            "--api": f"127.0.0.1:{sandbox.api_port}",
            "--simulators": f"http://127.0.0.1:{sandbox.ports['simulators']}",
        }
        script = [sys.executable, str(ROOT / "deploy" / "make_secrets.py"), str(secrets)]
        subprocess.run([*script, *(word for place in places.items() for word in place)], check=True, timeout=200)
        for url in secrets.rglob("*-url"):
            url.write_text(sandbox.here(url.read_text(), url.parent.name))
        broker.settle_for(sandbox.settings("broker", "rabbitmq.conf"))
        postgres.settle_for(
            sandbox.arguments("postgresql"), sandbox.settings("postgresql", "pg_hba.conf"), secrets / "database"
        )
        running.enter_context(broker)
        running.enter_context(redis)
        sandbox.prepare("registry")
        sandbox.prepare("portal")
        for name in STARTED:
            environ = sandbox.environ(name) if name != "simulators" else {}
            running.enter_context(started(tmp_path / f"{name}.log", environ, *sandbox.command(name)))
        yield sandbox


@contextmanager
def closing_server(server: Postgres) -> Iterator[Postgres]:
    try:
        yield server
    finally:
        server.stop()


async def test_the_installed_sandbox_answers_a_lookup_and_records_it_in_its_journal(sandbox: Sandbox) -> None:
    for name in ("registry", "journal", "worker-cnaf", "worker-msa", "gateway"):
        await until_status(f"http://127.0.0.1:{sandbox.ports[name]}/readyz", 200, within_s=PATIENCE_S)
    town = ["--siret", "21750001600019", "--name", "Ville de Paris", "--purpose", "Cantine"]
    made = json.loads(sandbox.admin("habilitation", "create", *town, "--scopes", "cnaf_quotient_familial", *AS_JSON))
    token = json.loads(sandbox.admin("token", "issue", made["id"], *AS_JSON))["jwt"]
    headers = {"Authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{sandbox.ports['gateway']}{PATH}"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url, params=CAF_ALLOCATAIRE) as answer:
        body = await answer.json()
    assert answer.status == 200, body
    assert body["data"]["quotient_familial"]["fournisseur"] == "CNAF"
    async with asyncio.timeout(PATIENCE_S):
        while not json.loads(sandbox.admin("journal", "head", "--json"))["head"].startswith("1:"):  # noqa: ASYNC110 - another process's, without an event
            await asyncio.sleep(0.5)


async def test_a_token_of_the_installed_api_is_accepted_by_the_gateway(sandbox: Sandbox) -> None:
    for name in ("registry", "api", "worker-cnaf", "worker-msa", "gateway"):
        await until_status(f"http://127.0.0.1:{sandbox.ports[name]}/readyz", 200, within_s=PATIENCE_S)
    trusted = ssl.create_default_context(cafile=sandbox.secrets / "api" / "ca.pem")
    secret = (sandbox.secrets / "passwords" / "api-portal").read_text()
    headers = {"Authorization": f"Bearer {secret}", "X-Author": "Anne Durant", "X-Reason": "demande 4812"}
    town = {"siret": "21750001600019", "name": "Ville de Paris", "scopes": ["cnaf_quotient_familial"]}
    address = f"https://127.0.0.1:{sandbox.api_port}"
    async with aiohttp.ClientSession(address, headers=headers) as session:
        async with session.post("/habilitations", json=town, ssl=trusted) as answer:
            made = await answer.json()
            assert answer.status == 201, made
        async with session.post(f"/habilitations/{made['id']}/tokens", json={}, ssl=trusted) as answer:
            token = (await answer.json())["jwt"]
    url = f"http://127.0.0.1:{sandbox.ports['gateway']}{PATH}"
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(url, params=CAF_ALLOCATAIRE) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def test_the_installed_portal_shows_the_gateways_states_and_keeps_them_in_its_database(sandbox: Sandbox) -> None:
    await until_status(f"http://127.0.0.1:{sandbox.ports['gateway']}/readyz", 200, within_s=PATIENCE_S)
    await until_status(f"http://127.0.0.1:{sandbox.ports['portal']}/readyz", 200, within_s=PATIENCE_S)
    url = f"http://127.0.0.1:{sandbox.ports['portal']}/etat"
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            async with session.get(url) as answer:
                if "Quotient familial" in await answer.text():
                    break
            await asyncio.sleep(0.5)
    assert "states not recorded" not in (sandbox.folder / "portal.log").read_text()
    assert "database: ok" in output_of(sandbox.environ("portal"), "bouquet_portal", "check")


@pytest.mark.parametrize(("process", "other"), [("portal", "registry"), ("registry", "portal")])
def test_a_process_cannot_connect_to_the_database_of_another(sandbox: Sandbox, process: str, other: str) -> None:
    own, foreign = (URL((sandbox.secrets / name / "database-url").read_text()) for name in (process, other))
    psycopg.connect(str(own)).close()
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(str(own.with_path(foreign.path, keep_query=True)))


async def test_the_servers_of_the_sandbox_refuse_connections_without_tls(sandbox: Sandbox) -> None:
    """Tests that the sandbox's database refuses a connection without TLS, and that all processes connect over TLS and
    become ready."""
    place = (sandbox.secrets / "journal" / "database-url").read_text()
    with pytest.raises(DBAPIError, match="no encryption"):
        await upgrade(Secret(place.partition("?")[0] + "?sslmode=disable"))
    for name in ("gateway", "registry", "journal", "api", "worker-cnaf"):
        await until_status(f"http://127.0.0.1:{sandbox.ports[name]}/readyz", 200, within_s=PATIENCE_S)
        lines = (sandbox.folder / f"{name}.log").read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        refused = [
            event for event in events if "unavailable" in event["message"] and event.get("error") != "TimeoutError"
        ]
        assert not refused, name  # a busy machine may answer late, but a wrong certificate is a ConnectionError
