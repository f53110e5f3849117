"""Prints the path of the newest installed Python, if it is newer than the running one. Otherwise prints an empty line.

Searches PATH and the versions that pyenv has installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

COMMAND = re.compile(r"python3\.(\d+)")
VERSION = "import sys; print(*sys.version_info[:2])"


def main() -> None:
    newer = sorted(
        ((int(found[1]), path) for path in _installed() if (found := COMMAND.fullmatch(path.name))), reverse=True
    )
    print(next((str(path) for minor, path in newer if minor > sys.version_info.minor and _runs(path, minor)), ""))


def _installed() -> Iterator[Path]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for folder in (*map(Path, os.get_exec_path()), *pyenv.glob("*/bin")):
        yield from folder.glob("python3.*")


def _runs(path: Path, minor: int) -> bool:
    """Returns whether the command at `path` runs Python 3 with this minor version."""
    try:
        completed = subprocess.run([path, "-c", VERSION], capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return False
    return completed.stdout.split() == ["3", str(minor)]


if __name__ == "__main__":
    main()
