"""Errors for a command or a change that the registry refuses, with messages for the caller."""

from __future__ import annotations


class RefusalError(Exception):
    """Error that refuses a command or a change, with a message for the caller."""


class UnknownRecord(RefusalError):
    """Refusal because no record has the given id or name. The message does not repeat the id."""

    # The id may be any text.


class Conflict(RefusalError):
    """Refusal of a change: somebody else has changed the record, or another record already has a value that must be
    unique."""


class InvalidFields(RefusalError):
    """Refusal of fields with invalid values. The message names each of these fields."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        """Descriptions of the faults, each as `field: problem`."""
