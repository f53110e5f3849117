"""Container images of Bouquet: their Dockerfiles, and the command-line arguments that manifests pass to their
programs."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from importlib.metadata import entry_points
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from tests.deploy.manifests import OVERLAYS, ROOT, WORKERS, Manifest, Pod, pods, rendered

IMAGES = ROOT / "deploy" / "images"
COMPOSE = ROOT / "deploy" / "compose" / "compose.yaml"
OURS = re.compile(r"registry\.example\.org/bouquet-[\w-]+")
NO_OPTION = "--no-such-option"


class Start(Struct, frozen=True):
    owner: str
    image: str
    arguments: tuple[str, ...]


def built_images() -> set[str]:
    """Returns the names and tags of the images that deploy/images/build.sh makes."""
    listed = subprocess.run([IMAGES / "build.sh", "--list"], check=True, stdout=subprocess.PIPE, text=True, timeout=200)
    return set(listed.stdout.split())


def starts() -> Iterator[Start]:
    for name, folder in {**OVERLAYS, **WORKERS}.items():
        yield from (each for each in of_manifests(name, rendered(folder)) if OURS.match(each.image))
    for name, service in _compose()["services"].items():
        if OURS.match(service["image"]):
            assert "entrypoint" not in service
            yield Start(f"compose: {name}", service["image"], tuple(service["command"]))


def of_manifests(name: str, manifests: list[Manifest]) -> Iterator[Start]:
    for pod in pods(manifests):
        for container in pod.all_containers:
            if container.get("command", [""])[0] == "sleep":
                continue  # until somebody runs commands beside it
            assert "command" not in container, "a command stands in place of the image's ENTRYPOINT"
            arguments = tuple(_expanded(argument, pod, container) for argument in container.get("args", []))
            yield Start(f"{name}: {pod.owner}", container["image"].partition("@")[0], arguments)


def _expanded(argument: str, pod: Pod, container: Mapping[str, Any]) -> str:
    """Returns a container's argument in which each `$(VARIABLE)` is replaced by the variable's value."""
    variables = {each["name"]: each["valueFrom"] for each in container.get("env", []) if "valueFrom" in each}

    def value(found: re.Match[str]) -> str:
        path = variables[found[1]]["fieldRef"]["fieldPath"]
        return pod.labels[path.removeprefix("metadata.labels['").removesuffix("']")]

    return re.sub(r"\$\((\w+)\)", value, argument)


def _compose() -> dict[str, Any]:
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text(encoding="utf-8"))
    read: dict[str, Any] = yaml.safe_load(text)
    return read


class Recipe:
    """Dockerfile or Containerfile: its ENTRYPOINT, its CMD, and its ignore file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = path.read_text(encoding="utf-8").replace("\\\n", " ")

    @property
    def entrypoint(self) -> list[str]:
        return self._words("ENTRYPOINT")

    @property
    def cmd(self) -> list[str]:
        return self._words("CMD")

    @property
    def ignored(self) -> list[str]:
        own = self.path.with_name(f"{self.path.name}.dockerignore")
        file = own if own.exists() else self.path.with_name(".dockerignore")
        return file.read_text(encoding="utf-8").split()

    def _words(self, instruction: str) -> list[str]:
        found = re.findall(rf"^{instruction} (\[.*\])$", self._text, re.MULTILINE)
        words: list[str] = json.loads(found[-1]) if found else []
        return words


def objection_to(image: str, command: list[str]) -> str:
    """Returns the error message with which an image's program rejects the arguments in `command`, or "" if it accepts
    them."""
    distribution = image.rpartition("/")[2].partition(":")[0]
    program, *arguments = command
    [main] = (entry for entry in entry_points(group="console_scripts") if entry.name == _script(program, distribution))
    said = StringIO()
    try:
        with redirect_stderr(said):
            main.load()([*arguments, NO_OPTION])  # so that nothing is started
    except SystemExit:
        last = said.getvalue().splitlines()[-1]
        return "" if last.endswith(f"error: unrecognized arguments: {NO_OPTION}") else last
    return f"takes {NO_OPTION}"


def _script(program: str, distribution: str) -> str:
    """Returns the name of the console script that `program` runs in the image of `distribution`."""
    # In our images `bouquet` is only a link, made by deploy/images/Dockerfile, to the script of the image's
    # distribution.
    if program != "bouquet":
        return program
    own = ("bouquet-gateway", "bouquet-registry", "bouquet-portal")
    return distribution if distribution in own else "bouquet-worker"
