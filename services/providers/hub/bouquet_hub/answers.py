"""Refusals, absences and failures in the social-security hub's answers, told apart by the same tables for every benefit
(docs/reference/upstreams/hub.md §3)."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from bouquet_proto.failures import REFUSALS
from bouquet_proto.letters import to_ascii
from bouquet_proto.messages import Meta
from bouquet_proto.quotient_familial import NO_FILE, REFUSED, UNATTACHED, UNIDENTIFIED
from bouquet_worker import Answer, Identite, NotFound, Rejected, UpstreamError

log = logging.getLogger(__name__)

FUND_HEADER = "X-APISECU-FD"
"""Header that names the provider behind the hub: CNAF, MSA or the directory RNCPS."""
Fund: TypeAlias = Literal["CNAF", "MSA", "RNCPS"]
FUNDS: dict[str, Fund] = {"00810011": "CNAF", "00171001": "MSA", "99430000": "RNCPS"}
NO_FILE_ANYWHERE: Mapping[Fund, str] = dict.fromkeys(FUNDS.values(), NO_FILE)
"""Reason of the absence in a 404, by the provider that `FUND_HEADER` names; here it is the same for all. A 404 without
this header is a failure (docs/reference/upstreams/regime.md §2)."""
FAILURES = {429: "upstream_rate_limited", 500: "upstream_internal"}
"""Reasons of failures by HTTP status; any other status is `upstream_unknown`."""

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
"""Reasons by error code of a 400. Any other code is `upstream_unknown`, until it is understood and gets a row."""
PREVENTABLE = frozenset({40001, 40002, 40003, 40005})
"""Error codes of a malformed question, which a gateway should have refused by the contract's rules. The worker logs
them."""
MESSAGE_LENGTH = 200
NUMBER_DIGITS = 6
"""Least number of digits in a message of the hub that keeps it from callers, since it may contain the number of a
person, a file or a place."""

Code = Annotated[int, msgspec.Meta(ge=0, le=99_999)]
"""Type of an error code, of five digits at most: a longer number might be a social security number."""


class Error(Struct, frozen=True):
    """The body of the hub's own error."""

    code: Code | None = field(name="errorCode", default=None)
    text: str | None = field(name="error", default=None)


def fund_of(answer: Answer) -> Fund | None:
    """Returns the provider that an answer's `FUND_HEADER` names, or `None`: a directory of people answers without the
    header (docs/reference/upstreams/hub.md §1)."""
    return FUNDS.get(answer.headers.get(FUND_HEADER, ""))


def refusal_of(
    answer: Answer,
    who: Identite,
    absences: Mapping[Fund, str] = NO_FILE_ANYWHERE,
    bad_requests: Mapping[int | None, str] = BAD_REQUESTS,
) -> NotFound | Rejected | None:
    """Returns the refusal or the absence that an answer states, or `None` for a 200, which has a household's file or
    data.

    Raises `UpstreamError` for any other answer. Error codes decide before the header, since a directory may send the
    header too some day.

    Args:
        answer: The hub's answer.
        who: The person in question, whom the hub's message may quote.
        absences: Reasons of a 404, by the provider that signed it.
        bad_requests: Reasons of a 400, by error code.
    """
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
            if error.code in PREVENTABLE:
                log.warning("hub refused the form of a question", extra={"error_code": error.code})
            return Rejected(reason, meta=_complaint(error, who))
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


def _complaint(error: Error, who: Identite) -> Meta:
    """Returns the code and the message of the hub's error, to be shown to the caller. A message that may quote the
    person is left out."""
    meta: Meta = {}
    if error.code is not None:
        meta["provider_error_code"] = error.code
    if error.text is not None and not _mentions(error.text, who) and not _holds_a_number(error.text):
        meta["provider_error_message"] = error.text[:MESSAGE_LENGTH]
    return meta


def _holds_a_number(text: str) -> bool:
    """Returns whether a message contains many digits, and so perhaps a number of a person, a file or a place."""
    return sum(char.isdigit() for char in text) >= NUMBER_DIGITS


def _mentions(text: str, who: Identite) -> bool:
    """Returns whether a text contains a word of the identity, whatever its accents and case. A word of one or two
    letters must be a whole word of the text."""
    text, words = _folded(text), _words(text)
    return any(word in words or (len(word) > 2 and word in text) for word in _words(*_texts(who)))


def _texts(who: Identite) -> list[str]:
    """Returns the values of an identity as texts, without the sex: a message of the hub that mentions it quotes
    nobody."""
    anonymous = msgspec.structs.replace(who, prenoms=(), sexe_etat_civil=None)
    values = (*msgspec.structs.astuple(anonymous), *who.prenoms, who.date_naissance())
    return [str(value) for value in values if value]


def _words(*texts: str) -> set[str]:
    return {word for text in texts for word in re.findall(r"\w+", _folded(text))}


def _folded(text: str) -> str:
    return "".join(to_ascii(char) or "" for char in text).casefold()
