"""Reading of the social-security hub's answers without data: refusals, unknown people and failures
(docs/reference/upstreams/hub.md §3)."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from bouquet_proto.failures import REFUSALS
from bouquet_proto.messages import Meta
from bouquet_proto.quotient_familial import NO_FILE, REFUSED, UNATTACHED, UNIDENTIFIED
from bouquet_worker import Answer, Identite, NotFound, Rejected, UpstreamError, to_ascii

log = logging.getLogger(__name__)

FUND_HEADER = "X-APISECU-FD"
"""Header of the social-security hub's answers with the code of the answer's source: CNAF, MSA or the directory
RNCPS."""
Fund: TypeAlias = Literal["CNAF", "MSA", "RNCPS"]
FUNDS: dict[str, Fund] = {"00810011": "CNAF", "00171001": "MSA", "99430000": "RNCPS"}
NO_FILE_BY_FUND: Mapping[Fund, str] = dict.fromkeys(FUNDS.values(), NO_FILE)
"""Maps each provider behind the social-security hub to the usual reason for its 404: `NO_FILE`. Some operations have
other reasons (docs/reference/upstreams/regime.md §2)."""
# A 404 without the header `FUND_HEADER` is a failure, unless its error code tells the reason.
FAILURES = {429: "upstream_rate_limited", 500: "upstream_internal"}
"""Maps HTTP statuses of the social-security hub's failed answers to reasons of failure. For any other failed answer,
the reason is `upstream_unknown`."""

BAD_REQUESTS: Mapping[int | None, str] = {
    # The failure table says of each reason whether the caller, the platform or the provider is at fault.
    40000: "upstream_internal",
    40001: REFUSED,
    40002: REFUSED,
    40003: REFUSED,
    40005: REFUSED,
    40013: REFUSED,
    40024: "upstream_internal",
}
"""Maps the social-security hub's error codes in a 400 to the reasons that the worker reports. For any other code, the
reason is `upstream_unknown`."""
MALFORMED_REQUESTS = frozenset({40001, 40002, 40003, 40005})
"""Error codes by which the social-security hub says that a request is malformed. The worker logs a warning."""
# The gateway should have refused the caller's request.
MESSAGE_LENGTH = 200
MIN_HIDDEN_DIGITS = 6
"""Smallest number of digits for which a message of the social-security hub is hidden from callers, as it may identify a
person."""

Code = Annotated[int, msgspec.Meta(ge=0, le=99_999)]
"""Error code of the social-security hub, of at most five digits. A longer number is not accepted, as it might be a
social security number."""


class Error(Struct, frozen=True):
    """Error in the body of the social-security hub's answer: its code and its message, each `None` if missing."""

    code: Code | None = field(name="errorCode", default=None)
    text: str | None = field(name="error", default=None)


def fund_of(answer: Answer) -> Fund | None:
    """Returns the provider that the header `FUND_HEADER` of an answer names; `None` if the header is missing or has an
    unknown value (docs/reference/upstreams/hub.md §1)."""
    return FUNDS.get(answer.headers.get(FUND_HEADER, ""))


def refusal_of(
    answer: Answer,
    who: Identite,
    absences: Mapping[Fund, str] = NO_FILE_BY_FUND,
    bad_requests: Mapping[int | None, str] = BAD_REQUESTS,
) -> NotFound | Rejected | None:
    """Returns `NotFound` if no provider behind the social-security hub has a file about the person. Returns `Rejected`
    if the hub cannot identify the person or refuses the request. Returns `None` for an answer with data (status 200),
    and raises `UpstreamError` for any other answer.

    Args:
        answer: The hub's answer.
        who: The person asked about. A message of the hub that quotes this identity is not shown to the caller.
        absences: Reason to report for a 404, by the provider that the header `FUND_HEADER` names.
        bad_requests: Reason to report for a 400, by the error code in its body.
    """
    # An error code for an unknown person counts even if the header names a provider.
    if answer.status == 200:
        return None
    match answer.status, _error_in(answer.body), fund_of(answer):
        case 404, Error(code=40409), _:  # SNGI: nobody has this civil status
            return Rejected(UNIDENTIFIED)
        case 404, Error(code=40406 | 40412), _:  # RNCPS: attached to no fund
            return NotFound(UNATTACHED)
        case 404, Error(), ("CNAF" | "MSA" | "RNCPS") as fund:
            return NotFound(absences[fund])
        case 400, Error() as error, _ if (reason := bad_requests.get(error.code)) in REFUSALS:
            if error.code in MALFORMED_REQUESTS:
                log.warning("hub refused the form of a question", extra={"error_code": error.code})
            return Rejected(reason, meta=_shown_error(error, who))
        case 400, error, _:
            code = error.code if error else None
            raise UpstreamError(bad_requests.get(code, "upstream_unknown"), cause=f"HTTP 400, error code {code}")
        case status, _, fund:
            raise UpstreamError(FAILURES.get(status, "upstream_unknown"), cause=f"HTTP {status} by {fund or 'nobody'}")


def _error_in(body: bytes) -> Error | None:
    try:
        return msgspec.json.decode(body, type=Error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _shown_error(error: Error, who: Identite) -> Meta:
    """Returns what the caller is shown of the social-security hub's error: its code and its message. Leaves out a
    message that may identify `who`, the person asked about."""
    meta: Meta = {}
    if error.code is not None:
        meta["provider_error_code"] = error.code
    if error.text is not None and not _mentions(error.text, who) and not _holds_a_number(error.text):
        meta["provider_error_message"] = error.text[:MESSAGE_LENGTH]
    return meta


def _holds_a_number(text: str) -> bool:
    """Returns whether a text contains `MIN_HIDDEN_DIGITS` digits or more, which may identify a person."""
    return sum(char.isdigit() for char in text) >= MIN_HIDDEN_DIGITS


def _mentions(text: str, who: Identite) -> bool:
    """Returns whether a text contains a word or a number of the person's identity, such as a name. Letter case and
    accents do not matter."""
    # A word of one or two letters counts only as a whole word of the text.
    text, words = _folded(text), _words(text)
    return any(word in words or (len(word) > 2 and word in text) for word in _words(*_texts(who)))


def _texts(who: Identite) -> list[str]:
    """Returns all values of an identity except the sex, as texts."""
    # A message that mentions a sex quotes nobody.
    anonymous = msgspec.structs.replace(who, prenoms=(), sexe_etat_civil=None)
    values = (*msgspec.structs.astuple(anonymous), *who.prenoms, who.date_naissance())
    return [str(value) for value in values if value]


def _words(*texts: str) -> set[str]:
    return {word for text in texts for word in re.findall(r"\w+", _folded(text))}


def _folded(text: str) -> str:
    return "".join(to_ascii(char) or "" for char in text).casefold()
