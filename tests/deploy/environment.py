"""The environment that a container gets, and what its process says of it: the settings are read by the code itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from msgspec import Struct

from bouquet_gateway.settings import GatewaySettings
from bouquet_gateway.start.serve import checked
from bouquet_mesh.settings import SettingsError, load, load_mesh
from bouquet_proto.names import GATEWAY_PREFIX, WORKERS
from bouquet_registry.worker import registry
from bouquet_worker.run import PROCESS_PREFIX, ProcessSettings
from tests.deploy.manifests import Manifest, Pod, of_kind

OURS = "registry.example.org/bouquet-"
SIMULATORS = "simulators"
ANY_SECRET = "redis://" + 32 * "x"
"""Of a form that every other setting takes."""
SECRETS = {"BOUQUET_BUS_URL_FILE": "amqp://broker/bouquet"}


class Mounted(Struct, frozen=True):
    """A file of a secret that a setting leads to."""

    secret: str
    key: str


def program_of(container: Mapping[str, Any]) -> str:
    """`gateway`, `cnaf`; empty for a container that is not ours."""
    image = str(container["image"])
    return image.removeprefix(OURS).rpartition(":")[0] if image.startswith(OURS) else ""


def environment(
    container: Mapping[str, Any], manifests: list[Manifest], secrets: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """`secrets` are those that are given as environment: name → variables."""
    maps = {manifest["metadata"]["name"]: manifest["data"] for manifest in of_kind(manifests, "ConfigMap")}
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        match source:
            case {"configMapRef": {"name": name}}:
                variables |= maps[name]
            case {"secretRef": {"name": name}}:
                variables |= secrets.get(name, {})
    for entry in container.get("env", []):
        variables[entry["name"]] = entry.get("value", "")
    return variables


def mounted(pod: Pod, container: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Mounted | None]:
    """Where each variable that is a path leads: to a key of a secret, or nowhere."""
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in pod.spec["volumes"] if "secret" in volume}
    folders = {mount["mountPath"]: secrets.get(mount["name"]) for mount in container.get("volumeMounts", [])}
    found: dict[str, Mounted | None] = {}
    for name, value in variables.items():
        if name.endswith(("_FILE", "_PATH")):
            folder, _, key = value.rpartition("/")
            secret = folders.get(folder)
            found[name] = Mounted(secret, key) if secret else None
    return found


def trouble_with(program: str, provider: str, variables: Mapping[str, str], folder: Path) -> list[str]:
    """What the process would say and end. The files of its secrets are put into `folder`."""
    environ = dict(variables)
    for name in filter(lambda name: name.endswith("_FILE"), variables):
        file = folder / name
        file.write_text(SECRETS.get(name, ANY_SECRET))
        environ[name] = str(file)
    problems: list[str] = []
    for loading in _loads(program, provider, environ):
        try:
            loading()
        except SettingsError as error:
            problems += error.problems
    return problems


def _loads(program: str, provider: str, environ: Mapping[str, str]) -> list[Callable[[], object]]:
    def mesh() -> object:
        return load_mesh(environ)

    match program:
        case "simulators":
            return []
        case "gateway":
            return [mesh, lambda: checked(load(GatewaySettings, environ, GATEWAY_PREFIX))]
        case "registry":
            return [mesh, lambda: registry.settings(environ)]
        case _:
            [worker] = (entry.load() for entry in entry_points(group=WORKERS) if entry.name == provider)
            process = load(ProcessSettings, environ, PROCESS_PREFIX)
            return [mesh, lambda: process, lambda: worker.settings(environ)]
