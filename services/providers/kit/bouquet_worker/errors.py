"""Exception that is raised if an upstream gives no usable answer."""

from __future__ import annotations

import logging

from bouquet_proto.failures import FAILURES

log = logging.getLogger(__name__)


class UpstreamError(Exception):
    """Error for an upstream that gave no usable answer. The worker replies to the gateway with a failure that has the
    same reason.

    Args:
        reason: Reason of the failure: a key of the failure table (`bouquet_proto.failures.FAILURES`), or of the
            worker's own table `problems`.
        field: Path of the field that is missing or wrong in the answer, never its value.
        cause: Type of the underlying error, or the HTTP status, for the log.
        retry_in_s: Seconds after which the caller may try again; `None` if unknown.
    """

    def __init__(self, reason: str, *, field: str = "", cause: str = "", retry_in_s: int | None = None) -> None:
        super().__init__(f"{reason}: {field}" if field else reason)
        self.reason = reason
        self.field = field
        self.cause = cause
        self.retry_in_s = retry_in_s

    @property
    def label(self) -> str:
        """Reason as the value of a metric label. A reason outside the shared failure table (`FAILURES`) becomes
        `own`."""
        return self.reason if self.reason in FAILURES else "own"

    def log(self) -> None:
        """Logs the error at the level that the shared failure table (`FAILURES`) gives for its reason. A worker's own
        reason is a `warning`. `breaker_open` is not logged, since the circuit breaker logs when it opens."""
        if self.reason == "breaker_open":
            return
        level = FAILURES[self.reason].log if self.reason in FAILURES else "warning"
        extra = {"reason": self.reason, "field": self.field, "cause": self.cause}
        log.log(logging.getLevelNamesMapping()[level.upper()], "upstream gave no usable answer", extra=extra)


def words_of(error: UpstreamError) -> str:
    """Returns the reason of an error, followed by the field and the cause if known, such as `upstream_unknown,
    credentials refused`."""
    return ", ".join(filter(None, (error.reason, error.field, error.cause)))
