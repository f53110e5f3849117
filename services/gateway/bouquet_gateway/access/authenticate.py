"""Hop 3: who asks. Credential → Token or Refusal → Requester.

A credential is what a request carries; it stands for a token, or there is a reason why it does not; the requester is an
administration whose token counts, or a citizen by the session that an administration forwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice

from msgspec import Struct

from bouquet_gateway import metrics
from bouquet_gateway.access.addresses import Networks, client_of, is_in
from bouquet_gateway.access.credentials import NOWHERE, Credential, credentials_of, hash_of
from bouquet_gateway.access.rate_limit import RateLimiter
from bouquet_gateway.access.sessions import Sessions, token_of
from bouquet_gateway.access.tokens import Refusal, Token, TokenSource
from bouquet_gateway.access.unknown_bearers import Addresses
from bouquet_gateway.call import Call, HttpRequest
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.offers.catalogue import Match
from bouquet_proto import france_connect_session
from bouquet_proto.deadline import Deadline
from bouquet_proto.identity import Identite

MISSING = Refusal("token_missing")
UNKNOWN = frozenset({"token_invalid", "token_of_production", "token_of_staging"})
"""Why what a call bears is no token of ours."""
UNKNOWN_SESSION = frozenset({"session_malformed", "session_unknown"})
"""Why what a call bears is no session of FranceConnect. `identity_unusable` is told of one that is, and whose citizen
cannot be asked about."""


class Admission(Struct, frozen=True):
    """A credential that passed the checks before routing, and what it stands for: a refusal waits for its turn in the
    order of checks."""

    credential: Credential
    token: Token | Refusal
    digest: str
    """Stands for the caller where calls are told apart: hash of the token's id, or of what stands in a token's place.
    Empty without a credential."""
    is_counted: bool
    """Whether the rate limit applies."""


class Requester(Struct, frozen=True):
    """Who asks, and what they may see."""

    token: Token
    digest: str
    """That of the admission by which the requester came in."""
    citizen: Identite | None = None
    """Whom the question is about, when the requester is the citizen."""


class Authenticate:
    """Each method raises `Problem` for the first check that fails, in the order of docs/reference/contract.md §2.7."""

    def __init__(
        self,
        tokens: TokenSource,
        limiter: RateLimiter,
        sessions: Sessions | None,
        *,
        addresses: Addresses,
        exempt: frozenset[bytes] = frozenset(),
        trusted_proxies: Networks = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`sessions` is `None` where no provider opens them; `exempt` are hashes of tokens that pass rows 1 to 3;
        `clock` tells the seconds since the epoch."""
        self._tokens = tokens
        self._limiter = limiter
        self._sessions = sessions
        self._addresses = addresses
        self._exempt = exempt
        self._trusted_proxies = trusted_proxies
        self._clock = clock

    async def admit(
        self, request: HttpRequest, call: Call, deadline: Deadline, *, is_counted: bool = True
    ) -> Admission:
        """Checks blacklist, address and rate limit, which come before the route: of what is carried first, since on a
        citizen's path the rest is not looked at."""
        return await self._admit(next(credentials_of(request), NOWHERE), request, call, deadline, is_counted)

    async def identify(
        self, admission: Admission, match: Match, request: HttpRequest, call: Call, deadline: Deadline
    ) -> Requester:
        """On a FranceConnect path any bearer is a citizen's access token, even a JWT, and nothing else opens it."""
        if not match.by_session:
            return await self.identify_by_token(admission, request, call, deadline)
        credential = admission.credential
        if credential.place != "bearer":
            raise Problem("session_missing", authority=france_connect_session.AUTHORITY)
        if self._sessions is None:
            raise Problem("not_deployed", authority=france_connect_session.AUTHORITY)
        if not self._sessions.knows(credential.text, match):
            self._check_address(request)
        try:
            session = await self._sessions.open(credential.text, match, call, deadline)
        except Problem as problem:
            if problem.reasons[0] in UNKNOWN_SESSION:
                self._refuse(request)
            raise
        token = token_of(session, match.version)
        _note(call, token)
        self._addresses.accept(self._address(request))
        return Requester(token, admission.digest, session.identity)

    async def identify_by_token(
        self, admission: Admission, request: HttpRequest, call: Call, deadline: Deadline
    ) -> Requester:
        """The first carried token of ours is the call's, and it counts from then on. Whatever was carried before it is
        counted as well: nobody tries several bearers for the price of one."""
        reasons: list[str] = []
        later = islice(credentials_of(request), 1, None)
        while isinstance(admission.token, Refusal):
            reasons.append(admission.token.reason)
            credential = next(later, None)
            if credential is None:
                raise self._refusal(reasons, request, is_counted=admission.is_counted)
            admission = await self._admit(credential, request, call, deadline, admission.is_counted)
        if admission.is_counted:
            self._refuse(request, _unknown_in(reasons))
        if admission.token.expires_at <= self._clock():
            raise Problem("token_expired")
        return Requester(admission.token, admission.digest)

    def _refusal(self, reasons: list[str], request: HttpRequest, *, is_counted: bool) -> Problem:
        """Returns the refusal of the first credential that was carried; of a later one, where nobody can say whether
        that is good."""
        if is_counted and _unknown_in(reasons):
            self._check_address(request)
            self._refuse(request, _unknown_in(reasons))
        undecided = (reason for reason in reasons if reason not in UNKNOWN)
        return Problem(next(undecided, reasons[0]))

    async def _admit(
        self, credential: Credential, request: HttpRequest, call: Call, deadline: Deadline, is_counted: bool
    ) -> Admission:
        token: Token | Refusal = MISSING
        if credential.text:
            token = await self._tokens.token_of(credential, call.request_id, deadline)
        _note(call, token)
        admission = Admission(credential, token, _digest(credential, token), is_counted)
        if self._exempt and hash_of(credential.text) in self._exempt:
            return admission
        if isinstance(token, Token):
            self._check_standing(token, request)
            if token.expires_at > self._clock():
                self._addresses.accept(self._address(request))
        if is_counted:
            await self._count(admission, request, call)
        return admission

    def _check_standing(self, token: Token, request: HttpRequest) -> None:
        """Most tokens may be used from anywhere, and then nobody looks where a call comes from."""
        if token.blacklisted_at is not None and token.blacklisted_at <= self._clock():
            raise Problem("token_blacklisted")
        if token.networks is None:
            return
        if not is_in(self._address(request), token.networks):
            raise Problem("ip_forbidden")

    def _address(self, request: HttpRequest) -> str:
        return client_of(request.peer, request.forwarded_for, self._trusted_proxies)

    def _check_address(self, request: HttpRequest) -> None:
        """Of a call whose bearer nobody knows."""
        if wait_s := self._addresses.slowed_s(self._address(request)):
            metrics.UNKNOWN_BEARERS.labels("slowed").inc()
            raise Problem("too_many_requests", meta={"retry_in": wait_s})

    def _refuse(self, request: HttpRequest, bearers: int = 1) -> None:
        """Counts bearers that nobody knows, by the address that tries them."""
        for _ in range(bearers):
            metrics.UNKNOWN_BEARERS.labels("refused").inc()
            self._addresses.refuse(self._address(request))

    async def _count(self, admission: Admission, request: HttpRequest, call: Call) -> None:
        """Counted before authentication: bad calls count too, and a call without a credential does not. Version 2 has a
        budget of its own (docs/reference/contract.md §4). What is no token of ours is counted for each address apart:
        many write the same, `undefined` say."""
        key, per_minute = admission.digest, 0
        if isinstance(admission.token, Token):
            per_minute = admission.token.calls_per_minute
        elif key:
            key = f"{key} {self._address(request)}"
        allowance = await self._limiter.hit(key, per_minute, group=call.envelope)
        call.rate_limit = allowance.headers()
        if not allowance.allowed:
            raise Problem("too_many_requests", meta={"retry_in": allowance.retry_after_s})


def _note(call: Call, token: Token | Refusal) -> None:
    call.token_id, call.habilitation = (token.id, token.habilitation) if isinstance(token, Token) else ("", "")


def _unknown_in(reasons: list[str]) -> int:
    return sum(reason in UNKNOWN for reason in reasons)


def _digest(credential: Credential, token: Token | Refusal) -> str:
    if not credential.text:
        return ""
    return hash_of(token.id if isinstance(token, Token) else credential.text).hex()
