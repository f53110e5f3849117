"""Wrapper for secret texts that keeps them out of logs."""

from __future__ import annotations


class Secret:
    """Secret text. `repr` and `str` hide the value, which only `reveal()` returns."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __bool__(self) -> bool:
        return bool(self._value)
