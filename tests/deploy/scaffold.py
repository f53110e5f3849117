"""A new provider as `bouquet-worker new` writes it, with its Kubernetes manifests."""

from __future__ import annotations

import shutil
from pathlib import Path

from bouquet_worker.scaffold import write_provider
from tests.deploy.manifests import K8S, Manifest, rendered


def made(name: str, folder: Path) -> Path:
    write_provider(name, folder / name)
    return folder / name


def rendered_scaffold(scaffold: Path) -> list[Manifest]:
    """Returns the manifests of a new provider. Its Kubernetes base is that of the repository, where it has none yet."""
    shutil.copytree(K8S / "worker", scaffold / "bouquet" / "kubernetes" / "worker", dirs_exist_ok=True)
    return rendered(scaffold)
