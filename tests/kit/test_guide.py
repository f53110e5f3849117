"""Tests of docs/providers.md, the guide for teams of providers. The code that it shows works, and its commands are in
the README files whose commands tests/kit/test_from_packages.py runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from bouquet_worker.scaffold import write_provider

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
TEMPLATE = ROOT / "services" / "providers" / "kit" / "bouquet_worker" / "template" / "bouquet-acme"
BLOCK = re.compile(r"^(?P<place>[^\n]*):\n\n```(?:python|json|)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def apply(place: str, code: str, folder: Path) -> None:
    """Changes a file of the provider as the words before a block of the guide say."""
    match re.findall(r"`([^`]+)`", place):
        case [name] if place.startswith("In a new file"):
            (folder / name).write_text(code, encoding="utf-8")
        case [name] if place.startswith("At the end of"):
            with (folder / name).open("a", encoding="utf-8") as file:
                file.write(f"\n\n{code}")
        case [name, line]:
            lines = (folder / name).read_text(encoding="utf-8").splitlines(keepends=True)
            [number] = (number for number, text in enumerate(lines) if line in text)
            lines[number : number + 1] = [code] if "instead of" in place else [lines[number], code]
            (folder / name).write_text("".join(lines), encoding="utf-8")
        case _:
            raise AssertionError(f"{place}: names no file")


def test_the_worker_of_the_guide_passes_its_tests(tmp_path: Path) -> None:
    write_provider("acme", tmp_path)
    blocks = BLOCK.findall(GUIDE)
    assert len(blocks) == GUIDE.count("\n```\n\n") - GUIDE.count("\n```sh\n")  # none is left out
    for place, code in blocks:
        apply(place, code, tmp_path)
    for command in (["ruff", "check", "--no-cache"], ["ruff", "format", "--check", "--no-cache"], ["pytest", "-q"]):
        run = [sys.executable, "-m", *command]
        done = subprocess.run(run, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_command_of_the_guide_is_one_that_a_test_runs() -> None:
    packages = (ROOT / "scripts" / "build_packages.sh").read_text(encoding="utf-8")
    run = {line.strip() for line in (packages + (TEMPLATE / "README.md").read_text(encoding="utf-8")).splitlines()}
    shown = "".join(re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)).splitlines()
    assert len(shown) > 8
    assert [line for line in shown if line not in run] == []
