"""Authentication of callers. A caller is an administration with a token, or an administration that forwards a citizen's
FranceConnect session."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Literal

from msgspec import Struct

from bouquet_gateway import metrics
from bouquet_gateway.access.addresses import Networks, client_address, is_in_networks
from bouquet_gateway.access.credentials import NO_CREDENTIAL, Credential, credentials_of, digest_of_id, hash_of
from bouquet_gateway.access.delegations import acting_token
from bouquet_gateway.access.rate_limit import MINUTE_S, Limit, RateLimiter
from bouquet_gateway.access.sessions import Sessions, token_of
from bouquet_gateway.access.tokens import CredentialRefusal, Rights, Token, TokenSource
from bouquet_gateway.access.unknown_bearers import AddressThrottle
from bouquet_gateway.access.unknown_recipients import RecipientThrottle
from bouquet_gateway.call import Call, HttpRequest
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.offers.catalogue import Match
from bouquet_proto import france_connect_session
from bouquet_proto.deadline import Deadline
from bouquet_proto.identity import Identite
from bouquet_proto.query import parse_query

TOKEN_MISSING = CredentialRefusal("token_missing")
UNKNOWN_TOKEN_REASONS = frozenset({"token_invalid", "token_of_production", "token_of_staging"})
"""Reasons for refusing a credential that is not a token of this environment (production or staging). Each refusal
counts against the caller's IP address (`AddressThrottle`)."""
UNKNOWN_SESSION_REASONS = frozenset({"session_malformed", "session_unknown"})
"""Reasons for refusing a bearer token that does not belong to a FranceConnect session. Each refusal counts against the
caller's IP address (`AddressThrottle`)."""


class Admission(Struct, frozen=True):
    """Result of the first checks of a request, before its operation is known: its credential, and the credential's
    token or the reason to refuse it."""

    # A refusal does not end the call yet, since another credential of the request may be valid, or this one may belong
    # to a FranceConnect session.

    credential: Credential
    token: Token | CredentialRefusal
    digest: str
    """SHA-256, in hexadecimal, that identifies the caller: of the token's id or, without a valid token, of the
    credential's text. Empty without a credential."""
    is_rate_limited: bool
    """Whether the rate limit applies to this call. False for `/api/introspect` and `/v3/token/introspect`, true for all
    other paths."""
    undelegated: CredentialRefusal | None = None
    """Reason why a software editor's valid token gives no rights in this call. For example, `recipient` is missing, or
    has delegated nothing to the editor. `None` for all other calls."""

    @property
    def may_be_session(self) -> bool:
        """Whether the credential may belong to a FranceConnect session: it is a bearer token, but none of Bouquet's."""
        is_unknown = isinstance(self.token, CredentialRefusal) and self.token.reason in UNKNOWN_TOKEN_REASONS
        return self.credential.place == "bearer" and is_unknown


class Requester(Struct, frozen=True):
    """Authenticated caller: an administration or software editor with its token, or a citizen. The gateway makes a
    citizen's token from the FranceConnect session."""

    token: Token
    digest: str
    """Hash (SHA-256, hexadecimal) that identifies the caller, the same as `Admission.digest`."""
    undelegated: CredentialRefusal | None = None
    """Reason why a software editor's token gives no rights in this call, the same as `Admission.undelegated`."""
    citizen: Identite | None = None
    """Identity of the citizen whose FranceConnect session was forwarded; `None` without a session."""


