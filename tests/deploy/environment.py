"""Environment variables of containers in the manifests, checked by the code that reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from joserfc.jwk import RSAKey
from msgspec import Struct

from bouquet_ants.simulator import simulator as ants_simulator
from bouquet_gateway.start import serve
from bouquet_mesh.process import read_process
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import Reader
from bouquet_portal import environment as portal
from bouquet_proto.names import WORKERS
from bouquet_registry.api import process as api
from bouquet_registry.token_signing import new_key, verification_keys
from bouquet_registry.worker import registry
from bouquet_worker import run
from tests.deploy.manifests import Manifest, Pod, of_kind
from tests.support.tls import certificate_files

OURS = "registry.example.org/bouquet-"
SIMULATORS = "simulators"
PEM_FILES = ("_PATH", "_API_CERTIFICATE", "_API_KEY")
FILES = ("_FILE", *PEM_FILES)
"""Endings of the names of settings whose values are paths of files."""
NO_SECRETS = frozenset({"BOUQUET_GATEWAY_PROVIDERS_FILE"})
"""Settings whose files hold no secret, and come from the repository."""


class Mounted(Struct, frozen=True):
    """File of a mounted Kubernetes secret: the secret's name, and the key under which the secret holds the file."""

    secret: str
    key: str


def program_of(container: Mapping[str, Any]) -> str:
    """Returns the name of the program in a container's image, such as `gateway` or `cnaf`, or "" if the image is not
    Bouquet's."""
    image = str(container["image"])
    return image.removeprefix(OURS).partition(":")[0] if image.startswith(OURS) else ""


def environment(
    container: Mapping[str, Any], manifests: list[Manifest], secrets: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
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
    """Returns the environment variables whose values are paths of files. Each is mapped to the file of a mounted secret
    at this path, or to None if no secret is mounted in the file's folder."""
    folders = {mount["mountPath"]: pod.secrets.get(mount["name"]) for mount in container.get("volumeMounts", [])}
    found: dict[str, Mounted | None] = {}
    for name, value in variables.items():
        if name.endswith(FILES) and name not in NO_SECRETS:
            folder, _, key = value.rpartition("/")
            secret = folders.get(folder)
            found[name] = Mounted(secret, key) if secret else None
    return found


def startup_error(
    program: str, provider: str, variables: Mapping[str, str], folder: Path, arguments: Sequence[str] = ()
) -> list[str]:
    """Returns the problems that a program started with `arguments` would report about these settings. Paths of files
    are first replaced by the paths of example files."""
    environ = {name: _file(name, folder) if name.endswith(FILES) else value for name, value in variables.items()}
    reader = Reader(environ)
    match program:
        case "simulators":
            return []
        case "portal":
            return _trouble_of_portal(environ)
        case "gateway":
            read_process(reader, serve.read)
        case "registry" if list(arguments) == ["api"]:
            read_process(reader, api.read_settings)
        case "registry":
            read_process(reader, lambda own, _: registry.read(own))
        case _:
            [worker] = (entry.load() for entry in entry_points(group=WORKERS) if entry.name == provider)
            read_process(reader, partial(run.read, worker))
    return reader.problems


def _trouble_of_portal(environ: Mapping[str, str]) -> list[str]:
    try:
        portal.read(environ)
    except portal.SettingsError as error:
        return error.problems
    return []


def _file(variable: str, folder: Path) -> str:
    """Writes an example file that the setting `variable` accepts, and returns its path."""
    file = folder / variable
    if variable.endswith(PEM_FILES):
        file = folder / "own.pem"  # one for all, since a certificate and its key may be two settings
        if not file.exists():
            own = certificate_files(folder)
            file.write_bytes(own.certificate.read_bytes() + own.key.read_bytes())
        return str(file)
    name = variable.removesuffix("_FILE")
    file.write_text(next((text for end, text in _secrets().items() if name.endswith(end)), f"1:{32 * 'x'}"))
    return str(file)


@cache
def _secrets() -> Mapping[str, str]:
    ants = ants_simulator.settings("http://siv.test")
    return {
        "PROVIDERS": "cnaf",
        "BUS_URL": "amqps://user:password@broker/mesh",
        "CACHE_URL": "rediss://cache",
        "DATABASE_URL": "postgresql://user:password@database/registry",
        "TOKEN_KEYS": verification_keys(Secret(new_key("1"))),
        "NOTICES_TO": "smtps://user:password@mail.example.org",
        "MAIL_URL": "smtps://user:password@mail.example.org",
        "CLIENTS": '{"quotient_familial": {"id": "id", "secret": "secret"}}',
        "ASSERTION_KEY": ants["BOUQUET_ANTS_ASSERTION_KEY"],
        "ASSERTION_CERTIFICATE": ants["BOUQUET_ANTS_ASSERTION_CERTIFICATE"],
        "PRIVATE_KEYS": RSAKey.generate_key(2048).as_pem(private=True).decode(),
    }
