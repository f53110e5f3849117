"""Why a change of a habilitation or a token is refused, in words for whoever asked for it."""

from __future__ import annotations


class Refused(Exception):
    """The message is shown to whoever asked."""


class Unknown(Refused):
    """No such habilitation or token."""


class Conflict(Refused):
    """Somebody else changed it since it was read."""


class Invalid(Refused):
    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
