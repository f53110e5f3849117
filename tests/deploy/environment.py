"""The environment that a container gets, and what its process says of it: the settings are read by the code itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from joserfc.jwk import RSAKey
from msgspec import Struct

from bouquet_gateway.start import serve
from bouquet_mesh.process import read_process
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import Reader
from bouquet_proto.names import WORKERS
from bouquet_registry.token_signing import new_key, verification_keys
from bouquet_registry.worker import registry
from bouquet_worker import run
from tests.deploy.manifests import Manifest, Pod, of_kind
from tests.support.tls import certificate_files

OURS = "registry.example.org/bouquet-"
SIMULATORS = "simulators"
FILES = ("_FILE", "_PATH")
"""How the names of variables end that hold the path of a file."""


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
    folders = {mount["mountPath"]: pod.secrets.get(mount["name"]) for mount in container.get("volumeMounts", [])}
    found: dict[str, Mounted | None] = {}
    for name, value in variables.items():
        if name.endswith(FILES):
            folder, _, key = value.rpartition("/")
            secret = folders.get(folder)
            found[name] = Mounted(secret, key) if secret else None
    return found


def trouble_with(program: str, provider: str, variables: Mapping[str, str], folder: Path) -> list[str]:
    """What the process would say of its settings, and end. Its secrets are written to `folder`."""
    environ = {name: _file(name, folder) if name.endswith(FILES) else value for name, value in variables.items()}
    reader = Reader(environ)
    match program:
        case "simulators":
            return []
        case "gateway":
            read_process(reader, serve.read)
        case "registry":
            read_process(reader, lambda own, _: registry.read(own))
        case _:
            [worker] = (entry.load() for entry in entry_points(group=WORKERS) if entry.name == provider)
            read_process(reader, partial(run.read, worker))
    return reader.problems


def _file(variable: str, folder: Path) -> str:
    """Where a secret of the form that `variable` asks for stands; at a path that is not the value's, a certificate."""
    file = folder / variable
    if variable.endswith("_PATH"):
        own = certificate_files(folder)
        file.write_bytes(own.certificate.read_bytes() + own.key.read_bytes())
        return str(file)
    name = variable.removesuffix("_FILE")
    file.write_text(next((text for end, text in _secrets().items() if name.endswith(end)), f"1:{32 * 'x'}"))
    return str(file)


@cache
def _secrets() -> Mapping[str, str]:
    """By the end of a variable's name; a name and 32 letters do for all others."""
    return {
        "BUS_URL": "amqps://user:password@broker/mesh",
        "CACHE_URL": "rediss://cache",
        "DATABASE_URL": "postgresql://user:password@database/registry",
        "TOKEN_KEYS": verification_keys(Secret(new_key("1"))),
        "CLIENTS": '{"quotient_familial": {"id": "id", "secret": "secret"}}',
        "PRIVATE_KEYS": RSAKey.generate_key(2048).as_pem(private=True).decode(),
    }
