"""Test of what the team of a new provider does, with the packages of `make wheels` and nothing else of Bouquet. The
commands are those of the README files that the team reads."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.conftest import need
from tests.deploy.environment import environment
from tests.deploy.images import Recipe
from tests.deploy.manifests import Manifest, pods
from tests.support.daemon import free_port
from tests.support.packages import build_packages
from tests.support.programs import environ_with, status_of, until_status
from tests.support.waiting import until

ACTIVATE = ". .venv/bin/activate\n"
SECRETS = "/run/secrets/bouquet"
OPEN = {
    "statut": "ouvert",
    "date_ouverture": "2021-09-01",
    "titulaire": {"nom": "KERVALLAN", "prenom": "MAELYS"},
}


class Team:
    """The folder of a team, on a machine that has Python, curl and kubectl. `podman` only notes how it is called."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.image_built = programs / "podman.log"
        # With 0, pip compiles no module: most of those that it installs are never imported here.
        self._environ = environ_with({"PATH": f"{programs}:/usr/bin:/bin", "PIP_NO_COMPILE": "0"})
        self._environ.pop("VIRTUAL_ENV", None)
        programs.mkdir()
        (programs / "python3").symlink_to(Path(sys.executable).resolve())
        (programs / "kubectl").symlink_to(shutil.which("kubectl") or "")
        (programs / "podman").write_text(f'#!/bin/sh\necho "$@" >{self.image_built}\n')
        (programs / "podman").chmod(0o755)

    def run(self, script: str) -> str:
        """Runs a script in the folder, and returns its output. Fails with the output if a command fails."""
        done = subprocess.run(
            ["sh", "-ec", script], cwd=self.folder, env=self._environ, check=False, timeout=600,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    @contextmanager
    def running(self, log: Path, environ: Mapping[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """Runs a command of the folder's virtual environment until the context ends."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.folder / ".venv" / "bin" / command[0], *command[1:]],
                cwd=self.folder, env={**self._environ, **environ}, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def commands(readme: Path, heading: str = "# ") -> str:
    """Returns the first commands that a README file has below a heading."""
    _, _, text = readme.read_text(encoding="utf-8").partition(heading)
    found = re.search(r"(?:^    .*\n)+", text, re.MULTILINE)
    assert found, f"no commands below {heading}"
    return found[0].replace("\n    ", "\n").strip()


@pytest.mark.slow
@pytest.mark.timeout(1200)  # it installs what a team installs
async def test_a_team_with_the_packages_alone_comes_from_an_empty_folder_to_a_worker_that_starts(
    tmp_path: Path,
) -> None:
    need(shutil.which("curl") is not None, "curl", "install it")
    team = Team(tmp_path / "acme", tmp_path / "programs")
    build_packages(team.folder / "bouquet")

    team.run(commands(team.folder / "bouquet" / "README.md"))
    readme = team.folder / "README.md"
    assert "passed" in team.run(commands(readme, "## Work on it"))
    assert '"statut": "ouvert"' in team.run(ACTIVATE + commands(readme, "One question"))
    await develop(team, tmp_path / "dev.log")

    output = team.run(ACTIVATE + commands(readme, "## Ship it"))
    assert [path.name for path in (team.folder / "dist").iterdir()] == ["bouquet_acme-0.1.0-py3-none-any.whl"]
    assert team.image_built.read_text() == "build --tag registry.example.org/bouquet-acme:0.1.0 .\n"
    await start_as_deployed(team, list(yaml.safe_load_all(output[output.index("apiVersion") :])), tmp_path)


async def develop(team: Team, log: Path) -> None:
    """Calls the worker under `bouquet-worker dev`, breaks it, sees why, and heals it. Of a wrong case, sees why too."""
    port = free_port()
    wrong = team.folder / "cases" / "wrong.json"
    wrong.write_text((wrong.parent / "dossier_open.json").read_text().replace("acme_v3_dossier", "acme_v9_dossier"))
    worker = team.folder / "bouquet_acme" / "worker.py"
    source = worker.read_text(encoding="utf-8")

    def calls() -> list[str]:
        return re.findall(r"^TOKEN=.*\n(?:curl .*\n)+", log.read_text(), re.MULTILINE)

    with team.running(log, {}, "bouquet-worker", "dev", "acme", "--port", str(port)):
        await until(lambda: len(calls()) == 1)
        await until(lambda: "wrong: operation acme_v9_dossier_with_identifiant is not offered\n" in log.read_text())
        assert json.loads(team.run(calls()[-1]))["data"] == OPEN

        worker.write_text(source + "def broken(:\n", encoding="utf-8")
        await until(lambda: "SyntaxError" in log.read_text())
        assert await status_of(f"http://127.0.0.1:{port}/readyz") == 0

        worker.write_text(source, encoding="utf-8")
        await until(lambda: len(calls()) == 2)
        assert json.loads(team.run(calls()[0]))["data"] == OPEN
    wrong.unlink()
    assert await status_of(f"http://127.0.0.1:{port}/readyz") == 0


async def start_as_deployed(team: Team, manifests: list[Manifest], folder: Path) -> None:
    """Starts the worker with the command of its image, and the arguments and settings of its Deployment."""
    [pod] = pods(manifests)
    [container] = pod.containers
    [program] = Recipe(team.folder / "Containerfile").entrypoint
    assert program == "bouquet"  # in the image, a link to bouquet-worker
    arguments = [argument.replace("$(PROVIDER)", pod.labels["bouquet/provider"]) for argument in container["args"]]
    (folder / "bus-url").write_text("amqp://nobody:nothing@127.0.0.1:9/bouquet")
    (folder / "key").write_text("key")
    settings = environment(container, manifests, {})
    here = {name: value.replace(SECRETS, str(folder)) for name, value in settings.items()}
    health = free_port()
    own = {**here, "BOUQUET_WORKER_HEALTH_PORT": str(health)}
    with team.running(folder / "worker.log", own, "bouquet-worker", *arguments):
        await until_status(f"http://127.0.0.1:{health}/livez", 200)  # also while it waits for the broker
