"""Builds and runs images without an engine: buildah in a chroot, on a Debian of the test's own.

What the recipe's base image gives cannot be pulled everywhere; a Debian with its Python is the same to the recipe.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.support.daemon import find_program

PROGRAM = find_program("buildah")
DEBOOTSTRAP = find_program("debootstrap", "/usr/sbin/debootstrap")
BASE = "localhost/debian-with-python:test"
PACKAGES = "python3,python3-venv,ca-certificates"
DEBIAN = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "bouquet", "debian-with-python")
"""Fetched once a machine, as scripts/install_services.sh does with RabbitMQ 4."""


class Buildah:
    """Its images live in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.command = [str(PROGRAM), "--root", str(folder / "store"), "--runroot", str(folder / "run")]

    def __call__(self, *arguments: str) -> str:
        return subprocess.run(
            [*self.command, *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=300
        ).stdout.strip()

    def make_base(self) -> None:
        if not DEBIAN.is_dir():
            self._fetch_debian()
        container = self("from", "scratch")
        self("add", "--quiet", container, str(DEBIAN), "/")
        self("commit", "--quiet", container, BASE)

    def _fetch_debian(self) -> None:
        """Whole or not there."""
        DEBIAN.parent.mkdir(parents=True, exist_ok=True)
        new = tempfile.mkdtemp(prefix="debian-", dir=DEBIAN.parent)
        bootstrap = [str(DEBOOTSTRAP), "--variant=minbase", f"--include={PACKAGES}", "bookworm", new]
        with (self._folder / "debootstrap.log").open("wb") as log:
            subprocess.run(bootstrap, check=True, stdout=log, stderr=log, timeout=1200)
        Path(new).chmod(0o755)
        Path(new).rename(DEBIAN)

    @property
    def builder(self) -> str:
        """For deploy/images/build.sh."""
        return " ".join([*self.command, "bud", "--isolation", "chroot", "--pull-never", "--quiet"])

    def environ(self) -> dict[str, str]:
        return {**os.environ, "BUILDER": self.builder, "BASE": BASE, "REGISTRY": "localhost"}

    def configuration(self, image: str) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(self("inspect", "--type", "image", image))["OCIv1"]["config"]
        return config

    def run(self, image: str, *command: str) -> subprocess.CompletedProcess[str]:
        """As the image's own user, whose end is not ours."""
        container = self("from", "--pull-never", image)
        try:
            run = [*self.command, "run", "--isolation", "chroot", container, "--", *command]
            return subprocess.run(run, check=False, capture_output=True, text=True, timeout=120)
        finally:
            self("rm", container)
