"""Tests that every file and module named in a page, comment or docstring exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

import django
import pytest

from tests.repo.tracked_files import PAGES, ROOT, tracked

PACKAGES = {
    "proto": ROOT / "proto" / "bouquet_proto",
    "mesh": ROOT / "mesh" / "bouquet_mesh",
    "gateway": ROOT / "services" / "gateway" / "bouquet_gateway",
    "registry": ROOT / "services" / "registry" / "bouquet_registry",
    "portal": ROOT / "services" / "portal" / "bouquet_portal",
    "kit": ROOT / "services" / "providers" / "kit" / "bouquet_worker",
}
"""Folders of packages by short name. Paths in pages begin with a short name, as in `gateway/settings.py`."""
TEMPLATE = PACKAGES["kit"] / "template" / "bouquet-acme"
DISTRIBUTIONS = [*(path.parent for path in PACKAGES.values()), *(ROOT / "services" / "providers").iterdir()]


SOURCES = tracked(*(f"{part}/*.py" for part in ("proto", "mesh", "services", "tests", "bench")))
HISTORY = {"CHANGELOG.md"}
FILE = re.compile(r"`((?:[\w.-]+/)+[\w-]+\.(?:py|sh|toml|yaml|md))`")
MODULE = re.compile(rf"\b(?:{'|'.join(path.name for path in PACKAGES.values())})(?:\.[a-z]\w*)+")


def files_in(text: str) -> Iterator[str]:
    return iter(FILE.findall(text))


def is_file(path: str) -> bool:
    """Reports whether a path names an existing file. The path may begin at the repository's top, at `docs/`, in a
    distribution, in a package or in a new provider."""
    first, _, rest = path.partition("/")
    roots = (ROOT, ROOT / "docs", *DISTRIBUTIONS, *PACKAGES.values(), TEMPLATE)
    return any((root / path).is_file() for root in roots) or (first in PACKAGES and (PACKAGES[first] / rest).is_file())


def is_named(dotted: str) -> bool:
    """Reports whether a dotted name names an existing module or a member of one."""
    try:
        resolve_name(dotted)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_files_named_by_a_page_exist(page: Path) -> None:
    assert [path for path in files_in(page.read_text(encoding="utf-8")) if not is_file(path)] == []


@pytest.fixture
def django_is_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets up Django, without which the portal's modules that define models cannot be imported."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "bouquet_portal.settings")
    django.setup()


@pytest.mark.usefixtures("django_is_set_up")
def test_the_modules_named_by_sources_and_pages_exist() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in [*PAGES, *SOURCES] if path.name not in HISTORY}
    named = {(path, name) for path, text in texts.items() for name in MODULE.findall(text)}
    assert {f"{path.relative_to(ROOT)}: {name}" for path, name in named if not is_named(name)} == set()


@pytest.mark.parametrize(
    "path", ["proto/failures.py", "http/app.py", "docs/architecture.md", "tests/repo/log_events.py"]
)
def test_a_file_name_is_resolved_from_several_folders(path: str) -> None:
    assert is_file(path)
    assert not is_file(path.replace(".", "s."))


def test_the_former_name_of_a_moved_module_is_not_resolved() -> None:
    assert is_named("bouquet_mesh.bus.api")
    assert not is_named(".".join(("bouquet_proto", "bus")))
