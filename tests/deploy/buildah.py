"""Builds and runs images with buildah, without a container engine. The base image is made here too."""
# The base image that the Dockerfiles name cannot be downloaded everywhere.

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from tests.support.daemon import find_program

PROGRAM = find_program("buildah")
DEBOOTSTRAP = find_program("debootstrap", "/usr/sbin/debootstrap")
BASE = "localhost/debian-with-python:test"
PACKAGES = "python3,python3-venv,ca-certificates"
DEBIAN = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "bouquet", "debian-with-python")
"""Folder of a Debian system from which base images are built, fetched once per machine."""


class Buildah:
    """The tool buildah, with its own store of images and containers in `folder`."""

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
        """Fetches Debian to a temporary folder and then renames it, so an interrupted download leaves nothing
        incomplete."""
        DEBIAN.parent.mkdir(parents=True, exist_ok=True)
        new = tempfile.mkdtemp(prefix="debian-", dir=DEBIAN.parent)
        bootstrap = [str(DEBOOTSTRAP), "--variant=minbase", f"--include={PACKAGES}", "bookworm", new]
        with (self._folder / "debootstrap.log").open("wb") as log:
            subprocess.run(bootstrap, check=True, stdout=log, stderr=log, timeout=1200)
        Path(new).chmod(0o755)
        Path(new).rename(DEBIAN)

    @property
    def builder(self) -> str:
        """Returns the value of the variable `BUILDER` that makes deploy/images/build.sh build with buildah."""
        return " ".join([*self.command, "bud", "--isolation", "chroot", "--pull-never", "--quiet"])

    def environ(self) -> dict[str, str]:
        return {**os.environ, "BUILDER": self.builder, "BASE": BASE, "REGISTRY": "localhost"}

    def build(self, folder: Path, image: str) -> None:
        """Builds an image from a folder, like `podman build --tag IMAGE .` in that folder. During the build, pip has no
        package index and finds only the wheels in the folder."""
        options = self._folder / "pip.conf"
        options.write_text("[global]\nno-index = true\n")
        arguments = [
            "--build-arg",
            f"BASE={BASE}",
            "--volume",
            f"{options}:/etc/pip.conf:ro",
            "--tag",
            image,
            str(folder),
        ]
        subprocess.run([*self.builder.split(), *arguments], check=True, timeout=600)

    def files(self, image: str) -> set[str]:
        """Returns the paths of the files in all layers of an image, including those that a later layer deletes or
        replaces."""
        copy = Path(tempfile.mkdtemp(dir=self._folder))
        self("push", "--quiet", image, f"oci:{copy}:image")
        [found] = json.loads((copy / "index.json").read_text())["manifests"]
        layers = json.loads(_blob(copy, found["digest"]).read_text())["layers"]
        names: set[str] = set()
        for layer in layers:
            with tarfile.open(_blob(copy, layer["digest"])) as opened:
                names |= {name.removeprefix("./") for name in opened.getnames()}
        shutil.rmtree(copy)
        return names

    def configuration(self, image: str) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(self("inspect", "--type", "image", image))["OCIv1"]["config"]
        return config

    def run(self, image: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in a container as the image's own user. Returns the result even if the command fails."""
        container = self("from", "--pull-never", image)
        try:
            run = [*self.command, "run", "--isolation", "chroot", container, "--", *command]
            return subprocess.run(run, check=False, capture_output=True, text=True, timeout=200)
        finally:
            self("rm", container)


def _blob(copy: Path, digest: str) -> Path:
    return copy / "blobs" / digest.replace(":", "/")
