"""Commands of `bouquet-registry` that run within the tests' process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest

from bouquet_registry.__main__ import main

Run: TypeAlias = Callable[..., Any]
"""Function that runs a command, given as its arguments, and returns what the command prints as JSON."""


def with_reason(arguments: Sequence[str]) -> tuple[str, ...]:
    """Returns the arguments of a command with a reason for the act, unless they give one."""
    return (*arguments,) if "--why" in arguments else (*arguments, "--why", "ticket 12")


def refused_command(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 1) -> str:
    """Runs a command that must fail with the exit status `status` and print nothing on standard output. Returns its
    text on standard error."""
    assert main(with_reason(arguments)) == status
    out, err = capsys.readouterr()
    assert out == ""
    return err
