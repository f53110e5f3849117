"""Conversion of failure reasons to HTTP errors, whose bodies have the form (envelope) of version 2 or 3
(docs/reference/contract.md §3.1). The failure table (bouquet_proto/failures.py) gives the code and texts for each
reason."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from bouquet_gateway.paths import Envelope, envelope_of
from bouquet_proto import failures
from bouquet_proto.access_record import Outcome
from bouquet_proto.failures import FAILURES, PLATFORM, REFUSALS, RENDERINGS, Failure, Kind
from bouquet_proto.messages import Failed, Found, Meta, NotFound, Recorded, Rejected, Reply
from bouquet_proto.offer import Authority

FailuresByReason: TypeAlias = Mapping[str, Failure]
Json: TypeAlias = dict[str, Any]

PLATFORM_ITSELF = Authority("", "00")
UPSTREAM_UNKNOWN = "upstream_unknown"
DAY_S = 24 * 3600
NO_PROVIDER_FAILURES: FailuresByReason = {}

PRECEDENCE = (
    Kind.BAD_REQUEST,
    Kind.TOO_LARGE,
    Kind.UNSUPPORTED,
    Kind.WRONG_PARAMETER,
    Kind.NETWORK,
    Kind.PROVIDER_ERROR,
    Kind.PROVIDER_UNKNOWN,
    Kind.TIMEOUT,
    Kind.LEGAL,
    Kind.UNAUTHORIZED,
    Kind.FORBIDDEN,
    Kind.IP_FORBIDDEN,
    Kind.NO_ROUTE,
    Kind.GONE,
    Kind.NOT_FOUND,
    Kind.CONFLICT,
    Kind.INTERNAL,
    Kind.TOO_MANY,
    Kind.OVERLOADED,
    Kind.MAINTENANCE,
)
"""Kinds of failures in the order of precedence, highest first. In an answer with several errors, the kind with the
highest precedence decides the HTTP status."""

BEFORE_ROUTING = frozenset({"token_blacklisted", "ip_forbidden", "too_many_requests"})
"""Reasons to refuse a request before its path is matched to an operation. The error's body has version 2's form below
`/api/v2/`, and version 3's everywhere else (docs/reference/contract.md §3.1)."""

V3_OUTSIDE_V2_PATHS = BEFORE_ROUTING | {"unknown_operation"}
"""Reasons of errors whose body has version 2's form below `/api/v2/`, and version 3's form at every other path."""
# Any other error has the form of version 2 at every path below `/api/`, such as `/api/introspect`. That form shows no
# error codes, which callers of `/api/errors` need; only this path answers `unknown_operation`.

GATEWAY_ONLY = frozenset({"session_missing", *PLATFORM} - {"bus_unavailable"})
"""Reasons that only the gateway may give, such as an expired token. Outside of a sandbox, a worker's reply with such a
reason counts as `upstream_unknown`."""
# The client of the bus gives `bus_unavailable` in place of a worker's reply.


OUTAGES = frozenset({502, 503, 504})
NOT_SENT = frozenset({"provider_busy", "quota_spent"})
"""Reasons of failures in which the gateway or the worker did not send the lookup to the upstream."""

OUTCOMES: dict[type[Reply], Outcome] = {NotFound: "not_found", Rejected: "rejected", Failed: "failed"}


class Problem(Exception):
    """Error with which the gateway answers a call. `reasons` are keys of the failure table, which has the error's code
    and texts. `values` fill the placeholders in the texts; `meta` is added to each error in version 3."""

    # There is one reason, or the codes of several wrong parameters. `outcome` is the outcome of the provider's reply;
    # `None` if no provider was asked, or none replied. `pointers` are the JSON pointers of the wrong fields of a body,
    # one for each reason; each becomes the `source` of its error.

    def __init__(
        self,
        *reasons: str,
        authority: Authority = PLATFORM_ITSELF,
        meta: Meta | None = None,
        values: Mapping[str, str | int] | None = None,
        outcome: Outcome | None = None,
        pointers: Sequence[str] = (),
    ) -> None:
        super().__init__(*reasons)
        self.reasons = reasons
        self.authority = authority
        self.meta = meta or {}
        self.outcome = outcome
        self.pointers = pointers
        self.values: Mapping[str, str | int] = {"provider": authority.label, **(values or {})}

    @classmethod
    def of(
        cls,
        reply: Reply,
        authority: Authority,
        allowed_reasons: Container[str] | None = None,
        *,
        is_sandbox: bool = False,
    ) -> Problem:
        """Converts a worker's reply without data to the error that the caller gets. The error names `authority`. The
        reason is the worker's, or `upstream_unknown` if `is_credible` is false."""
        # A reply with data is unexpected here, and becomes `upstream_unknown` too.
        if isinstance(reply, Found | Recorded):
            return cls(UPSTREAM_UNKNOWN, authority=authority, outcome="failed")
        reason = reply.reason if is_credible(reply, allowed_reasons, is_sandbox=is_sandbox) else UPSTREAM_UNKNOWN
        retry_in_s = reply.retry_in_s if isinstance(reply, Failed) else None
        wait: Meta = {} if retry_in_s is None else {"retry_in": retry_in_s}
        return cls(reason, authority=authority, meta=reply.meta | wait, outcome=OUTCOMES[type(reply)])


