"""The sandbox as its manifests say it, run: each container's command, environment and secrets, on real servers.

What a cluster adds (images, probes, policies) is not here; that its processes find, trust and answer each other is.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.conftest import need
from tests.deploy.conftest import read_env
from tests.deploy.environment import environment, program_of
from tests.deploy.manifests import OVERLAYS, ROOT, Pod, of_kind, pods, rendered
from tests.support.daemon import Daemon, free_port
from tests.support.people import CAF_ALLOCATAIRE
from tests.support.postgres import PostgresServer
from tests.support.programs import output_of, started, until_status
from tests.support.rabbitmq import RabbitNode
from tests.support.redis import PROGRAM as REDIS

pytestmark = pytest.mark.broker

Container = dict[str, Any]

MOUNT = "/run/secrets/bouquet"
MODULES = {"gateway": "bouquet_gateway", "registry": "bouquet_registry"}
STARTED = ("registry", "journal", "simulators", "worker-cnaf", "worker-msa", "gateway")
PATH = "/v3/dss/quotient_familial/identite"


class Redis(Daemon):
    """By the settings and with the users of the sandbox."""

    def __init__(self, folder: Path, settings: str) -> None:
        super().__init__(folder, free_port(), ready_within_s=20)
        (folder / "redis.conf").write_text(settings)

    def command(self) -> list[str]:
        assert REDIS, "redis-server is not installed"
        return [REDIS, str(self.folder / "redis.conf"), "--bind", "127.0.0.1", "--port", str(self.port)]

    def is_ready(self, connection: socket.socket) -> bool:
        """It has no word for who does not say who he is."""
        connection.sendall(b"PING\r\n")
        return connection.recv(7) == b"-NOAUTH"


class Sandbox:
    """Its pods as processes. Ports and the spool are of this machine; all the rest is of the manifests."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in STARTED}
        self._secrets = secrets
        self._manifests = rendered(OVERLAYS["sandbox"])
        self._pods = {pod.owner.split()[1]: pod for pod in pods(self._manifests)}

    def environ(self, name: str, container: Container | None = None) -> dict[str, str]:
        """Of a pod's container; of the first that stays unless told."""
        pod = self._pods[name]
        container = container or pod.containers[0]
        settings = {
            f"providers-{f.stem.replace('_', '-')}": read_env(f) for f in (self._secrets / "providers").iterdir()
        }
        variables = environment(container, self._manifests, settings)
        found = {key: self.here(value, secret_of(pod, container)) for key, value in variables.items()}
        return found | {
            "BOUQUET_GATEWAY_PORT": str(self.ports["gateway"]),
            "BOUQUET_GATEWAY_JOURNAL_SPOOL": str(self.folder / "spool"),
            "BOUQUET_REGISTRY_PORT": str(self.ports[name if name == "journal" else "registry"]),
            "BOUQUET_WORKER_HEALTH_PORT": str(self.ports.get(name, 0)),
        }

    def here(self, text: str, secret: str) -> str:
        """What is at its mount in a container, is in a folder here."""
        return text.replace(MOUNT, f"{self._secrets}/{secret}")

    def command(self, name: str) -> list[str]:
        pod = self._pods[name]
        container = pod.containers[0]
        module = MODULES.get(program_of(container), "bouquet_worker")
        arguments = [argument.replace("$(PROVIDER)", _provider(pod)) for argument in container["args"]]
        if name == "simulators":
            arguments[arguments.index("--port") + 1] = str(self.ports[name])
        return [module, *arguments]

    def prepare(self, name: str) -> None:
        """What the pod's init containers do."""
        for container in self._pods[name].spec["initContainers"]:
            module = MODULES[program_of(container)]
            output_of(self.environ(name, container), module, *container["args"])

    def admin(self, *command: str) -> str:
        """As somebody in a pod for people."""
        return output_of(self.environ("admin"), "bouquet_registry", *command)

    def settings(self, name: str, file: str) -> str:
        """A file that a pod mounts beside its secrets."""
        [volume] = (volume for volume in self._pods[name].spec["volumes"] if "configMap" in volume)
        [found] = (
            m for m in of_kind(self._manifests, "ConfigMap") if m["metadata"]["name"] == volume["configMap"]["name"]
        )
        return self.here(found["data"][file], secret_of(self._pods[name], self._pods[name].containers[0]))


def secret_of(pod: Pod, container: Container) -> str:
    """That is at the mount."""
    mounted = (mount["name"] for mount in container.get("volumeMounts", []) if mount["mountPath"] == MOUNT)
    return next((pod.secrets[name] for name in mounted), "")


def _provider(pod: Pod) -> str:
    return pod.labels.get("bouquet/provider", "")


@pytest.fixture
def sandbox(tmp_path: Path, rabbit: RabbitNode) -> Iterator[Sandbox]:
    need(REDIS is not None, "redis")
    secrets = tmp_path / "secrets"
    sandbox = Sandbox(tmp_path, secrets)
    with ExitStack() as running:
        postgres_server = running.enter_context(PostgresServer())
        redis = Redis(tmp_path / "redis", sandbox.settings("redis", "redis.conf"))
        database = URL(postgres_server.database())
        places = {
            "--broker": f"127.0.0.1:{rabbit.port}",
            "--cache": f"127.0.0.1:{redis.port}/0",
            "--database": f"{database.host}:{database.port}{database.path}",
            "--simulators": f"http://127.0.0.1:{sandbox.ports['simulators']}",
        }
        script = [sys.executable, str(ROOT / "deploy" / "make_secrets.py"), str(secrets)]
        subprocess.run([*script, *(word for place in places.items() for word in place)], check=True, timeout=100)
        rabbit.ctl("import_definitions", str(secrets / "broker" / "definitions.json"))
        running.enter_context(redis)
        postgres_server.run_file(database.name, secrets / "database" / "roles.sql")
        sandbox.prepare("registry")
        for name in STARTED:
            environ = sandbox.environ(name) if name != "simulators" else {}
            running.enter_context(started(tmp_path / f"{name}.log", environ, *sandbox.command(name)))
        yield sandbox


async def test_a_token_of_its_registry_gets_a_quotient_and_the_journal_knows(sandbox: Sandbox) -> None:
    for name in ("registry", "journal", "worker-cnaf", "worker-msa", "gateway"):
        await until_status(f"http://127.0.0.1:{sandbox.ports[name]}/readyz", 200, within_s=60)
    town = ["--siret", "21750001600019", "--name", "Ville de Paris", "--purpose", "Cantine"]
    made = json.loads(sandbox.admin("habilitation", "create", *town, "--scopes", "cnaf_quotient_familial", "--json"))
    token = json.loads(sandbox.admin("token", "issue", made["id"], "--json"))["jwt"]
    headers = {"Authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{sandbox.ports['gateway']}{PATH}"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url, params=CAF_ALLOCATAIRE) as answer:
        body = await answer.json()
    assert answer.status == 200, body
    assert body["data"]["quotient_familial"]["fournisseur"] == "CNAF"
    async with asyncio.timeout(60):
        while not json.loads(sandbox.admin("journal", "head", "--json"))["head"].startswith("1:"):  # noqa: ASYNC110 - another process's, without an event
            await asyncio.sleep(0.5)