class Authenticator:
    """Service that authenticates callers, with checks in the order of docs/reference/contract.md §2.7. Each method
    raises `Problem` for the first check that fails."""

    def __init__(
        self,
        tokens: TokenSource,
        limiter: RateLimiter,
        sessions: Sessions,
        *,
        addresses: AddressThrottle,
        recipients: RecipientThrottle | None = None,
        exempt: frozenset[bytes] = frozenset(),
        trusted_proxies: Networks = (),
        rate_limit_per: Literal["token", "habilitation"] = "token",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Takes the sources of tokens and FranceConnect sessions, and the limits on callers.

        `recipients` limits software editors' calls for administrations that delegate nothing to them; `None` sets no
        limit. `exempt` holds the SHA-256 of tokens that skip the checks of blacklist, address and rate limit.
        `rate_limit_per` says whether each token has a rate limit of its own, or all tokens of a habilitation share one.
        `clock` returns the seconds since the epoch.
        """
        self._tokens = tokens
        self._limiter = limiter
        self._sessions = sessions
        self._addresses = addresses
        self._recipients = recipients
        self._exempt = exempt
        self._trusted_proxies = trusted_proxies
        self._per_habilitation = rate_limit_per == "habilitation"
        self._clock = clock

    async def admit(
        self, request: HttpRequest, call: Call, deadline: Deadline, *, is_rate_limited: bool = True
    ) -> Admission:
        """Checks the first credential of a request, and counts the call unless `is_rate_limited` is false. If the
        credential is not a valid token, the result holds the reason to refuse it.

        Raises `Problem` if the token is blacklisted, has exceeded a rate limit, or is used from a forbidden address.
        """
        # The path of the request is matched to an operation only after these checks.
        return await self._admit(next(credentials_of(request), NO_CREDENTIAL), request, call, deadline, is_rate_limited)

    async def identify(
        self, admission: Admission, match: Match, request: HttpRequest, call: Call, deadline: Deadline
    ) -> Requester:
        """Returns the caller of the operation in `match`. Most operations need a token of Bouquet; operations with the
        modality `france_connect` need the bearer token of a citizen's session. `admission` is the result of the
        request's first checks.

        Raises `Problem` if the token is missing or invalid, or if a software editor has no delegated habilitation.
        """
        if not match.by_session:
            requester = await self.identify_by_token(admission, request, call, deadline)
            if requester.undelegated is not None:
                raise Problem(requester.undelegated.reason)
            return requester
        credential = admission.credential
        if credential.place != "bearer":
            raise Problem("session_missing", authority=france_connect_session.AUTHORITY)
        if not self._sessions.is_recent(credential.text, match):
            self._check_throttle(request)
        try:
            session = await self._sessions.open(credential.text, match, call, deadline)
        except Problem as problem:
            if problem.reasons[0] in UNKNOWN_SESSION_REASONS:
                self._count_refused(request)
            raise
        token = token_of(session, match.version)
        _note_token(call, token)
        self._addresses.count_accepted(self._address(request))
        return Requester(token, admission.digest, citizen=session.identity)

    async def identify_by_token(
        self, admission: Admission, request: HttpRequest, call: Call, deadline: Deadline
    ) -> Requester:
        """Returns the caller, identified by the first of the request's credentials that is a token of Bouquet.
        `admission` is the result of the request's first checks. Raises `Problem` if no credential is a token of
        Bouquet, or if the token is expired."""
        admission = await self.admit_token(admission, request, call, deadline)
        assert isinstance(admission.token, Token)
        return Requester(admission.token, admission.digest, admission.undelegated)

    async def admit_token(
        self, admission: Admission, request: HttpRequest, call: Call, deadline: Deadline
    ) -> Admission:
        """Returns the result of checking the first of the request's credentials that is a token of Bouquet. `admission`
        is the known result for the first credential of the request.

        Raises `Problem` if no credential is a token of Bouquet, or if the token is expired.
        """
        reasons: list[str] = []
        remaining = islice(credentials_of(request), 1, None)
        while isinstance(admission.token, CredentialRefusal):
            reasons.append(admission.token.reason)
            credential = next(remaining, None)
            if credential is None:
                raise self._refusal(reasons, request, is_rate_limited=admission.is_rate_limited)
            admission = await self._admit(credential, request, call, deadline, admission.is_rate_limited)
        if admission.is_rate_limited:
            self._count_refused(request, _unknown_bearers(reasons))
        if self._is_expired(admission.token):
            raise Problem("token_expired")
        return admission

    async def count_call(self, admission: Admission, request: HttpRequest, call: Call) -> None:
        """Counts a further call of an authenticated caller, such as another lookup of a dossier, against the rate
        limits. Raises `Problem` if the call exceeds a limit."""
        if not self._is_exempt(admission.credential):
            await self._count(admission, request, call)

    def _is_exempt(self, credential: Credential) -> bool:
        return bool(self._exempt) and hash_of(credential.text) in self._exempt

    def _refusal(self, reasons: list[str], request: HttpRequest, *, is_rate_limited: bool) -> Problem:
        """Returns the error for a request without any valid token. `reasons` holds the reason to refuse each
        credential, in order.

        The error gets the first reason outside `UNKNOWN_TOKEN_REASONS` or, without one, the first of all reasons. If
        `is_rate_limited`, each unknown token counts against the limit of the caller's IP address.
        """
        # The reasons in `UNKNOWN_TOKEN_REASONS` only say that a token is unknown.
        if is_rate_limited and _unknown_bearers(reasons):
            self._check_throttle(request)
            self._count_refused(request, _unknown_bearers(reasons))
        undecided = (reason for reason in reasons if reason not in UNKNOWN_TOKEN_REASONS)
        return Problem(next(undecided, reasons[0]))

    async def _admit(
        self, credential: Credential, request: HttpRequest, call: Call, deadline: Deadline, is_rate_limited: bool
    ) -> Admission:
        token: Token | CredentialRefusal = TOKEN_MISSING
        if credential.text:
            token = await self._tokens.token_of(credential, call.request_id, deadline)
        _note_token(call, token)
        is_exempt = self._is_exempt(credential)
        if isinstance(token, Token) and not is_exempt:
            self._check_token(token, request)
        acting = await self._with_delegated_rights(
            token, request, call, deadline, None if is_exempt else self._recipients
        )
        undelegated = acting if isinstance(token, Token) and isinstance(acting, CredentialRefusal) else None
        admission = Admission(
            credential,
            acting if undelegated is None else token,
            _digest(credential, token),
            is_rate_limited,
            undelegated,
        )
        _note_token(call, admission.token)
        if is_exempt:
            return admission
        if isinstance(admission.token, Token):
            if admission.token is not token:
                self._check_address(admission.token, request)
            if not self._is_expired(admission.token):
                self._addresses.count_accepted(self._address(request))
        if is_rate_limited:
            await self._count(admission, request, call)
            if undelegated is not None and undelegated.retry_in_s:
                raise Problem(undelegated.reason, meta={"retry_in": undelegated.retry_in_s})
        return admission

    async def _with_delegated_rights(
        self,
        token: Token | CredentialRefusal,
        request: HttpRequest,
        call: Call,
        deadline: Deadline,
        throttle: RecipientThrottle | None,
    ) -> Token | CredentialRefusal:
        """Adds to a software editor's token the rights of the habilitation that is delegated to the editor for this
        call. Returns a refusal if no habilitation is delegated. Returns other tokens, and refusals, unchanged.

        `throttle` limits an editor's calls for administrations that delegate nothing to it.
        """
        # Expired tokens, and tokens in calls of version 2, which has no delegations, are returned unchanged too.
        if isinstance(token, CredentialRefusal) or not token.editor or call.envelope == "v2" or self._is_expired(token):
            return token
        query = parse_query(request.raw_query)
        return await acting_token(self._tokens, token, query, call.request_id, deadline, throttle)

    def _is_expired(self, token: Token) -> bool:
        return token.expires_at <= self._clock()

    def _check_token(self, token: Token, request: HttpRequest) -> None:
        """Raises `Problem` if the token is blacklisted, or if the caller's IP address is not in the networks that the
        token allows."""
        if token.blacklisted_at is not None and token.blacklisted_at <= self._clock():
            raise Problem("token_blacklisted")
        self._check_address(token, request)

    def _check_address(self, rights: Rights, request: HttpRequest) -> None:
        if rights.networks is not None and not is_in_networks(self._address(request), rights.networks):
            raise Problem("ip_forbidden")

    def _address(self, request: HttpRequest) -> str:
        return client_address(request.peer, request.forwarded_for, self._trusted_proxies)

    def _check_throttle(self, request: HttpRequest) -> None:
        if wait_s := self._addresses.retry_in_s(self._address(request)):
            metrics.UNKNOWN_BEARERS.labels("slowed").inc()
            raise Problem("too_many_requests", meta={"retry_in": wait_s})

    def _count_refused(self, request: HttpRequest, bearers: int = 1) -> None:
        for _ in range(bearers):
            metrics.UNKNOWN_BEARERS.labels("refused").inc()
            self._addresses.count_refused(self._address(request))

    async def _count(self, admission: Admission, request: HttpRequest, call: Call) -> None:
        """Counts a call against the rate limits of its caller. Raises `Problem` if the call exceeds one of them."""
        # Before authentication, so that refused calls count too; a call without a credential does not. Version 2 has
        # a budget of its own (docs/reference/contract.md §4). A bearer that is no token of ours is counted for each
        # address apart: many callers send the same one, for instance `undefined`. A call by an editor counts for the
        # habilitation that it acts for, and a habilitation's own limits are for all its tokens together.
        key, token, paths = admission.digest, admission.token, call.counted_paths or (call.path,)
        if isinstance(token, Token):
            own, calls = limits_of(token, paths), token.calls_per_second
            together = self._key_of_habilitation(token, key)
            if token.editor or self._per_habilitation or calls:
                key = together
            allowance = await self._limiter.hit(
                key, *own, group=call.envelope, calls_per_period=calls, habilitation_key=together, cost=len(paths)
            )
        else:
            key = key and f"{key} {self._address(request)}"
            allowance = await self._limiter.hit(key, group=call.envelope, cost=len(paths))
        call.rate_limit = allowance.headers()
        if not allowance.allowed:
            raise Problem("too_many_requests", meta={"retry_in": allowance.retry_after_s})

    def _key_of_habilitation(self, token: Token, digest: str) -> str:
        """Returns the key under which the rate limiter counts a token's calls for its habilitation. All tokens of a
        habilitation share one key. Returns `digest` for a token that is expired or has no habilitation."""
        # An expired token counts for itself, so that it cannot use up the calls of the habilitation's other tokens.
        is_shared = token.habilitation and not self._is_expired(token)
        return digest_of_id(token.habilitation) if is_shared else digest


def limits_of(rights: Rights, paths: Sequence[str]) -> tuple[Limit, ...]:
    """Returns the limits per minute of a habilitation for calls of `paths`. The limit for all calls, if there is one,
    comes first. The limits of the groups with at least one of `paths` follow."""
    if not rights.calls_per_minute and not rights.group_limits:
        return ()
    whole = (Limit(rights.calls_per_minute, MINUTE_S, cost=len(paths)),) if rights.calls_per_minute else ()
    costs = ((limit, sum(path.startswith(limit.paths) for path in paths)) for limit in rights.group_limits)
    groups = (Limit(limit.calls_per_minute, MINUTE_S, limit.paths, cost) for limit, cost in costs if cost)
    return (*whole, *groups)


def _note_token(call: Call, token: Token | CredentialRefusal) -> None:
    call.token_id, call.habilitation = (token.id, token.habilitation) if isinstance(token, Token) else ("", "")


def _unknown_bearers(reasons: list[str]) -> int:
    return sum(reason in UNKNOWN_TOKEN_REASONS for reason in reasons)


def _digest(credential: Credential, token: Token | CredentialRefusal) -> str:
    if not credential.text:
        return ""
    return digest_of_id(token.id) if isinstance(token, Token) else hash_of(credential.text).hex()
