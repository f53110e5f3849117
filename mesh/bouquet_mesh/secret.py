"""A value that no log shows."""

from __future__ import annotations


class Secret:
    """A value that no log, repr or f-string shows. `reveal()` is the only way in, and easy to grep for."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __bool__(self) -> bool:
        return bool(self._value)
