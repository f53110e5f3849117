"""`make fuzz MINUTES=n` asks for more than a test run can wait for."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-minutes", type=float, help="how long schemathesis looks for trouble, all in all")
