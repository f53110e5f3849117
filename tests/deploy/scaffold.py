"""New provider from `bouquet-worker new`: its folder, and its overlay on this repository's base."""

from __future__ import annotations

import shutil
from pathlib import Path

from bouquet_worker.scaffold import write_provider
from tests.deploy.manifests import K8S, Manifest, rendered

REMOTE = "https://git.example.org/bouquet//deploy/k8s/worker?ref=v0.1.0"
"""URL by which the template names the base; tests replace it with a local path."""


def made(name: str, folder: Path) -> Path:
    """Writes the folder of a new provider, and returns it."""
    write_provider(name, folder / name)
    return folder / name


def rendered_scaffold(scaffold: Path) -> list[Manifest]:
    """Returns the overlay of a new provider, with the base put beside it."""
    beside = scaffold.parent / "kubernetes"
    shutil.copytree(K8S / "worker", beside / "worker")
    text = (scaffold / "kustomization.yaml").read_text(encoding="utf-8")
    assert REMOTE in text
    (beside / "own").mkdir()
    (beside / "own" / "kustomization.yaml").write_text(text.replace(REMOTE, "../worker"), encoding="utf-8")
    return rendered(beside / "own")
