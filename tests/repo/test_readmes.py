"""Tests of READMEs. Each distribution has a README of at most one screen, declared in the distribution's metadata.
Every command shown on a page must exist."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from bouquet_gateway.__main__ import main as gateway
from bouquet_portal.__main__ import main as portal
from bouquet_registry.__main__ import main as registry
from bouquet_worker.__main__ import main as worker

ROOT = Path(__file__).parents[2]
SCREEN_LINES = 40
DISTRIBUTIONS = subprocess.run(
    [ROOT / "scripts" / "distributions.sh"], check=True, stdout=subprocess.PIPE, text=True
).stdout.split()
READMES = [ROOT / folder / "README.md" for folder in DISTRIBUTIONS]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "calling.md", *READMES]
TEMPLATE = ROOT / "services" / "providers" / "kit" / "bouquet_worker" / "template" / "bouquet-acme"
PROGRAMS = {
    "bouquet-gateway": gateway,
    "bouquet-portal": portal,
    "bouquet-registry": registry,
    "bouquet-worker": worker,
}


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_a_distribution_has_a_readme_of_a_screen(folder: str) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["readme"] == "README.md"
    lines = (ROOT / folder / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# {project['name']}"
    assert 10 < len(lines) <= SCREEN_LINES


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_the_map_leads_to_a_distribution(folder: str) -> None:
    assert f"({folder}/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_distribution_s_readme_names_its_programs() -> None:
    for folder in DISTRIBUTIONS:
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
        names = project.get("entry-points", {}).get("bouquet.workers", {})
        assert [name for name in project.get("scripts", ()) if f"`{name} " not in text] == []
        assert [name for name in names if f"`bouquet-worker run {name}`" not in text] == []


def test_each_target_of_make_that_a_page_names_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"\bmake ([a-z-]+)", _code(page))}
    targets = set(re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named - {name for line in targets for name in line.split()} == set()
    assert {"demo", "sandbox", "test", "generated-clients"} <= named


@pytest.mark.parametrize(
    ("program", "command"),
    sorted(
        {
            found
            for page in PAGES
            for found in re.findall(
                r"(bouquet-(?:gateway|portal|registry|worker)) ([a-z-]+)", page.read_text(encoding="utf-8")
            )
        }
    ),
)
def test_a_command_that_a_page_names_exists(program: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        PROGRAMS[program]([command, "--help"])
    assert ended.value.code == 0, capsys.readouterr().err


def test_the_worker_that_readme_shows_is_the_template_s() -> None:
    [shown] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    template = (TEMPLATE / "bouquet_acme" / "worker.py").read_text(encoding="utf-8")
    assert len(_statements(shown)) == 3
    assert _statements(shown) <= _statements(template)


def _statements(source: str) -> set[str]:
    """Returns the top-level statements of a module in a uniform layout and without the docstrings of functions, so that
    two modules can be compared."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return {ast.unparse(statement) for statement in tree.body}


def _code(page: Path) -> str:
    return "\n".join(re.findall(r"```.*?```|`[^`]+`", page.read_text(encoding="utf-8"), re.DOTALL))
