"""Tests that Bouquet uses only public names of aiohttp, because other names may change in any release."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for part in ("proto", "mesh", "services", "bench") for path in (ROOT / part).rglob("*.py"))
DOCUMENTED = frozenset({"aiohttp", "aiohttp.abc", "aiohttp.test_utils", "aiohttp.typedefs", "aiohttp.web"})
"""Modules of aiohttp whose names are public, because its documentation lists them."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def reaches(source: str) -> list[str]:
    """Returns each use of a private name of aiohttp, written as `line: name`."""
    # In a module that imports aiohttp, private attributes are allowed on `self` and `cls` only. In a class derived from
    # one of aiohttp, the private attributes of `self` must be defined by the class itself.
    tree = ast.parse(source)
    imports = list(_imports(tree))
    if not imports:
        return []
    found = [(line, name) for line, module, name in imports if module not in DOCUMENTED or is_private(name)]
    found += [(line, name) for line, owner, name in _attributes(tree) if owner not in ("self", "cls")]
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and _is_from_aiohttp(node, {name for _, _, name in imports}):
            own = _defined_by(node)
            found += [(line, name) for line, owner, name in _attributes(node) if owner == "self" and name not in own]
    return [f"{line}: {name}" for line, name in sorted(set(found))]


def _imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name, "aiohttp") for each in node.names if _is_aiohttp(each.name))
        elif isinstance(node, ast.ImportFrom) and _is_aiohttp(node.module or ""):
            yield from ((node.lineno, node.module or "", each.name) for each in node.names)


def _is_aiohttp(module: str) -> bool:
    return module.partition(".")[0] == "aiohttp"


def _attributes(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Yields each use of a private attribute: the line, the object's name and the attribute's name."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=owner, attr=name) if is_private(name):
                yield node.lineno, ast.unparse(owner), name
            case ast.Call(func=ast.Name("getattr" | "setattr" | "delattr"), args=[owner, ast.Constant(str(name)), *_]):
                if is_private(name):
                    yield node.lineno, ast.unparse(owner), name


def _is_from_aiohttp(node: ast.ClassDef, imported: set[str]) -> bool:
    return any(ast.unparse(base).partition(".")[0] in imported for base in node.bases)


def _defined_by(node: ast.ClassDef) -> set[str]:
    """Returns the private names that a class defines itself."""
    names = {each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    for each in node.body:
        match each:
            case ast.Assign(targets=[ast.Name("__slots__")], value=ast.Tuple(elts=slots)):
                names |= {
                    slot.value for slot in slots if isinstance(slot, ast.Constant) and isinstance(slot.value, str)
                }
            case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)):
                names.add(name)
    return names


def test_no_module_uses_a_private_name_of_aiohttp() -> None:
    found = {str(path.relative_to(ROOT)): reaches(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: names for path, names in found.items() if names} == {}


SUBCLASS = "from aiohttp import web\nclass Connection(web.RequestHandler):\n    "
REACHES = {
    "a private class": "from aiohttp.web import _Secret",
    "an undocumented module": "from aiohttp.http_exceptions import LineTooLong",
    "an undocumented module, whole": "import aiohttp.streams",
    "an object's attribute": "import aiohttp\nself._session._retry_connection = False",
    "an object's attribute by its text": "import aiohttp\nsetattr(self._session, '_retry_connection', False)",
    "an attribute of the base": f"{SUBCLASS}def data_received(self, data): self._waiter = None",
    "a method of the base": f"{SUBCLASS}async def start(self): await super()._handle_request()",
}


@pytest.mark.parametrize("source", REACHES.values(), ids=REACHES)
def test_a_use_of_a_private_name_of_aiohttp_is_found(source: str) -> None:
    assert len(reaches(source)) == 1


PUBLIC = {
    "a public name": "from aiohttp import ClientSession\nself._session = ClientSession()",
    "a slot of one's own": f"{SUBCLASS}__slots__ = ('_own',)\n    def one(self): return self._own",
    "a method of one's own": f"{SUBCLASS}def one(self): return self._two()\n    def _two(self): return 2",
    "a module without aiohttp": "row._mapping",
}


@pytest.mark.parametrize("source", PUBLIC.values(), ids=PUBLIC)
def test_public_and_own_names_are_not_reported(source: str) -> None:
    assert reaches(source) == []
