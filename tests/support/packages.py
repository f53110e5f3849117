"""The folder that `make wheels` writes for teams of providers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build_packages(folder: Path) -> Path:
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([ROOT / "scripts" / "build_packages.sh", folder], check=True, env=environ, timeout=300)
    return folder
