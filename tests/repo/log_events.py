"""Log events that the code writes, read from its source. Each has a constant message, a level and field names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from bouquet_gateway.journal.spool import LEVEL_EVENTS

ROOT = Path(__file__).parents[2]
LEVELS = ("debug", "info", "warning", "error", "critical")
REFUSING = ("checks.py", "catalogue.py", "compatibility.py")


class Event(Struct, frozen=True):
    message: str
    level: str
    """Level of the event, such as `warning`. Empty if it is known only at run time."""
    fields: frozenset[str]


def logged_events() -> set[Event]:
    """Returns every log event of the code. Raises `ValueError` if a message or its fields are not constant."""
    folders = ("proto", "mesh", "services")
    return {event for folder in folders for path in _sources(ROOT / folder) for event in _in(path)}


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.py")) if not {"testing", "template"} & set(path.parts))


def _in(path: Path) -> Iterator[Event]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and _is_log(call.func):
                    yield from _logged(call, function, path)


def _is_log(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "log"
        and function.attr in (*LEVELS, "log")
    )


def _logged(call: ast.Call, function: ast.AST, path: Path) -> Iterator[Event]:
    assert isinstance(call.func, ast.Attribute)
    level = call.func.attr if call.func.attr in LEVELS else ""
    fields = frozenset(_fields(call, function, path))
    for message in _messages(call.args[0 if level else -1], path):
        yield Event(message, level, fields)


def _messages(argument: ast.expr, path: Path) -> Iterator[str]:
    match argument:
        case ast.Constant(value=str(message)):
            yield message
        case ast.IfExp(body=ast.Constant(value=str(one)), orelse=ast.Constant(value=str(other))):
            yield from (one, other)
        case ast.Starred() if path.name == "spool.py":
            yield from (message for _, message in LEVEL_EVENTS.values())
        case ast.Name(id="reason") if path.name == "discovery.py":
            yield from _refusals(path.parent)
        case _:
            raise ValueError(f"{path}:{argument.lineno}: a message that is not constant")


def _refusals(folder: Path) -> Iterator[str]:
    for name in REFUSING:
        for node in ast.walk(ast.parse((folder / name).read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="OfferRefusal"), args=[ast.Constant(value=str(reason)), *_]):
                    yield reason
                case ast.FunctionDef(name="_add"):
                    for one in ast.walk(node):
                        if isinstance(one, ast.Return) and isinstance(one.value, ast.Constant) and one.value.value:
                            yield str(one.value.value)


def _fields(call: ast.Call, function: ast.AST, path: Path) -> Iterator[str]:
    extra = next((keyword.value for keyword in call.keywords if keyword.arg == "extra"), None)
    if isinstance(extra, ast.Name):
        extra = next(
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and ast.dump(node.targets[0]) == ast.dump(_target(extra))
        )
    if extra is None:
        return
    if not isinstance(extra, ast.Dict):
        raise ValueError(f"{path}:{call.lineno}: fields that are not written out")
    for key in extra.keys:
        if not isinstance(key, ast.Constant):
            raise ValueError(f"{path}:{call.lineno}: a field without a constant name")
        yield str(key.value)


def _target(name: ast.Name) -> ast.Name:
    return ast.Name(id=name.id, ctx=ast.Store())
