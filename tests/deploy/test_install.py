"""The sandbox as its manifests say it, run: each container's command, environment and secrets, on real servers.

What a cluster adds (images, probes, policies) is not here; that its processes find, trust and answer each other is.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.deploy.environment import environment, program_of
from tests.deploy.manifests import OVERLAYS, ROOT, Pod, pods, rendered
from tests.kit.programs import output_of, started, until_status
from tests.support.daemon import free_port
from tests.support.postgres import PostgresServer
from tests.support.rabbitmq import RabbitNode
from tests.support.redis import RedisServer
from tests.whole.people import CAF_ALLOCATAIRE

pytestmark = pytest.mark.broker

MOUNT = "/run/secrets/bouquet"
MODULES = {"gateway": "bouquet_gateway", "registry": "bouquet_registry"}
STARTED = ("registry", "journal", "simulators", "worker-cnaf", "worker-msa", "gateway")
PATH = "/v3/dss/quotient_familial/identite"


class Sandbox:
    """Its pods as processes. Ports and the spool are of this machine; all the rest is of the manifests."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in STARTED}
        self._secrets = secrets
        self._manifests = rendered(OVERLAYS["sandbox"])
        self._pods = {pod.owner.split()[1]: pod for pod in pods(self._manifests)}

    def environ(self, name: str) -> dict[str, str]:
        pod = self._pods[name]
        lines = (self._secrets / "providers.env").read_text().splitlines()
        providers = {"providers": dict(line.split("=", 1) for line in lines)}
        variables = environment(pod.containers[0], self._manifests, providers)
        secret = next((volume["secret"]["secretName"] for volume in pod.spec["volumes"] if "secret" in volume), "")
        found = {key: value.replace(MOUNT, f"{self._secrets}/{secret}") for key, value in variables.items()}
        return found | {
            "BOUQUET_GATEWAY_PORT": str(self.ports["gateway"]),
            "BOUQUET_GATEWAY_JOURNAL_SPOOL": str(self.folder / "spool"),
            "BOUQUET_REGISTRY_PORT": str(self.ports[name if name == "journal" else "registry"]),
            "BOUQUET_WORKER_HEALTH_PORT": str(self.ports[name]),
        }

    def command(self, name: str) -> list[str]:
        pod = self._pods[name]
        container = pod.containers[0]
        module = MODULES.get(program_of(container), "bouquet_worker")
        arguments = [argument.replace("$(PROVIDER)", _provider(pod)) for argument in container["args"]]
        if name == "simulators":
            arguments[arguments.index("--port") + 1] = str(self.ports[name])
        return [module, *arguments]

    def registry(self, *command: str) -> str:
        return output_of(self.environ("registry"), "bouquet_registry", *command)


def _provider(pod: Pod) -> str:
    return pod.labels.get("bouquet/provider", "")


@pytest.fixture
def sandbox(
    tmp_path: Path, rabbit: RabbitNode, redis_server: RedisServer, postgres_server: PostgresServer
) -> Iterator[Sandbox]:
    secrets = tmp_path / "secrets"
    sandbox = Sandbox(tmp_path, secrets)
    database = URL(postgres_server.database())
    places = {
        "--broker": f"127.0.0.1:{rabbit.port}",
        "--cache": redis_server.url,
        "--database": f"{database.host}:{database.port}{database.path}",
        "--simulators": f"http://127.0.0.1:{sandbox.ports['simulators']}",
    }
    script = [sys.executable, str(ROOT / "deploy" / "make_secrets.py"), str(secrets)]
    subprocess.run([*script, *(word for place in places.items() for word in place)], check=True, timeout=100)
    rabbit.ctl("import_definitions", str(secrets / "broker" / "definitions.json"))
    sandbox.registry("migrate")
    with ExitStack() as running:
        for name in STARTED:
            environ = sandbox.environ(name) if name != "simulators" else {}
            running.enter_context(started(tmp_path / f"{name}.log", environ, *sandbox.command(name)))
        yield sandbox


async def test_a_token_of_its_registry_gets_a_quotient_and_the_journal_knows(sandbox: Sandbox) -> None:
    for name in ("registry", "journal", "worker-cnaf", "worker-msa", "gateway"):
        await until_status(f"http://127.0.0.1:{sandbox.ports[name]}/readyz", 200, within_s=60)
    town = ["--siret", "21750001600019", "--name", "Ville de Paris", "--purpose", "Cantine"]
    made = json.loads(sandbox.registry("habilitation", "create", *town, "--scopes", "cnaf_quotient_familial", "--json"))
    token = json.loads(sandbox.registry("token", "issue", made["id"], "--json"))["jwt"]
    headers = {"Authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{sandbox.ports['gateway']}{PATH}"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url, params=CAF_ALLOCATAIRE) as answer:
        body = await answer.json()
    assert answer.status == 200, body
    assert body["data"]["quotient_familial"]["fournisseur"] == "CNAF"
    async with asyncio.timeout(60):
        while not json.loads(sandbox.registry("journal", "head", "--json"))["head"].startswith("1:"):  # noqa: ASYNC110 - another process's, without an event
            await asyncio.sleep(0.5)
