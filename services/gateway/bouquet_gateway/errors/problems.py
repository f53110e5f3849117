"""From a reason to an HTTP error: the failure table rendered in the v2 or the v3 envelope
(docs/reference/contract.md §3.1)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from bouquet_gateway.paths import Envelope, envelope_of
from bouquet_proto import failures
from bouquet_proto.access_record import Outcome
from bouquet_proto.failures import FAILURES, PLATFORM, REFUSALS, RENDERINGS, Failure, Kind
from bouquet_proto.messages import Failed, Found, Meta, NotFound, Recorded, Rejected, Reply
from bouquet_proto.offer import Authority

Rows: TypeAlias = Mapping[str, Failure]
Json: TypeAlias = dict[str, Any]

PLATFORM_ITSELF = Authority("", "00")
UNKNOWN = "upstream_unknown"
DAY_S = 24 * 3600
NO_ROWS: Rows = {}

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
"""Whose HTTP status it is when an answer tells several failures."""

EARLY = frozenset({"token_blacklisted", "ip_forbidden", "too_many_requests"})
"""Answered before routing, and so in v2's form under `/api/v2/` alone (docs/reference/contract.md §3.1)."""

V3_ALONE = EARLY | {"unknown_operation"}
"""The list of errors tells codes, and so its own refusal does."""

OURS_ALONE = frozenset({"session_missing", *(reason for reason, row in PLATFORM.items() if row.fault == "caller")})
"""What only the gateway can know of a call: a worker that says it is not believed."""


OUTAGES = frozenset({502, 503, 504})
NOT_ASKED = frozenset({"provider_busy", "quota_spent"})
"""Refusals of ours, which spare a provider or another caller."""

OUTCOMES: dict[type[Reply], Outcome] = {NotFound: "not_found", Rejected: "rejected", Failed: "failed"}


class Problem(Exception):
    """Why a request has no data: one reason, or the codes of several wrong parameters.

    `values` fill the placeholders of the texts; `meta` goes to the client as it is. `outcome` is what a provider's
    answer was, `None` where none was asked or heard.
    """

    def __init__(
        self,
        *reasons: str,
        authority: Authority = PLATFORM_ITSELF,
        meta: Meta | None = None,
        values: Mapping[str, str | int] | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        super().__init__(*reasons)
        self.reasons = reasons
        self.authority = authority
        self.meta = meta or {}
        self.outcome = outcome
        self.values: Mapping[str, str | int] = {"provider": authority.label, **(values or {})}

    @classmethod
    def of(
        cls, reply: Reply, authority: Authority, offered: Container[str] | None = None, *, is_sandbox: bool = False
    ) -> Problem:
        """What a worker answered, in the name of the authority that it asked, as far as it is credible."""
        if isinstance(reply, Found | Recorded):
            return cls(UNKNOWN, authority=authority, outcome="failed")
        reason = reply.reason if is_credible(reply, offered, is_sandbox=is_sandbox) else UNKNOWN
        retry_in_s = reply.retry_in_s if isinstance(reply, Failed) else None
        wait: Meta = {} if retry_in_s is None else {"retry_in": retry_in_s}
        return cls(reason, authority=authority, meta=reply.meta | wait, outcome=OUTCOMES[type(reply)])


def is_credible(
    reply: NotFound | Rejected | Failed, offered: Container[str] | None, *, is_sandbox: bool = False
) -> bool:
    """Whether a worker may say that: not what we alone can know, nor what it did not offer to say, where we know what
    it did, nor a refusal as a failure. A sandbox is believed: its cases show our own refusals too."""
    disbelieved = OURS_ALONE | REFUSALS.keys() if isinstance(reply, Failed) else OURS_ALONE
    return (is_sandbox or reply.reason not in disbelieved) and (offered is None or reply.reason in offered)


def form_of(reasons: Iterable[str], path: str) -> Envelope:
    """The envelope of an error, on the path that was asked."""
    return "v3" if V3_ALONE.issuperset(reasons) and "/api/v2/" not in path else envelope_of(path)


def render(problem: Problem, own: Rows, envelope: Envelope) -> tuple[int, bytes]:
    """HTTP status and JSON body. `own` are the provider's rows, by reason."""
    rows = [failure_of(reason, own) for reason in problem.reasons]
    if envelope == "v2":
        return RENDERINGS[rows[0].kind].v2_status, msgspec.json.encode(_v2(rows[0], problem))
    kind = min((row.kind for row in rows), key=PRECEDENCE.index)
    return RENDERINGS[kind].v3_status, msgspec.json.encode({"errors": [_v3(row, problem) for row in rows]})


def retry_after(problem: Problem, own: Rows = NO_ROWS) -> int | None:
    """Seconds, where a new attempt has a time at which it may succeed. A worker's word counts up to a day."""
    return longest_wait(_meta(failure_of(reason, own), problem).get("retry_in") for reason in problem.reasons)


def longest_wait(told: Iterable[object]) -> int | None:
    """Of what others say, in seconds: nothing but whole numbers up to a day counts."""
    return max((wait for wait in told if type(wait) is int and 0 <= wait <= DAY_S), default=None)


def is_outage(reply: Reply, own: Rows = NO_ROWS) -> bool | None:
    """Whether the call ends 502, 503 or 504: nobody has answered the question. `None`: we have not put it, which says
    nothing of the provider."""
    if isinstance(reply, Failed) and reply.reason in NOT_ASKED:
        return None
    return isinstance(reply, Failed) and RENDERINGS[failure_of(reply.reason, own).kind].v3_status in OUTAGES


def failure_of(reason: str, own: Rows = NO_ROWS) -> Failure:
    """A reason that nobody has a row for is a trouble that we do not know."""
    return failures.failure_of(reason, own) or FAILURES[UNKNOWN]


def _v3(row: Failure, problem: Problem) -> Json:
    item: Json = {
        "code": row.code_of(problem.authority.prefix),
        "title": row.title,
        "detail": _detail(row, problem),
        "source": row.source,
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
    """Not `str.format`: the text may come from a worker."""
    detail = row.detail
    for name, value in problem.values.items():
        detail = detail.replace(f"{{{name}}}", str(value))
    return detail
