"""Result of each part (lookup) of a dossier, as the caller gets it. A dossier is one request for several lookups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from bouquet_gateway.access.introspection import iso_time
from bouquet_gateway.call import Answer, Call
from bouquet_gateway.errors.problems import NO_PROVIDER_FAILURES, Problem, render

Status: TypeAlias = Literal["found", "not_found", "rejected", "refused", "failed"]
COMPLETE: frozenset[Status] = frozenset({"found", "not_found"})
"""Statuses of a dossier's lookup that need no second attempt: the provider has answered, with data or with "not
found"."""
REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
"""HTTP statuses for which a dossier's lookup gets the status `refused`: the caller lacks a right, or calls too
often."""
# 401 is also the answer for an unknown FranceConnect session.
BY_HTTP_STATUS: Mapping[int, Status] = {
    400: "rejected",
    404: "not_found",
    409: "rejected",
    422: "rejected",
}
"""Status of a dossier's lookup by HTTP status, if a sandbox's test case answers with an error. HTTP statuses in
`REFUSED` give `refused`, all others `failed`."""


class PartResult(Struct, frozen=True, kw_only=True):
    """Result of one lookup of a dossier (several lookups in one request). `data` or `errors` are the same as in the
    answer to a single call."""

    status: Status
    data: Raw | UnsetType = UNSET
    errors: Raw | UnsetType = UNSET
    meta: Mapping[str, Raw] | UnsetType = UNSET
    """Object `meta` of the answer to a single call; absent if empty."""
    provider: str | UnsetType = UNSET
    """Label, such as `CNAF`, of the administration that answered or failed; absent if no administration was asked."""
    obtained_at: str | UnsetType = UNSET
    """Time at which the administration answered, as ISO 8601 in UTC. Absent unless the status is `found` or
    `not_found`."""
    # For an answer from the cache, it is the time at which the answer was put there.
    cached: bool | UnsetType = UNSET
    retry_in: int | UnsetType = UNSET
    """Seconds after which a new attempt may succeed; absent if unknown."""


class PersonsResult(Struct, frozen=True):
    """Results of a lookup that a dossier repeats for several persons (`for_each`), in the order of the persons."""

    parts: Sequence[PartResult]


Result: TypeAlias = PartResult | PersonsResult


class _Body(Struct, frozen=True):
    data: Raw | UnsetType = UNSET
    errors: Raw | UnsetType = UNSET
    meta: Mapping[str, Raw] = {}


_body = msgspec.json.Decoder(_Body)


def result_of(call: Call, answer: Answer, now: datetime, cache_s: int) -> PartResult:
    """Returns the result of a call that was answered at `now`. `cache_s` is the number of seconds for which answers of
    the operation are cached."""
    body, status = _body.decode(answer.body), _status(call, answer.status)
    is_answer = status in COMPLETE and bool(call.authority)
    age_s = 0 if call.cache_expires_in_s is None else max(cache_s - call.cache_expires_in_s, 0)
    return PartResult(
        status=status,
        data=body.data,
        errors=body.errors,
        meta=body.meta or UNSET,
        provider=call.authority or UNSET,
        obtained_at=iso_time(int(now.timestamp()) - age_s) if is_answer else UNSET,
        cached=call.cache_expires_in_s is not None if is_answer else UNSET,
        retry_in=UNSET if answer.retry_after_s is None else answer.retry_after_s,
    )


def refused(reason: str) -> PartResult:
    """Returns the result of a lookup that the dossier does not make. `reason` is a key of the failure table."""
    http_status, body = render(Problem(reason), NO_PROVIDER_FAILURES, "v3")
    return PartResult(status="refused" if http_status in REFUSED else "rejected", errors=_body.decode(body).errors)


def without_source(source: Result) -> PartResult:
    """Returns the result of a lookup that has no persons, because `source`, the result of another lookup, has no data.
    Status, errors and waiting time are copied from `source`."""
    assert isinstance(source, PartResult)
    return PartResult(status=source.status, errors=source.errors, retry_in=source.retry_in)


def results_in(result: Result) -> Sequence[PartResult]:
    """Returns the results of one part (lookup) of a dossier: one for each person with `for_each`, else one."""
    return result.parts if isinstance(result, PersonsResult) else (result,)


def is_complete(result: Result) -> bool:
    return all(one.status in COMPLETE for one in results_in(result))


def _status(call: Call, http_status: int) -> Status:
    """Returns the status of a dossier's lookup, from the outcome of its call and the HTTP status of the answer."""
    # A call that the gateway refused is `rejected` for wrong parameters (422), else `refused`.
    match call.outcome:
        case _ if http_status in REFUSED:
            return "refused"
        case "failed" if call.fault == "caller" and http_status == HTTPStatus.CONFLICT:  # a sandbox simulates it
            return "refused"
        case "not_found" | "rejected" | "failed" as outcome:
            return outcome
        case "refused":
            return "rejected" if http_status == HTTPStatus.UNPROCESSABLE_ENTITY else "refused"
        case _:  # an answer with data, or a test case
            return "found" if http_status < HTTPStatus.BAD_REQUEST else BY_HTTP_STATUS.get(http_status, "failed")
