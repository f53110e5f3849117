"""Manifests as a cluster would get them, rendered by kubectl."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

Manifest = dict[str, Any]

ROOT = Path(__file__).parents[2]
K8S = ROOT / "deploy" / "k8s"
OVERLAYS = {path.name: path for path in sorted((K8S / "overlays").iterdir())}
WORKERS = {path.name: path for path in sorted((K8S / "workers").iterdir())}
POD_OWNERS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


@cache
def rendered(folder: Path) -> list[Manifest]:
    done = subprocess.run(["kubectl", "kustomize", str(folder)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr
    return list(yaml.safe_load_all(done.stdout))


class Pod(Struct, frozen=True):
    """Pod of a workload. `owner` is the workload's kind and name, such as `Deployment gateway`."""

    owner: str
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def stays(self) -> bool:
        """Whether the pod runs permanently, unlike the pods of a CronJob, which end when their work is done."""
        return not self.owner.startswith("CronJob ")

    @property
    def component(self) -> str:
        return self.labels["app.kubernetes.io/component"]

    @property
    def secrets(self) -> dict[str, str]:
        return {
            volume["name"]: volume["secret"]["secretName"]
            for volume in self.spec.get("volumes", [])
            if "secret" in volume
        }

    @property
    def containers(self) -> list[dict[str, Any]]:
        containers: list[dict[str, Any]] = self.spec["containers"]
        return containers

    @property
    def all_containers(self) -> list[dict[str, Any]]:
        return [*self.spec.get("initContainers", []), *self.containers]


def pods(manifests: list[Manifest]) -> Iterator[Pod]:
    for manifest in manifests:
        if manifest["kind"] in POD_OWNERS:
            spec = manifest["spec"]["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else manifest["spec"]
            template = spec["template"]
            yield Pod(name_of(manifest), template["metadata"]["labels"], template["spec"])


def of_kind(manifests: list[Manifest], *kinds: str) -> Iterator[Manifest]:
    return (manifest for manifest in manifests if manifest["kind"] in kinds)


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    operators = {expression["operator"] for expression in selector.get("matchExpressions", [])}
    assert operators <= {"In"}, operators
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(
        labels.get(expression["key"]) in expression["values"] for expression in selector.get("matchExpressions", [])
    )
