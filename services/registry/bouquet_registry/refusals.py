"""Refusals of a command or a change; their messages are shown to the caller."""

from __future__ import annotations


class Refused(Exception):
    """A refusal whose message is shown to the caller."""


class Unknown(Refused):
    """The refusal of an id that no record has."""


class Conflict(Refused):
    """The refusal of a change to a record that somebody else has changed since it was read, or of a value that only one
    record may have."""


class Invalid(Refused):
    """The refusal of invalid fields, all named in the message."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
