"""Why a question got no proper answer: the one exception that an author's code may raise, or see."""

from __future__ import annotations

import logging

from bouquet_proto.failures import FAILURES

log = logging.getLogger(__name__)


class Trouble(Exception):
    """`reason` is a row of the failure table, or of the provider's own.

    `field` is the path of what is missing or wrong in an answer, `cause` the type of the error behind: never a value.
    """

    def __init__(self, reason: str, *, field: str = "", cause: str = "", retry_in_s: int | None = None) -> None:
        super().__init__(f"{reason}: {field}" if field else reason)
        self.reason = reason
        self.field = field
        self.cause = cause
        self.retry_in_s = retry_in_s

    @property
    def word(self) -> str:
        """The reason as a metric label: those of one provider share a word."""
        return self.reason if self.reason in FAILURES else "own"

    def log(self) -> None:
        """At the level of its row. An open breaker has said so once already."""
        if self.reason == "breaker_open":
            return
        level = FAILURES[self.reason].log if self.reason in FAILURES else "warning"
        extra = {"reason": self.reason, "field": self.field, "cause": self.cause}
        log.log(logging.getLevelNamesMapping()[level.upper()], "no proper answer", extra=extra)
