"""Releases of Bouquet whose processes tests run side by side: the present sources, and those of the former release."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import Struct

from tests.support.programs import environ_with

ROOT = Path(__file__).parents[2]
FORMER_COMMIT = Path(__file__).with_name("FORMER_RELEASE").read_text().strip()
"""Commit of the release from which tests upgrade. After a release, write its commit into the file `FORMER_RELEASE`."""
FOLDERS = ("proto", "mesh", "services", "deploy/rabbitmq", "tests/proto/samples")
"""Folders that `former_release` takes from the history of the repository."""
COMMAND_TIMEOUT_S = 200


class Release(Struct, frozen=True):
    """A release whose sources are below the folder `root`. Its processes run with the libraries installed here, because
    installing the libraries of its time would need a network."""

    name: str
    root: Path

    @property
    def environ(self) -> dict[str, str]:
        """Environment variables that make Python import the modules of Bouquet from this release instead of the
        installed ones."""
        manifests = (
            manifest
            for pattern in ("proto", "mesh", "services/*", "services/providers/*")
            for manifest in sorted(self.root.glob(f"{pattern}/pyproject.toml"))
        )
        return {"PYTHONPATH": os.pathsep.join(str(manifest.parent) for manifest in manifests)}

    def output_of(self, arguments: Sequence[str], environ: Mapping[str, str] | None = None, *, stdin: str = "") -> str:
        """Runs `python arguments…` with the modules of this release, in its root, and returns the standard output."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environ_with({**(environ or {}), **self.environ}),
            check=True,
            input=stdin,
            stdout=subprocess.PIPE,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        ).stdout


PRESENT = Release("present", ROOT)


@contextmanager
def former_release() -> Iterator[Release]:
    """Yields the former release, taken from the history of this repository into a temporary folder. Skips the test if
    this clone's history does not reach back to it."""
    archive = subprocess.run(
        # The user of a container may not own the clone, which git refuses otherwise.
        ["git", "-c", "safe.directory=*", "-C", str(ROOT), "archive", FORMER_COMMIT, *FOLDERS],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if archive.returncode:
        pytest.skip(f"the history of this clone has no commit {FORMER_COMMIT}: run git fetch --unshallow")
    with tempfile.TemporaryDirectory(prefix="bouquet-former-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        yield Release("former", Path(folder))
