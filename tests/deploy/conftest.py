"""Fixtures with the secrets of a mesh, made by deploy/make_secrets.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.manifests import ROOT


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets") / "made"
    script = [sys.executable, str(ROOT / "deploy" / "make_secrets.py"), str(folder)]
    subprocess.run([*script, "--simulators", "http://simulators:8100"], check=True, timeout=200)
    return folder


@pytest.fixture(scope="session")
def providers(secrets: Path) -> dict[str, dict[str, str]]:
    """Returns the settings with which each provider's worker calls its simulator."""
    return {file.stem: read_env(file) for file in (secrets / "providers").iterdir()}


def read_env(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the values that passed tests recorded with `record_property("seen", ...)`."""
    # Under xdist, a test's own output would not be shown.
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "seen":
                terminalreporter.write_line(str(value))