def is_credible(
    reply: NotFound | Rejected | Failed, allowed_reasons: Container[str] | None, *, is_sandbox: bool = False
) -> bool:
    """Returns whether a worker may give the reason in its reply. Only reasons in `allowed_reasons` are credible; `None`
    stands for all. Outside of a sandbox, the reasons in `GATEWAY_ONLY` are not credible."""
    # Outside of a sandbox, a `Failed` reply may not give a reason that belongs to a `Rejected` reply.
    # Only a `Rejected` reply refuses the question. In a sandbox, test cases also show refusals by the gateway.
    disbelieved = GATEWAY_ONLY | REFUSALS.keys() if isinstance(reply, Failed) else GATEWAY_ONLY
    return (is_sandbox or reply.reason not in disbelieved) and (
        allowed_reasons is None or reply.reason in allowed_reasons
    )


def error_envelope(reasons: Iterable[str], path: str) -> Envelope:
    """Returns the form (envelope) of an error's body, `v2` or `v3`, from the error's reasons and the request's path."""
    return "v3" if V3_OUTSIDE_V2_PATHS.issuperset(reasons) and "/api/v2/" not in path else envelope_of(path)


def render(problem: Problem, provider_failures: FailuresByReason, envelope: Envelope) -> tuple[int, bytes]:
    """Returns the HTTP status and the JSON body of a problem, in the form of version 2 or 3 (`envelope`).
    `provider_failures` are the rows that the operation's provider adds to the failure table."""
    rows = [failure_of(reason, provider_failures) for reason in problem.reasons]
    if envelope == "v2":
        return RENDERINGS[rows[0].kind].v2_status, msgspec.json.encode(_v2(rows[0], problem))
    kind = min((row.kind for row in rows), key=PRECEDENCE.index)
    sources = [{"pointer": pointer} for pointer in problem.pointers] or [row.source for row in rows]
    errors = [_v3(row, problem, source) for row, source in zip(rows, sources, strict=True)]
    return RENDERINGS[kind].v3_status, msgspec.json.encode({"errors": errors})


def retry_after(problem: Problem, provider_failures: FailuresByReason = NO_PROVIDER_FAILURES) -> int | None:
    """Returns the seconds after which a new attempt may succeed, from 0 to 86,400 (one day); `None` if unknown.
    `provider_failures` are the rows that the operation's provider adds to the failure table."""
    return longest_wait(
        _meta(failure_of(reason, provider_failures), problem).get("retry_in") for reason in problem.reasons
    )


def longest_wait(waits: Iterable[object]) -> int | None:
    """Returns the longest of the valid waits, in seconds, or `None` if none is valid. A wait is valid if it is an
    integer from 0 to 86,400 (one day)."""
    return max((wait for wait in waits if type(wait) is int and 0 <= wait <= DAY_S), default=None)


def is_outage(reply: Reply, provider_failures: FailuresByReason = NO_PROVIDER_FAILURES) -> bool | None:
    """Returns whether a reply shows that the provider is out of service. Returns `None` if the lookup was not sent to
    the upstream. `provider_failures` are the rows that the provider adds to the failure table."""
    if isinstance(reply, Failed) and reply.reason in NOT_SENT:
        return None
    return (
        isinstance(reply, Failed) and RENDERINGS[failure_of(reply.reason, provider_failures).kind].v3_status in OUTAGES
    )


def failure_of(reason: str, provider_failures: FailuresByReason = NO_PROVIDER_FAILURES) -> Failure:
    """Returns the row of the failure table for a reason, from the rows common to all providers or from
    `provider_failures`. Returns the row `upstream_unknown` if neither has the reason."""
    return failures.failure_of(reason, provider_failures) or FAILURES[UPSTREAM_UNKNOWN]


def detail_of(problem: Problem) -> str:
    """Returns the French text of a problem's first error, with its placeholders filled."""
    return _detail(failure_of(problem.reasons[0]), problem)


def _v3(row: Failure, problem: Problem, source: Mapping[str, str]) -> Json:
    item: Json = {
        "code": row.code_of(problem.authority.prefix),
        "title": row.title,
        "detail": _detail(row, problem),
        "source": source,
        "meta": _meta(row, problem),
    }
    return {name: value for name, value in item.items() if value or name != "source"}


def _v2(row: Failure, problem: Problem) -> Json:
    detail = _detail(row, problem)
    if row.v2_flat:
        return {"errors": [detail]}
    word = row.v2_word or RENDERINGS[row.kind].v2_word
    return {"error": word, "reason": row.v2_reason or detail, "message": detail}


def _meta(row: Failure, problem: Problem) -> Meta:
    provider = row.provider or (problem.authority.label if row.has_authority_prefix else "")
    wait: Meta = {"retry_in": row.retry_in_s} if row.retry_in_s else {}
    return wait | problem.meta | ({"provider": provider} if provider else {})


def _detail(row: Failure, problem: Problem) -> str:
    # Not `str.format`: the text may come from a worker.
    detail = row.detail
    for name, value in problem.values.items():
        detail = detail.replace(f"{{{name}}}", str(value))
    return detail
