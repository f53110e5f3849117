"""A new provider as `bouquet-worker new` writes it, with its Kubernetes manifests."""

from __future__ import annotations

import shutil
from pathlib import Path

from bouquet_worker.scaffold import write_provider
from tests.deploy.manifests import K8S, Manifest, rendered

REMOTE = "https://git.example.org/bouquet//deploy/k8s/worker?ref=v0.1.0"
"""URL of the Kubernetes base in the template of a new provider. It is only an example: tests replace it with a local
folder."""


def made(name: str, folder: Path) -> Path:
    write_provider(name, folder / name)
    return folder / name


def rendered_scaffold(scaffold: Path) -> list[Manifest]:
    beside = scaffold.parent / "kubernetes"
    shutil.copytree(K8S / "worker", beside / "worker")
    text = (scaffold / "kustomization.yaml").read_text(encoding="utf-8")
    assert REMOTE in text
    (beside / "own").mkdir()
    (beside / "own" / "kustomization.yaml").write_text(text.replace(REMOTE, "../worker"), encoding="utf-8")
    return rendered(beside / "own")
