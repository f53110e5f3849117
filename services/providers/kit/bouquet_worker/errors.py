"""The one exception of the kit: an upstream gave no usable answer."""

from __future__ import annotations

import logging

from bouquet_proto.failures import FAILURES

log = logging.getLogger(__name__)


class UpstreamError(Exception):
    """An upstream gave no usable answer; the worker's reply is a failure of that `reason`.

    `reason` is a row of the failure table, or of the provider's own. `field` is the path of the field that is missing
    or wrong in an answer, `cause` the type of the error behind or the HTTP status: never a value.
    """

    def __init__(self, reason: str, *, field: str = "", cause: str = "", retry_in_s: int | None = None) -> None:
        super().__init__(f"{reason}: {field}" if field else reason)
        self.reason = reason
        self.field = field
        self.cause = cause
        self.retry_in_s = retry_in_s

    @property
    def label(self) -> str:
        """The reason as a metric label; a provider's own reasons share `own`."""
        return self.reason if self.reason in FAILURES else "own"

    def log(self) -> None:
        """Logs the error at the level of its row in the failure table. An open breaker was logged as it opened."""
        if self.reason == "breaker_open":
            return
        level = FAILURES[self.reason].log if self.reason in FAILURES else "warning"
        extra = {"reason": self.reason, "field": self.field, "cause": self.cause}
        log.log(logging.getLevelNamesMapping()[level.upper()], "no proper answer", extra=extra)
