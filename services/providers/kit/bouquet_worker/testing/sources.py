"""Checks of a worker's source code for mistakes that tests with an upstream may miss. Each fault is a sentence for the
worker's author, with file and line."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Set
from pathlib import Path

from bouquet_proto.failures import FAILURES
from bouquet_worker.worker import Worker

PERSONAL = frozenset({"body", "headers"})
"""Attributes of an upstream's answer that may hold personal data. A log event or an `UpstreamError` must not quote
them."""
SIMULATOR_MODULE_ENDINGS = ("simulator", "simulate")
"""Endings of the names of simulators' modules, whose source is not checked."""


def objections_to_sources(worker: Worker) -> Iterator[str]:
    """Yields a text `file:line: fault` for each fault in the packages of the worker's handlers. A fault is, for
    instance, a log event that quotes an answer's body, or an unknown reason of an `UpstreamError`."""
    reasons = FAILURES.keys() | worker.offer().problems.keys()
    for path in sorted(_sources(worker)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            yield from (f"{path.name}:{line}: {fault}" for line, fault in _faults(node, reasons))


def _sources(worker: Worker) -> set[Path]:
    packages = {module.rpartition(".")[0] or module for module in worker.handler_modules}
    modules = {
        module
        for name, module in sys.modules.items()
        if name.rpartition(".")[0] in packages and not name.endswith(SIMULATOR_MODULE_ENDINGS)
    }
    return {Path(module.__file__) for module in modules if module.__file__}


def _faults(node: ast.AST, reasons: Set[str]) -> Iterator[tuple[int, str]]:
    match node:
        case ast.Call(func=ast.Name(id="UpstreamError"), args=[ast.Constant(value=str(reason)), *_]):
            if reason not in reasons:
                yield node.lineno, f"reason {reason}: neither the failure table nor the worker's problems have it"
            yield from _personal(node, "an UpstreamError")
        case ast.Call(func=ast.Name(id="UpstreamError")):
            yield from _personal(node, "an UpstreamError")
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
            yield from _personal(node, "a log event")
        case ast.FunctionDef() | ast.AsyncFunctionDef() if _promises_value(node) and (last := _open_end(node.body)):
            yield last.lineno, f"{node.name} may end after this line without a `return`"


def _personal(call: ast.Call, what: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(call):
        if isinstance(node, ast.Attribute) and node.attr in PERSONAL:
            yield node.lineno, f"{what} quotes `{node.attr}` of an answer, which may name people: name its status"


def _promises_value(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Returns whether a function must return a value, because its annotation excludes `None`. Returns `False` without
    an annotation, for generators, and for functions without code."""
    if function.returns is None or "None" in ast.unparse(function.returns):
        return False
    is_declared_only = all(isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) for one in function.body)
    return not is_declared_only and not any(isinstance(one, ast.Yield | ast.YieldFrom) for one in ast.walk(function))


def _open_end(body: list[ast.stmt]) -> ast.stmt | None:
    """Returns a statement at which a function ends without `return`, or `None` if there is no such statement."""
    match body[-1]:
        case ast.Return() | ast.Raise() | ast.While() | ast.Expr(value=ast.Call(func=ast.Name(id="assert_never"))):
            return None
        case ast.If(body=then, orelse=[]) as last:
            return _open_end(then) or last
        case ast.If(body=then, orelse=otherwise):
            return _open_end(then) or _open_end(otherwise)
        case ast.Match(cases=cases) as last:
            is_whole = any(case.guard is None and _is_irrefutable(case.pattern) for case in cases)
            is_whole = is_whole or all(isinstance(case.pattern, ast.MatchClass) for case in cases)  # mypy checks these
            inner = next(filter(None, (_open_end(case.body) for case in cases)), None)
            return inner or (None if is_whole else last)
        case ast.With(body=inside) | ast.AsyncWith(body=inside):
            return _open_end(inside)
        case ast.Try(body=tried, handlers=handlers, orelse=otherwise):
            bodies = (otherwise or tried, *(handler.body for handler in handlers))
            return next(filter(None, map(_open_end, bodies)), None)
        case last:
            return last


def _is_irrefutable(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None
