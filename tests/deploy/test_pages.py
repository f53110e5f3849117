"""Tests that the commands and files in the operators' pages exist."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from bouquet_gateway.__main__ import main as gateway
from bouquet_portal.__main__ import main as portal
from bouquet_registry.__main__ import main as registry
from bouquet_worker.__main__ import main as worker
from tests.deploy.manifests import K8S, ROOT

PROGRAMS: dict[str, Callable[[list[str]], object]] = {
    "bouquet-gateway": gateway,
    "bouquet-registry": registry,
    "bouquet-portal": portal,
    "bouquet-worker": worker,
}
DOCS = ROOT / "docs"
OPERATIONS = DOCS / "operations"
FOR_OPERATORS = [*sorted(OPERATIONS.iterdir()), *sorted((DOCS / "runbooks").iterdir())]
PAGES = "\n".join(page.read_text(encoding="utf-8") for page in FOR_OPERATORS)
COMMANDS = sorted(set(re.findall(r"\b(bouquet-(?:gateway|portal|registry|worker))((?: [a-z][a-z-]+)+)", PAGES)))
SCREEN_LINES = 60
FILES = sorted(set(re.findall(r"\b(?:deploy|scripts|tests|requirements)/[\w./-]*\w", PAGES)))


@pytest.mark.parametrize(("program", "words"), COMMANDS)
def test_every_command_of_the_operators_pages_exists(
    program: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        PROGRAMS[program]([*words.split(), "--help"])
    assert ended.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize("file", FILES)
def test_every_file_of_the_operators_pages_exists(file: str) -> None:
    assert (ROOT / file).exists() or file == "deploy/compose/secrets" or file.startswith("deploy/compose/secrets/")


def test_every_kubernetes_folder_is_documented() -> None:
    told = set(re.findall(r"^\| `(base|worker|(?:components|overlays)/[\w-]+)` \|", PAGES, re.MULTILINE))
    folders = {str(path.parent.relative_to(K8S)) for path in K8S.rglob("kustomization.yaml")}
    assert told == {folder for folder in folders if not folder.startswith("workers/")}


@pytest.mark.parametrize("page", ["day-one.md", "day-two.md", "at-3-am.md"])
def test_a_page_of_the_day_fits_on_a_screen(page: str) -> None:
    assert len((OPERATIONS / page).read_text(encoding="utf-8").splitlines()) <= SCREEN_LINES


def test_the_index_of_operations_leads_to_every_page() -> None:
    index = (OPERATIONS / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    assert linked == {page.name for page in OPERATIONS.iterdir()} - {"README.md"}
