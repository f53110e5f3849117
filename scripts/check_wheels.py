"""Checks that each distribution works alone, as a wheel in a new environment with its declared dependencies.

usage: check_wheels.py FOLDER...
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

EXACT_DEPENDENCIES = {"bouquet-proto": {"msgspec"}}
"""Exact set of packages that must be installed along with a distribution, by the distribution's name. Dependencies of
other distributions are not checked."""

# Program that runs inside the environment under test.
PROBE = """
import importlib, importlib.metadata, importlib.resources, subprocess, sys, sysconfig
distribution, package = sys.argv[1:]
importlib.import_module(package)
assert importlib.resources.files(package).joinpath("py.typed").is_file(), "py.typed is not in the wheel"
for entry in importlib.metadata.distribution(distribution).entry_points:
    entry.load()
    if entry.group == "console_scripts":
        script = sysconfig.get_path("scripts") + "/" + entry.name
        subprocess.run([script, "--help"], check=True, stdout=subprocess.DEVNULL, timeout=60)
"""


def main(folders: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        wheels = Path(scratch, "wheels")
        for folder in folders:
            run("uv", "build", "--quiet", "--wheel", "--no-build-isolation", "--out-dir", str(wheels), folder)
        for folder in folders:
            name = tomllib.loads(Path(folder, "pyproject.toml").read_text())["project"]["name"]
            print(f"{name}, alone", flush=True)
            check(name, wheels, Path(scratch, name))


def check(name: str, wheels: Path, environment: Path) -> None:
    """Installs the distribution `name`, from the folder `wheels`, in a new virtual environment in the folder
    `environment`. Then loads its entry points, and runs its commands with `--help`.

    Exits with an error if a step fails, or if the installed dependencies differ from `EXACT_DEPENDENCIES`.
    """
    python = str(environment / "bin" / "python")
    run("uv", "venv", "--quiet", "--python", sys.executable, str(environment))
    run(
        *("uv", "pip", "install", "--quiet", "--python", python, "--find-links", str(wheels)),
        *("--constraints", "requirements/run.txt", name),
    )
    run(python, "-I", "-c", PROBE, name, name.replace("-", "_"))
    pulled = installed(python) - {name}
    if pulled != EXACT_DEPENDENCIES.get(name, pulled):
        promised = ", ".join(EXACT_DEPENDENCIES[name])
        sys.exit(f"{name} pulls {', '.join(sorted(pulled))}; it promises to pull {promised} alone")


def installed(python: str) -> set[str]:
    listing = ("uv", "pip", "list", "--quiet", "--python", python, "--format", "json")
    found = json.loads(subprocess.run(listing, check=True, stdout=subprocess.PIPE).stdout)
    return {distribution["name"] for distribution in found}


def run(*command: str) -> None:
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"{Path(command[0]).name} failed, see above")


if __name__ == "__main__":
    main(sys.argv[1:])
